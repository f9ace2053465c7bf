r"""What one common factor leaves of each row's mean: a row may be better, or worse, than its ability says.

With slopes of their own the columns weigh differently in an ability than in a score, so that a row that one factor does
not fit has answers whose plain mean strays from the model's: on the unseen cells as on the seen ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.response.fitting import RandomFit
from halfseen.methods.response.table import SeenAnswers

# A row of less variance has the same slope in all its columns: its ability has its mean right by itself.
LEAST_VARIANCE = 1e-12


@storable
@dataclass(frozen=True)
class RowLeanings:
    """How far the mean answer of each row strays from what its ability says.

    Attributes
    ----------
    sd : float
        Over all rows; 0 where one factor (or one slope for all columns) leaves nothing.
    effect : ndarray (n,)
        What the seen answers of each row show of it, shrunk by their chance.
    variance : ndarray (n,)
        What they leave unknown.
    """

    sd: float
    effect: FloatArray
    variance: FloatArray

    @classmethod
    def none(cls, n: int) -> RowLeanings:
        """No row strays."""
        return cls(0.0, np.zeros(n), np.zeros(n))

    def over(self, share: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What scores gain, and its variance, where the model speaks for a ``share`` of the columns.

        Of that share ``known`` lies in blocks of which the row has answers; of other blocks nothing is known of it.
        """
        effect = share * known * self.effect
        return effect, share**2 * (known**2 * self.variance + (1.0 - known) ** 2 * self.sd**2)


def row_leanings(fit: RandomFit) -> RowLeanings:
    r"""Leanings by empirical Bayes from the means of left-out errors :math:`e_{ij} = R_{ij} - P_{ij}^{(-j)}`.

    .. math:: d_i = \frac1{s_i}\sum_j (1 - c_i y_{ij})\, e_{ij},\qquad
              c_i = \frac{\sum_j g_{ij}}{\sum_j y_{ij} g_{ij}},\quad g = \frac{\partial P}{\partial x},\qquad
              v_i = \frac{\phi}{s_i^2}\sum_j (1 - c_i y_{ij})^2 P_{ij} (1 - P_{ij})

    The weights :math:`1 - c_i y_{ij}` take out what the ability has absorbed. The variance of the leanings is the
    moment estimate :math:`(\sum d_i^2 / v_i - n) / \sum 1 / v_i`, or 0; each is then shrunk by its own :math:`v_i`.

    Notes
    -----
    O(n_entries). Source: derived here; the difference estimator of survey samples, shrunk.
    """
    table, n = fit.problem.table, len(fit.at.x)
    if fit.slopes is None:
        return RowLeanings.none(n)
    slope, lean = fit.slopes
    i, e, w = table.rows, table.shares - fit.chances, fit.chances * (1.0 - fit.chances)
    seen, gained, weighed = (np.bincount(i, part, n) for part in (np.ones(len(i)), lean, slope * lean))
    c = np.divide(gained, weighed, out=np.zeros(n), where=np.abs(weighed) > 1e-12)
    rest = 1.0 - c[i] * slope
    d = np.bincount(i, rest * e, n) / np.maximum(seen, 1)
    v = fit.dispersion * np.bincount(i, rest**2 * w, n) / np.maximum(seen, 1) ** 2
    return shrunk(d, v)


def within_reach(table: SeenAnswers, codes: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """Shares (n,) of each row's unseen cells, and of all columns, in blocks it has answers of; 1 without blocks."""
    n, p = table.shape
    if codes is None:
        return np.ones(n), np.ones(n)
    seen = np.zeros((codes.max() + 1, n))
    np.add.at(seen, (codes[table.cols], table.rows), 1.0)
    sizes = np.bincount(codes)[:, None]
    left = np.sum((seen > 0) * (sizes - seen), axis=0)
    return left / np.maximum(p - seen.sum(axis=0), 1), np.sum((seen > 0) * sizes, axis=0) / p


def shrunk(d: FloatArray, v: FloatArray) -> RowLeanings:
    """Leanings of rows from their means and variances; a variance of 0 says nothing.

    Examples
    --------
    >>> found = shrunk(np.array([3.0, -3.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    >>> round(found.sd**2, 6), found.effect.round(3).tolist(), found.variance.round(3).tolist()
    (8.0, [2.667, -2.667, 0.0], [0.889, 0.889, 8.0])
    """
    told = v > LEAST_VARIANCE
    precision = float(np.sum(1.0 / v[told]))
    variance = max((float(np.sum(d[told] ** 2 / v[told])) - told.sum()) / precision, 0.0) if told.any() else 0.0
    keep = np.divide(variance, variance + v, out=np.zeros(len(v)), where=told)
    return RowLeanings(float(np.sqrt(variance)), keep * d, np.where(told, keep * v, variance))
