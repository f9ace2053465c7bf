"""The command ``halfseen prepare``: raw files into a folder of blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.options import QuietOption
from halfseen.cli.screen import PlainCommand, count, plainly, print_json, say


def add_prepare(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("prepare", cls=PlainCommand)(plainly(prepare))


def prepare(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A file, or a folder of files.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder to write.")],
    blocks: Annotated[int | None, typer.Option(min=1, metavar="N", help="Blocks; best a power of two.")] = None,
    row: Annotated[str | None, typer.Option(metavar="COL", help="Column of rows; else the first.")] = None,
    col: Annotated[str | None, typer.Option(metavar="COL", help="Column of columns; else the second.")] = None,
    value: Annotated[str | None, typer.Option(metavar="COL", help="Column of values; else the third.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="A line per row, its label first or in --row.")] = False,
    duplicates: Annotated[str, typer.Option(metavar="RULE", help="Rule for entries that come twice.")] = "error",
    quiet: QuietOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Deal raw files out to blocks of whole rows, for tables larger than memory.

    Python reads the folder with [bold]hs.read_table(folder, memory="4GB")[/bold].

    Example: [bold]halfseen prepare raw/ ratings/ --blocks 64 --row user --col item --value rating[/bold]
    """
    from halfseen.data import prepare as run

    table = run(raw, folder, blocks, row=row, col=col, value=value, duplicates=duplicates, wide=wide)
    n, p = table.shape
    if json:
        facts = {"n_rows": n, "n_cols": p, "n_entries": table.n_entries, "n_blocks": table.n_blocks}
        print_json({"folder": str(folder), **facts})
    elif not quiet:
        say(
            f"{folder}: {count(n)} rows, {count(p)} columns, {count(table.n_entries)} entries in {table.n_blocks} "
            f"block{'s' * (table.n_blocks != 1)}"
        )
