"""Gradient sweeps: plain descent and Nesterov's acceleration with restarts."""

from __future__ import annotations

import numpy as np

from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import CurvedProblem, LastPoint, SmoothProblem, Vector, inner, largest


def largest_curvature(problem: CurvedProblem, theta: Vector, random_state: int = 0) -> float:
    """Largest eigenvalue of the Hessian at ``theta``, to about 2 %, by Lanczos (about 10 to 20 products).

    Raises
    ------
    ValueError
        If the Hessian has no positive curvature at ``theta``.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    size = len(theta)
    operator = LinearOperator(
        (size, size), matvec=lambda v: np.asarray(problem.hessian_vector(theta, v), dtype=float), dtype=float
    )
    start = np.random.default_rng(random_state).standard_normal(size)
    try:
        top = float(eigsh(operator, k=1, which="LA", v0=start, tol=0.02, return_eigenvectors=False)[0])
    except ArpackNoConvergence as error:  # pragma: no cover - needs a pathological spectrum
        top = float(np.max(error.eigenvalues, initial=0.0))
    if not top > 0:
        raise ValueError("the objective has no positive curvature at the start; a step size cannot be derived from it.")
    return top


class GradientDescent:
    r"""One step of plain gradient descent, :math:`\theta \leftarrow \theta - \eta \nabla L(\theta)`.

    Parameters
    ----------
    problem : SmoothProblem
    step : float
        The learning rate :math:`\eta`.
    is_guarded : bool
        Halve the step for good whenever the value would rise; False is the paper's algorithm.

    Notes
    -----
    One gradient pass per sweep. Source: Huang and Gu, Algorithm 2.
    """

    def __init__(self, problem: SmoothProblem, step: float, is_guarded: bool = True) -> None:
        self.problem, self.step, self.is_guarded = problem, step, is_guarded
        self._at = LastPoint(problem)

    def __call__(self, theta: Vector) -> SweepResult:
        value, gradient = self._at(theta)
        new = theta - theta.dtype.type(self.step) * gradient
        new_value, new_gradient = self._at(new)
        if self.is_guarded and not new_value <= value + 1e-9 * abs(value):
            self.step *= 0.5
            self._at.remember(theta, value, gradient)
            return SweepResult(theta, value, largest(gradient), self._at.take_work())
        return SweepResult(new, new_value, largest(new_gradient), self._at.take_work())


class AcceleratedGradient:
    """Nesterov's accelerated gradient with gradient restarts and a guarded step.

    Notes
    -----
    One gradient pass per sweep; the momentum is dropped whenever it points uphill
    (O'Donoghue and Candes, 2015) and the step halved if the value still rises.
    """

    def __init__(self, problem: SmoothProblem, step: float) -> None:
        self.problem, self.step = problem, step
        self._momentum, self._previous = 1.0, np.empty(0)
        self._floor = np.inf
        self._at = LastPoint(problem)

    def __call__(self, theta: Vector) -> SweepResult:
        if self._previous.shape != theta.shape:
            self._previous = theta
        onward = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * self._momentum**2))
        ahead = theta + theta.dtype.type((self._momentum - 1.0) / onward) * (theta - self._previous)
        value, gradient = self._at(ahead)
        if value > self._floor + 1e-9 * abs(self._floor):
            self.step *= 0.5 if self._momentum == 1.0 else 1.0
            self._momentum, self._previous = 1.0, theta
            return SweepResult(theta, self._floor, np.inf, self._at.take_work())
        new = ahead - theta.dtype.type(self.step) * gradient
        if inner(gradient, new - theta) > 0:
            onward, self._previous = 1.0, new
        else:
            self._previous = theta
        self._momentum, self._floor = onward, value
        return SweepResult(new, value, largest(gradient), self._at.take_work())


class BacktrackingGradient:
    r"""Gradient descent that finds its step: a quarter longer after every success, halved until the value falls.

    .. math:: L(\theta - \eta\nabla L) \le L(\theta) - c\,\eta\,\|\nabla L\|^2

    Parameters
    ----------
    problem : SmoothProblem
    step : float
        The first one to try.

    Notes
    -----
    Between one and two gradient passes per sweep. Source: Armijo's rule, Nocedal and Wright, algorithm 3.1.

    Examples
    --------
    >>> from halfseen.solvers import loop
    >>> class Valley:
    ...     def value(self, x): return float(0.5 * (x[0] ** 2 + 10 * x[1] ** 2))
    ...     def value_and_gradient(self, x): return self.value(x), np.array([x[0], 10 * x[1]])
    >>> run = loop(BacktrackingGradient(Valley()), np.array([1.0, 1.0]), max_iter=100)
    >>> run.value < 1e-9
    True
    """

    ARMIJO, LONGER, SMALLEST = 1e-4, 1.25, 1e-30

    def __init__(self, problem: SmoothProblem, step: float = 1.0) -> None:
        self.problem, self.step = problem, step
        self._at = LastPoint(problem)

    def __call__(self, theta: Vector) -> SweepResult:
        value, gradient = self._at(theta)
        fall = self.ARMIJO * inner(gradient, gradient)
        if largest(gradient) == 0.0:
            return SweepResult(theta, value, 0.0, self._at.take_work(), reason="exact")
        while self.step > self.SMALLEST:
            new = theta - theta.dtype.type(self.step) * gradient
            new_value, new_gradient = self._at(new)
            if new_value <= value - self.step * fall:
                self.step *= self.LONGER
                return SweepResult(new, new_value, largest(new_gradient), self._at.take_work())
            self.step *= 0.5
        self._at.remember(theta, value, gradient)
        return SweepResult(theta, value, largest(gradient), self._at.take_work(), reason="precision")
