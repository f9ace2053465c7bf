"""The commands ``halfseen fit heterogeneous`` and ``halfseen fit autoencoder``, and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from halfseen.cli.options import JudgeOptions, NetworkOptions, OutputOptions, SourcesOptions, TableOptions, grouped
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
    --penalty 5,10 -o run/[/bold], or [bold]halfseen fit heterogeneous north.csv south.csv -o run/[/bold]
    """
    from halfseen.cli.heterogeneous import run_sources

    run_sources(data, given, table, judge, output)


@grouped
@plainly
def fit_autoencoder(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="One table, one long table with --source, or a file per source."),
    ],
    given: NetworkOptions,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
) -> None:
    """Autoencoders of half-seen columns; of several sources, with encoders of their own. Needs the extra 'torch'.

    Example: [bold]halfseen fit autoencoder ratings.csv --source genre --row user --col item --value rating
    -o run/[/bold], or [bold]halfseen fit autoencoder u.data --no-header --row 0 --col 1 --value 2 -o run/[/bold]
    """
    from halfseen.cli.autoencoder import run_autoencoder

    run_autoencoder(data, given, table, judge, output)
