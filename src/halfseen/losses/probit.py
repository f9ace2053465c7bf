"""Yes or no answers with the probit link."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri, xlogy

from halfseen.data.storable import storable
from halfseen.losses.protocol import Array
from halfseen.losses.quantiles import class_quantiles

LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)


@storable
@dataclass(frozen=True)
class Probit:
    r"""Yes or no answers, probit link: :math:`\ell = -y \log\Phi(m) - (1 - y)\log\Phi(-m)`.

    Not canonical: covariances and leverages use the expected information
    :math:`\varphi^2 / (\Phi(1 - \Phi))`. Shares of known totals are judged alike, with the totals as weights.

    Examples
    --------
    >>> import numpy as np
    >>> Probit().mean(np.array([0.0]))
    array([0.5])
    """

    name: str = field(default="probit", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    takes_totals: bool = field(default=True, init=False)
    support: str = field(default="0 or 1", init=False)
    range: tuple[float, float] = field(default=(0.0, 1.0), init=False)

    @staticmethod
    def _ratios(m: Array) -> tuple[Array, Array]:
        """``phi / Phi`` and ``phi / (1 - Phi)``, by logarithms: both stay finite far out."""
        log_density = -0.5 * np.square(m) - m.dtype.type(LOG_ROOT_2PI)
        return np.exp(log_density - log_ndtr(m)), np.exp(log_density - log_ndtr(-m))

    def value(self, y: Array, m: Array) -> Array:
        return -y * log_ndtr(m) - (1.0 - y) * log_ndtr(-m)

    def gradient(self, y: Array, m: Array) -> Array:
        yes, no = self._ratios(m)
        return (1.0 - y) * no - y * yes

    def curvature(self, y: Array, m: Array) -> Array:
        yes, no = self._ratios(m)
        # bias-corrected responses may lie a little outside [0, 1]; the curvature stays that of the nearest answer
        y = np.clip(y, 0.0, 1.0)
        return y * np.maximum(yes * (yes + m), 0.0) + (1.0 - y) * np.maximum(no * (no - m), 0.0)

    def information(self, m: Array) -> Array:
        yes, no = self._ratios(m)
        return yes * no

    def mean(self, m: Array) -> Array:
        return ndtr(m)

    def link(self, mu: Array) -> Array:
        return ndtri(np.clip(mu, 0.02, 0.98))

    def slope(self, m: Array) -> Array:
        return np.exp(-0.5 * np.square(m) - m.dtype.type(LOG_ROOT_2PI))

    def bend(self, m: Array) -> Array:
        return -m * self.slope(m)

    def skew(self, m: Array) -> Array:
        # of a generalized linear model: mu' mu'' / variance
        return -m * self.information(m)

    def variance(self, m: Array) -> Array:
        return ndtr(m) * ndtr(-m)

    def third(self, m: Array) -> Array:
        return self.slope(m) * (1.0 - 2.0 * ndtr(m))

    def deviance(self, y: Array, m: Array) -> Array:
        share = np.clip(np.asarray(y, dtype=float), 0.0, 1.0)
        return 2.0 * np.maximum(self.value(y, m) + xlogy(share, share) + xlogy(1.0 - share, 1.0 - share), 0.0)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return (rng.random(np.shape(m)) < ndtr(m)).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return class_quantiles(self, linear, variance, 0.0, tail)

    def masses(self, m: Array) -> Array:
        """Chances of no and yes, along a further axis."""
        return np.stack([ndtr(-m), ndtr(m)], axis=-1)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        return ~np.isin(np.asarray(y), (0.0, 1.0))
