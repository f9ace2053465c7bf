"""Tables from files: streamed, labels numbered on the way, nothing half-made returned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from halfseen.data.checks import as_numbers, check_rule, value_dtype
from halfseen.data.codes import Coder, Growing, coder_for, refuse_blank, refuse_null
from halfseen.data.files import TextFormat, kind_of, open_source, resolve
from halfseen.data.npz import read_npz
from halfseen.data.observed import Observed
from halfseen.errors import shown

Column = str | int | None
WIDE_FROM = 5  # a file of entries rarely has more than row, column, value and a time or a weight


class Reading(TypedDict, total=False):
    """How lines and values of a file are meant; see `read_table`."""

    sep: str | None
    header: bool
    missing: float | None
    shift: float


def read_table(
    path: str | os.PathLike[str],
    row: Column = None,
    col: Column = None,
    value: Column = None,
    *,
    weight: Column = None,
    duplicates: str = "error",
    dtype: Any = None,
    **reading: Unpack[Reading],
) -> Observed:
    """Read one observed entry per line from Parquet, Feather, Arrow, CSV, TSV (text also gzipped), or arrays of .npz.

    Parameters
    ----------
    path : path
        The name's ending says the kind; with `sep` any ending is text.
    row, col, value, weight : str, int or None
        Column names or 0-based numbers. None: the first, second and third column (no weights). Of an .npz file the
        names of arrays: three of equal length, or `value` a two-dimensional one, with `row` and `col` naming
        its labels (``"a+b"`` joins two arrays into labels such as ``a/b``).
    duplicates : str
        Rule for several entries at one place, as in `Observed.from_triplets`.
    dtype : float32, float64 or None

    Other Parameters
    ----------------
    sep : str or None
        Separator of text files; None: comma for .csv, tab for .tsv, else the one found in the first line.
    header : bool, default True
        False if the first line is already data; then give columns by number.
    missing : float or None
        Value that means "not observed" (such as 255); these entries are left out. NaN: also empty values.
    shift : float, default 0
        Added to every value (-1 turns ratings 1..5 into counts 0..4).

    Returns
    -------
    Observed
        Labels are the identifiers in sorted order; whole numbers in text files become integers (007 stays text).

    Raises
    ------
    ValueError
        Unreadable, cut off or empty file, unknown column (with close matches), a value that is not a number, a
        missing label, duplicates without a rule; a file that looks like a wide table.

    Notes
    -----
    Streams record batches. Peak memory per entry: 8 bytes of codes, the values as stored in the file, and the sorted
    copy: 28 bytes for float64 values, 20 for float32.

    Examples
    --------
    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "ratings.csv")
    >>> with open(file, "w") as out:
    ...     _ = out.write("user,item,rating\\nann,7,5\\nbob,9,3\\n")
    >>> R = read_table(file, row="user", col="item", value="rating")
    >>> R.row_labels.tolist(), R.col_labels.tolist(), R.values.tolist()
    (['ann', 'bob'], [7, 9], [5.0, 3.0])
    """
    unknown = set(reading) - set(Reading.__annotations__)
    if unknown:
        raise TypeError(f"read_table has no argument {sorted(unknown)[0]!r}")
    sep, header = reading.get("sep"), reading.get("header", True)
    missing, shift = reading.get("missing"), reading.get("shift", 0.0)
    file = Path(path)
    check_rule(duplicates)
    value_dtype(np.dtype(np.float64), dtype)
    kind = kind_of(file, sep)
    if kind == "npz":
        roles = {"row": row, "col": col, "value": value, "weight": weight}
        return read_npz(file, roles, missing=missing, shift=shift, duplicates=duplicates, dtype=dtype)
    source = open_source(file, kind, TextFormat(sep, header))
    columns = [
        resolve(wanted, position, source.names, role, file)
        for position, (role, wanted) in enumerate((("row", row), ("col", col), ("value", value)))
    ]
    if weight is not None:
        columns.append(resolve(weight, 3, source.names, "weight", file))
    if source.text and header and _is_number(columns[2]):
        raise ValueError(f"the first line of {file.name} looks like data ({', '.join(columns)}); pass header=False")
    for position, name in enumerate(columns):
        if name in columns[:position]:
            raise ValueError(f"column {name!r} of {file.name} is asked for twice; row, col, value, weight must differ")
    collector = Collector(columns, source.text, missing, shift, dtype)
    may_be_wide = len(source.names) >= WIDE_FROM and not any(isinstance(name, str) for name in (row, col, value))
    try:
        for batch in source.batches(columns):
            collector.add(batch)
        table = collector.finish(file, duplicates)
    except ValueError as error:
        if not may_be_wide:
            raise
        if f"column {columns[1]!r} has" in str(error):  # holes where the names of columns should be
            raise ValueError(f"{_wide_text(file, source.names)} ({error})") from error
        raise ValueError(f"{error}; if the file is a wide table, read it with Observed.from_wide") from error
    if may_be_wide and table.n_entries == table.shape[0] > 1:
        raise ValueError(f"{_wide_text(file, source.names)} (as entries, every row would have just one)")
    return table


def _wide_text(path: Path, names: list[str]) -> str:
    return (
        f"{path.name} looks like a wide table ({len(names)} columns, {shown(names[0])}, {shown(names[1])}, ...): "
        "halfseen reads one entry per line (row, column, value); read a wide one with Observed.from_wide, or name "
        "the columns with row=, col= and value="
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Collector:
    """Gathers record batches with columns row, col, value (and weight) into arrays.

    Parameters
    ----------
    columns : list of str
        Names, for errors.
    text : bool
        Whether the labels come from a text file.
    missing, shift, dtype :
        As in `read_table`.
    """

    def __init__(self, columns: list[str], text: bool, missing: float | None, shift: float, dtype: Any) -> None:
        self._columns = columns
        self._text = text
        self._missing = missing
        self._shift = shift
        self._dtype = dtype
        self._coders: list[Coder] = []
        self._values: Growing | None = None
        self._weights = Growing(np.float32)
        self._seen = 0

    @property
    def n_kept(self) -> int:
        """Entries taken so far, missing ones left out."""
        return 0 if self._values is None else self._values.length

    def add(self, batch: Any) -> None:
        """Take the next record batch."""
        if not batch.num_rows:
            return
        if not self._coders:
            types = batch.schema.types
            self._coders = [coder_for(types[axis], self._columns[axis], self._text) for axis in (0, 1)]
        keep = self._kept(batch.column(2))
        offset = self._seen
        self._seen += batch.num_rows
        if keep is not None:
            batch = batch.filter(keep)
        for axis in (0, 1):
            refuse_null(batch.column(axis), self._columns[axis], offset)
            if self._text:
                refuse_blank(batch.column(axis), self._columns[axis], offset)
            self._coders[axis].add(batch.column(axis))
        values = self._numbers(batch.column(2), 2, offset)
        if self._shift:
            values = as_numbers(values, "values", self._dtype)
            values = values + np.asarray(self._shift, dtype=values.dtype)
        if self._values is None:
            self._values = Growing(values.dtype)
        self._values.append(values)
        if len(self._columns) > 3:
            self._weights.append(as_numbers(self._numbers(batch.column(3), 3, offset), "weights"))

    def _kept(self, values: Any) -> Any:
        """Return the mask of observed values, or None if all are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._missing is None:
            return None
        if np.isnan(self._missing):
            seen = pc.invert(pc.is_null(values, nan_is_null=True))
        else:
            seen = pc.fill_null(pc.not_equal(values, pa.scalar(self._missing)), True)
        return None if pc.all(seen).as_py() else seen

    def _numbers(self, column: Any, position: int, offset: int) -> np.ndarray:
        """Return a column of numbers as stored; a null or text is refused with its place."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name = self._columns[position]
        kind = column.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if pa.types.is_decimal(kind):
            column, numeric = column.cast(pa.float64()), True
        if not numeric:
            raise ValueError(f"column {name!r} holds {kind}, first {shown(column[0].as_py())}; values must be numbers")
        if column.null_count:
            first = pc.index(column.is_null(), True).as_py()
            raise ValueError(
                f"column {name!r} has no number in entry {offset + first} (counted from 0); "
                "drop such lines, or pass missing=float('nan') to leave them out"
            )
        numbers = column.to_numpy(zero_copy_only=False)
        if numbers.dtype == np.float16:
            return numbers.astype(np.float32)
        return numbers.astype(np.uint8) if numbers.dtype == bool else numbers

    def finish(self, path: Path, duplicates: str) -> Observed:
        """Return the table; the collected columns are given up on the way."""
        if self._values is None or not self._values.length:
            read = f"all {self._seen} values are missing" if self._seen else "there is no line of data"
            raise ValueError(f"{path} has 0 entries: {read}")
        values = self._values.take()
        weights = self._weights.take() if len(self._columns) > 3 else None
        rows, row_labels = self._coders[0].finish()
        cols, col_labels = self._coders[1].finish()
        shape = (len(row_labels), len(col_labels))
        return Observed._assemble(
            rows, cols, values, weights, shape, row_labels, col_labels, duplicates, dtype=self._dtype
        )
