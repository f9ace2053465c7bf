"""The page of a paper: its numbers, ours, the verdicts, and the pictures; written between two marks of a README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halfseen.reproduce.rules import KINDS, figures_text, rule_text
from halfseen.reproduce.runs import read_record
from halfseen.reproduce.scripts import Figure, Paper
from halfseen.reproduce.writing import replace

# What stands above the lines of a kind, and what its middle columns are called.
HEADS = {
    "paper": ("The paper's claims", "the paper", "here"),
    "target": ("Our own targets, which the paper does not state", "target", "here"),
    "beyond": ("Beyond the paper", "the paper", "here"),
    "difference": ("Done otherwise than in the paper", "the paper", "here"),
}
NAMES = {"paper": "the paper", "target": "our targets", "beyond": "", "difference": "differences"}
BEGIN = "<!-- results: written by `halfseen reproduce`; edit above or below -->"
END = "<!-- end of results -->"


def write_page(paper: Paper, quick: bool = False) -> Path:
    """Write the page of a paper from the records of its figures; what stands around the marks is kept.

    Returns
    -------
    Path
        ``papers/PAPER/README.md``, or the one of the quick runs.
    """
    path = (paper.path / "quick" if quick else paper.path) / "README.md"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# {_words(paper.name)}\n\n{BEGIN}\n{END}\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2] if END in rest else "\n"
    replace(path, f"{head}{BEGIN}\n\n{results_text(paper, quick)}\n{END}{tail}")
    return path


def results_text(paper: Paper, quick: bool = False) -> str:
    """Markdown of all figures: a table of verdicts, then a section each."""
    folder = paper.path / ("quick" if quick else "results")
    records = [(figure, read_record(folder, figure.name)) for figure in paper.figures]
    lines = ["| figure | what it shows | verdicts | seconds |", "|---|---|---|---|"]
    for figure, record in records:
        seconds = f"{record['seconds']:.0f}" if record else ""
        lines.append(f"| `{figure.name}` | {_safe(figure.title)} | {verdicts(record)} | {seconds} |")
    sections = [_section(figure, record, "" if quick else "results/") for figure, record in records]
    return "\n".join(lines) + "\n\n" + "\n".join(sections)


def verdicts(record: dict[str, Any] | None) -> str:
    """How many lines of which kind got which verdict."""
    if record is None:
        return "not run yet"
    counts: dict[str, dict[str, int]] = {}
    for claim in record["claims"]:
        own = counts.setdefault(claim["kind"], {})
        own[claim["verdict"]] = own.get(claim["verdict"], 0) + 1
    texts = [
        f"{NAMES[kind]}: {_counted(counts[kind])}" if NAMES[kind] else _counted(counts[kind])
        for kind in KINDS
        if kind in counts
    ]
    return "; ".join(texts) or "no claims"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _section(figure: Figure, record: dict[str, Any] | None, folder: str) -> str:
    lines = [f"## {_safe(figure.title)}", ""]
    if figure.text:
        lines += [figure.text, ""]
    if record is None:
        return "\n".join([*lines, f"Not run yet: `halfseen reproduce {figure.paper}/{figure.name}`.", ""])
    for kind in KINDS:
        lines += _lines(kind, [claim for claim in record["claims"] if claim["kind"] == kind])
    for name in record["files"]:
        if name.endswith(".png"):
            lines += [f"![{_safe(figure.title)}]({folder}{name})", ""]
    tables = ", ".join(f"`{folder}{name}`" for name in record["files"] if name.endswith(".csv"))
    where = f"{record['processor']}, halfseen {record['halfseen']}"
    lines.append(f"`{record['command']}`: {record['seconds']:.0f} s on {where}.")
    asked = ", ".join(f"{key} {count}" for key, count in record.get("asked", {}).items())
    cut = f" (asked for: {asked}; `--minutes` ended it)" if asked else ""
    lines.append(f"Configuration as run `{json.dumps(record['config'])}`{cut}.")
    return "\n".join([*lines, f"Tables: {tables}.", ""] if tables else [*lines, ""])


def _lines(kind: str, claims: list[dict[str, Any]]) -> list[str]:
    """The table of one kind of line; what is only beyond the paper has neither verdict nor rule."""
    if not claims:
        return []
    head, paper, here = HEADS[kind]
    if kind in ("beyond", "difference"):
        columns = [f"| | {paper} | {here} | remarks |", "|---|---|---|---|"]
        cells = [[claim["what"], claim["paper"], claim["ours"], claim["reason"]] for claim in claims]
    else:
        columns = [f"| | {paper} | {here} | verdict | rule (and its figures) | reason |", "|---|---|---|---|---|---|"]
        cells = [
            [claim["what"], claim["paper"], claim["ours"], claim["verdict"], _judged(claim), claim["reason"]]
            for claim in claims
        ]
    rows = ["| " + " | ".join(_safe(_number(cell)) for cell in row) + " |" for row in cells]
    return [f"{head}:", "", *columns, *rows, ""]


def _judged(claim: dict[str, Any]) -> str:
    if not claim["rule"]:
        return ""
    return f"{rule_text(claim['rule'], claim['partly'])} ({figures_text(claim['figures'])})"


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _safe(text: str) -> str:
    """Text that a cell of a Markdown table and a page with formulas take as it is."""
    return " ".join(text.split()).replace("|", "\\|").replace("$", "\\$").replace("<", "&lt;").replace("*", "\\*")
