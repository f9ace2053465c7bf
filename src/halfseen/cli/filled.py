"""A table file with its holes filled: wide files stay wide, long ones long, and what was seen stays as it stood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.cli.options import TableOptions
from halfseen.cli.source import column, is_file, is_wide, open_table, separator
from halfseen.data import Observed
from halfseen.data.columns import picked
from halfseen.data.files import TextFormat, TextSource, kind_of, open_source, resolve, restore_running
from halfseen.data.observed import DENSE_LIMIT
from halfseen.data.readers import as_file, is_read_as_wide


@dataclass(frozen=True)
class Filled:
    """Numbers for the missing cells, row by row.

    Attributes
    ----------
    rows, cols : int array (m,)
    values : ndarray (m,)
    low, high : ndarray (m,) or None
        Ends of intervals, where they were asked for.
    """

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class TableFile:
    """A table as it was read, and the columns of the file that it came from.

    Attributes
    ----------
    observed : Observed
    shift : float
        What was added to the values on their way in.
    is_wide : bool
    names : tuple of str
        Long: the names of the columns of rows, columns and values. Wide: those of the table's columns in the file.
    frame : pyarrow.Table or None
        All of a wide file; of a text file the cells as text.
    has_header : bool
    has_words : bool
        Whether the file has words that stand for numbers.
    decimal : str
        The decimal point of a text file.
    """

    observed: Observed
    shift: float
    is_wide: bool
    names: tuple[str, ...]
    frame: Any = None
    has_header: bool = True
    has_words: bool = False
    decimal: str = "."

    @classmethod
    @contextmanager
    def opened(cls, data: str, reading: TableOptions) -> Iterator[TableFile]:
        """Read a file (or standard input), or a data set by its name."""
        if not is_file(data):
            yield cls(open_table(data, reading), reading.shift, False, ("row", "col", "value"))
            return
        with as_file(data) as path:
            observed = open_table(str(path), reading)
            kind = kind_of(path, separator(reading.sep))
            form = TextFormat(separator(reading.sep), not reading.no_header)
            if kind == "npz":
                yield cls(observed, reading.shift, False, ("row", "col", "value"))
            elif is_wide(reading) or is_read_as_wide(observed):
                names, frame, decimal = _whole(path, kind, form, reading, observed)
                has_words = reading.values is not None
                yield cls(observed, reading.shift, True, names, frame, form.header, has_words, decimal)
            else:
                yield cls(observed, reading.shift, False, _roles(path, kind, form, reading), None, form.header)


def _roles(path: Path, kind: str, form: TextFormat, reading: TableOptions) -> tuple[str, ...]:
    """The names of the columns of rows, columns and values of a long file."""
    if not form.header:
        return "row", "col", "value"
    names = open_source(path, kind, form).names
    given = (("row", reading.row), ("col", reading.col), ("value", reading.value))
    return tuple(resolve(column(wanted), place, names, role, path) for place, (role, wanted) in enumerate(given))


def _whole(
    path: Path, kind: str, form: TextFormat, reading: TableOptions, observed: Observed
) -> tuple[tuple[str, ...], Any, str]:
    """The names of the table's columns in a wide file, all of the file, and its decimal point."""
    import pyarrow as pa

    source = open_source(path, kind, form)
    restore_running(source)
    names = list(source.names)
    if isinstance(source, TextSource):
        with source._open() as lines:
            frame = source._reader(lines, dict.fromkeys(names, pa.string()), names).read_all()
    else:
        frame = pa.Table.from_batches(list(source.batches(names)))
    if reading.drop_rows is not None:
        label = names[0] if reading.row is None else resolve(column(reading.row), 0, names, "row", path)
        texts = [str(text) for text in frame.column(label).to_pylist()]
        gone = set(picked(reading.drop_rows, texts, "drop_rows"))
        frame = frame.filter([text not in gone for text in texts])
    if observed.col_labels is not None:
        wanted = {str(label) for label in observed.col_labels.tolist()}
        chosen = [name for name in names if name in wanted]
    else:
        taken = names if reading.columns is None else picked(reading.columns, names, "columns")
        chosen = [name for name in names if name in taken]
        dropped = () if reading.drop is None else picked(reading.drop, names, "drop")
        chosen = [name for name in chosen if name not in dropped]
        chosen = chosen[len(chosen) - observed.shape[1] :]
    if len(chosen) != observed.shape[1] or frame.num_rows != observed.shape[0]:
        raise ValueError(f"{path.name}: its columns could not be found again; read it in long form")
    return tuple(chosen), frame, getattr(source, "_decimal", ".")


