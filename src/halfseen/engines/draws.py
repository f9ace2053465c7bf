"""Draws of rows or columns from their Gaussian conditional distributions, spread over fixed blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.engines.passes import EntryPasses

Array = NDArray[Any]


@dataclass(frozen=True)
class GaussianPrior:
    r"""Prior of the rows of one side: :math:`N(m, \Lambda^{-1})`, or :math:`N(m_i, \Lambda^{-1})`.

    Attributes
    ----------
    mean : ndarray (k,) or (n, k)
    precision : ndarray (k, k)
    """

    mean: Array
    precision: Array


@dataclass(frozen=True)
class RowDraws:
    """Draws of all rows of one side.

    Attributes
    ----------
    coefficients : ndarray (n_major, k)
    value : float
        Weighted sum of squared residuals there.
    squares : float64 ndarray (n_major,) or None
        Of each row, without the row's own weight.
    gram, right : ndarray (n_major, k, k), (n_major, k) or None
        Normal equations of each row, likewise.
    """

    coefficients: Array
    value: float
    squares: Array | None = None
    gram: Array | None = None
    right: Array | None = None


def draw_rows(
    passes: EntryPasses,
    axis: int,
    features: Array,
    noise: Array,
    *,
    precision: float,
    prior: GaussianPrior,
    minor_offset: Array | None = None,
    row_weights: Array | None = None,
    want: str = "",
) -> RowDraws:
    """Draw every row (``axis=0``) or column (``axis=1``) given the other side; see `kernels.row_draws`.

    Parameters
    ----------
    passes : EntryPasses
        Over the table, with the gaussian loss.
    features : ndarray (n_minor, k)
        Of the fixed side.
    noise : ndarray (n_major, k)
        Standard normal; zeros give the conditional means.
    precision : float
        Of one entry of weight 1.
    prior : GaussianPrior
    minor_offset : ndarray (n_minor,), optional
        Known part of the responses.
    row_weights : ndarray (n_rows,), optional
        Of the table's rows, whichever side is drawn: factors of their entries' weights.
    want : str
        ``"s"``: squares of each row; ``"n"``: normal equations.

    Returns
    -------
    RowDraws
        With the same bits on any engine.
    """
    features, noise = passes._factor(features), passes._factor(noise)
    n, k = noise.shape
    pull = prior.mean @ prior.precision if prior.mean.ndim > 1 else prior.precision @ prior.mean
    given: dict[str, Any] = {"precision": precision, "prior": prior.precision}
    given["col_offset"] = passes._cast(minor_offset)
    given["col_weights" if axis else "row_weights"] = passes._cast(row_weights)
    by_row: dict[str, Any] = {"out": np.empty_like(noise)}
    by_row["squares"] = np.empty(n) if "s" in want else None
    by_row["gram"] = np.empty((n, k, k), passes.dtype) if "n" in want else None
    by_row["right"] = np.empty((n, k), passes.dtype) if "n" in want else None
    given["pull"] = passes._factor(pull)
    if axis and passes.is_frugal:
        parts = passes.column_parts

        def draw_part(block: tuple[int, int]) -> float:
            part = slice(*block)
            own: dict[str, Any] = {name: None if array is None else array[part] for name, array in by_row.items()}
            fixed = {**given, "pull": given["pull"][part]} if pull.ndim > 1 else given
            return float(kernels.row_draws(parts.build(part), features, noise[part], **own, **fixed).value)

        value = float(sum(passes.engine.map(draw_part, parts.ranges)))
        return RowDraws(by_row["out"], value, by_row["squares"], by_row["gram"], by_row["right"])
    view, given["offset"] = passes.view(axis), passes._offset(axis)

    def draw(block: tuple[int, int]) -> float:
        done = kernels.row_draws(view, features, noise, start=block[0], stop=block[1], **by_row, **given)
        return float(done.value)

    value = float(sum(passes.engine.map(draw, passes.blocks(axis))))
    return RowDraws(by_row["out"], value, by_row["squares"], by_row["gram"], by_row["right"])
