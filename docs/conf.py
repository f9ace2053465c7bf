"""Sphinx configuration of the documentation site."""

from __future__ import annotations

import sys
from pathlib import Path

import halfseen

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "halfseen"
author = "the halfseen developers"
copyright = "the halfseen developers"
version = release = halfseen.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "tracked",
    "papers",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
nitpicky = False

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
    "ignore_pattern": r"results",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "image_scrapers": ("figures",),
    "within_subsection_order": "figures.place_of",
    "write_computation_times": False,
}
