"""Displays of the factors of several tables: what they explain, loadings by source, samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.factors import plot_factor_map
from halfseen.show.figures import BLUE, FRAME, GREY, new_figure, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Columns named in a picture of loadings: those that load most on any factor.
NAMED_COLUMNS = 25
# Shares are written into the cells of a picture of at most so many sources or factors.
WRITTEN = 14
LONGEST_NAME = 22


def plot_variance_explained(model: Any, ax: Axes | None = None) -> Figure:
    """How much of each source a factor explains: sources below each other, factors side by side.

    Framed cells are those in which the source takes part in the factor (it explains more than 1 %). Factors in which no
    source takes part are left out.

    Parameters
    ----------
    model : HeterogeneousFactorization fitted by the Bayesian model
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 40, 15, 2, 1, observed=0.9, random_state=0)
    >>> model = hs.HeterogeneousFactorization(random_state=0).fit(data.sources)
    >>> plot_variance_explained(model).axes[0].get_xticklabels()[0].get_text()
    'shared 1'
    """
    from matplotlib.patches import Rectangle

    clear = clear_factors(model)
    shares = np.clip(np.asarray(model.variance_explained_, dtype=float)[:, clear], 0.0, 1.0)
    n_sources, n_factors = shares.shape
    size = (float(np.clip(2.4 + 0.5 * n_factors, 4.5, 12.0)), float(np.clip(1.8 + 0.3 * n_sources, 2.4, 9.0)))
    axes = ax if ax is not None else new_figure(*size).subplots()
    most = max(float(shares.max(initial=0.0)), 1e-12)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=most, aspect="auto", interpolation="nearest")
    axes.spines[:].set_color(FRAME)
    axes.set_xticks(
        range(n_factors), [short(model.factor_names_[k]) for k in clear], rotation=40, ha="right", fontsize=8
    )
    axes.set_yticks(range(n_sources), [short(name) for name in model.source_names_], fontsize=8)
    is_written = max(n_sources, n_factors) <= WRITTEN
    for k, place in np.argwhere(model.activity_[clear]):
        axes.add_patch(Rectangle((k - 0.47, place - 0.47), 0.94, 0.94, fill=False, edgecolor=BLUE, linewidth=0.8))
        if is_written:
            ink = "white" if shares[place, k] > 0.6 * most else "black"
            axes.text(k, place, f"{100 * shares[place, k]:.0f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_title("variance explained, % (framed: takes part)", fontsize=10, loc="left")
    figure = whole_figure(axes)
    figure.colorbar(image, ax=axes, shrink=0.7, format=lambda share, _: f"{100 * share:.0f} %")
    return figure


def plot_source_loadings(model: Any, name: str, ax: Axes | None = None) -> Figure:
    """Loadings of a source on the factors it takes part in, in units of each column's size.

    Columns are those with the largest loadings, 25 at most; a loading is divided by the standard deviation that the
    fit gives its column (factors and noise), so that columns of different units can be compared.

    Parameters
    ----------
    model : HeterogeneousFactorization fitted by the Bayesian model
    name : str
        The source.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 40, 15, 2, 1, observed=0.9, random_state=0)
    >>> model = hs.HeterogeneousFactorization(random_state=0).fit(data.sources)
    >>> plot_source_loadings(model, "source 1").axes[0].get_title(loc="left")
    'loadings of source 1'
    """
    loadings, factors = sized_loadings(model, name)
    labels = model.col_labels_[name]
    labels = np.arange(len(loadings)) if labels is None else np.asarray(labels)
    order = np.argsort(-np.abs(loadings).max(axis=1, initial=0.0), kind="stable")[:NAMED_COLUMNS]
    order = (
        order[np.lexsort((-loadings[order].max(axis=1, initial=0.0), np.abs(loadings[order]).argmax(axis=1)))]
        if loadings.shape[1]
        else order
    )
    size = (2.6 + 0.5 * max(len(factors), 3), float(np.clip(1.4 + 0.19 * len(order), 2.4, 7.0)))
    axes = ax if ax is not None else new_figure(*size).subplots()
    axes.set_title(f"loadings of {short(name)}", fontsize=10, loc="left")
    if not len(factors):
        axes.text(0.5, 0.5, "takes part in no factor", ha="center", va="center", color=GREY, transform=axes.transAxes)
        axes.set_axis_off()
        return whole_figure(axes)
    image = axes.imshow(loadings[order], cmap="PuOr", vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest")
    axes.spines[:].set_color(FRAME)
    names = [short(model.factor_names_[k]) for k in factors]
    axes.set_xticks(range(len(factors)), names, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(order)), [short(labels[j]) for j in order], fontsize=7)
    figure = whole_figure(axes)
    figure.colorbar(image, ax=axes, shrink=0.6)
    return figure


def plot_samples(model: Any, factors: tuple[int, int] | None = None, ax: Axes | None = None) -> Figure:
    """Samples in the plane of two factors; the outermost have names.

    Parameters
    ----------
    model : HeterogeneousFactorization fitted by the Bayesian model
    factors : pair of int, optional
        Which factors (from 0); None: the two that explain most over all sources.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 40, 15, 2, 1, observed=0.9, random_state=0)
    >>> model = hs.HeterogeneousFactorization(random_state=0).fit(data.sources)
    >>> plot_samples(model, (0, 1)).axes[0].get_xlabel()
    'shared 1'
    """
    scores = np.asarray(model.scores_, dtype=float)
    if factors is None:
        factors = leading_pair(model)
    if any(not 0 <= k < scores.shape[1] for k in factors):
        raise ValueError(f"factors={factors!r} must be two factors from 0 to {scores.shape[1] - 1}")
    labels = np.arange(len(scores)) if model.row_labels_ is None else np.asarray(model.row_labels_)
    axes = ax if ax is not None else new_figure(4.8, 4.0).subplots()
    figure = plot_factor_map(scores, labels, "samples", (int(factors[0]), int(factors[1])), axes)
    axes.set_xlabel(short(model.factor_names_[factors[0]]))
    axes.set_ylabel(short(model.factor_names_[factors[1]]))
    axes.set_title("samples on two factors", fontsize=10, loc="left")
    return figure


def clear_factors(model: Any) -> Any:
    """Positions of the factors in which some source takes part; the others are faint."""
    return np.flatnonzero(np.asarray(model.activity_).any(axis=1))


def leading_pair(model: Any) -> tuple[int, int]:
    """The two factors that explain most over all sources (the same twice where there is one)."""
    order = np.argsort(-np.asarray(model.variance_explained_).sum(axis=0), kind="stable")
    return int(order[0]), int(order[min(1, len(order) - 1)])


def sized_loadings(model: Any, name: str) -> tuple[Any, Any]:
    """Loadings of a source over the standard deviations of its columns (p, k), and the k factors it takes part in.

    The standard deviation is that of the fit, factors and noise; a family without noise has 1 in its place.
    """
    factors = np.flatnonzero(model.activity_[:, model.source_names_.index(name)])
    loadings = np.asarray(model.loadings_[name], dtype=float)
    noise = np.nan_to_num(np.asarray(model.noise_[name], dtype=float), nan=1.0)
    spread = np.sqrt(np.square(loadings).sum(axis=1) + np.square(noise))
    return loadings[:, factors] / np.where(spread > 0, spread, 1.0)[:, None], factors


def short(name: Any) -> str:
    """A name that fits beside a picture."""
    text = str(name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
