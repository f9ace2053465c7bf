"""New figures without pyplot, in one style, and the way to disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2a6f97", "#d9822b", "#6c757d"
MISSING, FRAME = "#f4dcc4", "#dee2e6"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, drawn without a display.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message says how to install it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib; install it with: pip install 'halfseen[plots]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> Axes:
    """Take away what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, color=GREY)
    axes.grid(axis="y", color=FRAME, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def whole_figure(axes: Axes) -> Figure:
    """The figure that these axes are drawn in."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("ax belongs to no figure any more")
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 120, **metadata: Any) -> Path:
    """Write a figure; the same figure always gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its ending chooses the format: .png, .pdf, .svg.
    dpi : int
        Dots per inch of a bitmap.
    """
    path = Path(path)
    stamp = {"Software": None} if path.suffix == ".png" else {"CreationDate": None} if path.suffix == ".pdf" else {}
    figure.savefig(path, dpi=dpi, metadata={**stamp, **metadata} or None)
    return path
