"""Pages of re-run papers, made when the site is built: one per ``papers/*/README.md``, and tables of all claims."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from tracked import rounded, table_of

FOLDER = "papers"
PAGE = """```{{include}} ../../papers/{name}/README.md
:relative-images:
```
"""
COLUMNS = ("what", "kind", "paper", "ours", "verdict", "rule")
HEADER = ["figure", "what", "line", "the paper, or target", "here", "verdict", "rule"]


def write_pages(app: Any) -> None:
    """Write ``docs/papers/PAPER.md`` for every paper with a page, and take away those of papers that are gone."""
    source = Path(app.srcdir)
    pages = source / FOLDER
    found = {readme.parent.name for readme in (source.parent / FOLDER).glob("*/README.md")}
    for old in pages.glob("*.md"):
        if old.stem not in found:
            old.unlink()
    for name in found:
        pages.mkdir(exist_ok=True)
        text = PAGE.format(name=name)
        path = pages / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    if not found:
        shutil.rmtree(pages, ignore_errors=True)


class Claims(Directive):
    """``.. claims::``: for every paper a table of its claims, from the tracked ``*-claims.csv`` files."""

    def run(self) -> list[nodes.Node]:
        """A paragraph and a table per paper."""
        environment = self.state.document.settings.env
        made: list[nodes.Node] = []
        for paper in sorted(path for path in (Path(environment.srcdir).parent / FOLDER).iterdir() if path.is_dir()):
            rows = []
            for file in sorted((paper / "results").glob("*-claims.csv")):
                environment.note_dependency(str(file))
                with file.open(encoding="utf-8", newline="") as lines:
                    figure = file.name.removesuffix("-claims.csv")
                    rows += [[figure, *(rounded(row[key], 3) for key in COLUMNS)] for row in csv.DictReader(lines)]
            if rows:
                made += [nodes.paragraph("", "", nodes.strong(text=paper.name)), table_of(HEADER, rows)]
        return made or [nodes.paragraph(text="No figure has been run yet.")]


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's hook."""
    app.connect("builder-inited", write_pages)
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": True}
