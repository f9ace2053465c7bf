"""Answers as files and as text: columns in, CSV, TSV, JSON, JSON Lines, Parquet or Feather out."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.cli.screen import plain, stdout, table
from halfseen.text import cell_text, figures, visible

FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".feather")
ON_SCREEN = 40
STANDARD_OUTPUT = Path("-")

Answer = Mapping[str, Any]


def check_out(out: Path | None) -> None:
    """Refuse, before any work, a file that could not be written."""
    if out is None or out == STANDARD_OUTPUT:
        return
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"-o {out}: the name must end in one of {', '.join(FORMATS)}")
    if out.is_dir():
        raise ValueError(f"-o {out} is a folder; give the name of a file")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"the folder {out.absolute().parent} does not exist; make it first")


def deliver(
    answer: Answer, out: Path | None, as_json: bool, is_raw: bool = False, n_labels: int = 2, has_header: bool = True
) -> None:
    """Into a file, as a table on a terminal where it is short, else as CSV (or JSON) on standard output."""
    length = len(listed(next(iter(answer.values()))))
    if out == STANDARD_OUTPUT:  # asked for as text, also on a terminal
        sys.stdout.write(as_text(answer, ".json" if as_json else ".csv", is_raw, has_header))
    elif out is not None:
        write_file(answer, out, is_raw, has_header)
    elif not as_json and sys.stdout.isatty() and length <= ON_SCREEN:
        stdout().print(screen_table(answer, n_labels))
    else:
        sys.stdout.write(as_text(answer, ".json" if as_json else ".csv", is_raw, has_header))


def screen_table(answer: Answer, n_labels: int) -> Any:
    """A table for people: labels on the left, numbers rounded."""
    shown = table(*map(visible, answer), left=n_labels)
    columns = [column_words(values) for values in answer.values()]
    for line in zip(*columns, strict=True):
        shown.add_row(*line)
    return shown


def column_words(values: Any) -> list[str]:
    """A column as words: numbers rounded alike, all else as it is."""
    array = np.asarray(listed(values))
    if array.dtype.kind == "f":
        return figures([float(value) for value in array], 4)
    return [visible("" if value is None else str(value)) for value in array.tolist()]


def write_file(answer: Answer, out: Path, is_raw: bool = False, has_header: bool = True) -> None:
    """Write through a temporary neighbour, so that a file is complete or not there."""
    handle, name = tempfile.mkstemp(prefix=f".{out.name}-", suffix=out.suffix, dir=out.absolute().parent)
    os.close(handle)
    temporary = Path(name)
    try:
        if out.suffix.lower() in (".parquet", ".feather"):
            write_arrow(answer, temporary)
        else:
            temporary.write_text(as_text(answer, out.suffix.lower(), is_raw, has_header), encoding="utf-8")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def listed(values: Any) -> list[Any]:
    """A column as a list of plain values."""
    return list(values.to_pylist() if hasattr(values, "to_pylist") else np.asarray(values).tolist())


def in_one_type(values: list[Any]) -> list[Any]:
    """Whole numbers among others as numbers with a point: a typed column holds one type."""
    has_point = any(isinstance(value, float) for value in values)
    return [float(value) if isinstance(value, int) else value for value in values] if has_point else values


def write_arrow(answer: Answer, path: Path) -> None:
    """Parquet or Feather by the name's ending."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    arrow = pa.table({name: values if isinstance(values, pa.ChunkedArray) else pa.array(in_one_type(listed(values)))
                      for name, values in answer.items()})  # fmt: skip
    if path.suffix.lower() == ".parquet":
        parquet.write_table(arrow, path)
    else:
        feather.write_feather(arrow, str(path))


def as_text(answer: Answer, suffix: str, is_raw: bool = False, has_header: bool = True) -> str:
    """CSV, TSV, JSON or JSON Lines; numbers keep all their digits.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, unless ``is_raw``.
    """
    columns = [plain(listed(values)) for values in answer.values()]
    lines = zip(*columns, strict=True)
    if suffix in (".json", ".jsonl"):
        records = [dict(zip(answer, line, strict=True)) for line in lines]
        if suffix == ".jsonl":
            return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    quoted = (lambda value: value) if is_raw else cell_text
    if has_header:
        writer.writerow([quoted(name) for name in answer])
    writer.writerows([quoted(value) for value in line] for line in lines)
    return text.getvalue()
