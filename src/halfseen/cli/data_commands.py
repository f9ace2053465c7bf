"""The commands ``halfseen data list`` and ``halfseen data path``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from halfseen.cli.screen import OneLineErrors, PlainCommand, plainly


def add_data(app: typer.Typer, style: dict[str, Any]) -> None:
    """Put the group of commands into the program."""
    data = typer.Typer(cls=OneLineErrors, no_args_is_help=True, **style)
    data.command("list", cls=PlainCommand)(plainly(data_list))
    data.command("path", cls=PlainCommand)(plainly(data_path))
    app.add_typer(data, name="data", help="Data sets known by name.")


def data_list(json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False) -> None:
    """Data sets that commands take by name, and whether they are here.

    Example: [bold]halfseen data list[/bold]
    """
    from halfseen.cli.catalogue import run_list

    run_list(json)


def data_path(name: Annotated[str, typer.Argument(metavar="NAME", help="A name of 'halfseen data list'.")]) -> None:
    """Where a data set lies.

    Example: [bold]halfseen data path ml-100k[/bold]
    """
    from halfseen.cli.catalogue import run_path

    run_path(name)
