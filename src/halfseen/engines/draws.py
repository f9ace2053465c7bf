"""Draws of rows or columns from their Gaussian conditional distributions, spread over fixed blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from halfseen.engines.passes import EntryPasses

Array = NDArray[Any]


@dataclass(frozen=True)
class GaussianPrior:
    r"""Prior of the rows of one side: :math:`N(m, \Lambda^{-1})`.

    Attributes
    ----------
    mean : ndarray (k,)
    precision : ndarray (k, k)
    """

    mean: Array
    precision: Array


def draw_rows(
    passes: EntryPasses,
    axis: int,
    features: Array,
    noise: Array,
    *,
    precision: float,
    prior: GaussianPrior,
    minor_offset: Array | None = None,
) -> tuple[Array, float]:
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

    Returns
    -------
    draws : ndarray (n_major, k)
    squares : float
        Sum of squared residuals there. Both have the same bits on any engine.
    """
    given = {"precision": precision, "prior": prior.precision, "pull": prior.precision @ prior.mean}
    return passes.draws(axis, features, noise, given, minor_offset)
