"""Descent for families with parameters of their own in every column: thresholds, sizes, scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.losses import Loss
from halfseen.losses.derived import Cells
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.firth import FirthSweep, leverages
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem
from halfseen.solvers import NewtonCG, SweepResult, largest

Array = NDArray[Any]

# A slope of the columns' own parameters at which a descent that cannot go on has ended for both halves.
SETTLED = 1e-4


class ShapeSweep:
    """A Newton step on factors and intercepts, then one on the columns' own parameters of the loss.

    Parameters
    ----------
    passes : EntryPasses
        With the parameters to begin with.
    rank : int
    penalty : FactorPenalty
    has_firth : bool
        The first half is a sweep of Firth's correction (for known parameters of the loss).

    Attributes
    ----------
    loss : Loss
        With the parameters reached.

    Notes
    -----
    Thresholds move with the intercept and factors of their column, which are strongly tied to them, so that only the
    weak tie through the rows is left to alternation: it takes a few sweeps more than known parameters would. The
    gradient norm covers both halves.
    """

    def __init__(self, passes: EntryPasses, rank: int, penalty: FactorPenalty, has_firth: bool) -> None:
        self.passes, self.rank, self.penalty = passes, rank, penalty
        self._firth = FirthSweep(passes, rank, penalty) if has_firth else None
        self._newton = NewtonCG(FactorProblem(passes, rank, penalty))

    @property
    def loss(self) -> Loss:
        return self.passes.loss

    def __call__(self, theta: Array) -> SweepResult:
        result = self._newton(theta) if self._firth is None else self._firth.newton(theta)
        theta, slope = self._improve(result.params)
        if self._firth is None:
            problem = FactorProblem(self.passes, self.rank, self.penalty)
            self._newton.move_to(problem)
            value, gradient = problem.value_and_gradient(theta)
            norm = largest(gradient)
        else:
            self._firth.move_to(self.passes, theta)
            value, norm = self._firth.value, self._firth.norm
        is_settled = slope < max(SETTLED, 1e5 * float(np.finfo(theta.dtype).eps))
        # the step costs the leverages (three gradient passes) and the sums over columns (about two)
        reason = result.reason if is_settled else None
        return SweepResult(theta, value, max(norm, slope), result.work + 5.0, reason)

    def _variance(self, problem: FactorProblem, at: FactorPoint) -> Array:
        """Variance of every predictor; of the point before the last step where the correction knows it."""
        variance = leverages(problem, at) if self._firth is None else self._firth.variance
        return np.asarray(variance, dtype=float)

    def _improve(self, theta: Array) -> tuple[Array, float]:
        """The columns' own parameters after one step, and the point that follows them."""
        problem = FactorProblem(self.passes, self.rank, self.penalty)
        at, observed = problem.unpack(theta), self.passes.observed
        features = problem.column_view(at)[1]
        weights = np.ones(observed.n_entries) if observed.weights is None else np.asarray(observed.weights, dtype=float)
        cells = Cells(
            y=observed.values,
            m=self.passes.at(at.rows, at.cols, col_offset=at.intercept),
            weights=weights,
            cols=observed.cols,
            n_cols=problem.p,
            find_variance=lambda: self._variance(problem, at),
            blocks=np.asarray(problem.col_blocks(at), dtype=float),
            to_cols=lambda g: np.asarray(self.passes.to_cols(g, features), dtype=float),
        )
        loss: Any = self.passes.loss
        new, slope, moved = loss.improved(cells)
        self.passes = self.passes.with_loss(new)
        if moved is None:
            return theta, slope
        out = theta.copy()
        target = problem.unpack(out)
        target.intercept[:] += moved[:, 0]
        target.cols[:] += moved[:, 1:]
        return out, slope
