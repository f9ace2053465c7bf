"""The command ``halfseen fit irt``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from halfseen.cli.options import Data, JudgeOptions, OutputOptions, TableOptions, grouped
from halfseen.cli.screen import plainly


class ItemKind(StrEnum):
    """What an item's curve may be."""

    auto = "auto"
    rasch = "rasch"
    two = "2pl"


def add_irt(fit: typer.Typer) -> None:
    """Put the command into the group of fits."""
    fit.command("irt")(grouped(plainly(fit_irt)))


def fit_irt(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    kind: Annotated[
        ItemKind,
        typer.Option(
            help="Items with a slope of 1 (rasch), with slopes of their own (2pl), or the better of the two (auto)."
        ),
    ] = ItemKind.auto,
    trials: Annotated[int | None, typer.Option(min=1, metavar="N", help="Answers are counts out of N.")] = None,
    blocks: Annotated[
        str | None,
        typer.Option(metavar="SEP", help="Blocks of columns (benchmarks): the text of a column's label before SEP."),
    ] = None,
) -> None:
    """Item response model of yes/no answers, pass rates or counts: leaderboards, tests, item banks.

    Example: [bold]halfseen fit irt results.csv --row model --col question --value correct -o run/[/bold], then
    [bold]halfseen rank run/[/bold]
    """
    from halfseen.cli.fit import run_fit
    from halfseen.cli.leaderboard import irt_method

    run_fit(data, irt_method(data, str(kind), trials, blocks), ("1", "1"), table, judge, output)
