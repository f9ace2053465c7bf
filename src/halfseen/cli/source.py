"""From the word DATA on a command line to a table of observed entries."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from halfseen.cli.answer_files import is_of_persons
from halfseen.cli.methods import those_on_blocks
from halfseen.cli.options import TableOptions
from halfseen.cli.screen import note
from halfseen.cli.words import in_options
from halfseen.data import Observed, SideFeatures, Sources, read_table
from halfseen.data import read_sources as read_long_sources
from halfseen.data.files import COUNTS_LINES, TextFormat, kind_of, open_source, resolve, restore_running
from halfseen.data.labels import labels_from_text
from halfseen.data.prepared import is_prepared
from halfseen.data.readers import is_read_as_wide
from halfseen.data.wide import read_frame
from halfseen.errors import close_matches


def open_table(data: str, options: TableOptions, trials: str | None = None, is_told: bool = True) -> Observed:
    """Read a file, or load a data set by name; ``trials`` is a column of totals, and notes are printed if ``is_told``.

    Raises
    ------
    ValueError
        If ``data`` is neither a file nor a known name, or the file does not hold such a table.
    """
    from halfseen import datasets

    if is_file(data):
        path = Path(data)
        if path.is_dir() and is_prepared(path):
            raise ValueError(
                f"{data} is a prepared table, which {those_on_blocks()} take; here give the file that it was made from"
            )
        if path.is_dir():
            raise ValueError(f"{data} is a folder; give a file (Parquet, Feather, CSV, TSV, JSON Lines, .gz, .npz)")
        if trials is not None and is_wide(options):
            raise ValueError(f"--trials is for files with one entry per line; leave it or {wide_option(options)} out")
        table = answers_of_a_test(path, options)
        if table is None and is_wide(options):
            table = open_wide(data, options)
        elif table is None:
            table = read_table(data, **reading(path, options), trials=column(trials))
        for text in table.notes if is_told else ():
            note(in_options(text))
        return table
    if data not in datasets.names():
        raise ValueError(f"{data!r} is neither a file nor a known data set; {close_matches(data, datasets.names())}")
    if given := [name for name in changed(options) if name != "shift"]:
        option = given[0].replace("_", "-")
        raise ValueError(f"--{option} is for files; the data set {data!r} is read as it should be")
    observed = datasets.load(data)
    return observed.with_values(observed.values + options.shift) if options.shift else observed


def answers_of_a_test(path: Path, options: TableOptions) -> Observed | None:
    """The table of a file of a test: answers with a key, or all answers of a person on one line; else None."""
    from halfseen.cli.answer_files import open_keyed

    if options.key is not None:
        form = TextFormat(separator(options.sep), not options.no_header)
        names = (column(options.row), column(options.col), column(options.value))
        return open_keyed(path, options, form, names)
    if str(path) != "-" and is_of_persons(path):
        import halfseen as hs

        return hs.irt.read_py_irt(path)
    return None


def is_wide(options: TableOptions) -> bool:
    """Whether every line is a whole row: as said, or as options for wide files imply."""
    return bool(options.wide or options.columns or options.drop or options.drop_rows or options.no_labels)


def wide_option(options: TableOptions) -> str:
    """The option that says that lines are rows."""
    implied = [name for name in ("columns", "drop", "drop_rows", "no_labels") if getattr(options, name)]
    return f"--{implied[0].replace('_', '-')} (which says that lines are rows)" if implied else "--wide"


def open_wide(data: str, options: TableOptions) -> Observed:
    """Read a file of which every line is a whole row."""
    if given := [name for name in ("col", "value", "weight", "duplicates") if name in changed(options)]:
        raise ValueError(f"--{given[0]} is for files with one entry per line; leave it or {wide_option(options)} out")
    return read_table(
        data, column(options.row), wide=True, sep=separator(options.sep), header=not options.no_header,
        missing=options.missing, shift=options.shift, values=words(options.values), columns=options.columns,
        drop=options.drop, drop_rows=options.drop_rows, labels=False if options.no_labels else None,
        max_bytes=options.max_bytes,
    )  # fmt: skip


def words(given: str | None) -> dict[str, float | None] | None:
    """The meaning of words: ``no=0,yes=1``; a word without a number was not observed.

    >>> words("no=0,perhaps=1,refused=")
    {'no': 0.0, 'perhaps': 1.0, 'refused': None}
    """
    if given is None:
        return None
    meaning: dict[str, float | None] = {}
    for part in given.split(","):
        word, is_given, number = part.rpartition("=")
        try:
            meaning[word.strip()] = float(number) if number.strip() else None
        except ValueError:
            is_given = ""
        if not is_given:
            raise ValueError(f"--values {given!r} must be words and numbers, such as no=0,perhaps=1,yes=2")
    return meaning


def separator(given: str | None) -> str | None:
    r"""The character that ``--sep`` means; ``\t`` is a tab."""
    return given.replace("\\t", "\t") if given else None


def changed(options: TableOptions) -> dict[str, Any]:
    """The options that differ from their defaults."""
    return {name: value for name, value in asdict(options).items() if value != getattr(TableOptions(), name)}


def refuse_reading(options: TableOptions) -> None:
    """Refuse options of reading beside a prepared table."""
    if given := changed(options):
        raise ValueError(f"--{next(iter(given)).replace('_', '-')} is for files; the table was read when prepared")


def typed(options: TableOptions) -> str:
    """The same options as they are typed on a command line, with a space in front of each."""
    texts = []
    for name, value in changed(options).items():
        option = f" --{name.replace('_', '-')}"
        texts.append(
            option if value is True else f"{option} {shlex.quote(f'{value:g}' if isinstance(value, float) else value)}"
        )
    return "".join(texts)


def resolved_columns(data: str, options: TableOptions, table: Observed) -> dict[str, Any]:
    """The columns of the file that rows, columns and values were read from, by name; for a run's record."""
    if not is_file(data) or data == "-" or options.key is not None:
        return {}
    path = Path(data)
    kind = kind_of(path, separator(options.sep))
    if kind == "npz" or is_of_persons(path):
        return {}
    source = open_source(path, kind, TextFormat(separator(options.sep), not options.no_header))
    if (options.row is not None and options.row == source.running) or (
        (is_wide(options) or is_read_as_wide(table)) and not any(COUNTS_LINES in text for text in table.notes)
    ):
        restore_running(source)
    names = list(source.names)
    if is_wide(options) or is_read_as_wide(table):
        labels = None if table.col_labels is None else [str(label) for label in table.col_labels.tolist()]
        row = column(options.row) if options.row is not None else names[0]
        is_named = table.row_labels is not None
        return {"layout": "wide", "row": row if is_named else None, "columns": labels or table.shape[1]}
    given = {"row": options.row, "col": options.col, "value": options.value, "weight": options.weight}
    roles: dict[str, Any] = {"layout": "long"}
    for place, (role, name) in enumerate(given.items()):
        if name is not None or (role != "weight" and len(names) > place):
            roles[role] = resolve(column(name), place, names, role, path)
    return roles


