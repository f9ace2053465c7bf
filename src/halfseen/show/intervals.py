"""Displays of uncertainty: caterpillars, rank intervals, bands and confidence ellipses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.figures import BLUE, FRAME, GREY, LITERAL, ORANGE, label_text, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Ellipses drawn at most; more than these cover each other.
MOST_ELLIPSES = 200


def plot_intervals(intervals: Any, ax: Axes | None = None, limit: int = 60) -> Figure:
    """Draw intervals in the way that suits them.

    Single intervals, predictions and ranks become a caterpillar: one line per item, sorted, unreliable ones in grey.
    A band becomes a ribbon around the sorted estimates. Of several components each gets its own panel.

    Parameters
    ----------
    intervals : halfseen.inference.Intervals
    ax : matplotlib.axes.Axes, optional
        Draw here instead of into a new figure (one component only).
    limit : int
        Most lines of a caterpillar; of more items, evenly spaced ones in the order of their estimates are shown.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.inference import Intervals
    >>> names = {"row": np.array(["a", "b"])}
    >>> two = Intervals.symmetric("ability", np.array([1.0, 2.0]), np.array([0.5, 0.1]), 0.95, names)
    >>> figure = plot_intervals(two)
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['a', 'b']
    """
    columns = intervals.columns()
    shape = np.shape(intervals.estimate)
    panels = shape[1] if len(shape) == 2 else 1
    if panels > 1 and ax is not None:
        raise ValueError(f"these intervals have {panels} components; take one of them to draw into given axes")
    lines = min(len(intervals) // max(panels, 1), limit)
    height = 3.2 if intervals.kind == "band" else 1.0 + 0.19 * max(lines, 6)
    axes = [ax] if ax is not None else new_figure(4.6 * panels, height).subplots(1, panels, squeeze=False)[0]
    component = np.arange(len(intervals)) % panels
    for k, panel in enumerate(axes):
        own = {name: column[component == k] for name, column in columns.items()}
        (_ribbon if intervals.kind == "band" else _caterpillar)(tidy(panel), own, intervals, limit)
        if panels > 1:
            panel.set_xlabel(label_text(f"{intervals.name}, component {k}"), **LITERAL)
            panel.set_title("" if k else panel.get_title(loc="left"), fontsize=10, loc="left")
    return whole_figure(axes[0])


def _names(columns: dict[str, Any], shown: np.ndarray) -> list[str]:
    """Labels of the chosen lines: all label columns but the component, joined."""
    own = list(columns)[: list(columns).index("estimate")]
    parts = [columns[name][shown] for name in own if name != "component"]
    return [", ".join(label_text(part) for part in line) for line in zip(*parts, strict=True)] or [""] * len(shown)


def _caterpillar(axes: Axes, columns: dict[str, Any], intervals: Any, limit: int) -> None:
    is_rank = intervals.kind == "ranks"
    order = np.argsort(columns["estimate"] * (-1 if is_rank else 1), kind="stable")
    if len(order) > limit:
        order = order[np.unique(np.linspace(0, len(order) - 1, limit).round().astype(int))]
    place, estimate = np.arange(len(order)), columns["estimate"][order]
    low, high = _finite(columns["low"][order], columns["high"][order], estimate)
    good = columns["reliable"][order].astype(bool)
    for which, colour in ((good, BLUE), (~good, GREY)):
        axes.hlines(place[which], low[which], high[which], color=colour, linewidth=3 if is_rank else 1.4, alpha=0.55)
        axes.plot(estimate[which], place[which], "o", color=colour, markersize=3.5)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=FRAME, linewidth=0.8)
    axes.set_yticks(place, _names(columns, order), fontsize=8, **LITERAL)
    axes.set_xlabel("rank (1 is the largest)" if is_rank else label_text(intervals.name), **LITERAL)
    if is_rank:
        axes.invert_xaxis()
    _title(axes, intervals, len(order), len(columns["estimate"]))


def _ribbon(axes: Axes, columns: dict[str, Any], intervals: Any, limit: int) -> None:
    order = np.argsort(columns["estimate"], kind="stable")
    estimate = columns["estimate"][order]
    low, high = _finite(columns["low"][order], columns["high"][order], estimate)
    place = np.arange(1, len(order) + 1)
    axes.fill_between(place, low, high, color=BLUE, alpha=0.25, linewidth=0, step="mid")
    axes.plot(place, estimate, color=BLUE, linewidth=1.4)
    axes.set_xlabel("place in the order of the estimates")
    axes.set_ylabel(label_text(intervals.name), **LITERAL)
    _title(axes, intervals, len(order), len(order))


def _title(axes: Axes, intervals: Any, shown: int, total: int) -> None:
    what = {"band": "all at once", "prediction": "predictions", "ranks": "ranks"}.get(intervals.kind, "each for itself")
    part = f", {shown} of {total}" if shown < total else ""
    axes.set_title(f"{100 * intervals.level:g} %, {what}{part}", fontsize=10, loc="left")


def _finite(low: np.ndarray, high: np.ndarray, estimate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends cut off where they are infinite, a little outside all others."""
    known = np.concatenate([end[np.isfinite(end)] for end in (low, high, estimate)])
    bottom, top = (known.min(), known.max()) if known.size else (0.0, 1.0)
    slack = 0.05 * max(top - bottom, 1e-12)
    return np.clip(low, bottom - slack, top + slack), np.clip(high, bottom - slack, top + slack)


def plot_ellipses(ellipsoids: Any, ax: Axes | None = None, components: tuple[int, int] = (0, 1)) -> Figure:
    """The shadows of confidence ellipsoids in the plane of two components.

    Parameters
    ----------
    ellipsoids : halfseen.inference.Ellipsoids
    ax : matplotlib.axes.Axes, optional
    components : pair of int

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.inference import Ellipsoids
    >>> figure = plot_ellipses(Ellipsoids("x", np.zeros((1, 2)), np.eye(2)[None], 0.95))
    >>> figure.axes[0].get_xlabel()
    'component 0'
    """
    m, r = ellipsoids.estimate.shape
    if r < 2 or max(components) >= r:
        raise ValueError(f"the ellipsoids have {r} components; {components} need others: draw intervals instead")
    if m > MOST_ELLIPSES:
        raise ValueError(f"{m} ellipses would cover each other; choose at most {MOST_ELLIPSES} rows")
    axes = tidy(ax if ax is not None else new_figure(4.4, 4.2).subplots())
    reliable = np.broadcast_to(ellipsoids.reliable, m)
    for line, is_good in zip(ellipsoids.outline(components=components), reliable, strict=True):
        axes.plot(*line.T, color=BLUE if is_good else GREY, linewidth=1.0)
    x, y = ellipsoids.estimate[:, components[0]], ellipsoids.estimate[:, components[1]]
    axes.plot(x, y, "o", color=ORANGE, markersize=3)
    if m <= 25 and ellipsoids.labels:
        names = next(iter(ellipsoids.labels.values()))
        for name, across, up in zip(names, x, y, strict=True):
            axes.annotate(
                label_text(name), (across, up), fontsize=8, xytext=(3, 3), textcoords="offset points", **LITERAL
            )
    axes.set_xlabel(f"component {components[0]}")
    axes.set_ylabel(f"component {components[1]}")
    axes.set_title(f"{100 * ellipsoids.level:g} % ellipsoids, each for itself", fontsize=10, loc="left")
    return whole_figure(axes)
