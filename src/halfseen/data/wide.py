"""Wide files: one line per row of the table, one column per column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from halfseen.data.codes import whole_labels
from halfseen.data.columns import picked, totals_note
from halfseen.data.files import (
    TextFormat,
    TextSource,
    kind_of,
    open_source,
    resolve,
    restore_running,
    told,
    told_running,
)
from halfseen.data.frames import WideChoice, wide_table
from halfseen.data.limits import Budget
from halfseen.data.observed import Observed
from halfseen.data.roles import first_lines
from halfseen.data.words import NOTHING
from halfseen.errors import shown

# The dense table, and the columns it is made from.
COPIES = 2
ID_NAMES = ("id", "name", "label", "key", "row", "index", "user", "subject", "person", "case")


class WideReading(NamedTuple):
    """How a wide file is meant; as in `read_table`."""

    row: str | int | None = None
    columns: Any = None
    drop: Any = None
    drop_rows: Any = None
    labels: bool | None = None
    values: Any = None
    missing: float | None = None
    shift: float = 0.0
    dtype: Any = None


def read_wide(path: Path, kind: str, form: TextFormat, reading: WideReading, budget: Budget) -> Observed:
    """Read a wide table; empty cells (and ``missing``) are not observed.

    Raises
    ------
    ValueError
        If the file cannot be read, columns hold text (all are named), or row labels repeat, with the ways out.
    """
    if kind == "npz":
        raise ValueError(f"{path.name}: an array of two dimensions in an .npz is wide already; leave wide= out")
    source = open_source(path, kind, form, budget)
    if source.running is not None and not _is_named_by_next(source, reading):
        restore_running(source)
    names = list(source.names)
    _check_names(source, form, path)
    label = _label_column(names, reading, path)
    if label is not None and len(names) < 2:
        raise ValueError(f"{path.name} has 1 column; a wide table needs row labels and columns (is sep= right?)")
    chosen = None if reading.columns is None else picked(reading.columns, names, "columns")
    wanted = [name for name in names if chosen is None or name in chosen or name == label]
    if reading.drop is not None:
        dropped = set(picked(reading.drop, names, "drop"))
        wanted = [name for name in wanted if name not in dropped or (name == label and reading.row is not None)]
        label = label if label in wanted else None
    if not wanted:
        raise ValueError(f"{path.name}: no column is left; columns= and drop= take all of them")
    frame = _read_frame(source, wanted, label, budget)
    if not frame.num_rows:
        raise ValueError(f"{path} has 0 rows: there is no line of data")
    is_chosen = label is not None and chosen is not None and label in chosen and reading.row is None
    is_spare = label is not None and chosen is not None and reading.row is None and reading.labels is None
    if is_spare and not is_chosen and _repeats(frame.column(label).to_pylist()):
        label = None  # a column that nobody asked for need not name the rows
        frame = frame.select([name for name in wanted if name in (chosen or ())])
    if reading.drop_rows is not None:
        frame = _without_rows(frame, label, reading.drop_rows, path)
    judged, notes = _judged(frame, None if is_chosen else label, reading, source.text, path)
    if judged is None and label is not None and source.text:
        frame = _with_numbers(frame, label)
    label = judged
    if label is None and chosen is not None:
        frame = frame.select([name for name in wanted if name in chosen])
    said = (*told_running(source), *notes, *getattr(source, "notes", ()))
    return _table(frame, label, form, source, reading, said)


def _is_named_by_next(source: Any, reading: WideReading) -> bool:
    """Whether rows have better names than their running number: text in the next column, or a column asked for."""
    if reading.row is not None:
        return reading.row != source.running
    texts = first_lines(source).get(source.names[0], [])
    return reading.columns is None and len(set(texts)) == len(texts) and not any(
        text is None or _number(str(text)) is not None for text in texts
    )  # fmt: skip


def _check_names(source: Any, form: TextFormat, path: Path) -> None:
    """Refuse two columns of one name, and a first line that is no header."""
    if not (source.text and form.header):
        return
    if all(_number(name) is not None for name in source.names) and not counts_up(source.names):
        first = ", ".join(source.names[:3])
        raise ValueError(f"the first line of {path.name} looks like data ({first}, ...); give header=False")
    seen: set[str] = set()
    for name in source.names:
        if name in seen:
            raise ValueError(f"{path.name} has {source.names.count(name)} columns named {name!r}; rename them")
        seen.add(name)


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def counts_up(names: Sequence[str]) -> bool:
    """Whether names are numbers that count up by ones: years, or the positions that a matrix was written with.

    >>> counts_up(["2010", "2011", "2012"]), counts_up(["3.5", "4.5"]), counts_up(["a", "b"])
    (True, False, False)
    """
    numbers = [_number(name) for name in names]
    if len(numbers) < 2 or None in numbers:
        return False
    return bool((np.diff(np.array(numbers)) == 1).all()) and float(names[0]).is_integer()


def read_frame(path: Path, key: str | int | None, form: TextFormat) -> tuple[Any, str]:
    """Read a file of any columns as a pyarrow table, one of which names the lines; return it and that column's name.

    In a text file the names are read as text: 007 stays 007.

    Parameters
    ----------
    path : Path
        Parquet, Feather, CSV, TSV or JSON Lines.
    key : str, int or None
        The column that names the lines; None: the first.
    form : TextFormat
    """
    kind = kind_of(path, form.sep)
    if kind == "npz":
        raise ValueError(f"{path.name}: a file of features has named columns; an .npz has none")
    budget = Budget.of(path)
    source = open_source(path, kind, form, budget)
    name = resolve(key, 0, source.names, "key", path)
    return _read_frame(source, list(source.names), name, budget), name


def _label_column(names: list[str], reading: WideReading, path: Path) -> str | None:
    """The column that may hold the row labels."""
    if reading.labels is False:
        if reading.row is not None:
            raise ValueError(f"row={reading.row!r} and labels=False contradict each other; leave one of them out")
        return None
    return resolve(reading.row, 0, names, "row", path)


def _judged(
    frame: Any, label: str | None, reading: WideReading, is_text: bool, path: Path
) -> tuple[str | None, tuple[str, ...]]:
    """Decide whether the first column holds labels, and say so where it holds numbers.

    Text and dates are labels. Numbers that are not whole were measured; whole ones are labels if they differ.
    """
    import pyarrow as pa

    if label is None:
        return None, ()
    column = frame.column(label)
    values = [] if column.null_count else column.to_pylist()
    if is_text and "" in values:
        values = []
    is_given = reading.row is not None or reading.labels is True
    if not values:
        if is_given or _is_named(label):
            place = column.to_pylist().index("" if is_text and "" in column.to_pylist() else None)
            raise ValueError(
                f"column {label!r} has no label in entry {place} (counted from 0); drop such lines, or pass "
                "labels=False to read the column as a part of the table"
            )
        return None, (
            f"column {label!r} has empty cells, so it was read as a column of the table; rows have no labels",
        )
    numbers = [_number(str(value)) for value in values] if is_text or not pa.types.is_string(column.type) else [None]
    are_numbers = None not in numbers and not isinstance(values[0], bool)
    if is_given or not are_numbers:
        _check_distinct(values, label, path, are_numbers)
        return label, ()
    if not all(float(number).is_integer() for number in numbers if number is not None):
        return None, (
            f"column {label!r} holds numbers that are not whole (first {shown(values[0])}), so it was read as a "
            "column of "
            f"the table and the rows have no labels; if they are labels, pass row={label!r}",
        )
    _check_distinct(values, label, path, are_numbers)
    if label == "" or label.lower().strip("_.") in ID_NAMES or label.lower().endswith(("_id", ".id")):
        return label, ()
    return label, (
        f"the numbers of the first column, {label!r}, were taken as row labels; if they were measured, pass "
        "labels=False",
    )


def _is_named(label: str) -> bool:
    return label.lower() in ID_NAMES


def _with_numbers(frame: Any, name: str) -> Any:
    """The frame with a column of text, which labels were read as, turned into numbers if all of it are numbers."""
    import pyarrow as pa

    texts = frame.column(name).to_pylist()
    try:
        numbers = [None if text is None or text in NOTHING else float(text) for text in texts]
    except ValueError:  # text after all: the table will say so
        return frame
    return frame.set_column(frame.schema.get_field_index(name), name, pa.array(numbers, pa.float64()))


def _without_rows(frame: Any, label: str | None, drop_rows: Any, path: Path) -> Any:
    """The frame without the rows of these labels."""
    if label is None:
        raise ValueError(f"{path.name}: drop_rows= names rows by their labels, and these rows have none")
    texts = ["" if value is None else str(value) for value in frame.column(label).to_pylist()]
    dropped = set(picked(drop_rows, texts, "drop_rows"))
    if dropped >= set(texts):
        raise ValueError(f"{path.name}: no row is left; drop_rows= takes all of them")
    return frame.filter([text not in dropped for text in texts])


def _repeats(values: list[Any]) -> bool:
    return len(set(values)) < len(values) or None in values


def _check_distinct(values: list[Any], label: str, path: Path, are_numbers: bool) -> None:
    seen: dict[Any, int] = {}
    for place, value in enumerate(values):
        if seen.setdefault(value, place) != place:
            way = f"labels=False reads {label!r} as a column of the table" if are_numbers else (
                f"drop=[{label!r}] with labels=False leaves it out"
            )  # fmt: skip
            raise ValueError(
                f"{path.name}: the row labels in column {label!r} repeat: "
                f"{value if are_numbers else shown(value)} stands in lines {seen[value]} and "
                f"{place} (counted from 0). Pass row= to name another column of labels, or labels=False for none: {way}"
            )


def _read_frame(source: Any, wanted: list[str], label: str | None, budget: Budget) -> Any:
    """The wanted columns of the whole file as a pyarrow table, numbers as they are stored."""
    import pyarrow as pa

    batches, held = [], 0
    stream = _text_batches(source, wanted, label) if isinstance(source, TextSource) else source.batches(wanted)
    with told(source.path, "a wide table"):
        for batch in stream:
            batches.append(batch)
            held += COPIES * batch.nbytes
            budget.check(held, f"a wide table of {sum(b.num_rows for b in batches)} rows or more")
    return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in wanted})


def _text_batches(source: TextSource, wanted: list[str], label: str | None) -> Any:
    """Batches of a text file: labels as text, numbers as float64, truth values, and text where the first block has
    it."""
    import pyarrow as pa

    types = {name: pa.string() for name in wanted if name == label}
    with source._open() as lines:
        try:
            first = next(iter(source._reader(lines, types, wanted, threads=False)), None)
        except (pa.ArrowInvalid, StopIteration):
            first = None
    for name in wanted:
        kind = pa.null() if first is None or name == label else first.schema.field(name).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        if name not in types:
            types[name] = pa.float64() if is_number else pa.bool_() if pa.types.is_boolean(kind) else pa.string()
    with source._open() as lines:
        try:
            yield from source._reader(lines, types, wanted)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return
            source._retell(error, types, wanted)


def _table(frame: Any, label: str | None, form: TextFormat, source: Any, reading: WideReading, notes: Any) -> Observed:
    """The table of a frame in which everything is settled."""
    from halfseen.data.compress import compress_dense

    labels = None if label is None else _row_labels(frame.column(label), source.text)
    body = frame if label is None else frame.drop_columns([label])
    choice = WideChoice(values=reading.values, dtype=reading.dtype, columns=None)
    dense, _, col_labels, more = wide_table(body, choice, source.path.name)
    if reading.columns is not None:
        more = ()
    if reading.missing is not None and not np.isnan(reading.missing):
        dense = np.where(dense == reading.missing, np.nan, dense)
    if reading.shift:
        dense = dense + np.asarray(reading.shift, dtype=dense.dtype)
    if source.text and not form.header:
        col_labels = None  # names that nobody gave
    by_rows = compress_dense(dense, source.path.name, reading.dtype)
    totals = () if labels is None else totals_note(dense, labels, col_labels)
    return Observed(by_rows, labels, col_labels, (*notes, *more, *totals))


def _row_labels(column: Any, is_text: bool) -> Any:
    """Row labels; in a text file whole numbers are integers, as they are in long files."""
    from halfseen.data.codes import listed

    values = listed(column, "row")
    numbers = whole_labels(values) if is_text else None
    return values if numbers is None else numbers
