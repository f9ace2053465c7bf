"""Estimates of the second moments of pairs that were seen, with their variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.moment.moments import PairMoments, PairValues

ESTIMATORS = ("hajek", "horvitz_thompson")
SAMPLINGS = ("uniform", "columns", "fixed")
VARIANCES = ("pooled", "own")


@dataclass(frozen=True)
class PairEstimates:
    """Estimated second moments of pairs ``i <= j``.

    Attributes
    ----------
    i, j : int arrays (n_pairs,)
    estimate : ndarray (n_pairs,)
    variance : ndarray (n_pairs,)
        Of the estimate; nan where one observation alone says nothing of it (own variances).
    counts : int array (n_pairs,)
    """

    i: IntArray
    j: IntArray
    estimate: FloatArray
    variance: FloatArray
    counts: IntArray

    @property
    def se(self) -> FloatArray:
        """Standard errors."""
        return np.sqrt(self.variance)


def estimate_pairs(
    moments: PairMoments,
    estimator: str = "hajek",
    sampling: str = "uniform",
    variance: str = "pooled",
    is_finite: bool = False,
    pairs: tuple[IntArray, IntArray] | None = None,
) -> PairEstimates:
    r"""Second moments :math:`T_{ij} = n^{-1}\sum_t m_{ti} m_{tj}` of the pairs seen, and what chance does to them.

    Hajek's estimate is :math:`\bar T_{ij} = S_{ij}/K_{ij}`, unbiased given which pairs were seen, with variance
    :math:`(1/K_{ij} - 1/n)\,s_{ij}^2`; Horvitz and Thompson's is :math:`S_{ij}/(n\pi_{ij})`, with variance
    :math:`(1 - \pi_{ij})/(n\pi_{ij})\,\overline{y^2}_{ij}` (:math:`y = m_{ti} m_{tj}`).

    Parameters
    ----------
    moments : PairMoments
    estimator : {"hajek", "horvitz_thompson"}
    sampling : {"uniform", "columns", "fixed"}
        How cells came to be seen, for Horvitz and Thompson: all with one probability, with one probability per
        column, or the same number ``m`` in every row, :math:`\pi_{ij} = m(m-1)/(d(d-1))`.
    variance : {"pooled", "own"}
        Of Hajek's products: :math:`s_{ij}^2 = c\,\bar T_{ii}\bar T_{jj}` with one ``c`` for all pairs (another for
        the diagonal), or each pair's own :math:`(Q - K\bar T^2)/(K - 1)`, which needs two rows and is rough below ten.
    is_finite : bool
        The rows are the whole population (keeps the :math:`-1/n`); False: a sample of more rows.
    pairs : (i, j), optional
        Only these; by default all that were seen.

    Returns
    -------
    PairEstimates
        A pair never seen has estimate nan (Hajek) or 0 (Horvitz and Thompson).

    Notes
    -----
    O(pairs). Source: Hajek (1971); Horvitz and Thompson (1952). With the product of Bernoulli numbers as sampling
    scheme both variances are exact.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rows = np.array([[1.0, 2.0], [2.0, 2.0], [3.0, np.nan]])
    >>> pairs = estimate_pairs(hs.PairMoments.from_rows(rows))
    >>> pairs.estimate.round(3).tolist(), pairs.counts.tolist()
    ([4.667, 3.0, 4.0], [3, 2, 2])
    """
    _check(estimator, sampling, variance)
    i, j = moments.pairs() if pairs is None else (np.atleast_1d(pairs[0]), np.atleast_1d(pairs[1]))
    held = moments.at_pairs() if pairs is None else moments.at(i, j)
    if estimator == "hajek":
        estimate, of = hajek(moments, i, j, held, variance, is_finite)
    else:
        estimate, of = horvitz_thompson(moments, i, j, held, sampling, is_finite)
    return PairEstimates(i, j, estimate, of, held.counts)


def hajek(
    moments: PairMoments, i: IntArray, j: IntArray, held: PairValues, variance: str, is_finite: bool
) -> tuple[FloatArray, FloatArray]:
    """Means of the products, and their variances."""
    counts = held.counts.astype(float)
    seen = counts > 0
    estimate = np.divide(held.sums, counts, out=np.full(len(counts), np.nan), where=seen)
    if variance == "own":
        spread = _own_spread(held, estimate)
    else:
        diagonal = single_moments(moments)
        off, on = spread_constants(moments)
        spread = np.where(i == j, on, off) * diagonal[i] * diagonal[j]
    share = 1.0 / np.maximum(counts, 1.0) - (1.0 / max(moments.n_rows, 1) if is_finite else 0.0)
    return estimate, np.where(seen, share * spread, np.nan)


def horvitz_thompson(
    moments: PairMoments, i: IntArray, j: IntArray, held: PairValues, sampling: str, is_finite: bool
) -> tuple[FloatArray, FloatArray]:
    """Sums over expected counts, and their variances; the mean square of the products is estimated the same way."""
    expected = moments.n_rows * pair_probability(moments, i, j, sampling)
    estimate = np.divide(held.sums, expected, out=np.zeros(len(expected)), where=expected > 0)
    squares = np.divide(held.squares, expected, out=np.zeros(len(expected)), where=expected > 0)
    share = expected / max(moments.n_rows, 1)
    # of a sample of rows: E[(y I)^2]/(n pi^2) - T^2/n; of all rows there are the second term is mean(y^2)/n
    less = share * squares if is_finite else share * np.square(estimate)
    return estimate, np.divide(squares - less, expected, out=np.full(len(expected), np.inf), where=expected > 0)


def pair_probability(moments: PairMoments, i: IntArray, j: IntArray, sampling: str) -> FloatArray:
    """Probability that a row holds both columns, under the sampling scheme, estimated from the counts."""
    n, d = max(moments.n_rows, 1), moments.n_cols
    if sampling == "columns":
        p = moments.diagonal().counts / n
        return np.where(i == j, p[i], p[i] * p[j])
    if sampling == "uniform":
        share = moments.n_entries / (n * max(d, 1))
        return np.where(i == j, share, share**2)
    m = entries_of_every_row(moments)
    return np.where(i == j, m / d, m * (m - 1) / max(d * (d - 1), 1))


def entries_of_every_row(moments: PairMoments) -> int:
    """The number of entries that all rows have.

    Raises
    ------
    ValueError
        If they differ.
    """
    held = np.flatnonzero(moments.profile[0])
    if len(held) != 1:
        raise ValueError(
            f"sampling='fixed' needs the same number of entries in every row; there are rows with {held[:1]} "
            f"and with {held[-1:]}. Use sampling='uniform' or 'columns'"
        )
    return int(held[0])


def single_moments(moments: PairMoments) -> FloatArray:
    """Hajek's second moments of the single columns, (d,); 0 for a column never seen."""
    held = moments.diagonal()
    return np.divide(held.sums, held.counts, out=np.zeros(moments.n_cols), where=held.counts > 0)


