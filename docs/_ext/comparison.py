"""The comparison page: a table of features per job, and ratios of errors and times, both from tracked files."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from tracked import rounded, table_of

FOLDER = "comparison"
OURS = "halfseen"
SIGNS = {"yes": "●", "in part": "◐", "no": "○"}
# Ratios this near to 1 are called alike: repeated runs of a time differ by as much, and errors are stated to .002.
ALIKE_TIMES, ALIKE_ERRORS = 0.05, 0.002


def lines_of(file: Path) -> list[dict[str, str]]:
    """The lines of a tracked CSV file; those that start with # are left out."""
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(line for line in text if not line.startswith("#")))


def reference(target: str, text: str) -> nodes.Node:
    """A link to a page of the site or elsewhere."""
    if target.startswith("https://"):
        return nodes.reference("", text, refuri=target)
    return nodes.reference("", text, refuri=f"{target.removesuffix('.md')}.html")


def cell(line: dict[str, str]) -> nodes.entry:
    """Sign and note, linked to the evidence."""
    text = SIGNS[line["answer"]] + (f" {line['note']}" if line["note"] else "")
    return nodes.entry("", nodes.paragraph("", "", reference(line["evidence"], text)))


class Features(Directive):
    """``.. features::``: for every job a table, a line per feature and a column per system."""

    def run(self) -> list[nodes.Node]:
        """A rubric and a table per job."""
        environment = self.state.document.settings.env
        file = Path(environment.srcdir) / FOLDER / "features.csv"
        environment.note_dependency(str(file))
        lines = lines_of(file)
        made: list[nodes.Node] = []
        for job in dict.fromkeys(line["job"] for line in lines):
            made += [nodes.rubric(text=job), self.table([line for line in lines if line["job"] == job])]
        return made

    @staticmethod
    def table(lines: list[dict[str, str]]) -> nodes.table:
        """The features of one job."""
        systems = list(dict.fromkeys(line["system"] for line in lines))
        of = {(line["feature"], line["system"]): line for line in lines}
        table = table_of(["", *systems], [])
        table["classes"].append("features")
        body = table[0][-1]
        for feature in dict.fromkeys(line["feature"] for line in lines):
            row = nodes.row("", nodes.entry("", nodes.paragraph(text=feature)))
            row += [
                cell(of[feature, system]) if (feature, system) in of else nodes.entry("", nodes.paragraph(text="-"))
                for system in systems
            ]
            body += row
        return table


def mean_of(lines: list[dict[str, str]], chosen: str, column: str) -> float:
    """The mean of a column over the lines that agree with ``key=value; key=value``.

    Raises
    ------
    ValueError
        If no line agrees.
    """
    wanted = [part.strip().split("=", 1) for part in chosen.split(" & ")]
    values = [float(line[column]) for line in lines if all(line[key] == value for key, value in wanted)]
    if not values:
        raise ValueError(f"no line with {chosen}")
    return fmean(values)


def ratio_of(line: dict[str, str], root: Path) -> float:
    """How many times larger the peer's error or time is (where more is better: ours over the peer's).

    A file that has ratios already says the peer's over ours (``ratio``), or ours over the peer's (``inverse``).
    """
    lines = lines_of(root / line["file"])
    theirs = mean_of(lines, line["theirs"], line["column"])
    if line["better"] in ("ratio", "inverse"):
        return theirs if line["better"] == "ratio" else 1 / theirs
    ours = mean_of(lines, line["ours"], line["column"])
    return theirs / ours if line["better"] == "less" else ours / theirs


def verdict(ratio: float, peer: str, what: str) -> str:
    """Who is ahead."""
    if abs(ratio - 1) <= (ALIKE_TIMES if "time" in what else ALIKE_ERRORS):
        return "alike"
    return OURS if ratio > 1 else peer


class Ratios(Directive):
    """``.. ratios::``: errors and times of peers over ours, from the tracked results that a line names."""

    def run(self) -> list[nodes.Node]:
        """One table."""
        environment = self.state.document.settings.env
        source = Path(environment.srcdir)
        file = source / FOLDER / "ratios.csv"
        environment.note_dependency(str(file))
        rows = []
        for line in lines_of(file):
            environment.note_dependency(str(source.parent / line["file"]))
            ratio = ratio_of(line, source.parent)
            ahead = verdict(ratio, line["peer"], line["what"])
            rows.append([line["what"], line["peer"], line["model"], rounded(str(ratio), 3), ahead])
        table = table_of(["what", "peer", "our model", "ratio", "ahead"], rows)
        table["classes"].append("ratios")
        return [table]


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's hook."""
    app.add_directive("features", Features)
    app.add_directive("ratios", Ratios)
    return {"parallel_read_safe": True}
