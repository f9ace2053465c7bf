"""Factors of rows that were not there in fit, against frozen columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.losses import Loss
from halfseen.methods.factor.firth import adjusted_values
from halfseen.methods.factor.options import Factors
from halfseen.methods.factor.problem import safe_inverse
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

Array = NDArray[Any]

MAX_SWEEPS = 60
NEWTON_STEPS = 4


@dataclass(frozen=True)
class RowPlacer:
    """Places rows by damped Newton on each row's own convex problem.

    Attributes
    ----------
    factors : Factors
        The fitted ones; the rows are not used.
    loss : Loss
    ridge : float
        Precision of the rows' prior in the gauge of ``factors``.
    prior_mean : ndarray (r,)
    has_firth : bool
        Correct the bias of each row's estimate by its own leverages.
    """

    factors: Factors
    loss: Loss
    ridge: float
    prior_mean: Array
    has_firth: bool

    def __call__(self, observed: Observed, engine: Any = None) -> Array:
        """Factors (n_rows, r) of the rows of ``observed``."""
        cols = np.ascontiguousarray(self.factors.cols, dtype=observed.dtype)
        rank = cols.shape[1]
        if rank == 0:
            return np.zeros((observed.shape[0], 0), dtype=observed.dtype)
        # u = x - prior mean has a prior centred at zero; the mean goes into the intercepts
        intercept = (self.factors.intercept + cols @ self.prior_mean).astype(observed.dtype)
        passes = EntryPasses(observed, self.loss, engine)
        ridge = np.full(rank, self.ridge, dtype=observed.dtype)
        tol = 1e-12 if observed.dtype == np.float64 else 1e-5

        def sweep(rows: Array) -> SweepResult:
            here = self._corrected(passes, rows, cols, intercept) if self.has_firth else passes
            new, value = here.newton(0, rows, cols, minor_offset=intercept, ridge=ridge, steps=NEWTON_STEPS)
            return SweepResult(new, value, largest(new - rows) / (1.0 + largest(new)))

        start = np.zeros((observed.shape[0], rank), dtype=observed.dtype)
        # here the "gradient norm" is the relative move of the rows
        run = loop(sweep, start, [GradientNorm(tol)], max_iter=MAX_SWEEPS)
        return np.asarray(run.params + self.prior_mean, dtype=observed.dtype)

    def _corrected(self, passes: EntryPasses, rows: Array, cols: Array, intercept: Array) -> EntryPasses:
        blocks = passes.information(0, rows, cols, minor_offset=intercept)
        np.einsum("ikk->ik", blocks)[:] += self.ridge
        predictor = passes.at(rows, cols, col_offset=intercept)
        variance = passes.quadratic(0, safe_inverse(blocks), cols)
        return passes.with_values(adjusted_values(passes, predictor, variance).astype(passes.dtype))
