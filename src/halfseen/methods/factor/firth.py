"""Firth's correction of the joint score, by block leverages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.methods.factor.options import Factors
from halfseen.methods.factor.problem import FactorProblem, Penalty, safe_inverse
from halfseen.solvers import NewtonCG, SweepResult, largest

Array = NDArray[Any]

# Smallest share of the new leverages that a damped sweep takes over.
MIN_SHARE = 0.1
# Updates before the damping may begin: the first ones move away from the ridge of the one-step refinement.
SETTLING = 3


def leverages(problem: FactorProblem, at: Factors) -> Array:
    r"""Variance :math:`v_{ij} = y_j^\top V_i y_j + \tilde x_i^\top \tilde V_j \tilde x_i` of each entry's predictor.

    ``V_i`` and ``V~_j`` are the inverse information blocks; canonical order of the entries.
    """
    passes = problem.passes
    features = problem.column_view(at)[1]
    found = passes.quadratic(1, safe_inverse(problem.col_blocks(at)), features)
    if problem.rank:
        found = found + passes.quadratic(0, safe_inverse(problem.row_blocks(at)), at.cols)
    return found


def adjusted_values(passes: EntryPasses, predictor: Array, variance: Array) -> Array:
    r"""Responses of the bias-reduced score, :math:`R_{ij} + \tfrac12\psi''(m_{ij})\,v_{ij}`, ``v <= 1/(w psi')``."""
    weights = passes.observed.weights
    information = passes.loss.variance(predictor) * (1.0 if weights is None else weights)
    bounded = np.minimum(variance, 1.0 / np.maximum(information, 1e-12))
    return passes.observed.values + 0.5 * passes.loss.third(predictor) * bounded


class FirthSweep:
    r"""One Newton step on the likelihood of the adjusted responses, which are then brought up to date.

    At the fixed point the score with :math:`R_{ij} + \frac12 \psi''(m_{ij}) v_{ij}` in place of
    :math:`R_{ij}` vanishes, which removes the bias of order :math:`1/n + 1/p`.

    Parameters
    ----------
    passes : EntryPasses
    rank : int
    penalty : Penalty, optional
        A ridge beside the correction; the leverages are then those of the penalised fit.

    Notes
    -----
    Contraction about the size of the leverages, so 5 to 10 sweeps where the information is good. Source: Firth
    (1993), Biometrika 80; for the joint score the error-times-variable term cancels against the second-order
    term and leaves exactly :math:`-\frac12\psi'' v` per entry.
    """

    def __init__(self, passes: EntryPasses, rank: int, penalty: Penalty | None = None) -> None:
        self.passes, self.rank, self.penalty = passes, rank, penalty or Penalty()
        self._plain = FactorProblem(passes, rank, self.penalty)
        self._theta: Array | None = None
        self._share, self._norm, self._updates = 1.0, np.inf, 0
        self._values = np.empty(0)

    def _problem(self, values: Array) -> FactorProblem:
        adjusted = self.passes.with_values(values.astype(self.passes.dtype, copy=False))
        return FactorProblem(adjusted, self.rank, self.penalty)

    def update(self, theta: Array) -> None:
        """Responses adjusted at ``theta``, and the corrected score there; damped where the score does not shrink."""
        at = self._plain.unpack(theta)
        predictor = self.passes.at(at.rows, at.cols, col_offset=at.intercept)
        fresh = adjusted_values(self.passes, predictor, leverages(self._plain, at))
        value, gradient = self._problem(fresh).value_and_gradient(theta)
        norm = largest(gradient)
        self._updates += 1
        if self._updates > SETTLING:
            # the bound on the leverages has a kink; full updates may jump back and forth across it
            self._share = max(0.5 * self._share, MIN_SHARE) if norm > self._norm else min(1.15 * self._share, 1.0)
        is_damped = self._share < 1.0 and len(self._values) == len(fresh)
        self._values = self._values + self._share * (fresh - self._values) if is_damped else fresh
        self._theta, self._norm, self._value = theta, norm, value

    def __call__(self, theta: Array) -> SweepResult:
        if theta is not self._theta:
            self.update(theta)
        result = NewtonCG(self._problem(self._values))(theta)
        self.update(result.params)
        # leverages cost two block passes and two quadratic forms, about three gradient passes, and one for the score
        stuck = result.params is theta and self._share <= MIN_SHARE
        return SweepResult(result.params, self._value, self._norm, result.work + 4.0, result.reason if stuck else None)
