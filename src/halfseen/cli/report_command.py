"""The command ``halfseen report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.options import QuietOption
from halfseen.cli.screen import PlainCommand, plainly


def add_report(app: typer.Typer) -> None:
    """Put the command into the program."""
    app.command("report", cls=PlainCommand)(plainly(report))


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by 'halfseen fit ... -o RUN'.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Page to write.", show_default="RUN/report.html")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Where the data of the fit are now.", show_default="as in the fit"),
    ] = None,
    read: Annotated[
        bool, typer.Option("--read/--no-read", help="Read the data again, for intervals and counts that need them.")
    ] = True,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Heading of the page.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names to show for labels: a line per label (label, name)."),
    ] = None,
    level: Annotated[float, typer.Option(metavar="P", help="Level of the intervals.")] = 0.95,
    lines: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most lines of a table; longer ones come as CSV.")
    ] = 2000,
    quiet: QuietOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """One self-contained HTML page about a run of any method: no network, no server.

    Leaderboard and items, components, fit, what is missing, and how the numbers were made.

    Example: [bold]halfseen report run/[/bold], then open run/report.html
    """
    from halfseen.cli.page import PageOptions, run_report

    run_report(run, PageOptions(out, data, read, title, level, lines, labels), json, quiet)
