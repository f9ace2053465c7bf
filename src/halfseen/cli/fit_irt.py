"""The command ``halfseen fit irt``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.options import Data, JudgeOptions, OutputOptions, TableOptions, grouped
from halfseen.cli.screen import plainly


class ItemKind(StrEnum):
    """What an item's curve may be."""

    auto = "auto"
    one = "1pl"
    rasch = "rasch"
    two = "2pl"
    three = "3pl"
    graded = "grm"
    credit = "gpcm"


class Side(StrEnum):
    """What is integrated out."""

    auto = "auto"
    rows = "rows"
    columns = "columns"


class ItemRotation(StrEnum):
    """How several dimensions are turned."""

    varimax = "varimax"
    oblimin = "oblimin"
    promax = "promax"
    geomin = "geomin"


class ItemPrior(StrEnum):
    """What is assumed of the items."""

    auto = "auto"
    empirical = "empirical"
    none = "none"


@dataclass(frozen=True)
class ItemSwitches:
    """The item response model and what goes with it."""

    kind: Annotated[
        ItemKind,
        typer.Option(
            help="Equal slopes (1pl, rasch), slopes of their own (2pl), guessing (3pl), graded answers (grm), partial "
            "credit (gpcm), or the better of equal and own slopes (auto)."
        ),
    ] = ItemKind.auto
    dimensions: Annotated[int, typer.Option(min=1, metavar="N", help="Dimensions of the ability.")] = 1
    rotation: Annotated[ItemRotation | None, typer.Option(help="Turn several dimensions to simple structure.")] = None
    integrate: Annotated[
        Side, typer.Option(help="Integrate out rows (a test) or columns (a leaderboard of few rows).")
    ] = Side.auto
    item_prior: Annotated[
        ItemPrior, typer.Option(help="Items shrink towards each other (empirical): always, never, or where few answer.")
    ] = ItemPrior.auto
    trials: Annotated[int | None, typer.Option(min=1, metavar="N", help="Answers are counts out of N.")] = None
    blocks: Annotated[
        str | None,
        typer.Option(metavar="SEP", help="Blocks of columns (benchmarks): the text of a column's label before SEP."),
    ] = None
    row_groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Groups of people: a file with a row's label and its group in each line."),
    ] = None


def add_irt(fit: typer.Typer) -> None:
    """Put the command into the group of fits."""
    fit.command("irt")(grouped(plainly(fit_irt)))


def fit_irt(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    switches: ItemSwitches,
) -> None:
    """Item response model of yes/no answers, pass rates or counts: leaderboards, tests, item banks.

    Example: [bold]halfseen fit irt results.csv --row model --col question --value correct -o run/[/bold], then
    [bold]halfseen rank run/[/bold]
    """
    from halfseen.cli.fit import run_fit
    from halfseen.cli.leaderboard import irt_method

    run_fit(data, irt_method(data, switches), ("1", "1"), table, judge, output)
