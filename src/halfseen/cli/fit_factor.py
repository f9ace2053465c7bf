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


class Columns(StrEnum):
    """Whether columns are parameters, or integrated out."""

    fixed = "fixed"
    random = "random"
    rasch = "rasch"
    two = "2pl"


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
        typer.Option(
            help="How one entry is distributed; gaussian, or what a named data set asks for; bernoulli with --columns "
            "random."
        ),
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
    columns: Annotated[
        Columns,
        typer.Option(
            help="For leaderboards (few rows, yes/no answers or pass rates): columns integrated out, as 'rasch', '2pl' "
            "or the better of the two ('random'). Then 'halfseen rank RUN'."
        ),
    ] = Columns.fixed,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="SEP", help="Blocks of columns, with --columns random: the text of a column's label before SEP."
        ),
    ] = None,
) -> None:
    """Generalized factor model: real numbers, yes/no answers, counts, counts out of N, or ordered classes.

    Example: [bold]halfseen fit factor u.data --no-header --row 0 --col 1 --value 2
    --shift -1 --family binomial --trials 4 -o run/[/bold], or
    [bold]halfseen fit factor results.csv --columns random -o run/[/bold] and [bold]halfseen rank run/[/bold]
    """
    from halfseen.cli.fit import Method, run_fit

    method = Method.factor(data, family, trials, penalty)
    if columns is not Columns.fixed or groups is not None:
        from halfseen.cli.leaderboard import leaderboard_method

        method = leaderboard_method((data, family, trials, penalty), str(columns), groups)
        rank = "1" if rank == "auto" else rank
    run_fit(data, method, (rank, ranks), table, judge, output)
