"""Levenberg-Marquardt step by step."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.solvers import LevenbergMarquardt, loop
from halfseen.solvers.levenberg import EASIER, HARDER


class Valley:
    """Rosenbrock's valley as least squares: residuals 10 (y - x^2) and 1 - x."""

    def residuals(self, a):
        return np.array([10.0 * (a[1] - a[0] ** 2), 1.0 - a[0]])

    def jacobian(self, a):
        return np.array([[-20.0 * a[0], 10.0], [-1.0, 0.0]])

    def value(self, a):
        return float(0.5 * np.sum(self.residuals(a) ** 2))

    def value_and_gradient(self, a):
        return self.value(a), self.jacobian(a).T @ self.residuals(a)

    def normal_equations(self, a):
        J = self.jacobian(a)
        return J.T @ J, J.T @ self.residuals(a)


def test_a_step_is_the_damped_one_with_marquardts_scaling():
    problem, start = Valley(), np.array([0.9, 0.9])
    solver = LevenbergMarquardt(problem, damping=0.3)
    G, g = problem.normal_equations(start)
    wanted = start - np.linalg.solve(G + 0.3 * np.diag(np.diag(G)), g)
    assert problem.value(wanted) < problem.value(start)
    np.testing.assert_allclose(solver(start).params, wanted, rtol=1e-12)
    assert solver.damping == pytest.approx(0.3 / EASIER)


def test_after_a_step_uphill_it_is_damped_more():
    problem, start = Valley(), np.array([-1.2, 1.0])
    solver = LevenbergMarquardt(problem, damping=1e-6)
    G, g = problem.normal_equations(start)

    def trial(damping):
        return start - np.linalg.solve(G + damping * np.diag(np.diag(G)), g)

    damping = 1e-6
    while problem.value(trial(damping)) >= problem.value(start):
        damping *= HARDER
    assert damping > 1e-6  # the plain Gauss-Newton step goes uphill here
    np.testing.assert_allclose(solver(start).params, trial(damping), rtol=1e-9)
    assert solver.damping == pytest.approx(damping / EASIER)


def test_the_end_of_the_valley_is_found():
    run = loop(LevenbergMarquardt(Valley()), np.array([-1.2, 1.0]), max_iter=60)
    np.testing.assert_allclose(run.params, 1.0, atol=1e-8)
    assert np.all(np.diff(run.trace.value) <= 0)
