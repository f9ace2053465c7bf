"""The command ``halfseen fit heterogeneous`` and its help."""

from __future__ import annotations

from typing import Annotated

import typer

from halfseen.cli.options import JudgeOptions, OutputOptions, SourcesOptions, TableOptions, grouped
from halfseen.cli.screen import plainly


@grouped
@plainly
def fit_heterogeneous(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="One long table with --source, or a file (or data set) per source."),
    ],
    given: SourcesOptions,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
) -> None:
    """Many sources over the same rows: what they share and what is each one's own.

    Example: [bold]halfseen fit heterogeneous ratings.csv --source genre --row user --col item --value rating
    --ridge 5,10 -o run/[/bold], or [bold]halfseen fit heterogeneous north.csv south.csv -o run/[/bold]
    """
    from halfseen.cli.heterogeneous import run_sources

    run_sources(data, given, table, judge, output)
