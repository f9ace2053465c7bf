"""The command ``halfseen rank``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.screen import PlainCommand, plainly


class RankAbout(StrEnum):
    """What a score is about."""

    these = "these"
    again = "again"


def add_rank(app: typer.Typer) -> None:
    """Put the command into the application."""
    app.command("rank", cls=PlainCommand)(plainly(rank))


def rank(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by 'halfseen fit irt ... -o RUN'.")],
    level: Annotated[float, typer.Option(metavar="P", help="Probability with which intervals hold.")] = 0.95,
    about: Annotated[
        RankAbout,
        typer.Option(help="The score on the complete table (seen answers as they are), or were all asked again."),
    ] = RankAbout.these,
    top: Annotated[int | None, typer.Option(metavar="N", help="Only the first N rows.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the draws behind ranks.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """The leaderboard of a fitted table: scores, intervals, rank intervals and tie groups.

    Example: [bold]halfseen fit irt results.csv --row model --col question --value correct -o run/[/bold], then
    [bold]halfseen rank run/[/bold]
    """
    from halfseen.cli.leaderboard import run_rank

    run_rank(run, (level, str(about), top), seed, json)
