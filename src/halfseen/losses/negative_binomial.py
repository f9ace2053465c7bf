"""Counts that scatter more than Poisson's, with a dispersion per column."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, gammaln, polygamma

from halfseen.data.storable import storable
from halfseen.losses.derived import Cells
from halfseen.losses.families import POISSON_CAP
from halfseen.losses.protocol import Array
from halfseen.losses.quantiles import count_quantiles

# Sizes beyond 10 000 cannot be told from Poisson's; below a thousandth nearly all counts are zero.
SMALLEST, LARGEST = 1e-3, 1e4
# Precision of log sizes around their common level: half an observation's worth keeps columns of zeros finite.
PULL = 0.5


@storable
@dataclass(frozen=True, eq=False)
class NegativeBinomial:
    r"""Counts with mean :math:`\mu = e^m` and variance :math:`\mu + \mu^2 / \theta_j`, log link.

    .. math:: \ell = (y + \theta)\log(\theta + e^m) - y\,m - \log\frac{\Gamma(y+\theta)\,\theta^\theta}
              {\Gamma(\theta)\,y!}

    Parameters
    ----------
    size : float or ndarray (p,), optional
        :math:`\theta`, for all columns or for each; larger is closer to Poisson. None: estimated in the fit, for
        each column.

    Notes
    -----
    Sizes are improved by Newton steps on the likelihood less half the log determinant of the information (as a
    residual variance is divided by its degrees of freedom), weakly drawn to their common level on the log scale.
    The deviance is twice the negative log probability: it then compares fits with different sizes.

    Examples
    --------
    >>> import numpy as np
    >>> NegativeBinomial(2.0).variance(np.array([0.0]))
    array([1.5])
    """

    size: Any = None
    is_estimated: bool = False
    name: str = field(default="negative_binomial", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    has_columns: bool = field(default=True, init=False)
    support: str = field(default="whole numbers 0, 1, 2, ...", init=False)
    range: tuple[float, float] = field(default=(0.0, float("inf")), init=False)

    def __post_init__(self) -> None:
        if self.size is not None and not np.all(np.isfinite(self.size) & (np.asarray(self.size) > 0)):
            raise ValueError(f"size must be positive numbers, or None to estimate them; got {self.size!r}.")

    def _size(self, m: Array) -> Array:
        return np.asarray(self.size, dtype=m.dtype)

    def _shares(self, m: Array) -> Array:
        """``mu / (mu + theta)``, without overflow."""
        return expit(m - np.log(self._size(m)))

    def value(self, y: Array, m: Array) -> Array:
        size, y = self._size(m), np.asarray(y, dtype=m.dtype)
        # the part without m in double: differences of log gamma functions lose digits
        wide, wide_y = np.asarray(self.size, dtype=float), np.asarray(y, dtype=float)
        fixed = gammaln(wide_y + wide) - gammaln(wide) - gammaln(wide_y + 1.0) + wide * np.log(wide)
        return (y + size) * np.logaddexp(np.log(size), m) - y * m - fixed.astype(m.dtype)

    def gradient(self, y: Array, m: Array) -> Array:
        return (y + self._size(m)) * self._shares(m) - y

    def curvature(self, y: Array, m: Array) -> Array:
        share = self._shares(m)
        return (np.maximum(y, 0.0) + self._size(m)) * share * (1.0 - share)

    def information(self, m: Array) -> Array:
        return self._size(m) * self._shares(m)

    def mean(self, m: Array) -> Array:
        return np.exp(np.minimum(m, POISSON_CAP))

    def link(self, mu: Array) -> Array:
        return np.log(np.maximum(mu, 0.05))

    def slope(self, m: Array) -> Array:
        return self.mean(m)

    def bend(self, m: Array) -> Array:
        return self.mean(m)

    def skew(self, m: Array) -> Array:
        # of a generalized linear model: mu' mu'' / variance
        return self.information(m)

    def variance(self, m: Array) -> Array:
        mu = self.mean(m)
        return mu + np.square(mu) / self._size(m)

    def third(self, m: Array) -> Array:
        mu = self.mean(m)
        return mu + 2.0 * np.square(mu) / self._size(m)

    def deviance(self, y: Array, m: Array) -> Array:
        return 2.0 * self.value(y, m)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        size = np.broadcast_to(self._size(m), np.shape(m))
        rate = rng.gamma(size, np.asarray(self.mean(m), dtype=float) / size)
        return rng.poisson(rate).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return count_quantiles(linear, variance, 1.0 / np.asarray(self.size, dtype=float), tail)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        y = np.asarray(y)
        return ~(np.isfinite(y) & (y >= 0) & (y == np.floor(y)))

    # ---- parameters per column -----------------------------------------------------------------------------------

    def at_columns(self, cols: Array) -> NegativeBinomial:
        if np.ndim(self.size) == 0:
            return self
        return replace(self, size=np.asarray(self.size)[cols])

    def illustrated(self) -> NegativeBinomial:
        """With a size to draw from, where none was given."""
        return replace(self, size=2.0) if self.size is None else self

    def learned(self, observed: Any) -> NegativeBinomial:
        """First sizes from the columns' means and variances, by moments."""
        if self.size is not None:
            return self
        p, cols, y = observed.shape[1], observed.cols, np.asarray(observed.values, dtype=float)
        counts = np.maximum(np.bincount(cols, minlength=p), 1)
        mean = np.bincount(cols, weights=y, minlength=p) / counts
        spread = np.bincount(cols, weights=np.square(y), minlength=p) / counts - np.square(mean)
        size = np.square(mean) / np.maximum(spread - mean, 0.05 * mean + 1e-8)
        return replace(self, size=np.clip(size, 0.1, 100.0), is_estimated=True)

    def improved(self, cells: Cells) -> tuple[NegativeBinomial, float, None]:
        """A Newton step on every column's log size."""
        size = np.asarray(self.size, dtype=float)
        t, y, mu = size[cells.cols], np.asarray(cells.y, dtype=float), np.asarray(self.mean(cells.m), dtype=float)
        whole = t + mu
        slope = digamma(y + t) - digamma(t) + np.log(t) - np.log(whole) + (mu - y) / whole
        curve = polygamma(1, y + t) - polygamma(1, t) + 1.0 / t - 2.0 / whole + (y + t) / np.square(whole)
        # half the leverage per unit of log information, which falls with the size as mu / (mu + theta)
        half = 0.5 * np.minimum(cells.find_variance() * mu * t / whole, 1.0)
        logs = np.log(size)
        g = size * cells.sums(slope) - cells.sums(half * mu / whole) - PULL * (logs - logs.mean())
        h = -np.square(size) * cells.sums(curve) - size * cells.sums(slope) - cells.sums(half * mu * t / whole**2)
        h = np.maximum(h, 0.0) + PULL
        # the common level moves with the columns: solved for, not alternated with
        shift = np.mean(g / h) / max(1.0 - float(np.mean(PULL / h)), 1e-6)
        step = np.clip((g + PULL * shift) / h, -1.0, 1.0)
        new = np.clip(np.exp(logs + step), SMALLEST, LARGEST)
        is_free = np.abs(np.log(new / size)) > 0
        return replace(self, size=new), float(np.max(np.abs(g) * is_free, initial=0.0)), None
