"""Tables from files: streamed, labels numbered on the way, nothing half-made returned."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from halfseen.data.checks import check_rule, value_dtype
from halfseen.data.collect import EntryCollector
from halfseen.data.columns import TextColumnsError
from halfseen.data.files import (
    LABEL,
    NUMBER,
    WORD,
    TextFormat,
    kind_of,
    open_source,
    resolve,
    restore_running,
    told_running,
)
from halfseen.data.limits import Budget
from halfseen.data.npz import read_npz
from halfseen.data.observed import Observed
from halfseen.data.prepared import PreparedTable, is_prepared
from halfseen.data.roles import (
    WIDE_FROM,
    by_contents,
    doubts,
    first_lines,
    likely_roles,
    meant,
    misread,
    refuse_misread,
    second_thoughts,
)
from halfseen.data.sources import Sources
from halfseen.data.wide import WideReading, counts_up, read_wide
from halfseen.data.words import words_of
from halfseen.errors import UnknownLabelError, shown

Column = str | int | None
READ_AS_WIDE = "was read as a wide table"
WIDE_ARGUMENTS = ("columns", "drop", "drop_rows", "labels")
STANDARD_INPUT = "-"
# What a stream begins with says its kind; all else is text.
SIGNS = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"\xff\xff\xff\xff", ".arrows"), (b"PK\x03\x04", ".npz"),
         (b"{", ".jsonl"), (b"[", ".json"))  # fmt: skip


class Reading(TypedDict, total=False):
    """How lines and values of a file are meant; see `read_table`."""

    sep: str | None
    header: bool
    missing: float | None
    shift: float
    values: Mapping[Any, float | None] | None
    trials: Column
    wide: bool | None
    columns: Any
    drop: Any
    drop_rows: Any
    labels: bool | None
    max_bytes: int | str | None
    memory: int | str | None


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
    """Read a table from Parquet, Feather, Arrow, CSV, TSV, JSON Lines (text also gzipped), or arrays of .npz.

    Files hold one observed entry per line, or (``wide=True``) one row of the table per line.

    Parameters
    ----------
    path : path, or "-" for standard input
        The name's ending says the kind; with `sep` any ending is text. Of standard input the first bytes say it.
    row, col, value, weight : str, int or None
        Column names or 0-based numbers. None: the first, second and third column (no weights). Of an .npz file the
        names of arrays: three of equal length, or `value` a two-dimensional one, with `row` and `col` naming
        its labels (``"a+b"`` joins two arrays into labels such as ``a/b``). Of a wide file `row` names the column of
        row labels.
    duplicates : str
        Rule for several entries at one place, as in `Observed.from_triplets`.
    dtype : float32, float64 or None

    Other Parameters
    ----------------
    sep : str or None
        Separator of text files; None: comma for .csv, tab for .tsv, else the one that splits the first lines alike.
        A blank stands for any run of blanks and tabs.
    header : bool, default True
        False if the first line is already data; then give columns by number.
    missing : float or None
        Value that means "not observed" (such as 255); these entries are left out. NaN: also empty values.
    shift : float, default 0
        Added to every value (-1 turns ratings 1..5 into counts 0..4).
    values : mapping or None
        Numbers that words stand for: ``{"no": 0, "perhaps": 1, "yes": 2}``; a word that maps to None was not observed.
        True and False are 1 and 0 without it.
    trials : str, int or None
        Column of totals: the values count successes out of so many, or are their share; see `Observed.trials`.
    wide : bool or None
        Whether every line is a row of the table; None: if `columns`, `drop`, `drop_rows` or `labels` are given,
        or if five columns or more make no table of entries, but one with a line per row (`Observed.notes` says so).
    columns, drop : str, list or None
        Columns of a wide file to take, or to leave out: names, positions, and ranges such as ``"A1:O5"``.
    drop_rows : str, list or None
        Labels of the rows of a wide file to leave out, such as ``"Total"``.
    labels : bool or None
        False: a wide file has no row labels. True: they are in the first column. None: they are, if it holds text, or
        whole numbers that differ (`Observed.notes` says so).
    max_bytes : int, str or None
        Memory that reading may take, as a number or text such as ``"4GB"``; None: 100 times the file, at least half a
        gibibyte. What a file promises beyond it is refused before it is allocated.
    memory : int, str or None
        Of a folder that :func:`halfseen.prepare` wrote: the largest memory that passes over it may take.

    Returns
    -------
    Observed
        Of a prepared folder a `PreparedTable`, whose entries stay on disk. Labels are the identifiers in sorted order;
        whole numbers in text files become integers (007 stays text). What the reader noticed stands in
        `Observed.notes`.

    Raises
    ------
    ValueError
        Unreadable, cut off or empty file, unknown column (with close matches), a value that is not a number, a
        missing label, duplicates without a rule; a file that looks like a wide table; more memory than `max_bytes`.

    Notes
    -----
    Streams record batches. Peak memory per entry: 8 bytes of codes, the values as stored in the file, and the sorted
    copy: 28 bytes for float64 values, 20 for float32. A wide file takes its dense table, twice.

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
    if is_prepared(path) or "memory" in reading:
        return _prepared(path, (row, col, value, weight, duplicates, dtype), dict(reading))  # type: ignore[return-value]
    unknown = set(reading) - set(Reading.__annotations__)
    if unknown:
        raise TypeError(f"read_table has no argument {sorted(unknown)[0]!r}")
    roles = {"row": row, "col": col, "value": value, "weight": weight, "trials": reading.get("trials")}
    with as_file(path) as file, _named(file):
        return _read(file, roles, duplicates, dtype, reading)


