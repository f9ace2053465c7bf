"""New figures without pyplot, in one style, and the way to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfseen.text import visible

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


# For every text that may hold what is not ours: a dollar sign is a dollar sign, not the start of a formula.
LITERAL: dict[str, Any] = {"parse_math": False}


def label_text(label: object, limit: int | None = None) -> str:
    r"""A label as figures show it: control and direction characters written out, long ones cut.

    Parameters
    ----------
    label : object
        Of a row, a column, a source, an item.
    limit : int, optional
        Characters at most, the ellipsis counted in.

    Examples
    --------
    >>> label_text("qwen\x1b[1m"), label_text("a long name", 6)
    ('qwen\\x1b[1m', 'a lon…')
    """
    text = visible(str(label))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def name_lines(axes: Axes, handles: Iterable[Any], labels: Iterable[object], **settings: Any) -> None:
    """A legend whose labels are taken letter by letter, a leading underscore included (matplotlib would leave it out).

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    handles : iterable of artists
    labels : iterable
        One per artist.
    **settings
        Of ``axes.legend``.
    """
    handles, texts = list(handles), [label_text(label) for label in labels]
    if not handles:
        return
    legend = axes.legend(handles, [f"line {number}" for number in range(len(handles))], **settings)
    for entry, text in zip(legend.get_texts(), texts, strict=True):
        entry.set(text=text, **LITERAL)


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
