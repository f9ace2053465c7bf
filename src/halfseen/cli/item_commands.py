"""The commands ``halfseen items`` and ``halfseen scores``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.options import grouped
from halfseen.cli.products import DataNow, FileOptions
from halfseen.cli.screen import PlainCommand, plainly

IrtRun = Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by 'halfseen fit irt ... -o RUN'.")]
Level = Annotated[float, typer.Option(metavar="P", help="Probability with which intervals hold.")]


class ItemTable(StrEnum):
    """What is said of the items."""

    items = "items"
    mirt = "mirt"
    difficulty = "difficulty"
    fit = "fit"
    pairs = "pairs"
    dif = "dif"
    information = "information"
    curves = "curves"


class AbilityMethod(StrEnum):
    """How an ability is estimated."""

    eap = "eap"
    map = "map"
    wle = "wle"


def add_items(app: typer.Typer) -> None:
    """Put the commands into the program."""
    for command in (items, scores):
        app.command(command.__name__, cls=PlainCommand)(grouped(plainly(command)))


def items(
    run: IrtRun,
    output: FileOptions,
    what: Annotated[
        ItemTable,
        typer.Option(
            help="Slopes, intercepts and difficulties with errors (items); in the columns of R mirt or as difficulties "
            "(mirt, difficulty); fit statistics (fit, pairs, dif); curves along the ability (information, curves)."
        ),
    ] = ItemTable.items,
    level: Level = 0.95,
    data: DataNow = None,
    row_groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For dif: the file of groups that the fit was given.")
    ] = None,
) -> None:
    """The items of a fitted test: parameters, fit, curves.

    Example: [bold]halfseen items run/ --what fit -o fit.csv[/bold]
    """
    from halfseen.cli.items import run_items

    run_items(run, str(what), (level, data, row_groups), (output.out, output.json, output.raw))


def scores(
    run: IrtRun,
    output: FileOptions,
    method: Annotated[AbilityMethod, typer.Option(help="Posterior mean, posterior mode, or weighted likelihood.")] = (
        AbilityMethod.eap
    ),
    plausible: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="N plausible values of each row instead.")
    ] = None,
    person_fit: Annotated[
        bool, typer.Option("--person-fit", help="How unlikely each row's answers are, instead.")
    ] = False,
    level: Level = 0.95,
    data: DataNow = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of draws.")] = 0,
) -> None:
    """Abilities and scores of the rows of a fitted test, with intervals.

    Example: [bold]halfseen scores run/ -o scores.csv[/bold]
    """
    from halfseen.cli.items import ScoresQuestion, run_scores

    question = ScoresQuestion(str(method), plausible, person_fit, level, data, seed)
    run_scores(run, question, (output.out, output.json, output.raw))
