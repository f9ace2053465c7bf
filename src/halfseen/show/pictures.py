"""Tables whose rows are pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from halfseen.show.figures import FRAME, LITERAL, MISSING, label_text, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def image_grid(
    groups: Mapping[str, ArrayLike],
    size: tuple[int, int],
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw rows of small pictures, one line per group; what is missing (NaN) has a colour of its own.

    Parameters
    ----------
    groups : mapping from name to array of shape (m, height * width)
        The same ``m`` pictures in every group, for example seen, completed and true.
    size : (height, width)
    limits : (low, high), optional
        Values drawn white and black; by default the smallest and largest of all.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a group does not hold pictures of this size.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np
    >>> picture = np.arange(6.0).reshape(1, 6)
    >>> figure = image_grid({"seen": np.where(picture > 4, np.nan, picture), "truth": picture}, size=(2, 3))
    >>> len(figure.axes)
    2
    """
    arrays = {name: _pictures(name, array, size) for name, array in groups.items()}
    low, high = limits or (min(map(np.nanmin, arrays.values())), max(map(np.nanmax, arrays.values())))
    columns = max(len(array) for array in arrays.values())
    figure = new_figure(1.0 * columns + 1.2, 1.06 * len(arrays) + (0.45 if title else 0.1))
    grid: Any = figure.subplots(len(arrays), columns, squeeze=False)
    for line, (name, array) in zip(grid, arrays.items(), strict=True):
        for position, axes in enumerate(line):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FRAME)
            if position < len(array):
                axes.imshow(_coloured(array[position], low, high), interpolation="nearest")
            else:
                axes.set_axis_off()
        line[0].text(
            -0.18, 0.5, "\n".join(map(label_text, str(name).split("\n"))), transform=line[0].transAxes, ha="right",
            va="center", fontsize=11, linespacing=1.3, **LITERAL
        )  # fmt: skip
    if title:
        figure.suptitle(label_text(title), fontsize=12, **LITERAL)
    return figure


def _pictures(name: str, array: ArrayLike, size: tuple[int, int]) -> np.ndarray:
    array = np.atleast_2d(np.asarray(array, dtype=float))
    if array.shape[1] != size[0] * size[1]:
        raise ValueError(
            f"{name!r} has {array.shape[1]} columns, but pictures of {size[0]} x {size[1]} have {size[0] * size[1]}; "
            "give the size of one picture as (height, width)"
        )
    return array.reshape(-1, *size)


def _coloured(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """Grey values as red-green-blue, the missing ones in their colour."""
    from matplotlib.colors import to_rgb

    dark = np.clip((picture - low) / max(high - low, 1e-300), 0.0, 1.0)
    colours = np.repeat(1.0 - 0.92 * np.nan_to_num(dark)[..., None], 3, axis=-1)
    colours[np.isnan(picture)] = to_rgb(MISSING)
    return colours
