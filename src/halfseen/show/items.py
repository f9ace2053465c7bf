"""Displays of items along the ability: curves with bands, information, and the Wright map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.show.figures import BLUE, GREY, LITERAL, ORANGE, label_text, name_lines, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Curves with a name and a band of their own; more are hard to tell apart.
MOST_CURVES, COLOURS = 12, 10
# Items that a Wright map names.
MOST_NAMED = 40
BINS = 40


def plot_curves(curves: Any, ax: Axes | None = None) -> Figure:
    """Curves along the ability with their bands, the first 12.

    Parameters
    ----------
    curves : AbilityCurves
        Of :meth:`ItemResponseModel.curves` or ``information``.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    axes = new_figure(7.0, 4.2).subplots() if ax is None else ax
    lines, names = [], []
    for k in range(min(len(curves.values), MOST_CURVES)):
        answer = f" = {curves.answers[k]:g}" if np.isfinite(curves.answers[k]) else ""
        # the colours repeat after ten
        (line,) = axes.plot(curves.ability, curves.values[k], linewidth=1.4, linestyle="-" if k < COLOURS else "--")
        lines.append(line)
        names.append(f"{curves.labels[k]}{answer}")
        axes.fill_between(
            curves.ability, curves.low[k], curves.high[k], color=line.get_color(), alpha=0.12, linewidth=0
        )
    axes.set_xlabel("ability")
    axes.set_ylabel(label_text(curves.name), **LITERAL)
    name_lines(axes, lines, names, fontsize=8, frameon=False, ncols=2)
    return whole_figure(tidy(axes))


def plot_test_information(ability: FloatArray, values: FloatArray, low: FloatArray, high: FloatArray) -> Figure:
    """Information of the whole test, and the standard error of an ability that goes with it."""
    axes = new_figure(7.0, 3.6).subplots()
    axes.plot(ability, values, color=BLUE)
    axes.fill_between(ability, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.set_xlabel("ability")
    axes.set_ylabel("information", color=BLUE)
    other = axes.twinx()
    other.plot(ability, 1.0 / np.sqrt(np.maximum(values, 1e-6)), color=ORANGE, linestyle="--")
    other.set_ylabel("standard error", color=ORANGE)
    other.set_ylim(0.0, 2.0)
    return whole_figure(tidy(axes))


def plot_wright_map(ability: FloatArray, difficulty: FloatArray, labels: Labels) -> Figure:
    """Rows and items on one scale: abilities on the left, difficulties with their names on the right."""
    figure = new_figure(6.4, 5.6)
    left, right = figure.subplots(1, 2, sharey=True)
    known = np.isfinite(difficulty)
    every = np.concatenate([ability, difficulty[known]])
    low, high = float(every.min()) - 0.3, float(every.max()) + 0.3
    left.hist(ability, bins=np.linspace(low, high, BINS), orientation="horizontal", color=BLUE)
    left.invert_xaxis()
    left.set_xlabel("rows")
    left.set_ylabel("ability, difficulty")
    order = np.flatnonzero(known)[np.argsort(difficulty[known])]
    right.scatter(np.arange(len(order)), difficulty[order], color=ORANGE, s=14)
    if len(order) <= MOST_NAMED:
        for place, j in enumerate(order):
            right.annotate(label_text(labels[j]), (place, difficulty[j]), fontsize=7, color=GREY, xytext=(3, 3),
                           textcoords="offset points", **LITERAL)  # fmt: skip
    right.set_xticks([])
    right.set_xlabel("items")
    tidy(left)
    tidy(right)
    return figure
