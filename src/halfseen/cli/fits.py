"""The commands ``halfseen fit METHOD``: what typer needs to know of each is a signature, made from its method."""

from __future__ import annotations

import inspect
import typing
from dataclasses import fields
from typing import Any

import typer

from halfseen.cli.derive import option_of
from halfseen.cli.methods import METHODS, Method
from halfseen.cli.options import BlockOptions, Data, JudgeOptions, ManyData, OutputOptions, TableOptions
from halfseen.cli.screen import PlainCommand, plainly

PANELS = ("The model", "Fine settings of the model")
# Options of methods that fit prepared tables, and of those whose iterations can be kept.
WHERE, KEPT = ("memory", "engine", "scheduler", "workers"), ("checkpoint", "resume")
SEVERAL = "Several with commas are tried on held-out entries."


def add_fits(fit: typer.Typer) -> None:
    """Put a command for every method into the group of fits."""
    for method in METHODS:
        fit.command(method.name, cls=PlainCommand, help=inspect.cleandoc(method.about))(command_of(method))


def command_of(method: Method) -> Any:
    """The command of a method: what typer needs to know of it is its signature."""
    groups = (
        *method.groups,
        TableOptions,
        *(() if method.kind == "rows" else (JudgeOptions,)),
        BlockOptions,
        OutputOptions,
    )
    data = ManyData if method.kind == "sources" else Data
    flat = [inspect.Parameter("data", inspect.Parameter.KEYWORD_ONLY, annotation=data)]
    taken = {"data"}
    # a word of the estimator stays the estimator's: --memory of a chain is that of its draws
    own = {parameter.name for parameter in method.parameters}
    unfit = own | (set() if method.on_blocks else set(WHERE)) | (set() if method.keeps else set(KEPT))
    shown = {
        group: [field for field in fields(group) if group is not BlockOptions or field.name not in unfit]
        for group in groups
    }
    for group in groups:
        hints = typing.get_type_hints(group, include_extras=True)
        taken |= {field.name for field in shown[group]}
        flat += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
            )
            for field in shown[group]
        ]
    derived = [parameter for parameter in method.parameters if parameter.name not in taken]
    options = [
        option_of(parameter, PANELS, SEVERAL if parameter.name in method.searched else "") for parameter in derived
    ]

    @plainly
    def command(**given: Any) -> None:
        from halfseen.cli.job import AskedFit, run_fit

        parts = {group: group(**{field.name: given[field.name] for field in shown[group]}) for group in groups}
        settings = {parameter.name: given[parameter.name] for parameter in derived if given[parameter.name] is not None}
        files = given["data"] if isinstance(given["data"], list) else [given["data"]]
        run_fit(AskedFit(method, files, settings, parts))

    run: Any = command
    run.__signature__ = inspect.Signature([flat[0], *options, *flat[1:]])
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*flat, *options)} | {"return": None}
    run.__name__ = f"fit_{method.name.replace('-', '_')}"
    return run
