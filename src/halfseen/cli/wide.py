"""Wide files on the command line: one line per row of the table, one column per column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfseen.data import Observed
from halfseen.data.codes import is_whole
from halfseen.data.files import TextFormat, TextSource, kind_of, open_source, resolve, told


def read_wide(path: Path, row: str | int | None, form: TextFormat, missing: float | None, shift: float) -> Observed:
    """Read a wide table; empty cells (and ``missing``) are not observed.

    Parameters
    ----------
    path : Path
        Parquet, Feather, CSV or TSV (text also gzipped).
    row : str, int or None
        Column of the row labels, by name or number; None: the first.
    form : TextFormat
    missing, shift : float
        The value that means "not observed"; what is added to the others.

    Raises
    ------
    ValueError
        If the file cannot be read, or a cell is not a number.
    """
    kind = kind_of(path, form.sep)
    if kind == "npz":
        raise ValueError(f"{path.name}: an array of two dimensions in an .npz is wide already; leave --wide out")
    source = open_source(path, kind, form)
    name = resolve(row, 0, source.names, "row", path)
    if len(source.names) < 2:
        raise ValueError(f"{path.name} has 1 column; a wide table needs row labels and columns (is sep= right?)")
    frame = read_frame(source, form, name)
    place = frame.schema.get_field_index(name)
    frame = frame.set_column(place, name, [label_column(frame.column(name), source.text)])
    table = Observed.from_wide(frame, row=name)
    if missing is not None and not np.isnan(missing):
        table = table.select(table.values != missing)
    return table.with_values(table.values + shift) if shift else table


def read_frame(source: Any, form: TextFormat, row: str) -> Any:
    """The whole file as a pyarrow table."""
    import pyarrow as pa
    from pyarrow import csv

    if not isinstance(source, TextSource):
        return pa.Table.from_batches(source.batches(source.names))
    with told(source.path, "a wide table"):
        return csv.read_csv(
            source.path,
            read_options=csv.ReadOptions(autogenerate_column_names=not form.header),
            parse_options=csv.ParseOptions(delimiter=source.sep),
            convert_options=csv.ConvertOptions(column_types={row: pa.string()}),
        )


def label_column(labels: Any, is_text: bool) -> Any:
    """Row labels; in a text file whole numbers are integers, as they are in long files."""
    import pyarrow as pa

    if is_text and all(is_whole(label) for label in labels.to_pylist()):
        return labels.cast(pa.int64())
    return labels
