"""The command ``halfseen fit inductive`` and its switches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from halfseen.cli.options import JUDGING, Data, FeatureFiles, JudgeOptions, OutputOptions, TableOptions, grouped
from halfseen.cli.screen import plainly


class Hidden(StrEnum):
    """What is held out to judge the fit."""

    entries = "entries"
    rows = "rows"
    cols = "cols"


@dataclass(frozen=True)
class InductiveSwitches(FeatureFiles):
    """Features, and what the model does with them."""

    rank: Annotated[str, typer.Option(metavar="N", help="Units; several with commas are tried.")] = "10"
    activation: Annotated[
        str, typer.Option(metavar="NAME", help="relu, leaky_relu, softplus, sigmoid, tanh or linear.")
    ] = "relu"
    family: Annotated[
        str, typer.Option(metavar="NAME", help="gaussian, one_class, bernoulli, binomial(N) or poisson.")
    ] = "gaussian"
    penalty: Annotated[
        str, typer.Option(metavar="X", help="Penalty on all weights; several with commas are tried.")
    ] = "0.001,0.005"
    beta: Annotated[float, typer.Option(metavar="X", help="Weight of an unseen cell of one_class.")] = 0.1
    effects: Annotated[
        str, typer.Option(metavar="none|rows|cols|both", help="Free effects of seen rows and columns.")
    ] = "none"
    free_rank: Annotated[int, typer.Option(min=0, metavar="N", help="Free factors of seen rows and columns.")] = 0
    n_starts: Annotated[int, typer.Option(min=1, metavar="N", help="Random starts; the best is kept.")] = 1
    held: Annotated[
        Hidden,
        typer.Option(
            help="Hold out single entries, or whole rows or columns, as if they were new.", rich_help_panel=JUDGING
        ),
    ] = Hidden.entries


def add_inductive(fit: typer.Typer) -> None:
    """Put the command into the group of fits."""
    fit.command("inductive")(grouped(plainly(fit_inductive)))


def fit_inductive(
    data: Data, given: InductiveSwitches, table: TableOptions, judge: JudgeOptions, output: OutputOptions
) -> None:
    """Inductive completion: predictions for new rows and columns from their features.

    Example: [bold]halfseen fit inductive ratings.csv --row-features users.csv --col-features films.csv
    --held rows -o run/[/bold], then [bold]halfseen predict run/ --row-features new-users.csv --top 10[/bold]
    """
    from halfseen.cli.inductive import run_inductive

    run_inductive(data, given, table, judge, output)
