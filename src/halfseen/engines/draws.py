"""Draws of rows or columns from their Gaussian conditional distributions, spread over fixed blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

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
    pull = prior.mean @ prior.precision if prior.mean.ndim > 1 else prior.precision @ prior.mean
    given = {"precision": precision, "prior": prior.precision, "pull": pull, "col_offset": minor_offset}
    given["col_weights" if axis else "row_weights"] = row_weights
    return RowDraws(*passes.draws(axis, features, noise, given, want))
