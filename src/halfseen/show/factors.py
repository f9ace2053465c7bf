"""Displays of factors: sizes of the components, and a map of rows or columns in the plane of two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from halfseen._typing import FloatArray, IntArray
from halfseen.show.figures import BLUE, FRAME, LITERAL, ORANGE, label_text, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points with names: the outermost ones; more would cover each other.
NAMED = 12
MOST_POINTS = 5000
LONGEST_NAME = 22
# Of the picture: names nearer than that in both directions would cover each other.
NAME_WIDTH, NAME_HEIGHT = 0.2, 0.04


def plot_sizes(values: ArrayLike, ax: Axes | None = None) -> Figure:
    """Sizes of the components (singular values), largest first.

    Parameters
    ----------
    values : ndarray (r,)
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> plot_sizes([3.0, 2.0, 0.5]).axes[0].get_xlabel()
    'component'
    """
    axes = tidy(ax if ax is not None else new_figure(4.4, 3.2).subplots())
    values = np.asarray(values, dtype=float)
    place = np.arange(1, len(values) + 1)
    axes.bar(place, values, color=BLUE, width=0.6)
    axes.set_ylim(bottom=0)
    axes.set_xticks(place if len(place) <= 12 else place[:: max(len(place) // 10, 1)])
    axes.set_xlabel("component")
    axes.set_title("size of the components", fontsize=11, loc="left")
    return whole_figure(axes)


def plot_factor_map(
    points: ArrayLike, labels: ArrayLike, what: str, components: tuple[int, int] = (0, 1), ax: Axes | None = None
) -> Figure:
    """Rows or columns in the plane of two components; the outermost have names.

    Parameters
    ----------
    points : ndarray (n, r)
        Of more than 5000 evenly chosen ones are drawn.
    labels : ndarray (n,)
    what : str
        What they are, for the title.
    components : pair of int
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_factor_map([[0.0, 1.0], [2.0, 0.0]], ["a", "b"], "films")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b']
    """
    axes = tidy(ax if ax is not None else new_figure(4.6, 3.8).subplots())
    points = np.asarray(points, dtype=float)[:, list(components)]
    x, y = points[:: max(1, len(points) // MOST_POINTS)].T
    axes.axhline(0, color=FRAME, linewidth=0.8)
    axes.axvline(0, color=FRAME, linewidth=0.8)
    axes.scatter(x, y, s=10, color=BLUE, alpha=0.6 if len(x) < 500 else 0.25, linewidths=0)
    spread = np.where(points.std(axis=0) > 0, points.std(axis=0), 1.0)
    outermost = _apart(points, np.argsort(-np.abs((points - points.mean(axis=0)) / spread).max(axis=1), kind="stable"))
    for place in outermost:
        name = label_text(np.asarray(labels)[place], LONGEST_NAME)
        is_right = points[place, 0] > points[:, 0].mean()
        axes.annotate(name, tuple(points[place]), xytext=(-4 if is_right else 4, 2), textcoords="offset points",
                      fontsize=7.5, ha="right" if is_right else "left", **LITERAL)  # fmt: skip
    axes.plot(*points[outermost].T, "o", color=ORANGE, markersize=3)
    axes.grid(visible=False)
    axes.set(xlabel=f"component {components[0] + 1}", ylabel=f"component {components[1] + 1}")
    axes.set_title(label_text(what), fontsize=11, loc="left", **LITERAL)
    return whole_figure(axes)


def _apart(points: FloatArray, order: IntArray) -> list[int]:
    """The first places in this order whose names do not cover each other: apart in one direction or the other."""
    reach = np.where(np.ptp(points, axis=0) > 0, np.ptp(points, axis=0), 1.0)
    chosen: list[int] = []
    for place in order[: 10 * NAMED]:
        away = np.abs((points[chosen] - points[place]) / reach)
        if len(chosen) < NAMED and not ((away[:, 0] < NAME_WIDTH) & (away[:, 1] < NAME_HEIGHT)).any():
            chosen.append(int(place))
    return chosen
