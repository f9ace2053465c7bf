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

    Notes
    -----
    Contraction about the size of the leverages, so 5 to 10 sweeps where the information is good. Source: Firth
    (1993), Biometrika 80; for the joint score the error-times-variable term cancels against the second-order
    term and leaves exactly :math:`-\frac12\psi'' v` per entry.
    """

    def __init__(self, passes: EntryPasses, rank: int) -> None:
        self.passes, self.rank = passes, rank
        self._plain = FactorProblem(passes, rank, Penalty())
        self._theta: Array | None = None
        self._adjusted = self._plain

    def update(self, theta: Array) -> tuple[float, Array]:
        """Adjusted problem at ``theta``; its value and gradient there."""
        if theta is not self._theta:
            at = self._plain.unpack(theta)
            predictor = self.passes.at(at.rows, at.cols, col_offset=at.intercept)
            values = adjusted_values(self.passes, predictor, leverages(self._plain, at))
            values = values.astype(self.passes.dtype, copy=False)
            self._adjusted = FactorProblem(self.passes.with_values(values), self.rank, Penalty())
            self._theta, self._now = theta, self._adjusted.value_and_gradient(theta)
        return self._now

    def __call__(self, theta: Array) -> SweepResult:
        value, gradient = self.update(theta)
        step = NewtonCG(self._adjusted)
        step._at.remember(theta, value, gradient)
        result = step(theta)
        value, gradient = self.update(result.params)
        # leverages cost two block passes and two quadratic forms, about three gradient passes
        stuck = result.params is theta
        return SweepResult(result.params, value, largest(gradient), result.work + 4.0, result.reason if stuck else None)
