"""Response curves of items: the chance of success as a function of ability, the item's own uncertainty averaged in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.inference.ranks import chunks

# Abilities at which curves are kept, out to so many standard deviations; the cubic between them is good to 1e-5.
KNOTS, REACH = 49, 6.0
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
        return np.asarray(spline(self.knots, self.logits[cols])(np.asarray(x, dtype=float)).T)

    def slopes(self, x: FloatArray, cols: IntArray | slice) -> FloatArray:
        """Derivatives by ability of :meth:`block`."""
        return np.asarray(spline(self.knots, self.logits[cols])(np.asarray(x, dtype=float), 1).T)

    def pairs(self, x: FloatArray, cols: IntArray) -> FloatArray:
        """Logits (m,) at abilities (m,) of columns (m,)."""
        out = np.empty(len(cols))
        for part in chunks(len(cols), PER_CELL):
            found = spline(self.knots, self.logits[cols[part]])
            at = np.clip(np.searchsorted(self.knots, x[part], side="right") - 1, 0, len(self.knots) - 2)
            c = found.c[:, at, np.arange(len(at))]
            t = x[part] - self.knots[at]
            out[part] = ((c[0] * t + c[1]) * t + c[2]) * t + c[3]
        return out
