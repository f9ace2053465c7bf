"""Scores over other columns of the kind: the covariance that a choice of columns adds to scores on these columns."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray

# Wilson's interval adds two successes and two failures at 95 %.
ADDED = 4.0


def over_columns(
    covariance: FloatArray, scores: FloatArray, blocks: Iterable[tuple[FloatArray, FloatArray]], n_cols: int
) -> FloatArray:
    r"""Joint covariance of the rows' mean responses over other columns drawn as these were.

    .. math:: V = C + \frac{\mathrm{cov}_q(M) + \mathrm{diag}(\mathrm{mean}_q\,v)}{n}

    Parameters
    ----------
    covariance : ndarray (n_rows, n_rows)
        :math:`C`, of the scores on these columns.
    scores : ndarray (n_rows,)
        Means of :math:`M` over the columns.
    blocks : iterable of (ndarray (n_rows, b), ndarray (n_rows, b))
        Column block by column block: :math:`M`, seen responses as they are and the others as predicted, and the
        variance :math:`v` of the responses not seen (0 where seen).
    n_cols : int
        :math:`n`.

    Notes
    -----
    On a complete table the standard error of a difference is that of the paired t-test. O(n_rows^2 n_cols).

    Examples
    --------
    >>> M = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    >>> V = over_columns(np.zeros((2, 2)), M.mean(axis=1), [(M, 0 * M)], 4)
    >>> bool(float(np.round(V[0, 0] + V[1, 1] - 2 * V[0, 1], 6)) == round((M[1] - M[0]).var(ddof=1) / 4, 6))
    True
    """
    between, own = np.zeros_like(covariance), np.zeros(len(scores))
    for M, v in blocks:
        away = M - scores[:, None]
        between += away @ away.T
        own += v.sum(axis=1)
    return np.asarray(covariance + between / (max(n_cols - 1, 1) * n_cols) + np.diag(own) / n_cols**2)


def over_clusters(
    scores: FloatArray, blocks: Iterable[tuple[slice, FloatArray, FloatArray]], codes: IntArray
) -> FloatArray:
    r"""What the choice of columns adds to a covariance where columns are drawn in clusters.

    .. math:: \frac{G}{G - 1} \sum_g \frac{d_g d_g^\top}{n^2} + \frac{\mathrm{diag}(\sum_q v_q)}{n^2},\qquad
              d_g = \sum_{q \in g} (M_q - s)

    Parameters
    ----------
    scores : ndarray (n_rows,)
    blocks : iterable of (slice, ndarray (n_rows, b), ndarray (n_rows, b))
        Columns, :math:`M` and :math:`v` as for :func:`over_columns`.
    codes : int ndarray (n_cols,)
        Cluster of every column; with clusters of one column it is the second term of :func:`over_columns`.

    Notes
    -----
    O(n_rows n_cols + n_rows^2 G); memory n_rows x G. Source: the cluster-robust variance of a mean.

    Examples
    --------
    >>> M = np.array([[1.0, 0.0, 1.0, 0.0]])
    >>> alone = over_clusters(M.mean(axis=1), [(slice(0, 4), M, 0 * M)], np.arange(4))
    >>> twice = over_clusters(M.mean(axis=1), [(slice(0, 4), M, 0 * M)], np.array([0, 1, 0, 1]))
    >>> round(float(alone[0, 0]), 6), float(twice[0, 0])
    (0.083333, 0.25)
    """
    n_groups, n = int(codes.max()) + 1, len(codes)
    sums, own = np.zeros((len(scores), n_groups)), np.zeros(len(scores))
    for cols, M, v in blocks:
        member = sparse.csr_array((np.ones(M.shape[1]), (codes[cols], np.arange(M.shape[1]))), (n_groups, M.shape[1]))
        sums += np.asarray(member @ (M - scores[:, None]).T).T
        own += v.sum(axis=1)
    factor = n_groups / max(n_groups - 1, 1)
    return np.asarray(factor * (sums @ sums.T) / n**2 + np.diag(own) / n**2)


def never_sure(V: FloatArray, scores: FloatArray, lowest: float, highest: float, n_cols: int) -> FloatArray:
    """The covariance with Wilson's variance for rows whose responses are all at one end of a finite range."""
    width = highest - lowest
    if not np.isfinite(width):
        return V
    is_end = np.diag(V) <= 1e-12 * width**2
    share = ((scores - lowest) / width * n_cols + ADDED / 2) / (n_cols + ADDED)
    wilson = width**2 * share * (1.0 - share) / (n_cols + ADDED)
    return np.asarray(V + np.diag(np.where(is_end, wilson, 0.0)))


def ends_alike(
    scores: FloatArray, se: FloatArray, q: float, lowest: float, highest: float, n_cols: int
) -> tuple[FloatArray, FloatArray]:
    """Ends ``q`` standard errors away; Wilson's where all responses are at one end of a finite range."""
    low, high = np.maximum(scores - q * se, lowest), np.minimum(scores + q * se, highest)
    width = highest - lowest
    if not np.isfinite(width):
        return low, high
    reach = width * q**2 / (n_cols + q**2)
    at_low, at_high = scores <= lowest + 1e-12 * width, scores >= highest - 1e-12 * width
    return np.where(at_high, highest - reach, low), np.where(at_low, lowest + reach, high)
