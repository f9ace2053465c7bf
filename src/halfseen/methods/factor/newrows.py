"""Factors of rows that were not there in fit, against frozen columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.losses import Loss
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.firth import tilts
from halfseen.methods.factor.problem import safe_inverse
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

Array = NDArray[Any]

MAX_SWEEPS = 60
NEWTON_STEPS = 4


@storable
@dataclass(frozen=True)
class Placement:
    """Where the solver's prior on rows lives, and the way from there into the gauge: ``x = (u - mean) turn``.

    Attributes
    ----------
    intercept : ndarray (p,)
    cols : ndarray (p, r)
        The fitted columns in the solver's coordinates, in which a row's prior is ``N(0, 1 / ridge)``.
    mean : ndarray (r,)
    turn : ndarray (r, r)
    ridge : float
    has_firth : bool
        Correct the bias of each row's estimate by its own leverages.
    """

    intercept: Array
    cols: Array
    mean: Array
    turn: Array
    ridge: float
    has_firth: bool


def placement(solved: FactorPoint, gauged: FactorPoint, ridge: float, has_firth: bool) -> Placement:
    """From the same fit in the solver's coordinates and in the gauge (columns: ``y = v turn^-T``)."""
    mean = np.asarray(solved.rows, dtype=float).mean(axis=0).astype(solved.rows.dtype)
    turn = np.linalg.lstsq(np.asarray(gauged.cols, dtype=float), np.asarray(solved.cols, dtype=float))[0].T
    return Placement(
        solved.intercept.copy(), solved.cols.copy(), mean, turn.astype(solved.rows.dtype), float(ridge), has_firth
    )


@dataclass(frozen=True)
class RowPlacer:
    """Places rows by damped Newton on each row's own convex problem.

    Attributes
    ----------
    placement : Placement
    loss : Loss
    """

    placement: Placement
    loss: Loss

    def __call__(self, observed: Observed, engine: Any = None, offset: Array | None = None) -> Array:
        """Factors (n_rows, r), in the gauge, of the rows of ``observed``."""
        here, dtype = self.placement, observed.dtype
        cols = np.ascontiguousarray(here.cols, dtype=dtype)
        rank = cols.shape[1]
        if rank == 0:
            return np.zeros((observed.shape[0], 0), dtype=dtype)
        intercept = here.intercept.astype(dtype)
        passes = EntryPasses(observed, self.loss, engine, offset)
        ridge = np.full(rank, here.ridge, dtype=dtype)
        tol = 1e-12 if dtype == np.float64 else 1e-5

        def sweep(rows: Array) -> SweepResult:
            used = self._corrected(passes, rows, cols, intercept) if here.has_firth else passes
            new, value = used.newton(0, rows, cols, minor_offset=intercept, ridge=ridge, steps=NEWTON_STEPS)
            return SweepResult(new, value, largest(new - rows) / (1.0 + largest(new)))

        start = np.zeros((observed.shape[0], rank), dtype=dtype)
        # here the "gradient norm" is the relative move of the rows
        run = loop(sweep, start, [GradientNorm(tol)], max_iter=MAX_SWEEPS)
        return np.asarray((run.params - here.mean) @ here.turn, dtype=dtype)

    def _corrected(self, passes: EntryPasses, rows: Array, cols: Array, intercept: Array) -> EntryPasses:
        blocks = passes.information(0, rows, cols, minor_offset=intercept, is_expected=True)
        np.einsum("ikk->ik", blocks)[:] += self.placement.ridge
        predictor = passes.at(rows, cols, col_offset=intercept)
        variance = passes.quadratic(0, safe_inverse(blocks), cols)
        return passes.tilted(tilts(passes, predictor, variance))
