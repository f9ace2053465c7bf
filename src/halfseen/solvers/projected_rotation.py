"""Rotation of loadings by projected gradients, orthogonal or oblique."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.solvers.loop import SweepResult

Array = NDArray[Any]
MOST_HALVINGS = 20


class ProjectedRotation:
    r"""One projected gradient step on the transform ``T`` of loadings ``A``.

    .. math::

        L = A T,\ T^\top T = I \quad\text{(orthogonal)},\qquad
        L = A T^{-\top},\ \operatorname{diag}(T^\top T) = 1 \quad\text{(oblique; factor correlations } T^\top T)

    Parameters
    ----------
    A : ndarray (p, K)
    criterion : callable
        ``criterion(L) -> (value, gradient)``, to be minimised.
    is_oblique : bool

    Notes
    -----
    O(p K^2) per trial. Source: Bernaards and Jennrich (2005).

    Examples
    --------
    >>> from halfseen.linalg.rotations import varimax_value
    >>> from halfseen.solvers import GradientNorm, loop
    >>> turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    >>> A = np.array([[1.0, 0], [0.9, 0], [0, 1.1], [0, 0.7]]) @ turn
    >>> run = loop(ProjectedRotation(A, varimax_value, False), np.eye(2), [GradientNorm(1e-8)], max_iter=500)
    >>> np.abs(A @ run.params).round(3).tolist()
    [[1.0, 0.0], [0.9, 0.0], [0.0, 1.1], [0.0, 0.7]]
    """

    def __init__(self, A: Array, criterion: Callable[[Array], tuple[float, Array]], is_oblique: bool) -> None:
        self.A, self.criterion, self.is_oblique, self.length = A, criterion, is_oblique, 1.0

    def loadings(self, T: Array) -> Array:
        """Rotated loadings."""
        return self.A @ (np.linalg.inv(T).T if self.is_oblique else T)

    def __call__(self, T: Array) -> SweepResult:
        L = self.loadings(T)
        value, slope = self.criterion(L)
        if self.is_oblique:
            G = -(L.T @ slope @ np.linalg.inv(T)).T
            projected = G - T * np.sum(T * G, axis=0)
        else:
            G = self.A.T @ slope
            M = T.T @ G
            projected = G - T @ (0.5 * (M + M.T))
        size = float(np.sqrt(np.sum(projected**2)))
        self.length *= 2.0
        for _ in range(MOST_HALVINGS):
            new = self._retracted(T - self.length * projected)
            new_value = self.criterion(self.loadings(new))[0]
            if new_value < value - 0.5 * size**2 * self.length:
                return SweepResult(new, new_value, size)
            self.length *= 0.5
        return SweepResult(T, value, size, reason="precision")

    def _retracted(self, X: Array) -> Array:
        if self.is_oblique:
            return X / np.sqrt(np.sum(X**2, axis=0))
        U, _, Vt = np.linalg.svd(X)
        return U @ Vt
