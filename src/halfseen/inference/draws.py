"""Random errors of estimates: plain Gaussian draws, the Gaussian multiplier bootstrap, and maxima over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.inference.influence import Influence

Errors = tuple[FloatArray, FloatArray]

# Numbers drawn at once: 4 million floats are 32 MB.
NUMBERS_AT_ONCE = 4_000_000


def batch_sizes(n_draws: int, numbers: int) -> Iterator[int]:
    """Sizes of batches of draws of so many numbers each."""
    size = max(1, min(n_draws, NUMBERS_AT_ONCE // max(numbers, 1)))
    for begun in range(0, n_draws, size):
        yield min(size, n_draws - begun)


def _root(covariance: FloatArray) -> FloatArray:
    """Symmetric square roots of positive semidefinite blocks."""
    if not covariance.size:
        return covariance
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, 1, 2)


@dataclass(frozen=True)
class GaussianDraws:
    r"""Errors :math:`\Delta_i \sim N(0, V_i)`, independent between rows and columns.

    Attributes
    ----------
    rows : ndarray (n, k, k)
        Plug-in covariances of the rows.
    cols : ndarray (p, l, l)

    Notes
    -----
    Gives the quantiles of the multiplier bootstrap within a few hundredths at n = p = 400 and is almost free.
    """

    rows: FloatArray
    cols: FloatArray

    def batches(self, n_draws: int, rng: np.random.Generator, rows: IntArray, cols: IntArray) -> Iterator[Errors]:
        """Errors (b, len(rows), k) and (b, len(cols), l) of the chosen rows and columns, batch by batch."""
        roots = _root(self.rows[rows]), _root(self.cols[cols])
        numbers = sum(root.shape[0] * root.shape[1] for root in roots)
        for b in batch_sizes(n_draws, numbers):
            of_rows, of_cols = (
                np.einsum("ikl,bil->bik", root, rng.standard_normal((b, *root.shape[:2]))) for root in roots
            )
            yield of_rows, of_cols


@dataclass(frozen=True)
class MultiplierDraws:
    r"""Gaussian multiplier bootstrap of linearised errors.

    .. math:: \Delta_i^{[b]} = -V_i \sum_j \xi_j^{[b]} e_{ij} y_j,\qquad
              \tilde\Delta_j^{[b]} = -\tilde V_j \sum_i \xi_i'^{[b]} e_{ij} \tilde x_i

    One multiplier per column serves all rows, and one per row all columns, so that the dependence between rows
    through the columns they share is kept.

    Attributes
    ----------
    rows, cols : Influence
        Of the entries on the rows' and on the columns' parameters.
    col_groups, row_groups : int arrays or None
        Groups of columns (rows) that share a multiplier.

    Notes
    -----
    All draws of a batch share one pass over the entries: O(entries * k) per draw and side. Source: Huang and Gu,
    section 3, with the Hessians not multiplied by the draws.
    """

    rows: Influence
    cols: Influence
    col_groups: IntArray | None = None
    row_groups: IntArray | None = None

    def batches(self, n_draws: int, rng: np.random.Generator, rows: IntArray, cols: IntArray) -> Iterator[Errors]:
        """As for :class:`GaussianDraws`; a side of which nothing is asked costs nothing."""
        n, p = self.rows.passes.shape
        k, k_col = self.rows.features.shape[1], self.cols.features.shape[1]
        for b in batch_sizes(n_draws, (n + p) * (k + k_col)):
            by_col, by_row = _multipliers(rng, p, b, self.col_groups), _multipliers(rng, n, b, self.row_groups)
            of_rows: FloatArray = np.zeros((b, len(rows), k))
            of_cols: FloatArray = np.zeros((b, len(cols), k_col))
            if len(rows) and k:
                of_rows = self.rows.draws(by_col, rows)
            if len(cols) and k_col:
                of_cols = self.cols.draws(by_row, cols)
            yield of_rows, of_cols


def _multipliers(rng: np.random.Generator, items: int, b: int, groups: IntArray | None) -> FloatArray:
    """Standard normal numbers (items, b), the same inside a group."""
    if groups is None:
        return rng.standard_normal((items, b))
    return np.asarray(rng.standard_normal((int(groups.max()) + 1, b))[groups])


def upper_quantile(maxima: FloatArray, level: float) -> float:
    """The smallest draw below or at which at least ``level`` of the draws lie.

    Examples
    --------
    >>> upper_quantile(np.arange(1.0, 101.0), 0.95)
    95.0
    """
    return float(np.quantile(maxima, level, method="inverted_cdf"))


def largest_deviations(errors: Iterable[FloatArray], scale: FloatArray) -> FloatArray:
    r"""Maxima :math:`\max_q |\Delta_q^{[b]}| / s_q` over the draws ``b``; entries without a scale are left out.

    Parameters
    ----------
    errors : iterable of ndarray (b, m)
    scale : ndarray (m,)
        Standard deviations of the draws.
    """
    good = np.isfinite(scale) & (scale > 0)
    inverse = np.where(good, 1.0 / np.where(good, scale, 1.0), 0.0)
    return np.concatenate([np.abs(batch * inverse).max(axis=1, initial=0.0) for batch in errors])
