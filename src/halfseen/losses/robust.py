"""Losses that large errors cannot rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable
from halfseen.losses.protocol import Array


@storable
@dataclass(frozen=True)
class Huber:
    r"""Squared error near zero, absolute error beyond: :math:`\ell = e^2/2` for :math:`|e| \le \delta`,
    else :math:`\delta|e| - \delta^2/2`, with :math:`e = m - y`.

    Parameters
    ----------
    delta : float
        In units of the values: errors beyond count as outliers.

    Notes
    -----
    The curvature is 0 beyond ``delta``, where a Newton step has nothing to stand on: solvers take
    :meth:`reweighted`. Source: Huber (1964), "Robust estimation of a location parameter".

    Examples
    --------
    >>> import numpy as np
    >>> Huber(delta=1.0).value(np.zeros(2), np.array([0.5, 3.0]))
    array([0.125, 2.5  ])
    """

    delta: float = 1.0
    name: str = field(default="huber", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=True, init=False)
    support: str = field(default="any finite number", init=False)

    def __post_init__(self) -> None:
        if not 0 < self.delta < np.inf:
            raise ValueError(f"delta={self.delta!r} must be a positive number, in units of the values.")

    def value(self, y: Array, m: Array) -> Array:
        size = np.abs(m - y)
        inner = np.minimum(size, m.dtype.type(self.delta))
        return inner * (size - 0.5 * inner)

    def gradient(self, y: Array, m: Array) -> Array:
        return np.clip(m - y, -self.delta, self.delta)

    def curvature(self, y: Array, m: Array) -> Array:
        return (np.abs(m - y) <= self.delta).astype(m.dtype)

    def reweighted(self) -> Huber:
        """The same loss with the curvature of the parabola that touches it from above."""
        return ReweightedHuber(self.delta)

    def mean(self, m: Array) -> Array:
        return np.array(m, copy=True)

    def link(self, mu: Array) -> Array:
        return np.array(mu, copy=True)

    def variance(self, m: Array) -> Array:
        return np.ones_like(m)

    def third(self, m: Array) -> Array:
        return np.zeros_like(m)

    def deviance(self, y: Array, m: Array) -> Array:
        return 2.0 * self.value(y, m)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        """Gaussian responses: the loss names no distribution of its own."""
        return m + np.sqrt(dispersion) * rng.standard_normal(np.shape(m))

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        return ~np.isfinite(y)


@storable
@dataclass(frozen=True)
class ReweightedHuber(Huber):
    r"""Huber's loss whose curvature is the weight :math:`\min(1, \delta/|e|)` of reweighted least squares.

    The parabola with this curvature lies above the loss and touches it, so that every Newton step descends.
    """

    def curvature(self, y: Array, m: Array) -> Array:
        return (self.delta / np.maximum(np.abs(m - y), self.delta)).astype(m.dtype, copy=False)
