"""Display of a path of penalties as it was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.figures import BLUE, GREY, ORANGE, new_figure, tidy, whole_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_penalty_path(path: Any, chosen: float, ax: Axes | None = None) -> Figure:
    """Held-out error along a path of penalties, penalised and with singular values fitted anew.

    Parameters
    ----------
    path : NuclearPath
        ``model.path_`` of `SoftImpute`.
    chosen : float
        The penalty that was taken.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.6, random_state=0)
    >>> model = hs.SoftImpute(random_state=0).fit(data.observed)
    >>> plot_penalty_path(model.path_, model.penalty_).axes[0].get_xscale()
    'log'
    """
    axes = tidy(ax if ax is not None else new_figure(4.6, 3.3).subplots())
    penalties = np.asarray(path.penalties, dtype=float)
    curves = (("penalised", path.losses, BLUE), ("singular values fitted anew", path.debiased_losses, GREY))
    for name, losses, colour in curves:
        losses = np.asarray(losses, dtype=float)
        if np.isfinite(losses).any():
            axes.plot(penalties, losses, color=colour, marker="o", markersize=3.5, label=name)
            place = int(np.argmin(np.abs(penalties - chosen)))
            if colour == BLUE:
                axes.plot(penalties[place], losses[place], "o", color=ORANGE, markersize=10, fillstyle="none",
                          markeredgewidth=2)  # fmt: skip
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set(xlabel="penalty", ylabel="mean squared error, held out")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("the path of penalties", fontsize=11, loc="left")
    return whole_figure(axes)
