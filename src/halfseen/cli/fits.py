"""The commands ``halfseen fit METHOD``: what typer needs to know of each is a signature, made from its method."""

from __future__ import annotations

import inspect
import typing
from dataclasses import fields
from typing import Any

import typer

from halfseen.cli.derive import option_of
from halfseen.cli.methods import METHODS, Method
from halfseen.cli.options import Data, JudgeOptions, ManyData, OutputOptions, TableOptions
from halfseen.cli.screen import PlainCommand, plainly

PANELS = ("The model", "Fine settings of the model")
SEVERAL = "Several with commas are tried on held-out entries."


def add_fits(fit: typer.Typer) -> None:
    """Put a command for every method into the group of fits."""
    for method in METHODS:
        fit.command(method.name, cls=PlainCommand, help=inspect.cleandoc(method.about))(command_of(method))


def command_of(method: Method) -> Any:
    """The command of a method: what typer needs to know of it is its signature."""
    groups = (*method.groups, TableOptions, *(() if method.kind == "rows" else (JudgeOptions,)), OutputOptions)
    data = ManyData if method.kind == "sources" else Data
    flat = [inspect.Parameter("data", inspect.Parameter.KEYWORD_ONLY, annotation=data)]
    taken = {"data"}
    for group in groups:
        hints = typing.get_type_hints(group, include_extras=True)
        taken |= {one.name for one in fields(group)}
        flat += [
            inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
            for one in fields(group)
        ]
    derived = [one for one in method.parameters if one.name not in taken]
    options = [option_of(one, PANELS, SEVERAL if one.name in method.searched else "") for one in derived]

    @plainly
    def command(**given: Any) -> None:
        from halfseen.cli.job import Asked, run_fit

        parts = {group: group(**{one.name: given[one.name] for one in fields(group)}) for group in groups}
        settings = {one.name: given[one.name] for one in derived if given[one.name] is not None}
        files = given["data"] if isinstance(given["data"], list) else [given["data"]]
        run_fit(Asked(method, files, settings, parts))

    run: Any = command
    run.__signature__ = inspect.Signature([flat[0], *options, *flat[1:]])
    run.__annotations__ = {one.name: one.annotation for one in (*flat, *options)} | {"return": None}
    run.__name__ = f"fit_{method.name.replace('-', '_')}"
    return run
