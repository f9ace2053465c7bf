"""Scraper of the gallery: figures that a block made without pyplot, besides those made with it."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper

_drawn: set[int] = set()


def scrape(block: Any, variables: dict[str, Any], configuration: dict[str, Any]) -> str:
    """Save the new figures among the example's variables; the text that shows them."""
    if numbers := plt.get_fignums():
        _drawn.update(id(plt.figure(number)) for number in numbers)
        return matplotlib_scraper(block, variables, configuration)
    paths = []
    for value in list(variables["example_globals"].values()):
        if isinstance(value, Figure) and id(value) not in _drawn:
            _drawn.add(id(value))
            paths.append(next(variables["image_path_iterator"]))
            value.savefig(paths[-1], dpi=100)
    return figure_rst(paths, configuration["src_dir"])


def _get_sg_image_scraper() -> Any:
    return scrape
