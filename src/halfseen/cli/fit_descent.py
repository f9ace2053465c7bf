"""The command ``halfseen fit descent``."""

from __future__ import annotations

from typing import Annotated

import typer

from halfseen.cli.options import (
    ALS_RANKS,
    Data,
    DescentSwitches,
    JudgeOptions,
    OutputOptions,
    TableOptions,
    grouped,
)
from halfseen.cli.screen import plainly


def add_descent(fit: typer.Typer) -> None:
    """Put the command into the group of fits."""
    fit.command("descent")(grouped(plainly(fit_descent)))


def fit_descent(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    switches: DescentSwitches,
    family: Annotated[
        str, typer.Option(metavar="NAME", help="How one entry is distributed: gaussian, bernoulli, binomial, poisson.")
    ] = "gaussian",
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trials per entry of the binomial family.")
    ] = None,
) -> None:
    """Overparametrized descent: more columns than needed, a small start, an early stop; no rank to choose.

    Example: [bold]halfseen fit descent ratings.parquet --row user --col item --value rating -o run/[/bold]
    """
    from halfseen.cli.descent import descent
    from halfseen.cli.fit import run_fit

    run_fit(data, descent(family, trials, switches), (None, ALS_RANKS), table, judge, output)