def cells_of(observed: Observed) -> None:
    """Refuse tables whose cells would not fit into memory."""
    n, p = observed.shape
    if n * p > DENSE_LIMIT:
        raise ValueError(
            f"the completed table would have {n} x {p} cells, more than {DENSE_LIMIT}; fit a model and ask for the "
            "cells you need: halfseen fit als DATA -o RUN, then halfseen predict RUN PAIRS"
        )


def long_answer(file: TableFile, filled: Filled) -> dict[str, Any]:
    """All cells, one per line: those seen with their values, the others with numbers (and interval ends)."""
    observed = file.observed
    n, p = observed.shape
    seen = observed.values - file.shift
    values = np.empty((n, p), dtype=object)
    values[observed.rows, observed.cols] = _plain(seen)
    values[filled.rows, filled.cols] = filled.values.tolist()
    rows = np.arange(n) if observed.row_labels is None else observed.row_labels
    cols = np.arange(p) if observed.col_labels is None else observed.col_labels
    answer: dict[str, Any] = {
        file.names[0]: np.repeat(rows, p),
        file.names[1]: np.tile(cols, n),
        file.names[2]: values.ravel(),
    }
    for name, ends in (("low", filled.low), ("high", filled.high)):
        if ends is not None:
            answer[name] = _spread(ends, filled, (n, p)).ravel()
    return answer


def _plain(values: np.ndarray) -> list[float]:
    """Whole numbers without a point, if all are whole."""
    is_whole = bool(len(values) and np.all(values == np.trunc(values)) and np.all(np.abs(values) < 2**53))
    return [int(value) for value in values] if is_whole else list(values.tolist())


def wide_answer(file: TableFile, filled: Filled, is_text: bool = True) -> dict[str, Any]:
    """The columns of the file in their order, holes filled; with intervals two more columns for each with holes.

    Cells that were seen keep the text of the file, with a point where it had a decimal comma; they are numbers where
    the answer is not ``is_text``, and where the file has words for numbers: one column holds one kind of cell.
    """
    answer: dict[str, Any] = {}
    shape = file.observed.shape
    numbers = _spread(filled.values, filled, shape)
    places = {name: place for place, name in enumerate(file.names)}
    lacks = {int(place) for place in np.unique(filled.cols)}
    seen = np.full(shape, None, dtype=object)
    seen[file.observed.rows, file.observed.cols] = _plain(file.observed.values - file.shift)
    for name in file.frame.column_names:
        cells = file.frame.column(name)
        place = places.get(name)
        is_kept = is_text or not str(cells.type).endswith("string")
        is_kept = is_kept and not (file.has_words and place is not None)
        if place is None or (place not in lacks and is_kept and file.decimal == "."):
            answer[name] = cells
            continue
        old = np.array(cells.to_pylist(), dtype=object) if is_kept else seen[:, place]
        if is_kept and file.decimal != ".":
            old = np.array([text if text is None else text.replace(file.decimal, ".") for text in old], dtype=object)
        is_hole = np.array([value is not None for value in numbers[:, place]])
        answer[name] = np.where(is_hole, numbers[:, place], old)
    for word, ends in (("low", filled.low), ("high", filled.high)):
        if ends is not None:
            spread = _spread(ends, filled, shape)
            answer |= {f"{name} {word}": spread[:, places[name]] for name in file.names if places[name] in lacks}
    return answer


def _spread(values: np.ndarray, filled: Filled, shape: tuple[int, int]) -> np.ndarray:
    """Numbers of the filled cells in a whole table, None elsewhere."""
    table = np.full(shape, None, dtype=object)
    table[filled.rows, filled.cols] = values.tolist()
    return table
