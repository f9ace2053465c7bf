"""Levenberg-Marquardt: damped Gauss-Newton steps for problems with few parameters."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import SmoothProblem, Vector, largest

# Factors of the damping after a failure and a success: the best of those tried.
HARDER, EASIER = 4.0, 5.0
MOST_TRIALS = 40


class NormalProblem(SmoothProblem, Protocol):
    """A problem that also gives its Gauss-Newton matrix and gradient, dense."""

    def normal_equations(self, theta: Vector) -> tuple[Vector, Vector]: ...


class LevenbergMarquardt:
    r"""One damped Gauss-Newton step, :math:`(G + \mu\,\mathrm{diag}\,G)\,d = -g`, shorter until the value falls.

    Parameters
    ----------
    problem : NormalProblem
    damping : float
        First :math:`\mu`.

    Notes
    -----
    One Gauss-Newton matrix per sweep, O(p^3) per trial. Source: Marquardt (1963), with his scaling by the diagonal.

    Examples
    --------
    >>> from halfseen.solvers import loop
    >>> class Curve:  # y = exp(a t) through (1, e^2)
    ...     def value(self, a): return float(0.5 * (np.exp(a[0]) - np.exp(2.0)) ** 2)
    ...     def value_and_gradient(self, a):
    ...         return self.value(a), np.exp(a) * (np.exp(a) - np.exp(2.0))
    ...     def normal_equations(self, a): return np.exp(2 * a)[:, None], self.value_and_gradient(a)[1]
    >>> run = loop(LevenbergMarquardt(Curve()), np.array([0.0]), max_iter=30)
    >>> bool(abs(run.params[0] - 2.0) < 1e-8)
    True
    """

    def __init__(self, problem: NormalProblem, damping: float = 1e-2) -> None:
        self.problem, self.damping = problem, damping
        self._theta: Vector | None = None
        self._value = np.nan

    def __call__(self, theta: Vector) -> SweepResult:
        if theta is not self._theta:
            self._theta, self._value = theta, self.problem.value(theta)
        value, work = self._value, 1.0
        matrix, gradient = self.problem.normal_equations(theta)
        norm = largest(gradient)
        if norm == 0.0:
            return SweepResult(theta, value, 0.0, work, reason="exact")
        diagonal = np.diag(matrix)
        scale = np.maximum(diagonal, 1e-12 * max(float(diagonal.max()), 1e-300))
        for _ in range(MOST_TRIALS):
            new = theta + self._step(matrix, scale, gradient).astype(theta.dtype)
            new_value = self.problem.value(new)
            work += 0.5
            if new_value < value:
                self.damping = max(self.damping / EASIER, 1e-14)
                self._theta, self._value = new, new_value
                return SweepResult(new, new_value, norm, work)
            self.damping *= HARDER
        return SweepResult(theta, value, norm, work, reason="precision")

    def _step(self, matrix: Vector, scale: Vector, gradient: Vector) -> Vector:
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        damped = matrix + np.diag(self.damping * scale)
        try:
            return cho_solve(cho_factor(damped, check_finite=False), -gradient, check_finite=False)
        except LinAlgError:
            return -gradient / ((1.0 + self.damping) * scale)
