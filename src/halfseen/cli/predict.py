"""``halfseen predict``: a fitted run and pairs of labels in, expected values out."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.baselines import interval_ends
from halfseen.cli.folder import MODEL, RECORD
from halfseen.cli.questions import Question, read_pairs
from halfseen.cli.screen import figures, plain, stdout, table
from halfseen.data.labels import labels_from_text
from halfseen.many import SourcesModel

ON_SCREEN = 40
FORMATS = (".csv", ".tsv", ".json", ".parquet", ".feather")


def run_predict(run: Path, question: Question, out: Path | None, as_json: bool) -> None:
    """Predict the cells asked for and write them."""
    if out is not None and out.suffix not in FORMATS:
        raise ValueError(f"-o {out}: the name must end in one of {', '.join(FORMATS)}")
    model, record = open_run(run)
    model = of_source(model, question.source)
    if question.row_features or question.col_features or question.top:
        from halfseen.cli.inductive import predict_new

        labels, numbers = predict_new(model, question, record)
    else:
        rows, cols = asked(question, record)
        labels = labels_from_text(rows, model.row_labels_), labels_from_text(cols, model.col_labels_)
        numbers = predictions(model, labels, question.kind, record)
        if question.level is not None:
            numbers |= interval_ends(model, labels, question.level)
    if question.kind == "mean":  # the table was shifted on its way in
        shift = float(record.get("table", {}).get("shift") or 0.0)
        numbers = {name: values - shift for name, values in numbers.items()}
    answer = {"row": labels[0], "col": labels[1], **numbers}
    if out is not None:
        write_file(answer, out)
    elif not as_json and sys.stdout.isatty() and len(labels[0]) <= ON_SCREEN:
        made = table("row", "column", *numbers, left=2)
        for line in zip(*labels, *(figures(values, 4) for values in numbers.values()), strict=True):
            made.add_row(*map(str, line))
        stdout().print(made)
    else:
        sys.stdout.write(as_text(answer, ".json" if as_json else ".csv"))


def predictions(model: Any, labels: tuple[Any, Any], kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """The columns of the answer: one number per cell, or a chance for every class, named as the file has it."""
    found = np.asarray(model.predict(*labels, kind=kind), dtype=float)
    if found.ndim == 1:
        return {"predicted": found}
    first = model.loss_.range[0] - float(record.get("table", {}).get("shift") or 0.0)
    return {f"p({first + k:g})": found[:, k] for k in range(found.shape[1])}


@dataclass(frozen=True)
class OneSource:
    """A source of a fitted model, as a model of one table."""

    model: SourcesModel
    name: str

    @property
    def row_labels_(self) -> Any:
        """Labels of the rows, or None."""
        return self.model.row_labels_

    @property
    def col_labels_(self) -> Any:
        """Labels of the source's columns, or None."""
        return self.model.col_labels_[self.model._source(self.name)]

    def predict(self, rows: Any, cols: Any, kind: str = "mean") -> Any:
        """Predictions of pairs."""
        return self.model.predict_entries(self.name, rows, cols, kind)


def of_source(model: Any, source: str | None) -> Any:
    """The model itself, or the source that was asked for."""
    if isinstance(model, SourcesModel):
        if source is None and len(model.source_names_) == 1:
            return OneSource(model, model.source_names_[0])
        if source is None:
            raise ValueError(
                f"this run has many sources; add --source NAME, one of {', '.join(model.source_names_[:8])}"
            )
        return OneSource(model, source)
    if source is not None:
        raise ValueError(f"--source {source}: this run has one table and no sources; leave it out")
    return model


def open_run(run: Path) -> tuple[Any, dict[str, Any]]:
    """The model and the record of a run folder."""
    if not (run / MODEL).is_file() or not (run / RECORD).is_file():
        raise ValueError(f"{run} is not a halfseen run (no {MODEL} and {RECORD}); write one: halfseen fit ... -o DIR")
    try:
        record = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{run / RECORD} is damaged: {error}") from error
    return hs.load(run / MODEL), record


def asked(question: Question, record: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The rows and columns asked for, as text or as the file holds them."""
    given = bool(question.row_labels or question.col_labels)
    if given == (question.pairs is not None):
        raise ValueError("give either a file of pairs, or --row-label and --col-label")
    if question.pairs is not None:
        return read_pairs(question, record.get("table", {}))
    rows, cols = question.row_labels, question.col_labels
    if not rows or not cols:
        raise ValueError("give at least one --row-label and one --col-label")
    if len(rows) != len(cols) and 1 not in (len(rows), len(cols)):
        raise ValueError(f"{len(rows)} --row-label, {len(cols)} --col-label: give as many of both, or one")
    length = max(len(rows), len(cols))
    return rows * (length // len(rows)), cols * (length // len(cols))


def write_file(answer: dict[str, np.ndarray], out: Path) -> None:
    """Write through a temporary neighbour, so that a file is complete or not there."""
    if not out.absolute().parent.is_dir():
        raise ValueError(f"the folder {out.absolute().parent} does not exist; make it first")
    handle, name = tempfile.mkstemp(prefix=f".{out.name}-", suffix=out.suffix, dir=out.absolute().parent)
    os.close(handle)
    temporary = Path(name)
    try:
        if out.suffix in (".parquet", ".feather"):
            write_arrow(answer, temporary)
        else:
            temporary.write_text(as_text(answer, out.suffix), encoding="utf-8")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrow(answer: dict[str, np.ndarray], path: Path) -> None:
    """Parquet or Feather by the name's ending."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    arrow = pa.table({name: pa.array(values.tolist()) for name, values in answer.items()})
    if path.suffix == ".parquet":
        parquet.write_table(arrow, path)
    else:
        feather.write_feather(arrow, str(path))


def as_text(answer: dict[str, np.ndarray], suffix: str) -> str:
    """CSV, TSV or JSON; numbers keep all their digits."""
    if suffix == ".json":
        lines = [
            dict(zip(answer, line, strict=True)) for line in zip(*(plain(v) for v in answer.values()), strict=True)
        ]
        return json.dumps(lines, indent=1, ensure_ascii=False) + "\n"
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow(answer)
    writer.writerows(zip(*(plain(values) for values in answer.values()), strict=True))
    return text.getvalue()
