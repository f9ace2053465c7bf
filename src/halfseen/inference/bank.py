"""Response curves of items: the chance of success as a function of ability, the item's own uncertainty averaged in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.inference.ranks import chunks

# Abilities at which curves are kept, out to so many standard deviations; the cubic between them is good to 1e-5.
KNOTS, REACH = 49, 6.0
# Nodes that average over an item's own error.
HERMITE = 21
# Coefficients held at once per chosen cell.
PER_CELL = 4 * KNOTS


def ability_knots(prior_sd: float, x: FloatArray) -> FloatArray:
    """Equispaced abilities that cover the prior and all rows."""
    reach = max(REACH * prior_sd, 1.2 * float(np.max(np.abs(x), initial=0.0)))
    return np.linspace(-reach, reach, KNOTS)


def spline(knots: FloatArray, values: FloatArray) -> Any:
    """Cubic splines through values (..., KNOTS) over the last axis."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(knots, np.asarray(values, dtype=float), axis=-1)


@storable
@dataclass(frozen=True)
class Bank:
    r"""A frozen item bank: :math:`\mathrm{logit}\,\mathrm{E}[\sigma(\zeta_j + x y_j)]` at some abilities ``x``.

    Attributes
    ----------
    knots : ndarray (KNOTS,)
    logits : ndarray (p, KNOTS)
    prior_sd : float
        Of the abilities.
    dispersion : float
        Variance of an answer over that of a yes/no answer.
    """

    knots: FloatArray
    logits: FloatArray
    prior_sd: float
    dispersion: float

    def block(self, x: FloatArray, cols: IntArray | slice) -> FloatArray:
        """Logits (len(x), len(cols)) of the chances of success at abilities."""
        return np.asarray(self._curves(cols)(np.asarray(x, dtype=float)).T)

    def slopes(self, x: FloatArray, cols: IntArray | slice) -> FloatArray:
        """Derivatives by ability of :meth:`block`."""
        return np.asarray(self._curves(cols)(np.asarray(x, dtype=float), 1).T)

    @cached_property
    def _every(self) -> Any:
        return spline(self.knots, self.logits)

    def _curves(self, cols: IntArray | slice) -> Any:
        """Splines of some columns; those of all are made once."""
        return self._every if isinstance(cols, slice) and cols == slice(None) else spline(self.knots, self.logits[cols])

    def pairs(self, x: FloatArray, cols: IntArray) -> FloatArray:
        """Logits (m,) at abilities (m,) of columns (m,)."""
        out = np.empty(len(cols))
        for part in chunks(len(cols), PER_CELL):
            curves = spline(self.knots, self.logits[cols[part]])
            at = np.clip(np.searchsorted(self.knots, x[part], side="right") - 1, 0, len(self.knots) - 2)
            c = curves.c[:, at, np.arange(len(at))]
            t = x[part] - self.knots[at]
            out[part] = ((c[0] * t + c[1]) * t + c[2]) * t + c[3]
        return out


def bank_of_normal(mean: FloatArray, covariance: FloatArray, prior_sd: float, x: FloatArray) -> Bank:
    r"""The bank of normal (intercept, slope): :math:`\mathrm{E}\,\sigma(\zeta_j + x y_j)` by Gauss-Hermite.

    Parameters
    ----------
    mean, covariance : ndarray (p, 2), (p, 2, 2)
    prior_sd : float
    x : ndarray (n,)
        Abilities that the knots must cover.

    Examples
    --------
    >>> sure = bank_of_normal(np.array([[0.5, 1.0]]), np.zeros((1, 2, 2)), 1.0, np.zeros(1))
    >>> bool(np.allclose(sure.logits[0], 0.5 + sure.knots))
    True
    """
    knots = ability_knots(prior_sd, x)
    a = np.stack([np.ones_like(knots), knots], axis=-1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(HERMITE)
    weights = weights / weights.sum()
    logits = np.empty((len(mean), KNOTS))
    for part in chunks(len(mean), KNOTS * HERMITE):
        spread = np.sqrt(np.maximum(np.einsum("qk,jkl,ql->jq", a, covariance[part], a), 0.0))
        m = (mean[part] @ a.T)[..., None] + spread[..., None] * nodes
        # means of successes and of failures apart: each keeps its digits where it is small
        logits[part] = np.log(expit(m) @ weights) - np.log(expit(-m) @ weights)
    return Bank(knots, logits, prior_sd, 1.0)
