"""``halfseen predict``: a fitted run in; the whole table, blocks of it or chosen cells out, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.cli.inferring import interval_ends, open_run, shift_of
from halfseen.cli.questions import Question, predictor, read_pairs
from halfseen.cli.screen import say
from halfseen.cli.written import check_out, deliver
from halfseen.data.labels import labels_from_text
from halfseen.data.observed import DENSE_LIMIT
from halfseen.many import SourcesModel


def run_predict(run: Path, question: Question, out: Path | None, as_json: bool, is_raw: bool = False) -> None:
    """Predict the cells asked for and write them."""
    model, record = open_run(run)
    model = of_source(model, question.source)
    if out is not None and not out.suffix and getattr(model, "stored_rows_", None) is not None:
        write_blocks(model, question, out)
        return
    check_out(out)
    if question.row_features or question.col_features or question.top:
        from halfseen.cli.featured import predict_new

        labels, numbers = predict_new(model, question, record)
    else:
        labels = asked(model, question, record)
        numbers = predictions(model, labels, question.kind, record)
        if question.level is not None:
            numbers |= interval_ends(model, labels, (question.level, question.kind, question.data), record)
    if question.kind == "mean":  # the table was shifted on its way in
        numbers = {name: values - shift_of(record) for name, values in numbers.items()}
    deliver({"row": labels[0], "col": labels[1], **numbers}, out, as_json, is_raw)


def write_blocks(model: Any, question: Question, out: Path) -> None:
    """All rows of a prepared table into a folder, a file a block."""
    if question.pairs is not None or question.rows or question.level is not None or question.kind != "mean":
        raise ValueError(
            f"-o {out}: a folder takes predictions of all rows, with --cols at most; give a file for others"
        )
    cols = chosen_labels(model, 1, question.cols) if question.cols else None
    say(f"{len(model.write_table(out, cols))} files in {out}")


def predictions(model: Any, labels: tuple[Any, Any], kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """The columns of the answer: one number per cell, or a chance for every class, named as the file has it."""
    numbers = np.asarray(predictor(model)(*labels, kind=kind), dtype=float)
    if numbers.ndim == 1:
        return {"predicted": numbers}
    first = model.loss_.range[0] - shift_of(record)
    return {f"p({first + k:g})": numbers[:, k] for k in range(numbers.shape[1])}


def asked(model: Any, question: Question, record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the cells asked for: pairs of a file, or all given rows against all given columns."""
    if question.pairs is not None:
        if question.rows or question.cols:
            raise ValueError("give either a file of pairs, or --rows and --cols")
        given = read_pairs(question, record.get("table", {}))
        return labels_from_text(given[0], row_labels(model)), labels_from_text(given[1], model.col_labels_)
    rows, cols = chosen_labels(model, 0, question.rows), chosen_labels(model, 1, question.cols)
    if len(rows) * len(cols) > DENSE_LIMIT:
        raise ValueError(
            f"{len(rows)} x {len(cols)} cells are more than {DENSE_LIMIT} and would not fit into memory; choose some "
            "with --rows and --cols, or give a file of pairs"
        )
    return np.repeat(rows, len(cols)), np.tile(cols, len(rows))


def row_labels(model: Any) -> Any:
    """Labels of the rows; of a prepared table they are read from its blocks."""
    stored = getattr(model, "stored_rows_", None)
    if stored is None:
        return model.row_labels_
    return np.concatenate([stored.table.row_labels(number) for number in range(stored.table.n_blocks)])


def chosen_labels(model: Any, axis: int, given: list[str]) -> np.ndarray:
    """The labels that were given, each a label or several with commas; without any, all of them."""
    known = row_labels(model) if axis == 0 else model.col_labels_
    if not given:
        return np.arange(model.observed_shape_[axis]) if known is None else known
    whole = {str(label) for label in known.tolist()} if known is not None else set()
    texts = [part for text in given for part in ([text] if text in whole else text.split(","))]
    return labels_from_text(texts, known)


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

    @property
    def observed_shape_(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self.model.n_rows_, self.model._n_columns(self.model._source(self.name))

    def predict(self, rows: Any, cols: Any, kind: str = "mean") -> Any:
        """Predictions of pairs."""
        return self.model.predict_entries(self.name, rows, cols, kind)

    def inference(self, level: float, **data: Any) -> IntervalsOfSource:
        """Intervals of the source's cells, where the model has a posterior."""
        if not hasattr(self.model, "posterior_"):
            raise ValueError(
                "intervals of cells come from the Bayesian model of many sources: halfseen fit heterogeneous without "
                "--solver and --penalty"
            )
        return IntervalsOfSource(self.model.inference(level), self.name)


@dataclass(frozen=True)
class IntervalsOfSource:
    """The inference of many sources, asked about one of them."""

    whole: Any
    name: str

    def responses(self, rows: Any, cols: Any) -> Any:
        """Intervals of single values."""
        return self.whole.responses(rows, cols, source=self.name)

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Any:
        """Intervals of expected values."""
        return self.whole.entries(rows, cols, kind, source=self.name)


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
