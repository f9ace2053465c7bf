"""The command ``halfseen fit inductive``."""

from __future__ import annotations

import typer

from halfseen.cli.options import Data, InductiveSwitches, JudgeOptions, OutputOptions, TableOptions, grouped
from halfseen.cli.screen import plainly


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
