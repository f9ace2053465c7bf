"""Displays of second moments: before and after completion, eigenvalues with errors, widths against counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.show.figures import BLUE, GREY, MISSING, ORANGE, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Widths:
    """Widths of intervals, and how many rows hold each pair: what is left of intervals in a page's details."""

    width: FloatArray
    counts: IntArray
    level: float

    @classmethod
    def of(cls, model: Any, inference: Any) -> Widths:
        """Of all pairs of few columns, of an even choice of those of many."""
        i, j = pairs_to_draw(model)
        names = model.col_labels_
        intervals = inference.second_moment((i, j) if names is None else (names[i], names[j]))
        return cls(np.asarray(intervals.width), np.asarray(model.moments_.at(i, j).counts), intervals.level)


# Columns drawn at most: more are finer than the picture's dots.
MOST_COLUMNS = 120
MOST_PAIRS = 4000


def plot_second_moment(model: Any, columns: Any = None) -> Figure:
    """T as the pairs have it, and completed; pairs never seen are tinted.

    Parameters
    ----------
    model : OneSidedCompletion
        Not a private one.
    columns : int array, optional
        Positions; by default the most frequent ones, ordered by the leading direction.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = _columns(model) if columns is None else np.asarray(columns)
    i, j = (part.ravel() for part in np.meshgrid(chosen, chosen, indexing="ij"))
    held, shape = model.moments_.at(i, j), (len(chosen), len(chosen))
    raw = np.divide(held.sums, held.counts, out=np.full(len(i), np.nan), where=held.counts > 0).reshape(shape)
    completed = model.second_moment(kind="with_psi")[np.ix_(chosen, chosen)].astype(float)
    # the noise of single pairs must not set the colours
    reach = float(np.nanpercentile(np.abs(completed), 99)) or 1.0
    figure = new_figure(7.6, 3.8)
    panels = figure.subplots(1, 2)
    for axes, table, title in zip(panels, (raw, completed), ("mean products of pairs seen", "completed"), strict=True):
        axes.set_facecolor(MISSING)
        image = axes.imshow(table, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(image, ax=list(panels), shrink=0.8)
    return figure


def plot_eigenvalues(intervals: Any, ax: Axes | None = None) -> Figure:
    """Eigenvalues with their intervals, largest first.

    Parameters
    ----------
    intervals : Intervals
        ``model.inference().eigenvalues()``.
    ax : matplotlib.axes.Axes, optional
    """
    axes = tidy(ax if ax is not None else new_figure(4.2, 3.4).subplots())
    place = np.arange(1, len(intervals) + 1)
    low = np.maximum(intervals.low, 0.0)
    axes.vlines(place, low, intervals.high, color=BLUE, alpha=0.4, linewidth=4)
    axes.plot(place, intervals.estimate, "o", color=BLUE, markersize=4)
    axes.set_ylim(bottom=0)
    axes.set_xticks(place if len(place) <= 12 else place[:: len(place) // 10])
    axes.set_xlabel("component")
    axes.set_title(f"eigenvalues, {intervals.level:.0%} intervals", fontsize=11, loc="left")
    return whole_figure(axes)


def plot_widths(intervals: Any, counts: Any, ax: Axes | None = None) -> Figure:
    """Widths of intervals of second moments against the number of rows that hold the pair.

    Parameters
    ----------
    intervals : Intervals or Widths
        ``model.inference().second_moment(pairs)``.
    counts : int array
        Of the same pairs; 0 for a pair never seen.
    ax : matplotlib.axes.Axes, optional
    """
    axes = tidy(ax if ax is not None else new_figure(4.2, 3.4).subplots())
    counts, width = np.asarray(counts), np.asarray(intervals.width)
    keep = np.isfinite(width)
    step = max(1, int(keep.sum()) // MOST_PAIRS)
    counts, width = counts[keep][::step], width[keep][::step]
    seen = counts > 0
    axes.plot(counts[seen], width[seen], ".", color=BLUE, markersize=3, alpha=0.4, label="pairs seen")
    if (~seen).any():
        # zero has no place on a logarithmic axis
        axes.plot(np.full((~seen).sum(), 0.5), width[~seen], ".", color=ORANGE, markersize=3, alpha=0.4,
                  label="never seen")  # fmt: skip
    # within a decade a logarithmic axis writes its small steps over each other
    if not seen.any() or (~seen).any() or counts[seen].max() >= 10 * counts[seen].min():
        axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows that hold the pair")
    axes.set_ylabel(f"width of {intervals.level:.0%} interval", color=GREY)
    axes.set_title("widths and counts", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=9)
    return whole_figure(axes)


def plot_moment_fit(model: Any, inference: Any = None) -> Figure | None:
    """Eigenvalues, widths and the rank choice of a fit, side by side; those it has something for."""
    from halfseen.show.fits import plot_rank_choice

    choice = model.rank_search_
    names = (["rank"] if choice is not None else []) + (["eigenvalues", "widths"] if inference is not None else [])
    if not names:
        return None
    figure = new_figure(4.4 * len(names), 3.5)
    axes = dict(zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True))
    if choice is not None:
        plot_rank_choice(choice.ranks, choice.losses, choice.rank, "loss on held-out rows", ax=axes["rank"])
    if inference is not None:
        plot_eigenvalues(inference.eigenvalues(), ax=axes["eigenvalues"])
        widths = Widths.of(model, inference)
        plot_widths(widths, widths.counts, ax=axes["widths"])
    return figure


def pairs_to_draw(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """All pairs ``i < j`` of few columns, an even choice of those of many (positions)."""
    rng, d = np.random.default_rng(0), model.components_.shape[1]
    if d * (d - 1) // 2 <= MOST_PAIRS:
        return np.triu_indices(d, k=1)
    i, j = rng.integers(0, d, (2, 2 * MOST_PAIRS))
    keep = np.flatnonzero(i != j)[:MOST_PAIRS]
    return i[keep], j[keep]


def _columns(model: Any) -> np.ndarray:
    counts = model.moments_.diagonal().counts
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_COLUMNS])
    return most[np.argsort(model.components_[0, most], kind="stable")]