def steady_moments(moments: PairMoments, prior: float = 3.0) -> FloatArray:
    """Second moments for weights: drawn to their mean as if ``prior`` further entries had it; never 0."""
    held = moments.diagonal()
    mean = held.sums.sum() / max(held.counts.sum(), 1)
    if not mean > 0:
        return np.ones(moments.n_cols)
    return (held.sums + prior * mean) / (held.counts + prior)


def spread_constants(moments: PairMoments) -> tuple[float, float]:
    r"""``c`` of :math:`s_{ij}^2 = c\,\bar T_{ii}\bar T_{jj}`, off the diagonal and on it, from pairs seen twice.

    Regression through the origin of the unbiased own variances, weighted by what they rest on, :math:`K - 1`, and by
    the inverse square of what they vary with. 1 and 2 (Gaussian rows) where nothing was seen twice.
    """
    i, j = moments.pairs()
    held, diagonal = moments.at_pairs(), single_moments(moments)
    scale = diagonal[i] * diagonal[j]
    twice = (held.counts >= 2) & (scale > 0)
    if not twice.any():
        return 1.0, 2.0
    i, j, scale = i[twice], j[twice], scale[twice]
    held = PairValues(held.counts[twice], held.sums[twice], held.squares[twice])
    ratio = _own_spread(held, held.sums / held.counts) / scale
    weight = held.counts - 1.0
    on = i == j
    constants = [
        float(np.sum(weight[where] * ratio[where]) / np.sum(weight[where])) if where.any() else other
        for where, other in ((~on, 1.0), (on, 2.0))
    ]
    return constants[0], constants[1]


def _own_spread(held: PairValues, estimate: FloatArray) -> FloatArray:
    """Unbiased variance of one product; nan below two rows."""
    counts = held.counts.astype(float)
    spread = np.divide(
        held.squares - counts * np.square(estimate), counts - 1.0, out=np.full(len(counts), np.nan), where=counts >= 2
    )
    return np.maximum(spread, 0.0)


def _check(estimator: str, sampling: str, variance: str) -> None:
    for name, value, known in (
        ("estimator", estimator, ESTIMATORS),
        ("sampling", sampling, SAMPLINGS),
        ("variance", variance, VARIANCES),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}")