def _prepared(path: Any, given: tuple[Any, ...], reading: dict[str, Any]) -> PreparedTable:
    """A folder that `prepare` wrote; how it is read was settled then."""
    if not is_prepared(path):
        raise ValueError(
            f"memory={reading['memory']!r} is for tables that were prepared, and {os.fspath(path)!r} was not; "
            "write them into a folder of blocks first: halfseen.prepare(raw, folder), or halfseen prepare RAW FOLDER"
        )
    memory = reading.pop("memory", None)
    if reading or given != (None, None, None, None, "error", None):
        raise ValueError(f"{os.fspath(path)} was prepared: its columns are settled; give nothing but memory=")
    return PreparedTable(path, memory)


def _read(file: Path, roles: dict[str, Column], duplicates: str, dtype: Any, reading: Reading) -> Observed:
    check_rule(duplicates)
    value_dtype(np.dtype(np.float64), dtype)
    missing, shift = reading.get("missing"), reading.get("shift", 0.0)
    kind, budget = kind_of(file, reading.get("sep")), Budget.of(file, reading.get("max_bytes"))
    form = TextFormat(reading.get("sep"), reading.get("header", True))
    if _is_wide(reading):
        _refuse_long(roles, duplicates, reading)
        given: dict[str, Any] = {name: reading.get(name) for name in (*WIDE_ARGUMENTS, "values")}
        wide = WideReading(row=roles["row"], missing=missing, shift=shift, dtype=dtype, **given)
        return read_wide(file, kind, form, wide, budget)
    if kind == "npz":
        if roles["trials"] is not None or reading.get("values") is not None:
            raise ValueError(
                f"{file.name}: trials= and values= are for files of lines; an .npz holds arrays of numbers"
            )
        given = {role: roles[role] for role in ("row", "col", "value", "weight")}
        return read_npz(file, given, missing=missing, shift=shift, duplicates=duplicates, dtype=dtype, budget=budget)
    source = open_source(file, kind, form, budget)
    n_columns = len(source.names) + (source.running is not None)
    if source.running in roles.values():
        restore_running(source)
    refuse_misread(source, roles, file)
    collector, names = _collected(source, file, roles, dtype, reading, budget)
    may_be_wide = n_columns >= WIDE_FROM and not any(isinstance(roles[role], str) for role in ("row", "col", "value"))
    try:
        _collect(source, names, collector, reading)
        table = collector.finish(file, duplicates)
    except ValueError as error:
        if may_be_wide:
            recognised = _recognised(file, kind, form, roles, duplicates, dtype, reading, budget)
            if isinstance(recognised, Observed):
                return recognised
            error = recognised if isinstance(recognised, TextColumnsError) and not meant(source, roles) else error
        advice = _advice(error, file, source, names, roles, may_be_wide)
        if not may_be_wide and advice == str(error):
            raise
        raise ValueError(advice) from error
    if may_be_wide and table.n_entries == table.shape[0] > 1:
        recognised = _recognised(file, kind, form, roles, duplicates, dtype, reading, budget)
        if isinstance(recognised, Observed):
            return recognised
        likely = meant(source, roles)
        if isinstance(recognised, TextColumnsError) and likely_roles(source.names, {}) is None:
            raise ValueError(_advice(recognised, file, source, names, roles, may_be_wide))
        text = _wide_text(file, source) if likely is None else misread(source, likely)
        raise ValueError(f"{text} (as entries, every row would have just one)")
    _refuse_doubtful(source, names, roles, file)
    said = (*getattr(source, "notes", ()), *told_running(source), *second_thoughts(source, names, roles))
    return table._told((*said, *_unread(source, names)))


