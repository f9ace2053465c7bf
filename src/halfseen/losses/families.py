"""The canonical exponential families, each with a fused kernel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, xlogy

from halfseen.data.storable import storable
from halfseen.losses.protocol import Array
from halfseen.losses.quantiles import binomial_quantiles, count_quantiles, normal_quantiles

# Poisson means beyond exp(30) overflow float32 products; past it the exponential goes on as its tangent,
# so that value, gradient and curvature stay consistent and a line search can walk back.
POISSON_CAP = 30.0


@storable
@dataclass(frozen=True)
class Gaussian:
    r"""Squared error, :math:`\ell = (m - y)^2 / 2`; the dispersion :math:`\sigma^2` is estimated.

    Examples
    --------
    >>> import numpy as np
    >>> Gaussian().gradient(np.array([1.0]), np.array([3.0]))
    array([2.])
    """

    name: str = field(default="gaussian", init=False)
    kernel: str | None = field(default="gaussian", init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=True, init=False)
    is_quadratic: bool = field(default=True, init=False)
    support: str = field(default="any finite number", init=False)

    def value(self, y: Array, m: Array) -> Array:
        return 0.5 * np.square(m - y)

    def gradient(self, y: Array, m: Array) -> Array:
        return m - y

    def curvature(self, y: Array, m: Array) -> Array:
        return np.ones_like(m)

    def mean(self, m: Array) -> Array:
        return np.array(m, copy=True)

    def link(self, mu: Array) -> Array:
        return np.array(mu, copy=True)

    def variance(self, m: Array) -> Array:
        return np.ones_like(m)

    def third(self, m: Array) -> Array:
        return np.zeros_like(m)

    def deviance(self, y: Array, m: Array) -> Array:
        return np.square(m - y)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return m + np.sqrt(dispersion) * rng.standard_normal(np.shape(m))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return normal_quantiles(linear, variance, dispersion, tail)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        return ~np.isfinite(y)


@storable
@dataclass(frozen=True)
class Binomial:
    r"""Counts out of a known number of trials, logit link.

    .. math:: \ell = N \log(1 + e^m) - y\,m, \qquad \psi(m) = N / (1 + e^{-m}).

    Parameters
    ----------
    trials : float
        Number of trials :math:`N` behind every response. Totals that differ between entries enter
        through ``fit(R, trials=...)``.

    Examples
    --------
    >>> import numpy as np
    >>> float(Binomial(4).mean(np.array(0.0)))
    2.0
    """

    trials: float = 1.0
    name: str = field(default="binomial", init=False)
    kernel: str | None = field(default="bernoulli", init=False)
    has_dispersion: bool = field(default=False, init=False)
    is_logistic: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.trials) and self.trials > 0):
            raise ValueError(f"trials must be a positive number; got {self.trials!r}.")

    @property
    def support(self) -> str:
        return f"whole numbers from 0 to {self.trials:g}"

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest response."""
        return 0.0, self.trials

    def value(self, y: Array, m: Array) -> Array:
        # logaddexp, not log(1+exp): |m| reaches 40 in early sweeps
        return self.trials * np.logaddexp(0.0, m) - y * m

    def gradient(self, y: Array, m: Array) -> Array:
        return self.trials * expit(m) - y

    def curvature(self, y: Array, m: Array) -> Array:
        return self.variance(m)

    def mean(self, m: Array) -> Array:
        return self.trials * expit(m)

    def link(self, mu: Array) -> Array:
        # [.02, .98]: beyond it the inverse link turns noise into extreme logits
        share = np.clip(np.asarray(mu) / self.trials, 0.02, 0.98)
        return np.log(share) - np.log1p(-share)

    def variance(self, m: Array) -> Array:
        p = expit(m)
        return self.trials * p * (1.0 - p)

    def third(self, m: Array) -> Array:
        p = expit(m)
        return self.trials * p * (1.0 - p) * (1.0 - 2.0 * p)

    def deviance(self, y: Array, m: Array) -> Array:
        share = np.clip(np.asarray(y, dtype=float) / self.trials, 0.0, 1.0)
        best = -self.trials * (xlogy(share, share) + xlogy(1.0 - share, 1.0 - share))
        return 2.0 * np.maximum(self.value(y, m) - best, 0.0)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return rng.binomial(int(self.trials), expit(m)).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return binomial_quantiles(int(self.trials), linear, variance, tail)

    def masses(self, m: Array) -> Array:
        """Chances of 0, 1, ..., N successes, along a further axis."""
        counts = np.arange(int(self.trials) + 1)
        ways = gammaln(self.trials + 1.0) - gammaln(counts + 1.0) - gammaln(self.trials - counts + 1.0)
        m = np.asarray(m)[..., None]
        return np.exp(ways + counts * m - self.trials * np.logaddexp(0.0, m))

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        y = np.asarray(y)
        return ~((y >= 0) & (y <= self.trials) & (y == np.floor(y)))


@storable
@dataclass(frozen=True)
class Bernoulli(Binomial):
    r"""Yes or no answers, logit link: :math:`\ell = \log(1 + e^m) - y\,m`.

    Examples
    --------
    >>> import numpy as np
    >>> Bernoulli().invalid(np.array([0.0, 1.0, 3.0]))
    array([False, False,  True])
    """

    trials: float = field(default=1.0, init=False)
    name: str = field(default="bernoulli", init=False)
    takes_totals: bool = field(default=True, init=False)

    @property
    def support(self) -> str:
        return "0 or 1"


@storable
@dataclass(frozen=True)
class Poisson:
    r"""Counts without an upper bound, log link: :math:`\ell = e^m - y\,m`.

    Beyond ``m = 30`` the exponential continues as its tangent (see ``POISSON_CAP``).

    Examples
    --------
    >>> import numpy as np
    >>> Poisson().gradient(np.array([2.0]), np.array([0.0]))
    array([-1.])
    """

    name: str = field(default="poisson", init=False)
    kernel: str | None = field(default="poisson", init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    support: str = field(default="whole numbers 0, 1, 2, ...", init=False)
    range: tuple[float, float] = field(default=(0.0, float("inf")), init=False)

    def value(self, y: Array, m: Array) -> Array:
        capped = np.minimum(m, POISSON_CAP)
        return np.exp(capped) * (1.0 + (m - capped)) - y * m

    def gradient(self, y: Array, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP)) - y

    def curvature(self, y: Array, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP))

    def mean(self, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP))

    def link(self, mu: Array) -> Array:
        return np.log(np.maximum(mu, 0.05))

    def variance(self, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP))

    def third(self, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP))

    def deviance(self, y: Array, m: Array) -> Array:
        return 2.0 * np.maximum(self.value(y, m) - (np.asarray(y) - xlogy(y, y)), 0.0)

    def log_normaliser(self, y: Array) -> Array:
        """``log y!``, the part of the log-likelihood that does not depend on ``m``."""
        return gammaln(np.asarray(y) + 1.0)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return rng.poisson(self.mean(m)).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return count_quantiles(linear, variance, 0.0, tail)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        y = np.asarray(y)
        return ~(np.isfinite(y) & (y >= 0) & (y == np.floor(y)))
