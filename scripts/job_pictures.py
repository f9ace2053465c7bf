"""Draw the six small pictures of the start page: ``python scripts/job_pictures.py [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import halfseen as hs

BLUE, ORANGE, GREY = "#2a6f97", "#e0893a", "0.35"


def panel(axis: Axes) -> None:
    """A sensor's readings, and intervals where it was silent."""
    values = hs.datasets.load("sensors").to_dense()
    mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    model = hs.BayesianFactorization(random_state=0).fit((values - mean) / spread)
    hours, column = np.arange(82, 148), 2
    lost = hours[np.isnan(values[hours, column])]
    cells = model.inference(level=0.9).responses(lost, np.full(len(lost), column))
    low, high = (part * spread[column] + mean[column] for part in (cells.low, cells.high))
    axis.vlines(lost, low, high, color=ORANGE, linewidth=3, alpha=0.75)
    axis.plot(hours, values[hours, column], "o", color=GREY, markersize=4)
    axis.set(xticks=[], yticks=[])


def leaderboard(axis: Axes) -> None:
    """Scores of ten systems with intervals."""
    model = hs.ItemResponseModel("1pl").fit(hs.datasets.load("model_answers"))
    scores = model.inference().scores()
    order = np.argsort(scores.estimate)[::-3][::-1]
    place = np.arange(len(order))
    axis.hlines(place, scores.low[order], scores.high[order], color=BLUE, linewidth=4, alpha=0.5)
    axis.plot(scores.estimate[order], place, "o", color=BLUE, markersize=6)
    axis.set(yticks=[])


def questions(axis: Axes) -> None:
    """Curves of three questions with bands."""
    model = hs.ItemResponseModel("2pl").fit(hs.datasets.load("school_test"))
    ability = np.linspace(-3, 3, 61)
    curves = model.curves(ability)
    ends = np.argsort(model.items_["difficulty"])
    for column, colour in zip(ends[[1, len(ends) // 2, -1]], (BLUE, ORANGE, GREY), strict=True):
        axis.fill_between(ability, curves.low[column], curves.high[column], color=colour, alpha=0.25)
        axis.plot(ability, curves.values[column], color=colour, linewidth=2.5)
    axis.set(yticks=[0, 0.5, 1], xticks=[])


def films(axis: Axes) -> None:
    """The films that one user would like best, with intervals."""
    ratings = hs.datasets.load("film_ratings").to_dense()
    model = hs.BayesianFactorization(rank="auto", random_state=0, clip=(1, 5)).fit(ratings)
    unseen = np.flatnonzero(np.isnan(ratings[7]))
    cells = model.inference(level=0.9).entries(np.full(len(unseen), 7), unseen)
    best = np.argsort(cells.estimate)[-7:]
    axis.barh(np.arange(7), cells.estimate[best] - 1, left=1, color=BLUE, alpha=0.35)
    axis.hlines(np.arange(7), cells.low[best], cells.high[best], color=BLUE, linewidth=3)
    axis.set(yticks=[], xticks=[1, 2, 3, 4, 5], xlim=(1, 5.1))


def tables(axis: Axes) -> None:
    """How much of four tables is shared, and how much is each one's own."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(200, 2))
    sources = {}
    for name, weight in zip("abcd", (1.5, 1.0, 0.7, 0.4), strict=True):
        own = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 12))
        sources[name] = weight * shared @ rng.normal(size=(2, 12)) + own + rng.normal(size=(200, 12))
    model = hs.HeterogeneousFactorization(2, 2, random_state=0).fit(sources)
    both = (model.shared_part, model.unique_part)
    whole = {name: np.sum((table - table.mean(axis=0)) ** 2) for name, table in sources.items()}
    parts = np.array([[np.sum(part(name) ** 2) / whole[name] for part in both] for name in sources])
    axis.bar(range(4), parts[:, 0], color=BLUE, width=0.6)
    axis.bar(range(4), parts[:, 1], bottom=parts[:, 0], color=ORANGE, width=0.6)
    axis.set(xticks=[], yticks=[], ylim=(0, 1))
    for height, text in ((parts[0, 0] / 2, "shared"), (parts[0, 0] + parts[0, 1] / 2, "own")):
        axis.text(0, height, text, ha="center", va="center", color="white", fontsize=10)


def together(axis: Axes) -> None:
    """How products are bought together, from three amounts per customer."""
    model = hs.OneSidedCompletion(rank="auto", random_state=0).fit(hs.datasets.load("amounts"))
    moment = model.second_moment()
    moment = moment / np.sqrt(np.outer(np.diag(moment), np.diag(moment)))
    order = np.argsort(np.arctan2(*model.components_[:2]))
    axis.imshow(moment[np.ix_(order, order)], cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    axis.set(xticks=[], yticks=[])


PICTURES: dict[str, Callable[[Axes], None]] = {
    "panel": panel,
    "leaderboard": leaderboard,
    "questions": questions,
    "films": films,
    "tables": tables,
    "together": together,
}


def main(folder: Path) -> None:
    """Write ``job-NAME.png``, 420 by 210 pixels each."""
    for name, draw in PICTURES.items():
        figure, axis = plt.subplots(figsize=(4.2, 2.1), constrained_layout=True)
        axis.spines[["top", "right"]].set_visible(False)
        draw(axis)
        figure.savefig(folder / f"job-{name}.png", dpi=100, metadata={"Software": None})
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "_static"))
