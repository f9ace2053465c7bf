"""Stein's unbiased estimate of the error of a spectral filter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Squared singular values closer than this (relative to the largest) are treated as equal, by the limit of the formula.
TIE = 1e-8


class SteinEstimate:
    r"""Unbiased estimate of :math:`\|\hat X - X\|_F^2` for :math:`\hat X = \sum_i f_i u_i v_i^\top`, white noise.

    .. math:: -mn\sigma^2 + \sum_i (f_i - s_i)^2 + 2\sigma^2\Bigl[\sum_i f_i' + |m - n|\sum_i\frac{f_i}{s_i}
              + 2\sum_{i \ne j}\frac{s_i f_i}{s_i^2 - s_j^2}\Bigr]

    Parameters
    ----------
    s : ndarray (q,)
        All singular values of the noisy matrix.
    shape : (int, int)
    noise : float
        Standard deviation :math:`\sigma` of an entry of the noise.

    Notes
    -----
    O(q^2) once, O(q) per estimate: the double sum is linear in f. Source: Candes, Sing-Long and Trzasko (2013),
    "Unbiased risk estimates for singular value thresholding and spectral estimators", equation (9).

    Examples
    --------
    >>> s = np.linalg.svd(np.random.default_rng(0).standard_normal((50, 40)), compute_uv=False)
    >>> estimate = SteinEstimate(s, (50, 40), 1.0)
    >>> round(estimate(s, np.ones(40)) / 2000, 6)  # nothing filtered: all of the noise is kept
    1.0
    """

    def __init__(self, s: Array, shape: tuple[int, int], noise: float) -> None:
        self.s, self.noise = np.asarray(s, dtype=float), float(noise)
        self.cells, self.excess = shape[0] * shape[1], abs(shape[0] - shape[1])
        squares = np.square(self.s)
        gaps = squares[:, None] - squares
        tied = np.abs(gaps) <= TIE * squares.max(initial=1e-300)
        self._pairs = self.s * np.sum(np.divide(1.0, gaps, out=np.zeros_like(gaps), where=~tied), axis=1)
        self._ties = tied.sum(axis=1) - 1  # without itself

    def __call__(self, f: Array, slope: Array) -> float:
        """The estimate for filtered values ``f`` and their derivatives in ``s``."""
        positive = self.s > 1e-12 * self.s.max(initial=0.0)
        ratio = np.divide(f, self.s, out=np.array(slope, dtype=float), where=positive)  # f(0) = 0 in the limit
        # (s_i f_i - s_j f_j) / (s_i^2 - s_j^2) -> (f / s + f') / 2 where both are equal; half of it for each
        pairs = float(f @ self._pairs) + 0.25 * float(self._ties @ (ratio + slope))
        divergence = float(np.sum(slope)) + self.excess * float(np.sum(ratio)) + 2.0 * pairs
        return self.noise**2 * (2.0 * divergence - self.cells) + float(np.sum(np.square(f - self.s)))
