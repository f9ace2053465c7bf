"""The command ``halfseen fit factor``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from halfseen.cli.options import Data, JudgeOptions, OutputOptions, Rank, Ranks, TableOptions, grouped
from halfseen.cli.screen import plainly


class Family(StrEnum):
    """How one entry is distributed."""

    gaussian = "gaussian"
    bernoulli = "bernoulli"
    probit = "probit"
    binomial = "binomial"
    poisson = "poisson"
    negative_binomial = "negative_binomial"
    ordinal = "ordinal"


def add_factor(fit: typer.Typer) -> None:
    """Put the command into the group of fits."""
    fit.command("factor")(grouped(plainly(fit_factor)))


def fit_factor(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    rank: Rank = "auto",
    ranks: Ranks = "1,2,4,8",
    family: Annotated[
        Family | None,
        typer.Option(help="How one entry is distributed; gaussian, or what a named data set asks for."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trials per entry of the binomial family.")
    ] = None,
    penalty: Annotated[
        str,
        typer.Option(
            metavar="auto|map|none|X",
            help="Empirical-Bayes ridge, none, the better of the two (auto), or a ridge of your own; "
            "several with commas are tried on held-out entries.",
        ),
    ] = "auto",
) -> None:
    """Generalized factor model: real numbers, yes/no answers, counts, counts out of N, or ordered classes.

    Example: [bold]halfseen fit factor u.data --no-header --row 0 --col 1 --value 2
    --shift -1 --family binomial --trials 4 -o run/[/bold]
    """
    from halfseen.cli.fit import Method, run_fit

    run_fit(data, Method.factor(data, family, trials, penalty), (rank, ranks), table, judge, output)