def _refuse_doubtful(source: Any, names: list[str], roles: dict[str, Column], file: Path) -> None:
    """Refuse columns that come first because a running number was left out, if what they hold speaks against it."""
    if source.running is not None and not any(roles.values()) and (doubt := doubts(source, names)):
        raise ValueError(f"{file.name}: {doubt}")


def _unread(source: Any, names: list[str]) -> tuple[str, ...]:
    """A note on columns of a file of entries that were not read."""
    rest = [shown(name) for name in source.names if name not in names]
    more = f" and {len(rest) - 8} more" if len(rest) > 8 else ""
    word, verb = ("column", "was") if len(rest) == 1 else ("columns", "were")
    return (f"{word} {', '.join(rest[:8])}{more} {verb} not read",) if rest else ()


def _advice(
    error: ValueError, file: Path, source: Any, names: list[str], roles: dict[str, Column], may_be_wide: bool
) -> str:
    """A refusal with what the file's own columns say about it."""
    likely = meant(source, roles)
    if likely is not None:
        cause = str(error).partition(";")[0].removeprefix(f"{file.name}: ").removeprefix(f"{file}: ")
        return f"{misread(source, likely)} ({cause})"
    if isinstance(error, TextColumnsError):
        entries = by_contents(source.names, first_lines(source))
        way = "name the columns with row=, col= and value=" if entries is None else f"give {entries.spoken()}"
        return f"{error}. If its lines are entries, {way}"
    doubt = doubts(source, names) if "more than once" in str(error) else ""
    if doubt:
        return f"{doubt} ({str(error).partition(';')[0]})"
    if not may_be_wide:
        return str(error)
    if f"column {names[1]!r} has" in str(error):  # holes where the names of columns should be
        return f"{_wide_text(file, source)} ({error})"
    return f"{error}; if the file is a wide table, give wide=True"


def _recognised(
    file: Path, kind: str, form: TextFormat, roles: dict[str, Column], duplicates: str, dtype: Any, reading: Reading,
    budget: Budget,
) -> Observed | ValueError | None:  # fmt: skip
    """The file as a wide table, if nothing speaks against it: lines have names that differ, the rest is numbers.

    What speaks against it is returned too.
    """
    is_asked = duplicates != "error" or any(column is not None for column in roles.values())
    if is_asked or reading.get("wide") is False:
        return None
    wide = WideReading(
        values=reading.get("values"), missing=reading.get("missing"), shift=reading.get("shift", 0.0), dtype=dtype
    )
    try:
        table = read_wide(file, kind, form, wide, budget)
    except ValueError as error:
        return error
    if table.row_labels is None:
        return None
    n, p = table.shape
    note = f"{file.name} {READ_AS_WIDE}, a line per row: {n} rows, {p} columns"
    note += "; if its lines are entries, name the columns with row=, col= and value="
    return table._told((note,))


