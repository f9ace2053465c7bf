"""Descent from a small start as a filter of singular values, iteration by iteration but without the matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from halfseen._typing import FloatArray
from halfseen.solvers.loop import SweepResult


class Growth(NamedTuple):
    """Roots :math:`a` of the components' sizes, and the derivatives of :math:`a` in the singular values."""

    root: FloatArray
    slope: FloatArray

    @property
    def size(self) -> FloatArray:
        """Sizes :math:`f = a^2`."""
        return np.square(self.root)

    @property
    def size_slope(self) -> FloatArray:
        """Derivatives :math:`f' = 2 a a'`."""
        return 2.0 * self.root * self.slope


class SpectralFilter:
    r"""One iteration for every singular value at once, :math:`a \leftarrow a(1 + \eta(s - a^2))`.

    Parameters
    ----------
    s : ndarray (q,)
        Singular values of the matrix.
    step : float
        Learning rate :math:`\eta`.

    Notes
    -----
    O(q) per sweep; descent itself costs O(mnk). The value is :math:`\frac12\sum_i(s_i - a_i^2)^2`. Source: the
    decoupled dynamics of Jiang, Chen and Ding (2022), (3.1) and (C.11).

    Examples
    --------
    >>> from halfseen.solvers import loop
    >>> filter = SpectralFilter(np.array([1.0, 0.5, 0.1]), step=0.5)
    >>> loop(filter, filter.start(1e-6), max_iter=60).params.size.round(2).tolist()
    [1.0, 0.5, 0.0]
    """

    def __init__(self, s: FloatArray, step: float) -> None:
        self.s, self.step = np.asarray(s, dtype=float), float(step)

    def start(self, size: float) -> Growth:
        """All components of this size (see :func:`halfseen.linalg.growth.start_size`)."""
        return Growth(np.full(len(self.s), np.sqrt(size)), np.zeros(len(self.s)))

    def __call__(self, growth: Growth) -> SweepResult:
        a, slope = growth
        factor = 1.0 + self.step * (self.s - np.square(a))
        new_slope = slope * factor + a * self.step * (1.0 - 2.0 * a * slope)
        new = Growth(a * factor, new_slope)
        value = 0.5 * float(np.sum(np.square(self.s - new.size)))
        return SweepResult(new, value)
