"""Formulas without a network: MathJax and its fonts become files of the site."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = "tex-chtml-full.js"
FONTS = "output/chtml/fonts/woff-v2"
# MathJax 3.2.2 as its own package has it, so that nobody else's script is shown to readers.
SCRIPT_SHA256 = "91b005503c5d1f0958bf4d73ada1a3be33596b2c4ab5da22277f1b0d3149b5a4"


def copy_mathjax(app: Any, error: Exception | None) -> None:
    """Copy the script and its fonts, two megabytes of the package's twenty-four, into ``_static/mathjax``."""
    if error is not None or app.builder.format != "html":
        return
    source = Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/static/mathjax")))
    if hashlib.sha256((source / SCRIPT).read_bytes()).hexdigest() != SCRIPT_SHA256:
        raise ExtensionError(f"{source / SCRIPT} is not the {SCRIPT} of MathJax 3.2.2")
    target = Path(app.outdir) / "_static" / "mathjax"
    (target / FONTS).mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / SCRIPT, target / SCRIPT)
    for font in (source / FONTS).glob("*.woff"):
        shutil.copy2(font, target / FONTS / font.name)


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's hook."""
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = f"mathjax/{SCRIPT}"
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True}
