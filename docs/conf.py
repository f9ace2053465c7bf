"""Sphinx configuration of the documentation site."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from pydoc import ErrorDuringImport, locate

import halfseen

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "scripts")]

from run_examples import missing  # noqa: E402

project = "halfseen"
author = "the halfseen developers"
copyright = "the halfseen developers"
version = release = halfseen.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "formulas",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "tracked",
    "papers",
    "comparison",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
# Pages of classes that need an optional package are made without it; examples that need it are left out.
autodoc_mock_imports = [name for name in ("torch",) if find_spec(name) is None]
left_out = [path.name for path in (HERE.parent / "examples").glob("plot_*.py") if missing(path) is not None]
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
nitpicky = False

# The menu of a formula would load further scripts that the site does not have.
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "pydata_sphinx_theme"
# Single pages have no neighbours to navigate to; an empty sidebar only takes their room.
html_sidebars = {name: [] for name in ("index", "command-line", "install")}
html_title = "halfseen"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "ignore_pattern": "|".join(["results", *left_out]),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "image_scrapers": ("figures",),
    "within_subsection_order": "figures.place_of",
    "write_computation_times": False,
}


def without_last_blank_lines(app, name, source):
    """Code blocks end at their last line: the blank one that ends a doctest's output is not shown."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.M)


def without_gone_pages(app):
    """Pages of names that the package no longer has are deleted: an earlier build made them."""
    for page in (HERE / "api" / "generated").glob("*.rst"):
        try:
            gone = locate(page.stem) is None
        except ErrorDuringImport:
            gone = True
        if gone:
            page.unlink()


def setup(app):
    """Sphinx's hook."""
    # before autosummary, which writes the pages that are listed
    app.connect("builder-inited", without_gone_pages, priority=1)
    app.connect("source-read", without_last_blank_lines)
