"""Errors of the library, in the words of the command line: ``name=value`` becomes ``--name value``."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

QUOTED = r"'[^']*'|\"[^\"]*\""
VALUES = (r"\{[^{}]*\}", r"\[[^][]*\]", r"\([^()]*\)", r"float\('nan'\)", rf"(?:{QUOTED})(?:(?:, | or )(?:{QUOTED}))*",
          r"-?\w[-+\w.]*\w|\w")  # fmt: skip
ARGUMENT = re.compile(rf"(?<![\w.-])([a-z]\w*)=({'|'.join(VALUES)})?")
# Where the program with all commands is; it lies above this file.
PROGRAM = "halfseen.cli.app"
# Arguments whose False is an option of another name.
SWITCHES = {"header": "--no-header", "labels": "--no-labels"}


def in_options(message: str, options: frozenset[str] | None = None) -> str:
    """The same message for someone who types options.

    Parameters
    ----------
    message : str
    options : frozenset of str, optional
        Names that are options; by default those of the command that runs (outside of one, of all commands). What is
        none of them stays as it is.

    Examples
    --------
    >>> in_options("the first line looks like data; give header=False")
    'the first line looks like data; give --no-header'
    >>> in_options("row='usr' is not a column; say duplicates='sum' or 'mean', or see sep= and missing=")
    '--row usr is not a column; say --duplicates sum or mean, or see --sep and --missing'
    >>> in_options("leave them out with drop=['age', 'home town'], or say values={'no': 0, 'yes': 1}")
    "leave them out with --drop 'age,home town', or say --values no=0,yes=1"
    """
    known = options_now() if options is None else options

    def option(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        if name in SWITCHES and value in (None, "False"):
            return SWITCHES[name]
        if name not in known:
            return match[0]
        return _option(name) if value in (None, "True") else f"{_option(name)} {typed_value(value)}"

    text = ARGUMENT.sub(option, message).replace("R[", "entry [")
    # "rank must be ..." begins with the bare name of an argument
    return re.sub(rf"^({'|'.join(sorted(known))}) must\b", lambda match: f"{_option(match[1])} must", text)


def typed_value(value: str) -> str:
    """A Python value as it is typed behind an option.

    >>> [typed_value(v) for v in ("'sum'", "'a', 'b' or 'c'", "['x', 'y', ...]", "(1, 5)", "{'no': 0}", "float('nan')")]
    ['sum', 'a, b or c', 'x,y', '1,5', 'no=0', 'nan']
    """
    if value == "float('nan')":
        return "nan"
    if value[0] in "'\"" and re.fullmatch(QUOTED, value):
        return shlex.quote(value[1:-1]) if value[1:-1] else value
    if value[0] in "{[(":
        parts = [part.replace(": ", "=") for part in value[1:-1].split(", ") if part != "..."]
        text = ",".join(re.sub(rf"^({QUOTED})|({QUOTED})$", lambda match: match[0][1:-1], part) for part in parts)
        return shlex.quote(text)
    return re.sub(QUOTED, lambda match: match[0][1:-1], value)


def of_argument(error: Any) -> str:
    """A bad argument of the library as the option that it was given by.

    >>> from halfseen.parameters import BadArgument
    >>> of_argument(BadArgument("max_iter", 0, "a whole number of at least 1"))
    '--max-iter 0 is not allowed; needed: a whole number of at least 1.'
    """
    return f"{_option(error.name)} {str(error).removeprefix(f'{error.name}=')}"


def options_now() -> frozenset[str]:
    """Names of the options of the command that runs; of all commands where none does."""
    # Newer versions of typer bring click as a part of their own, and do not install the package.
    name = "typer._click.globals" if find_spec("typer._click") else "click"
    context = import_module(name).get_current_context(silent=True)
    if context is not None and context.command.params:
        return frozenset(str(parameter.name) for parameter in context.command.params)
    return _all_options()


@cache
def _all_options() -> frozenset[str]:
    import typer

    names: set[str] = set()
    waiting: list[Any] = [typer.main.get_command(import_module(PROGRAM).app)]
    for command in waiting:  # grows as groups hand over their commands
        names |= {str(parameter.name) for parameter in command.params}
        waiting += getattr(command, "commands", {}).values()
    return frozenset(names)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
