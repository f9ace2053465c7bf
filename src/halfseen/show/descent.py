"""Displays of a descent from a small start: singular values growing, errors with the stopping window, scaling laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from halfseen.show.figures import BLUE, GREY, LITERAL, ORANGE, label_text, name_lines, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Components drawn in colour; the others lie below each other in grey.
COLOURED = 8
COLOURS = (BLUE, ORANGE, "#6a994e", "#9d4edd", "#bc4749", "#e09f3e", "#014f86", "#7f5539")


def plot_growth(path: Any, truth: ArrayLike | None = None, ax: Axes | None = None, is_log: bool = False) -> Figure:
    """Singular values of the iterates over time: they grow one after the other.

    Parameters
    ----------
    path : DescentPath
        ``model.path_``.
    truth : ndarray, optional
        Singular values of the table, drawn as dotted lines.
    ax : matplotlib.axes.Axes, optional
    is_log : bool
        Logarithmic sizes: the growth is then a straight line, and the noise is seen to grow too.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> model = hs.OverparametrizedFactorization(stop=60, random_state=0).fit(np.outer([1.0, 2.0, 3.0], [1.0, 2.0]))
    >>> plot_growth(model.path_).axes[0].get_xlabel()
    'iteration'
    """
    axes = tidy(ax if ax is not None else new_figure(5.4, 3.6).subplots())
    times, values = np.asarray(path.times), np.asarray(path.singular_values)
    for k in range(values.shape[1])[::-1]:
        colour, width = (COLOURS[k], 1.6) if k < COLOURED else (GREY, 0.6)
        axes.plot(times, values[:, k], color=colour, linewidth=width)
    known = np.asarray([] if truth is None else truth, dtype=float)
    for size in known[:COLOURED]:
        axes.axhline(size, color=GREY, linewidth=0.7, linestyle=":")
    if is_log:
        axes.set_yscale("log")
    axes.set(xlabel="iteration", ylabel="singular values of F G'")
    axes.set_title("components grow one after the other", fontsize=11, loc="left")
    return whole_figure(axes)


def plot_descent(
    path: Any,
    held_out: Any = None,
    stop_time: int | None = None,
    window: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Training error, and the error on what was not trained on, with the window in which to stop shaded.

    Parameters
    ----------
    path : DescentPath
    held_out : HeldOutCurve, or (times, errors), optional
        Held-out error, or the distance to a known truth.
    stop_time : int, optional
        Where the descent was stopped.
    window : (first, last), optional
        Times to shade; by default those at which the held-out error is within 1 % of its least.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    axes = tidy(ax if ax is not None else new_figure(5.4, 3.6).subplots())
    train = np.asarray(path.training_errors, dtype=float)
    axes.plot(path.times, train / max(train[0], 1e-300), color=GREY, linestyle="--", label="training")
    if held_out is not None:
        times, errors = _curve(held_out)
        axes.plot(times, errors / max(errors[0], 1e-300), color=BLUE, label="held out")
        if window is None:
            near = times[errors <= 1.01 * errors.min()]
            window = (float(near.min()), float(near.max()))
    if window is not None:
        axes.axvspan(*window, color=BLUE, alpha=0.1, linewidth=0, label="within 1 % of the best")
    if stop_time is not None:
        axes.axvline(stop_time, color=ORANGE, linewidth=1.4, label=f"stopped at {stop_time}")
    axes.set(yscale="log", xlabel="iteration", ylabel="error / error at the start")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("stop before the noise is fitted", fontsize=11, loc="left")
    return whole_figure(axes)


def _curve(held_out: Any) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(held_out, "errors"):
        errors = np.asarray(held_out.errors, dtype=float)
        return np.arange(1, len(errors) + 1), errors
    times, errors = held_out
    return np.asarray(times), np.asarray(errors, dtype=float)


def plot_scaling(
    x: ArrayLike,
    y: ArrayLike,
    laws: Mapping[str, float],
    labels: tuple[str, str] = ("rho", "eps"),
    ax: Axes | None = None,
) -> Figure:
    """Measured points on logarithmic axes, with power laws through their middle.

    Parameters
    ----------
    x, y : ndarray (n,)
        Positive numbers.
    laws : mapping from name to exponent
        Each is drawn through the geometric mean of the points.
    labels : (str, str)
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_scaling([1e-3, 1e-2, 1e-1], [1e-4, 1e-3, 1e-2], {"linear": 1.0})
    >>> figure.axes[0].get_xscale()
    'log'
    """
    axes = tidy(ax if ax is not None else new_figure(4.8, 3.6).subplots())
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if not ((x > 0).all() and (y > 0).all()):
        raise ValueError("logarithmic axes need positive x and y; leave the others out")
    axes.plot(x, y, "o", color=BLUE, markersize=4)
    middle = np.exp(np.mean(np.log(x))), np.exp(np.mean(np.log(y)))
    across = np.geomspace(x.min(), x.max(), 50)
    lines, names = [], []
    for colour, (name, exponent) in zip((ORANGE, GREY, *COLOURS[2:]), laws.items(), strict=False):
        names.append(f"{name}: exponent {exponent:.3g}")
        lines += axes.plot(across, middle[1] * (across / middle[0]) ** exponent, color=colour, linewidth=1.2)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel(label_text(labels[0]), **LITERAL)
    axes.set_ylabel(label_text(labels[1]), **LITERAL)
    name_lines(axes, lines, names, frameon=False, fontsize=9)
    return whole_figure(axes)


def plot_descent_fit(model: Any) -> Figure:
    """Singular values and errors of a fitted overparametrized factorization side by side.

    Parameters
    ----------
    model : OverparametrizedFactorization

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(10.0, 3.6)
    left, right = figure.subplots(1, 2)
    plot_growth(model.path_, ax=left)
    left.axhline(model.threshold_, color=ORANGE, linewidth=1.0, label="threshold at the stop")
    left.legend(frameon=False, fontsize=9)
    plot_descent(model.path_, model.held_out_, model.stop_time_, ax=right)
    return figure
