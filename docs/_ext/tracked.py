"""The directive ``tracked``: a table of the documentation, read from a tracked CSV file when the site is built."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

KEYS = ("columns", "mean")


class Tracked(Directive):
    """``.. tracked:: ../benchmarks/results/file.csv``, with ``:columns: a, b``, ``:mean: c``, ``:digits: 3`` if wanted.

    With ``*`` in the name, one table per file that has a JSON file beside it, each below its command from there.
    Lines of a file that start with ``#`` are left out; numbers are rounded to ``digits`` significant ones. The columns
    of ``:mean:`` are averaged over the lines that agree in the other ``:columns:``.
    """

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "columns": directives.unchanged,
        "mean": directives.unchanged,
        "digits": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        """The tables."""
        environment = self.state.document.settings.env
        folder = Path(environment.doc2path(environment.docname)).parent
        name = Path(self.arguments[0])
        if "*" not in name.name:
            return [self.read(folder / name, environment)]
        made: list[nodes.Node] = []
        for file in sorted((folder / name.parent).resolve().glob(name.name)):
            beside = file.with_suffix(".json")
            if not beside.exists():
                continue
            facts = json.loads(beside.read_text(encoding="utf-8"))
            about = "; ".join(
                str(value) for key, value in facts.items() if key in ("command", "cpu", "processor", "machine")
            )
            made += [nodes.paragraph(text=about or file.name), self.read(file, environment)]
        return made or [nodes.paragraph(text="No results are tracked yet.")]

    def read(self, file: Path, environment: Any) -> nodes.table:
        """One file as a table."""
        environment.note_dependency(str(file.resolve()))
        with file.open(encoding="utf-8", newline="") as lines:
            header, *body = csv.reader(line for line in lines if not line.startswith("#"))
        given = {key: [name.strip() for name in self.options.get(key, "").split(",") if name.strip()] for key in KEYS}
        names = given["columns"] or [name for name in header if name not in given["mean"]]
        rows = [[row[header.index(name)] for name in names] for row in body]
        if given["mean"]:
            groups: dict[tuple[str, ...], list[list[str]]] = {}
            for key, row in zip(map(tuple, rows), body, strict=True):
                groups.setdefault(key, []).append(row)
            rows = [
                [*key, *(mean([row[header.index(name)] for row in group]) for name in given["mean"])]
                for key, group in groups.items()
            ]
        digits = self.options.get("digits", 3)
        titles = [name.replace("_", " ") for name in (*names, *given["mean"])]
        return table_of(titles, [[rounded(cell, digits) for cell in row] for row in rows])


def mean(cells: list[str]) -> str:
    """The mean of the cells that are not empty, as text; empty where all are."""
    numbers = [float(cell) for cell in cells if cell]
    return str(fmean(numbers)) if numbers else ""


def rounded(text: str, digits: int) -> str:
    """A number with so many significant digits; other text as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number == int(number) and len(text) < 9 else f"{number:.{digits}g}"


def table_of(header: list[str], rows: list[list[str]]) -> nodes.table:
    """A plain table."""
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    for part, lines in ((nodes.thead(), [header]), (nodes.tbody(), rows)):
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", nodes.paragraph(text=cell)) for cell in line]
            part += row
        group += part
    return nodes.table("", group)


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's hook."""
    app.add_directive("tracked", Tracked)
    return {"parallel_read_safe": True}