def is_read_as_wide(table: Observed) -> bool:
    """Whether the reader took a file for a wide one without being told."""
    return any(READ_AS_WIDE in note for note in table.notes)


def read_sources(
    path: str | os.PathLike[str],
    source: Column,
    row: Column = None,
    col: Column = None,
    value: Column = None,
    *,
    weight: Column = None,
    rows: str = "union",
    **reading: Any,
) -> Sources:
    """Read many tables over the same rows from one long file with a column that names the source of each entry.

    Parameters
    ----------
    path : path, or "-" for standard input
        As in `read_table`; not .npz.
    source, row, col, value, weight : str, int or None
        Column names or 0-based numbers; row, col and value default to the first three other columns.
    rows : {"union", "intersection", "same"}
        As in `Sources`.

    Other Parameters
    ----------------
    duplicates, dtype, sep, header, missing, shift, values, trials, max_bytes :
        As in `read_table`.

    Returns
    -------
    Sources
        Labels are those that `read_table` gives, numbered over the whole file: 007 is the same text in every source.

    Raises
    ------
    ValueError
        As `read_table`; the source is named where one of them is to blame.

    Examples
    --------
    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "ratings.csv")
    >>> with open(file, "w") as out:
    ...     _ = out.write("genre,user,film,rating\\ndrama,007,a,5\\naction,8,b,3\\n")
    >>> S = read_sources(file, source="genre")
    >>> S.shapes, S.row_labels.tolist()
    ({'action': (2, 1), 'drama': (2, 1)}, ['007', '8'])
    """
    allowed = {"duplicates", "dtype", "sep", "header", "missing", "shift", "values", "trials", "max_bytes"}
    unknown = set(reading) - allowed
    if unknown:
        raise TypeError(f"read_sources has no argument {sorted(unknown)[0]!r}")
    roles = {"row": row, "col": col, "value": value, "weight": weight, "trials": reading.get("trials")}
    duplicates, dtype = check_rule(reading.get("duplicates", "error")), reading.get("dtype")
    value_dtype(np.dtype(np.float64), dtype)
    with as_file(path) as file, _named(file):
        kind, budget = kind_of(file, reading.get("sep")), Budget.of(file, reading.get("max_bytes"))
        if kind == "npz":
            raise ValueError(f"{file.name}: sources are read from files of lines; give an .npz per source to Sources")
        opened = open_source(file, kind, TextFormat(reading.get("sep"), reading.get("header", True)), budget)
        own = resolve(source, 0, opened.names, "source", file)
        rest = [place for place, name in enumerate(opened.names) if name != own]
        if len(rest) < 3:
            raise ValueError(f"{file.name} has {len(opened.names)} columns; needed: source, row, column and value")
        for place, role in enumerate(("row", "col", "value")):
            roles[role] = rest[place] if roles[role] is None else roles[role]
        collector, names = _collected(opened, file, roles | {"source": own}, dtype, reading, budget)
        _collect(opened, names, collector, reading)
        return Sources(collector.finish_sources(file, duplicates), rows=rows)


