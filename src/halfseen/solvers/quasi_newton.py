"""Limited-memory BFGS, with or without a preconditioner, as a sweep of the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import LastPoint, SmoothProblem, Vector, inner, largest

ARMIJO, WOLFE = 1e-4, 0.9
MOST_TRIALS = 30

Preconditioner = Callable[[Vector], Vector]


class LimitedMemory:
    r"""One step of L-BFGS: two-loop recursion, weak Wolfe line search by bisection.

    .. math:: d = -H_k \nabla L(\theta),\qquad H_k^0 = \gamma_k P^{-1},\quad
              \gamma_k = \frac{s^\top y}{y^\top P^{-1} y}

    Parameters
    ----------
    problem : SmoothProblem
    memory : int
        Number of past steps kept.
    precondition : callable, optional
        ``precondition(theta) -> (v -> P^{-1} v)``; the initial inverse Hessian, identity where not given.
    refresh : int
        Sweeps between two calls of ``precondition``.
    longest : float
        Largest absolute entry of a first trial step.
    is_scaled : bool
        False: :math:`\gamma_k = 1`, for a preconditioner that has the Hessian's own scale.

    Notes
    -----
    One gradient pass per sweep, seldom two; O(memory * size) further time. Source: Nocedal and Wright, "Numerical
    Optimization", algorithms 7.4 and 7.5; line search of Lewis and Overton (2013).

    Examples
    --------
    >>> from halfseen.solvers import GradientNorm, loop
    >>> class Valley:
    ...     def value(self, x): return float(0.5 * (x[0] ** 2 + 100 * x[1] ** 2))
    ...     def value_and_gradient(self, x): return self.value(x), np.array([x[0], 100 * x[1]])
    >>> run = loop(LimitedMemory(Valley()), np.array([1.0, 1.0]), [GradientNorm(1e-9)], max_iter=50)
    >>> run.reason, run.n_iter < 20
    ('gradient', True)
    """

    def __init__(
        self,
        problem: SmoothProblem,
        memory: int = 10,
        precondition: Callable[[Vector], Preconditioner] | None = None,
        refresh: int = 10,
        longest: float = np.inf,
        is_scaled: bool = True,
    ) -> None:
        self.longest, self.is_scaled = longest, is_scaled
        self.problem, self.refresh, self._make = problem, refresh, precondition
        self._at = LastPoint(problem)
        self._steps: deque[tuple[Vector, Vector, float]] = deque(maxlen=memory)
        # made again at the point of the last refresh where a run goes on
        self._inverse: Preconditioner | None = None
        self._refreshed: Vector | None = None
        self._sweeps = self._lost = 0

    def __call__(self, theta: Vector) -> SweepResult:
        value, gradient = self._at(theta)
        if self._make is not None and self._sweeps % self.refresh == 0:
            self._inverse, self._refreshed = self._make(theta), theta
        self._sweeps += 1
        if largest(gradient) == 0.0:
            return SweepResult(theta, value, 0.0, self._at.take_work(), reason="exact")
        direction = self._direction(gradient)
        if not inner(gradient, direction) < 0:
            self._steps.clear()
            direction = -self._preconditioned(gradient)
        length = 1.0 if self._steps or self._make is not None else self._first_length(theta, gradient)
        length *= min(1.0, self.longest / max(length * largest(direction), 1e-300))
        accepted = self._search(theta, value, gradient, direction, length)
        if accepted is None:
            return self._stuck(theta, value, gradient)
        new, new_value, new_gradient = accepted
        self._remember(new - theta, new_gradient - gradient)
        self._lost = 0
        return SweepResult(new, new_value, largest(new_gradient), self._at.take_work())

    def _stuck(self, theta: Vector, value: float, gradient: Vector) -> SweepResult:
        """No step lowers the value: start afresh once, then give up."""
        self._at.remember(theta, value, gradient)
        self._steps.clear()
        self._lost += 1
        reason = "precision" if self._lost > 1 else None
        return SweepResult(theta, value, largest(gradient), self._at.take_work(), reason)

    def _preconditioned(self, vector: Vector) -> Vector:
        if self._make is None:
            return vector
        if self._inverse is None:
            assert self._refreshed is not None
            self._inverse = self._make(self._refreshed)
        return self._inverse(vector)

    def _direction(self, gradient: Vector) -> Vector:
        q, shares = gradient.copy(), []
        for s, y, rho in reversed(self._steps):
            share = rho * inner(s, q)
            shares.append(share)
            q -= q.dtype.type(share) * y
        q = self._preconditioned(q)
        if self._steps and self.is_scaled:
            s, y, rho = self._steps[-1]
            q = q * q.dtype.type(1.0 / (rho * inner(y, self._preconditioned(y))))
        for (s, y, rho), share in zip(self._steps, reversed(shares), strict=True):
            q = q + q.dtype.type(share - rho * inner(y, q)) * s
        return -q

    def _first_length(self, theta: Vector, gradient: Vector) -> float:
        """A first step of a hundredth of the parameters' size (of size one from the origin)."""
        size = 0.01 * float(np.sqrt(inner(theta, theta))) or 1.0
        # squares of a gradient of subnormal numbers underflow
        return size / max(float(np.sqrt(inner(gradient, gradient))), 1e-300)

    def _remember(self, s: Vector, y: Vector) -> None:
        curvature = inner(s, y)
        if curvature > 1e-12 * np.sqrt(inner(s, s) * inner(y, y)):
            self._steps.append((s, y, 1.0 / curvature))

    def _search(
        self, theta: Vector, value: float, gradient: Vector, direction: Vector, length: float
    ) -> tuple[Vector, float, Vector] | None:
        slope, low, high = inner(gradient, direction), 0.0, np.inf
        best: tuple[Vector, float, Vector] | None = None
        for _ in range(MOST_TRIALS):
            new = theta + theta.dtype.type(length) * direction
            new_value, new_gradient = self._at(new)
            if not new_value <= value + ARMIJO * length * slope:
                high = length
            else:
                best = new, new_value, new_gradient
                if inner(new_gradient, direction) >= WOLFE * slope:
                    break
                low = length
            length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * length
        if best is not None:
            self._at.remember(*best)
        return best