def is_file(data: str) -> bool:
    """Whether DATA means a file rather than a data set's name: it is there, has an ending, or lies in a folder."""
    path = Path(data)
    return data == "-" or path.exists() or bool(path.suffix) or path.parent != Path(".")


def family_of(data: str) -> str:
    """The family that a named data set asks for; gaussian for files."""
    from halfseen import datasets

    known = {} if is_file(data) else {info.name: info.family for info in datasets.list_datasets()}
    return known.get(data, "gaussian")


def reading(path: Path, options: TableOptions) -> dict[str, Any]:
    """The arguments of `read_table`."""
    return {
        "row": column(options.row),
        "col": column(options.col),
        "value": column(options.value),
        "weight": column(options.weight),
        "sep": separator(options.sep),
        "header": not options.no_header,
        "missing": options.missing,
        "shift": options.shift,
        "duplicates": options.duplicates.value,
        "max_bytes": options.max_bytes,
        **({} if options.values is None else {"values": words(options.values)}),
    }


def column(name: str | None) -> str | int | None:
    """A column by its number if it is one, else by its name."""
    return int(name) if name is not None and name.isdigit() else name


def open_sources(files: list[str], source: str | None, reading: TableOptions) -> Sources:
    """One long table with a column of sources, or a table per file, named by the files.

    Raises
    ------
    ValueError
        For one file without ``--source``, several with it, and files of one name.
    """
    if source is not None:
        if len(files) > 1:
            raise ValueError(f"--source {source} is for one long table, and {len(files)} were given; leave it out")
        return long_sources(files[0], source, reading)
    if len(files) == 1:
        raise ValueError("one table needs --source COLUMN, which names the source of each entry; or give several files")
    names = [Path(file).name.split(".")[0] for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two files are called {twice!r}; sources are named by their files, so rename one")
    tables = {name: open_table(file, reading) for name, file in zip(names, files, strict=True)}
    return Sources(tables, rows="union" if all(t.row_labels is not None for t in tables.values()) else "same")


def read_sources(files: list[str], source: str | None, reading: TableOptions, may_be_one: bool = True) -> Sources:
    """One table, one long table with a column of sources, or a table per file."""
    if source is None and len(files) == 1 and may_be_one:
        return Sources({Path(files[0]).name.split(".")[0]: open_table(files[0], reading)})
    return open_sources(files, source, reading)


def long_sources(file: str, source: str, reading: TableOptions) -> Sources:
    """Read a long table with a column of sources."""
    if is_wide(reading):
        raise ValueError("--source is for long tables, one line per entry; leave --wide out")
    row, col, value, weight = (column(getattr(reading, name)) for name in ("row", "col", "value", "weight"))
    return read_long_sources(
        file, column(source), row, col, value, weight=weight, sep=separator(reading.sep), header=not reading.no_header,
        missing=reading.missing, shift=reading.shift, duplicates=reading.duplicates.value,
        values=words(reading.values), max_bytes=reading.max_bytes,
    )  # fmt: skip


def read_sides(files: Any, table: Observed, reading: TableOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Features of rows and columns, by the argument of ``fit``, and the files and keys that they are from.

    Parameters
    ----------
    files : FeatureFiles
    table : Observed
        Whose labels the lines are found by.
    reading : TableOptions
    """
    sides, keys = {}, {}
    for side, labels in (("row", table.row_labels), ("col", table.col_labels)):
        path, key = getattr(files, f"{side}_features"), getattr(files, f"{side}_key")
        if path is None and key is not None:
            raise ValueError(f"--{side}-key {key} is the key of a file; give --{side}-features too")
        if path is not None:
            features, key = read_features(path, key, labels, reading)
            sides[f"{side}_features"] = features
            keys[side] = {"file": str(path), "key": key}
    return sides, keys


def read_features(path: Path, key: str | None, labels: Any, reading: TableOptions) -> tuple[SideFeatures, str]:
    """A file of features, its lines named in the type of the table's own labels."""
    given = None if key is None else column(key)
    frame, wanted = read_frame(path, given, TextFormat(separator(reading.sep), not reading.no_header))
    side = SideFeatures.from_frame(frame, wanted, path.name)
    names = [] if side.labels is None else side.labels.tolist()
    return SideFeatures(None, side.columns, labels_from_text(names, labels), side.missing), wanted