def _collected(
    source: Any, file: Path, roles: dict[str, Column], dtype: Any, reading: Any, budget: Budget
) -> tuple[EntryCollector, list[str]]:
    """A collector of the columns that were asked for, and their names."""
    given = [role for role in roles if role in ("row", "col", "value") or roles[role] is not None]
    repeat = len(set(source.names)) < len(source.names) > WIDE_FROM
    if source.text and reading.get("header", True) and repeat and all(map(_is_number, source.names)):
        raise ValueError(f"{_data_text(file, source.names)}; if every line is a row, give wide=True too")
    names = [resolve(roles[role], place, source.names, role, file) for place, role in enumerate(given)]
    if source.text and reading.get("header", True) and _is_number(names[2]) and not counts_up(source.names[1:]):
        raise ValueError(_data_text(file, names))
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ValueError(f"column {name!r} of {file.name} is asked for twice; row, col, value, weight must differ")
    words, missing, shift = words_of(reading.get("values")), reading.get("missing"), reading.get("shift", 0.0)
    return EntryCollector(names, source.text, missing, shift, dtype, tuple(given), words, budget), names


def _data_text(file: Path, names: list[str]) -> str:
    return f"the first line of {file.name} looks like data ({', '.join(names[:3])}); give header=False"


def _collect(source: Any, names: list[str], collector: EntryCollector, reading: Any) -> None:
    kinds = {"row": LABEL, "col": LABEL, "source": LABEL, "value": WORD if reading.get("values") else NUMBER}
    for batch in source.batches(names, [kinds.get(role, NUMBER) for role in collector.roles]):
        collector.add(batch)


def _is_wide(reading: Any) -> bool:
    """Whether lines are rows: as the user says, or as the other arguments imply."""
    implied = [name for name in WIDE_ARGUMENTS if reading.get(name) is not None]
    if reading.get("wide") is False and implied:
        raise ValueError(f"{implied[0]}= is for wide files; leave it out, or give wide=True")
    return bool(reading.get("wide") or implied)


def _refuse_long(roles: dict[str, Column], duplicates: str, reading: Any) -> None:
    given = [role for role in ("col", "value", "weight", "trials") if roles[role] is not None]
    given += ["duplicates"] if duplicates != "error" else []
    if given:
        implied = [name for name in WIDE_ARGUMENTS if reading.get(name) is not None]
        meant = f"{implied[0]}= (which says that lines are rows)" if implied else "wide=True"
        raise ValueError(f"{given[0]}= is for files with one entry per line; leave it or {meant} out")


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Every refusal of what is in a file names it."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        text = " ".join(str(error).split("\n"))
        if type(error) in (ValueError, UnknownLabelError) and file.name in text and text == str(error):
            raise
        kind = UnknownLabelError if isinstance(error, UnknownLabelError) else ValueError
        raise kind(text if file.name in text else f"{file.name}: {text}") from error


@contextmanager
def as_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path itself, or a temporary file with what comes on standard input."""
    if os.fspath(path) != STANDARD_INPUT:
        yield Path(path)
        return
    stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
    head = stream.read(1 << 16)
    if not head:
        raise ValueError("standard input is empty (0 bytes)")
    plain = head[:2] != b"\x1f\x8b"
    sign = next((ending for start, ending in SIGNS if head.lstrip().startswith(start)), ".txt") if plain else ".txt.gz"
    with tempfile.TemporaryDirectory(prefix="halfseen-") as folder:
        copy = Path(folder) / f"standard input{sign}"
        with copy.open("wb") as file:
            file.write(head)
            shutil.copyfileobj(stream, file)
        try:
            yield copy
        except ValueError as error:  # in the user's words: there was no such file
            text = str(error).replace(str(copy), "standard input").replace(copy.name, "standard input")
            raise type(error)(text) from error


def _wide_text(path: Path, source: Any) -> str:
    names, entries = source.names, by_contents(source.names, first_lines(source))
    way = "name the columns with row=, col= and value=" if entries is None else f"give {entries.spoken()}"
    return (
        f"{path.name} looks like a wide table ({len(names)} columns, {shown(names[0])}, {shown(names[1])}, ...): "
        f"halfseen reads one entry per line (row, column, value); read a wide one with wide=True, or {way}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
