"""Options of a command, read from an estimator's signature and docstring without importing it.

``halfseen fit METHOD --help`` has to be quick, and importing an estimator means importing NumPy and scikit-learn: its
source is parsed instead. Values are parsed and checked by the estimator's own table of kinds when the command runs.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

SOURCE = Path(__file__).parents[1]
# What the job itself has options for, and what no text can stand for.
OF_THE_JOB = ("random_state", "engine")
NO_TEXT = re.compile(r"array|ndarray|callable|object|mapping|dict|estimator|Privacy|SideFeatures|frame|sequences")
LONGEST_HELP = 230


@dataclass(frozen=True)
class Parameter:
    """One parameter of an estimator, as its source states it.

    Attributes
    ----------
    name : str
    default : object
    kind : str
        The type in the docstring: "int, 'auto' or None".
    text : str
        What it does.
    is_fine : bool
        Whether it stands below the line "Fine settings" of the docstring.
    """

    name: str
    default: Any
    kind: str
    text: str
    is_fine: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false and nothing else."""
        return isinstance(self.default, bool) and self.kind.startswith("bool") and " or " not in self.kind

    @property
    def metavar(self) -> str:
        """What stands for the value in the help."""
        words = re.findall(r"[\"']([\w.()-]+)[\"']", self.kind)
        number = "N" if re.search(r"\bint\b", self.kind) else "X" if re.search(r"\bfloat\b", self.kind) else ""
        pair = "LOW,HIGH" if re.search(r"\(low, high\)|pair", self.kind) else ""
        parts = list(dict.fromkeys([*filter(None, (number, pair)), *words]))
        if re.search(r"\bNone\b", self.kind):
            parts.append("none")
        if self.kind.startswith("bool") or " bool" in self.kind:
            parts += ["true", "false"]
        is_open = not parts or parts == ["none"] or (self.kind.startswith("str") and not words)
        return "|".join(["NAME", *parts] if is_open else parts)


@cache
def parameters_of(file: str, name: str) -> tuple[Parameter, ...]:
    """Parameters of the class ``name`` in a file of the library that can be written as text.

    Examples
    --------
    >>> [parameter.name for parameter in parameters_of("methods/comparisons/bias.py", "ColumnMean")]
    ['shrinkage']
    """
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            others = [other for other in tree.body if isinstance(other, ast.ClassDef) and other is not node]
            texts: dict[str, tuple[str, str, bool]] = {}
            for other in (*others, node):  # what is "as in the other class" is told there
                texts |= documented(ast.get_docstring(other) or "")
            return tuple(_read(node, texts))
    raise ValueError(f"{file} has no class {name}")


def _read(node: ast.ClassDef, texts: dict[str, tuple[str, str, bool]]) -> list[Parameter]:
    start = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    given = [*start.args.args[1:], *start.args.kwonlyargs]
    positional = start.args.defaults
    missing: list[ast.expr | None] = [None] * (len(start.args.args) - 1 - len(positional))
    defaults = [*missing, *positional, *start.args.kw_defaults]
    parameters = []
    for argument, default in zip(given, defaults, strict=True):
        kind, text, is_fine = texts.get(argument.arg, ("str", "", True))
        value = None if default is None else _literal(default)
        # a parameter that is text by default can be written as text, whatever else it may be
        is_text = isinstance(value, str | int | float) or re.search(r"['\"]", kind) or not NO_TEXT.search(kind)
        if argument.arg in OF_THE_JOB or not is_text:
            continue
        parameters.append(Parameter(argument.arg, value, kind, text, is_fine))
    return parameters


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:  # a named constant
        return ast.unparse(node)


def documented(docstring: str) -> dict[str, tuple[str, str, bool]]:
    """Type and text of every parameter of a numpydoc docstring, and whether it is a fine setting.

    Examples
    --------
    >>> documented("Title.\\n\\nParameters\\n----------\\na, b : int\\n    Two. More.\\n\\nNotes\\n-----\\n")
    {'a': ('int', 'Two. More.', False), 'b': ('int', 'Two. More.', False)}
    """
    lines = inspect.cleandoc(docstring).splitlines()
    described: dict[str, tuple[str, str, bool]] = {}
    names: list[str] = []
    kind, is_in, is_fine = "", False, False
    for place, line in enumerate(lines):
        if place + 1 < len(lines) and re.fullmatch(r"-{4,}", lines[place + 1]):
            is_in = line in ("Parameters", "Other Parameters")
            is_fine = is_fine or line == "Other Parameters"
            names = []
        elif not is_in or re.fullmatch(r"-{4,}", line):
            continue
        elif line[:1].strip() and (match := re.fullmatch(r"([\w, ]+?)\s*:\s*(.+)", line)):
            names, kind = [name.strip() for name in match[1].split(",")], re.sub(r",?\s*default=.*", "", match[2])
            described |= {name: (kind, "", is_fine) for name in names}
        elif line[:1].strip():
            names, is_fine = [], is_fine or "ine settings" in line
        else:
            for name in names:
                described[name] = (kind, f"{described[name][1]} {plain_text(line)}".strip(), is_fine)
    return described


def plain_text(line: str) -> str:
    """A line of reStructuredText without its marks."""
    line = re.sub(r":math:`([^`]*)`", r"\1", line.strip())
    line = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`", r"\1", line).replace("``", "").replace("`", "")
    line = re.sub(r"\\frac\{?(\w+)\}?\{?(\w+)\}?", r"\1/\2", line).replace("\\|", "|").replace("^\\top", "'")
    return re.sub(r"\\(\w+|\W)", r"\1", line)


def short(text: str) -> str:
    """The first sentences of a text, as many as fit into a cell of the help."""
    if len(text) <= LONGEST_HELP:
        return text
    cut = text[:LONGEST_HELP]
    end = max(cut.rfind(". "), cut.rfind("; "))
    return cut[: end + 1] if end > LONGEST_HELP // 3 else cut[: cut.rfind(" ")] + " ..."


def option_of(parameter: Parameter, panels: tuple[str, str], more: str = "") -> inspect.Parameter:
    """A parameter as an option of typer: text, or a flag; None where it is not given.

    Parameters
    ----------
    parameter : Parameter
    panels : (str, str)
        Headings of the main and of the fine settings.
    more : str
        Added to the help.
    """
    name = parameter.name.replace("_", "-")
    default = "none" if parameter.default is None else str(parameter.default).replace(" ", "")
    default = default.lower() if isinstance(parameter.default, bool) else default
    text = " ".join(filter(None, (short(parameter.text), more, f"[default: {default}]"))).replace("[", r"\[")
    panel = panels[parameter.is_fine]
    kind: Any = str | None
    if parameter.is_flag:
        kind = bool | None
        option = typer.Option(f"--{name}/--no-{name}", help=text, rich_help_panel=panel, show_default=False)
    else:
        option = typer.Option(
            f"--{name}", metavar=parameter.metavar, help=text, rich_help_panel=panel, show_default=False
        )
    return inspect.Parameter(
        parameter.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )
