"""Random Fourier features: a fixed first layer whose inner products approach a Gaussian kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data.storable import storable

SAMPLE = 2000


@storable
@dataclass(frozen=True)
class FourierFeatures:
    r""":math:`r(x) = q^{-1/2}\,[\sin Qx;\ \cos Qx]` with :math:`Q_{ij} \sim N(0, \sigma^2)`.

    Attributes
    ----------
    frequencies : ndarray (d, q)

    Examples
    --------
    >>> made = FourierFeatures.draw(3, 2000, 0.5, np.random.default_rng(0))
    >>> x, y = made(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]))
    >>> bool(abs(x @ y - np.exp(-0.5 * 0.5**2 * 2.0)) < 0.05), round(float(x @ x), 12)
    (True, 1.0)
    """

    frequencies: FloatArray

    @classmethod
    def draw(cls, d: int, q: int, scale: float, rng: np.random.Generator) -> FourierFeatures:
        """q frequencies for d features."""
        return cls(scale * rng.standard_normal((d, q)))

    def __call__(self, X: FloatArray) -> FloatArray:
        phases = X @ self.frequencies.astype(X.dtype)
        return np.concatenate([np.sin(phases), np.cos(phases)], axis=1) / np.sqrt(X.dtype.type(phases.shape[1]))


def median_distance(X: FloatArray, rng: np.random.Generator) -> float:
    """Median distance of random pairs of rows."""
    i, j = rng.integers(0, len(X), (2, SAMPLE))
    distance = np.linalg.norm(X[i].astype(float) - X[j], axis=1)
    median = float(np.median(distance[distance > 0])) if np.any(distance > 0) else 1.0
    return median
