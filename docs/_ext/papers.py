"""The pages of re-run papers: one page of the site per ``papers/*/README.md``, made when the site is built."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

FOLDER = "papers"
PAGE = """```{{include}} ../../papers/{name}/README.md
:relative-images:
```
"""


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


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's hook."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
