"""Displays of models of many sources: bases, the heterogeneity index, parts as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.figures import (
    BLUE,
    FRAME,
    GREY,
    LITERAL,
    ORANGE,
    label_text,
    name_lines,
    new_figure,
    tidy,
    whole_figure,
)
from halfseen.show.pictures import image_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rows named on the axis of a basis; of more, evenly spaced ones are.
NAMED_ROWS = 40


def plot_shared_basis(model: Any, ax: Axes | None = None) -> Figure:
    """The shared basis as a heat map: rows below each other, factors side by side.

    Parameters
    ----------
    model : fitted estimator of many sources
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 20, 15, 2, 1, random_state=0)
    >>> figure = plot_shared_basis(hs.TwoStepSVD(2, 1).fit(data.sources))
    >>> figure.axes[0].get_xlabel()
    'shared factor'
    """
    basis = np.asarray(model.shared_basis_, dtype=float)
    n, r = basis.shape
    size = (1.6 + 0.45 * max(r, 3), float(np.clip(1.0 + 0.16 * min(n, NAMED_ROWS), 2.5, 8.0)))
    axes = ax if ax is not None else new_figure(*size).subplots()
    most = float(np.abs(basis).max(initial=0.0)) or 1.0
    image = axes.imshow(basis, cmap="PuOr", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.spines[:].set_color(FRAME)
    axes.set_xticks(range(r), [str(k + 1) for k in range(r)])
    axes.set_xlabel("shared factor")
    if model.row_labels_ is not None:
        rows = np.unique(np.linspace(0, n - 1, min(n, NAMED_ROWS)).astype(int))
        axes.set_yticks(rows, [label_text(label, 20) for label in model.row_labels_[rows]], fontsize=7, **LITERAL)
    axes.set_title("shared basis", fontsize=11, loc="left")
    figure = whole_figure(axes)
    figure.colorbar(image, ax=axes, shrink=0.6)
    return figure


def plot_heterogeneity(model: Any, norm: str = "l1", ax: Axes | None = None) -> Figure:
    """The heterogeneity index of every column, source after source; of a sequence of windows, an index over time.

    Parameters
    ----------
    model : fitted estimator of many sources
    norm : {"l1", "l2"}
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 20, 15, 2, 1, random_state=0)
    >>> len(plot_heterogeneity(hs.TwoStepSVD(2, 1).fit(data.sources)).axes[0].lines)
    4
    """
    index = model.heterogeneity_index(norm)
    axes = tidy(ax if ax is not None else new_figure(8.0, 3.2).subplots())
    starts = np.cumsum([0, *(len(part) for part in index.values())])
    # the line is broken between sources: their columns do not follow each other unless they are windows
    for start, part in zip(starts, index.values(), strict=False):
        axes.plot(np.arange(start, start + len(part)), part, color=BLUE, linewidth=0.8, marker=".", markersize=2)
    means = [float(part.mean()) for part in index.values()]
    middle = 0.5 * (starts[:-1] + starts[1:])
    axes.plot(middle, means, "_" if len(means) < 40 else "-", color=ORANGE, markersize=14)
    if len(index) <= 25:
        names = [label_text(name, 14) for name in index]
        axes.set_xticks(middle, names, rotation=45, ha="right", fontsize=8, **LITERAL)
    else:
        axes.set_xlabel("column, sources in order")
    axes.set_title("heterogeneity index (orange: mean of a source)", fontsize=11, loc="left")
    return whole_figure(axes)


def plot_shares(model: Any, ax: Axes | None = None) -> Figure:
    """How much of each source's sum of squares is shared, unique and neither, as bars.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 20, 15, 2, 1, random_state=0)
    >>> axes = plot_shares(hs.TwoStepSVD(2, 1).fit(data.sources)).axes[0]
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['shared', 'unique', 'residual']
    """
    names = list(model.shares_)
    axes = ax if ax is not None else new_figure(5.6, float(np.clip(1.2 + 0.22 * len(names), 2.0, 9.0))).subplots()
    left = np.zeros(len(names))
    for part, colour in (("shared", BLUE), ("unique", ORANGE), ("residual", GREY)):
        width = np.array([max(model.shares_[name][part], 0.0) for name in names])
        axes.barh(np.arange(len(names)), width, left=left, color=colour, label=part)
        left = left + width
    texts = [label_text(name, 24) for name in names]
    axes.set_yticks(np.arange(len(names)), texts, fontsize=7 if len(names) > 20 else 9, **LITERAL)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return whole_figure(axes)


def part_images(model: Any, name: str, size: tuple[int, int], count: int = 6, reading: str = "orthogonal") -> Figure:
    """A source whose columns are pictures: fit, shared and unique part of some of them.

    Parameters
    ----------
    model : fitted estimator of many sources
    name : str
        The source; its rows are the pixels.
    size : (height, width)
    count : int
        Pictures shown, evenly spaced.
    reading : {"orthogonal", "l1", "median"}

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 20, 15, 2, 1, random_state=0)
    >>> len(part_images(hs.TwoStepSVD(2, 1).fit(data.sources), "source 1", (4, 5), count=3).axes)
    9
    """
    shared, unique = model.shared_part(name, reading), model.unique_part(name, reading)
    chosen = np.unique(np.linspace(0, shared.shape[1] - 1, count).astype(int))
    groups = {"fit": shared + unique, "shared": shared, "unique": unique}
    return image_grid({title: part[:, chosen].T for title, part in groups.items()}, size, title=str(name))


def plot_embeddings(model: Any, colours: Any = None, random_state: int = 0, ax: Axes | None = None) -> Figure:
    """A t-SNE map of the embeddings of all columns of a fitted autoencoder.

    Parameters
    ----------
    model : fitted SparseAutoencoder or HeterogeneousAutoencoder
    colours : mapping from source name to one word per column, optional
        What dots are coloured by; their source where nothing is given.
    random_state : int
        Of t-SNE.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Notes
    -----
    Perplexity 30, or a third of the columns where there are fewer than 90. Source: Figure 4 of the paper.
    """
    from sklearn.manifold import TSNE

    words = (
        {name: [name] * len(embedding) for name, embedding in model.embeddings_.items()} if colours is None else colours
    )
    every = np.array([str(word) for name in model.embeddings_ for word in words[name]])
    points = np.vstack([np.asarray(embedding, dtype=float) for embedding in model.embeddings_.values()])
    if len(every) != len(points):
        raise ValueError(f"colours has {len(every)} words for {len(points)} columns; give one per column")
    axes = ax if ax is not None else new_figure(6.0, 5.0).subplots()
    if len(points) > 3:
        near = min(30.0, len(points) / 3)
        points = TSNE(2, perplexity=near, init="pca", random_state=random_state).fit_transform(points)
    else:
        points = np.arange(2 * len(points), dtype=float).reshape(-1, 2)
    dots, names = [], list(dict.fromkeys(every))
    for place, word in enumerate(names):
        chosen = every == word
        x, y = points[chosen].T
        dots.append(axes.scatter(x, y, s=6, alpha=0.8, color=f"C{place % 10}", linewidths=0))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(FRAME)
    axes.set_title("embeddings of columns, t-SNE", fontsize=11, loc="left")
    beside = {"bbox_to_anchor": (1.0, 1.0), "loc": "upper left"}
    name_lines(axes, dots, [label_text(name, 20) for name in names], fontsize=7, frameon=False, markerscale=2, **beside)
    return whole_figure(axes)
