"""The gallery: its order, and figures that a block made without pyplot, besides those made with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst, matplotlib_scraper

# By job: tables with holes, tests and leaderboards, ratings and links, several tables, thin tables, ranks, assumptions.
ORDER = (
    "filled_gap", "digits", "leaderboard", "few_models", "item_curves", "adaptive_test", "cold_start", "towers",
    "drug_targets", "shared_sensors", "variance_explained", "market_index", "many_sources", "purchases",
    "sparse_rows", "larger_than_memory", "on_disk", "dask", "descent", "choose_rank", "interval_calibration",
    "missing_not_at_random",
)  # fmt: skip

_drawn: set[int] = set()


def place_of(name: str) -> int:
    """Where an example stands in the gallery; those that the order does not name come last."""
    short = Path(name).stem.removeprefix("plot_")
    return ORDER.index(short) if short in ORDER else len(ORDER)


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
