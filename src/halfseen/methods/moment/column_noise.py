"""The variance that the factors leave in each column: whether columns differ, and steady values where they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray

# Equal noise gives .24 to .65, noise whose logarithm has a standard deviation of one 2 to 30; on thin tables (2000 rows
# of 2 entries) .96 to 1.9, for the factors take the larger noise for theirs. A limit of 1.5 left three of four such
# tables with one noise, and .86 of the values of noisy columns in their intervals.
UNEQUAL = 0.7
# What is left of a diagonal after the factors may be negative: least values, in units of the common one.
LEAST, LEAST_FOR_ERROR = 0.02, 0.1


@dataclass(frozen=True)
class ColumnNoise:
    r"""What the diagonal leaves beside the factors.

    .. math:: \psi_j = e^{c + w_j(l_j - c)},\quad l_j = \log\max(T_{jj} - \|X_j\|^2, .02\psi),\quad
              w_j = \frac{\tau^2}{\tau^2 + s_j^2}

    Attributes
    ----------
    psi : ndarray (d,)
        Shrunk towards the columns' typical value by what chance does to each.
    statistic : float
        Mean of :math:`(T_{jj} - \|X_j\|^2 - \psi)^2/v_j` with :math:`v_j = 2T_{jj}^2/n_j`; about a half where all
        columns have the same noise.
    """

    psi: FloatArray
    statistic: float

    @property
    def is_unequal(self) -> bool:
        """Whether columns should have a noise of their own in the fit."""
        return self.statistic > UNEQUAL


def column_noise(diagonal: FloatArray, counts: IntArray, X: FloatArray, common: float) -> ColumnNoise:
    """Noise by column from mean squares of columns, their numbers of entries, the factors and the common noise.

    Parameters
    ----------
    diagonal, counts : ndarray (d,)
    X : ndarray (d, r)
    common : float
        Where it is 0 the columns have it too.

    Examples
    --------
    >>> equal = column_noise(np.full(4, 2.0), np.full(4, 100), np.ones((4, 1)), 1.0)
    >>> equal.psi.tolist(), equal.statistic
    ([1.0, 1.0, 1.0, 1.0], 0.0)
    """
    seen = (counts > 0) & (diagonal > 0)
    if common <= 0 or np.count_nonzero(seen) < 2:
        return ColumnNoise(np.full(len(X), max(common, 0.0)), 0.0)
    raw = (diagonal - np.sum(np.square(X, dtype=float), axis=1))[seen]
    v = 2.0 * diagonal[seen] ** 2 / counts[seen]
    level = np.log(np.maximum(raw, LEAST * common))
    s2 = v / np.maximum(raw, LEAST_FOR_ERROR * common) ** 2
    tau2 = max(float(level.var() - np.median(s2)), 0.0)
    weights = 1.0 / (tau2 + s2)
    centre = float(np.average(level, weights=weights))
    psi = np.full(len(X), np.exp(centre))
    psi[seen] = np.exp(centre + tau2 * weights * (level - centre))
    return ColumnNoise(psi, float(np.mean((raw - common) ** 2 / v)))
