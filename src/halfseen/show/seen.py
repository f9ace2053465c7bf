"""Where a table was seen: density in blocks, and entries per row and column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.figures import BLUE, FRAME, ORANGE, new_figure, tidy, whole_figure
from halfseen.text import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from halfseen.data.facts import SeenShares


def plot_seen(shares: SeenShares, ax: Axes | None = None) -> Figure:
    """Share of cells seen, in blocks of neighbouring rows and columns; empty blocks stay blank.

    Parameters
    ----------
    shares : SeenShares
        `SeenShares.of(observed)`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import halfseen as hs
    >>> from halfseen.data.facts import SeenShares
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.6, random_state=0)
    >>> plot_seen(SeenShares.of(data.observed)).axes[0].get_xlabel()
    '40 columns, in order'
    """
    axes = ax if ax is not None else new_figure(5.6, 3.4).subplots()
    grid = np.where(shares.grid > 0, shares.grid, np.nan)
    n, p = shares.shape
    most = float(np.nanmax(grid)) if np.isfinite(grid).any() else 1.0
    image = axes.imshow(grid, aspect="auto", cmap="viridis_r", vmin=0, vmax=most, interpolation="nearest",
                        extent=(0.5, p + 0.5, n + 0.5, 0.5))  # fmt: skip
    axes.spines[:].set_color(FRAME)
    axes.tick_params(labelsize=8)
    axes.set_xlabel(f"{count(p)} columns, in order")
    axes.set_ylabel(f"{count(n)} rows, in order")
    axes.set_title("share of cells seen", fontsize=11, loc="left")
    figure = whole_figure(axes)
    bar: Any = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=8)
    return figure


def plot_counts(shares: SeenShares, ax: Axes | None = None) -> Figure:
    """Entries per row and per column, thinnest first.

    Parameters
    ----------
    shares : SeenShares
    ax : matplotlib.axes.Axes, optional
    """
    axes = tidy(ax if ax is not None else new_figure(4.4, 3.4).subplots())
    both = (("rows", shares.row_counts, BLUE), ("columns", shares.col_counts, ORANGE))
    for name, counts, colour in both:
        place = np.linspace(0, 100, len(counts)) if len(counts) > 1 else np.array([50.0])
        axes.plot(place, counts, color=colour, label=name, marker="." if len(counts) < 30 else "")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="% of the rows (columns) with at most so many", ylabel="entries")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("entries per row and column", fontsize=11, loc="left")
    return whole_figure(axes)
