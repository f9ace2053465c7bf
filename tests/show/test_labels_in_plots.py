"""Labels are drawn letter by letter: no formulas, no control or direction characters, none left out of a legend."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.text import Text

import halfseen as hs
from halfseen.inference import Ellipsoids, Intervals
from halfseen.show.factors import plot_factor_map
from halfseen.show.intervals import plot_ellipses, plot_intervals
from halfseen.show.items import plot_curves, plot_wright_map
from halfseen.show.pictures import image_grid
from halfseen.show.sources import plot_heterogeneity, plot_shared_basis, plot_shares

# as a formula the first is an error of matplotlib's parser
HOSTILE = ["$\\frac{$", "a $b$ c", "red\x1b[31m", "l\u202er", "_hidden"]
DRAWN = ["$\\frac{$", "a $b$ c", "red\\x1b[31m", "l\\u202er", "_hidden"]
NAMES = np.array(HOSTILE)
PLACES = np.arange(10.0).reshape(5, 2) * [1.0, -1.0] ** np.arange(5)[:, None]


def curves():
    line = np.linspace(0, 1, 4)
    return SimpleNamespace(
        ability=line, values=[line] * 5, low=[line] * 5, high=[line] * 5, labels=NAMES, answers=np.full(5, np.nan),
        name="$\\frac{$",
    )  # fmt: skip


def sources():
    data = hs.datasets.make_sources_data(5, 5, 6, 1, 1, random_state=0)
    tables = {name: data.sources[old].to_dense() for name, old in zip(HOSTILE, data.sources.names, strict=True)}
    model = hs.TwoStepSVD(1, 1).fit(tables)
    model.row_labels_ = NAMES
    return model


FIGURES = {
    "intervals": lambda: plot_intervals(
        Intervals.symmetric("$\\frac{$", np.arange(5.0), np.ones(5), 0.95, {"row": NAMES})
    ),
    "ellipses": lambda: plot_ellipses(
        Ellipsoids("x", PLACES, np.tile(np.eye(2), (5, 1, 1)), 0.95, labels={"row": NAMES})
    ),
    "factor map": lambda: plot_factor_map(PLACES, NAMES, "$\\frac{$"),
    "curves": lambda: plot_curves(curves()),
    "wright map": lambda: plot_wright_map(np.zeros(3), np.arange(5.0), NAMES),
    "pictures": lambda: image_grid({name: np.zeros((1, 4)) for name in HOSTILE}, (2, 2), title="$\\frac{$"),
    "shared basis": lambda: plot_shared_basis(sources()),
    "heterogeneity": lambda: plot_heterogeneity(sources()),
    "shares": lambda: plot_shares(sources()),
}


@pytest.mark.parametrize("what", FIGURES)
def test_every_label_is_drawn_as_it_is(what, tmp_path):
    figure = FIGURES[what]()
    figure.savefig(tmp_path / "figure.png", dpi=40)
    texts = {text.get_text(): text for text in figure.findobj(Text)}
    for label in DRAWN:
        assert label in texts
        assert "$" not in label or not texts[label].get_parse_math()
