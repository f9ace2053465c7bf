"""Second-order sweeps: Newton by preconditioned conjugate gradients, and alternating Newton."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import CurvedProblem, HalvedProblem, LastPoint, Vector, inner, largest


def conjugate_gradient(
    product: Callable[[Vector], Vector],
    right: Vector,
    precondition: Callable[[Vector], Vector],
    tol: float,
    max_iter: int,
) -> tuple[Vector, int]:
    """Solve ``H d = right`` to a relative residual ``tol`` in the preconditioner's norm.

    Stops early at a direction of negative curvature and returns what was found before it (the preconditioned
    right-hand side if that was the first direction), so the result is always a direction of descent.

    Returns
    -------
    direction : ndarray
    products : int
        Number of products with ``H``.
    """
    solution = np.zeros_like(right)
    residual = right.copy()
    z = precondition(residual)
    direction, rho = z, inner(residual, z)
    goal, products = tol * np.sqrt(max(rho, 0.0)), 0
    while products < max_iter and np.sqrt(max(rho, 0.0)) > goal:
        image = product(direction)
        products += 1
        curvature = inner(direction, image)
        if not curvature > 1e-14 * inner(direction, direction):
            return (solution if products > 1 else z), products
        length = right.dtype.type(rho / curvature)
        solution += length * direction
        residual -= length * image
        z = precondition(residual)
        rho, before = inner(residual, z), rho
        direction = z + right.dtype.type(rho / before) * direction
    return solution, products


class NewtonCG:
    r"""Newton's method with the full Hessian, block-diagonal preconditioner and a backtracking line search.

    Parameters
    ----------
    problem : CurvedProblem
        With a method ``newton_direction(theta, gradient, tol, max_products)`` it solves for the direction itself.
    max_products : int
        Largest number of Hessian products per sweep.
    unit : float
        Size of one term of the objective, for its rounding error (the residual variance for squared losses).

    Notes
    -----
    The relative tolerance of the inner solve is :math:`\min(0.1, \sqrt{|g| / |g_0|})`, which makes the
    convergence superlinear. Work per sweep: one gradient pass, one pass for the blocks, the products.
    """

    def __init__(self, problem: CurvedProblem, max_products: int = 60, unit: float = 1.0) -> None:
        self.problem, self.max_products, self.unit = problem, max_products, unit
        self._at = LastPoint(problem)
        self._first_norm, self._lost = 0.0, 0

    def move_to(self, problem: CurvedProblem) -> None:
        """Go on with a problem that has changed a little; how far the run has come is remembered."""
        self.problem, self._at = problem, LastPoint(problem)

    def remember(self, theta: Vector, value: float, gradient: Vector) -> None:
        """Spare a pass where value and gradient at a point are known already."""
        self._at.remember(theta, value, gradient)

    def __call__(self, theta: Vector) -> SweepResult:
        value, gradient = self._at(theta)
        norm = largest(gradient)
        self._first_norm = self._first_norm or norm
        if norm == 0.0:
            return SweepResult(theta, value, norm, self._at.take_work(), reason="exact")
        tol = min(0.1, float(np.sqrt(norm / self._first_norm)))
        direction, products = self._direction(theta, gradient, tol)
        new, reason, trials = self._search(theta, value, gradient, direction)
        if reason == "stalled" and hasattr(self.problem, "newton_direction"):
            direction, more = self._by_products(theta, gradient, tol)
            products += more
            new, reason, trials = self._search(theta, value, gradient, direction)
        new_value, new_gradient = self._at(new)
        work = self._at.take_work() + products + 1.0 + 0.5 * trials
        # rounding decides once the predicted decrease drowns in it and the gradient no longer halves
        is_lost = -inner(gradient, direction) <= self._noise(value, theta)
        self._lost = self._lost + 1 if is_lost and largest(new_gradient) > 0.5 * norm else 0
        if reason is None and self._lost >= 2:
            reason = "precision"
        return SweepResult(new, new_value, largest(new_gradient), work, reason)

    def _direction(self, theta: Vector, gradient: Vector, tol: float) -> tuple[Vector, int]:
        """By a way of the problem's own, where it has one."""
        solve = getattr(self.problem, "newton_direction", None)
        if solve is not None:
            direction, products = solve(theta, gradient, tol, self.max_products)
            return direction, products
        return self._by_products(theta, gradient, tol)

    def _by_products(self, theta: Vector, gradient: Vector, tol: float) -> tuple[Vector, int]:
        """By conjugate gradients on the whole system."""
        return conjugate_gradient(
            lambda v: self.problem.hessian_vector(theta, v),
            -gradient,
            self.problem.preconditioner(theta),
            tol,
            self.max_products,
        )

    def _noise(self, value: float, theta: Vector) -> float:
        """Rounding error of a value that is a sum of at least as many terms as there are parameters."""
        return 8.0 * float(np.finfo(theta.dtype).eps) * max(abs(value), self.unit * len(theta))

    def _search(
        self, theta: Vector, value: float, gradient: Vector, direction: Vector
    ) -> tuple[Vector, str | None, int]:
        """Armijo backtracking; near the optimum, where values no longer tell, the gradient decides."""
        slope = inner(gradient, direction)
        noise = self._noise(value, theta)
        if slope < 0:
            full = theta + direction
            full_value, full_gradient = self._at(full)
            if full_value <= value + 1e-4 * slope:
                return full, None, 0
            if full_value <= value + noise and largest(full_gradient) < largest(gradient):
                return full, None, 0
            # A sum of N partial sums is off by some sqrt(N / 3) / 2 units in its last place. Seen: a step to a gradient
            # of a thousandth, whose value seemed 1.6 times that noise higher.
            if full_value <= value + 8.0 * noise and largest(full_gradient) < 0.5 * largest(gradient):
                return full, None, 0
            for halving in range(1, 31):
                shrink = 0.5**halving
                new = theta + theta.dtype.type(shrink) * direction
                if self.problem.value(new) <= value + 1e-4 * shrink * slope:
                    return new, None, halving
        self._at.remember(theta, value, gradient)
        return theta, "precision" if -slope <= 1e3 * noise else "stalled", 30


class AlternatingNewton:
    """One damped Newton step of every row for fixed columns, then of every column for fixed rows.

    Notes
    -----
    Monotone. Work per sweep: two half passes with normal equations and one gradient pass for the stop.
    """

    def __init__(self, problem: HalvedProblem) -> None:
        self.problem = problem
        self._at = LastPoint(problem)

    def __call__(self, theta: Vector) -> SweepResult:
        for side in (0, 1):
            theta = self.problem.half_step(theta, side)
        value, gradient = self._at(theta)
        return SweepResult(theta, value, largest(gradient), self._at.take_work() + 2.0)
