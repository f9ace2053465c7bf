"""Displays of a fit: its trace, the choice of its rank, and held-out entries against their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halfseen.show.figures import BLUE, GREY, LITERAL, ORANGE, label_text, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_IN_BIN = 5


def plot_trace(run: Any, ax: Axes | None = None) -> Figure:
    """Objective above its lowest value, sweep by sweep, with the gradient where a sweep knows it.

    Parameters
    ----------
    run : Run
        ``model.run_``.
    ax : matplotlib.axes.Axes, optional
        Draw here instead of into a new figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    axes = tidy(ax if ax is not None else new_figure(5.2, 3.4).subplots())
    values = np.asarray(run.trace.value, dtype=float)
    sweeps = np.arange(1, len(values) + 1)
    above = values - np.nanmin(values) if values.size else values
    axes.plot(
        sweeps[above > 0], above[above > 0], color=BLUE, marker="o", markersize=3, label="objective above its end"
    )
    gradient = np.asarray(run.trace.gradient_norm, dtype=float)
    known = np.isfinite(gradient) & (gradient > 0)
    if known.any():
        axes.plot(
            sweeps[known], gradient[known], color=ORANGE, marker="s", markersize=3, label="largest gradient entry"
        )
    if (above > 0).any() or known.any():
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("sweep")
    _whole_ticks(axes)
    axes.set_title(f"ended after {run.n_iter} sweeps: {run.reason.replace('_', ' ')}", fontsize=11, loc="left")
    return whole_figure(axes)


def plot_rank_choice(
    ranks: Sequence[int], scores: ArrayLike, chosen: int, label: str = "held-out loss", ax: Axes | None = None
) -> Figure:
    """Held-out score of every rank tried, and the one that was chosen.

    Parameters
    ----------
    ranks : sequence of int
    scores : array of shape (len(ranks),)
        Smaller is better.
    chosen : int
    label : str
        What the score is.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_rank_choice([1, 2, 4], [0.9, 0.7, 0.8], chosen=2)
    >>> figure.axes[0].get_xlabel()
    'rank'
    """
    axes = tidy(ax if ax is not None else new_figure(5.2, 3.4).subplots())
    ranks, scores = list(ranks), np.asarray(scores, dtype=float)
    places = np.arange(len(ranks))
    axes.plot(places, scores, color=BLUE, marker="o", markersize=4)
    best = ranks.index(chosen)
    axes.plot(best, scores[best], marker="o", markersize=10, color=ORANGE, fillstyle="none", markeredgewidth=2)
    axes.set_xticks(places, [str(rank) for rank in ranks])
    axes.set_xlabel("rank")
    axes.set_title(label_text(f"{label}: rank {chosen} is best"), fontsize=11, loc="left", **LITERAL)
    return whole_figure(axes)


def plot_held_out(truth: ArrayLike, predicted: ArrayLike, bins: int = 20, ax: Axes | None = None) -> Figure:
    """Held-out entries against their predictions: the mean and middle half of what came true, in bins of equal counts.

    Parameters
    ----------
    truth, predicted : arrays of shape (n,)
    bins : int
        Number of bins along the predictions.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    binned = held_out_bins(truth, predicted, bins)
    return plot_bins(binned, ax)


def held_out_bins(truth: ArrayLike, predicted: ArrayLike, bins: int = 20) -> dict[str, NDArray[np.float64]]:
    """Bins of equal counts along the predictions, fewer where they would hold less than five.

    Returns
    -------
    dict
        "predicted" and "mean" (of what came true), "low" and "high" (quartiles), one number per bin.

    Examples
    --------
    >>> held_out_bins([1.0, 2.0, 3.0, 4.0], [1.5, 1.5, 3.5, 3.5], bins=2)["mean"].tolist()
    [1.5, 3.5]
    """
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    bins = min(bins, max(2, truth.size // LEAST_IN_BIN))
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), bins) if part.size]
    low, high = np.array([np.percentile(truth[part], (25, 75), method="nearest") for part in parts]).T
    return {
        "predicted": np.array([predicted[part].mean() for part in parts]),
        "mean": np.array([truth[part].mean() for part in parts]),
        "low": low,
        "high": high,
    }


def plot_bins(bins: Mapping[str, ArrayLike], ax: Axes | None = None) -> Figure:
    """What :func:`plot_held_out` draws, from its bins."""
    axes = tidy(ax if ax is not None else new_figure(4.2, 3.4).subplots())
    middle, mean, low, high = (np.asarray(bins[name], dtype=float) for name in ("predicted", "mean", "low", "high"))
    if len(set(low) | set(high)) > 2:  # quartiles of yes and no are yes and no: bars from end to end say nothing
        axes.vlines(middle, low, high, color=BLUE, alpha=0.35, linewidth=4, label="middle half")
    axes.plot(middle, mean, "o", color=BLUE, markersize=4, label="mean")
    ends = [min(middle.min(), mean.min()), max(middle.max(), mean.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", label="exact")
    axes.set_xlabel("predicted")
    axes.set_ylabel("held-out value")
    axes.set_title("held-out entries", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=9)
    return whole_figure(axes)


def _whole_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def plot_fit(
    rank_choice: dict[str, Any] | None, rank: int, held_out: tuple[ArrayLike, ArrayLike] | None, run: Any
) -> Figure:
    """The displays of one fit side by side: rank choice, held-out entries, trace; those it has something for.

    Parameters
    ----------
    rank_choice : dict with "ranks" and "losses", or None
    rank : int
    held_out : (truth, predicted) or None
    run : Run or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    has = {
        "ranks": rank_choice is not None,
        "held out": held_out is not None,
        "run": run is not None and len(run.trace),
    }
    names = [name for name, there in has.items() if there]
    figure = new_figure(4.6 * max(len(names), 1), 3.5)
    axes = dict(zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True)) if names else {}
    if rank_choice is not None:
        plot_rank_choice(rank_choice["ranks"], rank_choice["losses"], rank, ax=axes["ranks"])
    if held_out is not None:
        plot_held_out(*held_out, ax=axes["held out"])
    if "run" in axes:
        plot_trace(run, ax=axes["run"])
    return figure
