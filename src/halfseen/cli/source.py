"""From the word DATA on a command line to a table of observed entries."""

from __future__ import annotations

from pathlib import Path

from halfseen.cli.options import TableOptions
from halfseen.data import Observed, read_table
from halfseen.errors import close_matches


def open_table(data: str, options: TableOptions) -> Observed:
    """Read a file, or load a data set by name.

    Raises
    ------
    ValueError
        If ``data`` is neither a file nor a known name, or the file does not hold such a table.
    """
    from halfseen import datasets

    path = Path(data)
    if path.exists() or path.suffix or path.parent != Path("."):
        if path.is_dir():
            raise ValueError(f"{data} is a folder; give a file (Parquet, Feather, CSV, TSV, .gz, .npz)")
        return read_table(path, **reading(path, options))
    names = datasets.names()
    if data not in names:
        raise ValueError(f"{data!r} is neither a file nor a known data set; {close_matches(data, names)}")
    return datasets.load(data)


def reading(path: Path, options: TableOptions) -> dict[str, object]:
    """The arguments of `read_table`; columns that were not named are the first three."""
    is_npz = path.suffix == ".npz"
    row, col, value = (column(name) for name in (options.row, options.col, options.value))
    if not is_npz:
        row, col, value = (given if given is not None else place for place, given in enumerate((row, col, value)))
    return {
        "row": row,
        "col": col,
        "value": value,
        "weight": column(options.weight),
        "sep": options.sep.replace("\\t", "\t") if options.sep else None,
        "header": not options.no_header,
        "missing": options.missing,
        "shift": options.shift,
        "duplicates": options.duplicates.value,
    }


def column(name: str | None) -> str | int | None:
    """A column by its number if it is one, else by its name."""
    return int(name) if name is not None and name.isdigit() else name
