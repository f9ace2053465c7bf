"""The loop, its stops, and sweeps on problems whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.solvers import (
    AcceleratedGradient,
    AndersonMixing,
    GradientDescent,
    GradientNorm,
    HeldOut,
    NewtonCG,
    RelativeChange,
    SweepResult,
    conjugate_gradient,
    largest_curvature,
    loop,
)


class Quadratic:
    """``theta' H theta / 2 - b' theta``."""

    def __init__(self, size=30, condition=100.0, seed=0):
        rng = np.random.default_rng(seed)
        Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
        self.H = (Q * np.geomspace(1.0, condition, size)) @ Q.T
        self.b = rng.normal(size=size)
        self.answer = np.linalg.solve(self.H, self.b)

    def value(self, theta):
        return float(0.5 * theta @ self.H @ theta - self.b @ theta)

    def value_and_gradient(self, theta):
        return self.value(theta), self.H @ theta - self.b

    def hessian_vector(self, theta, direction):
        return self.H @ direction

    def preconditioner(self, theta):
        return lambda v: v / np.diag(self.H)


class Rosenbrock(Quadratic):
    """Curved, with an indefinite Hessian on the way."""

    def __init__(self):
        self.answer = np.ones(2)

    def value(self, t):
        return float(100 * (t[1] - t[0] ** 2) ** 2 + (1 - t[0]) ** 2)

    def value_and_gradient(self, t):
        bend = t[1] - t[0] ** 2
        return self.value(t), np.array([-400 * t[0] * bend - 2 * (1 - t[0]), 200 * bend])

    def hessian_vector(self, t, d):
        H = np.array([[1200 * t[0] ** 2 - 400 * t[1] + 2, -400 * t[0]], [-400 * t[0], 200.0]])
        return H @ d

    def preconditioner(self, theta):
        return lambda v: v.copy()


def halve(x):
    return SweepResult(x / 2, value=float(x / 2), gradient_norm=float(x / 2))


def test_the_loop_stops_for_the_first_reason_and_keeps_a_trace():
    run = loop(halve, 8.0, [GradientNorm(0.3), RelativeChange(1e-9)], max_iter=50)
    assert (run.reason, run.converged, run.n_iter, run.params) == ("gradient", True, 5, 0.25)
    assert run.trace.value.tolist() == [4.0, 2.0, 1.0, 0.5, 0.25]
    assert len(run.trace.seconds) == 5
    assert np.all(np.diff(run.trace.seconds) >= 0)
    assert run.record().params is None


def test_running_out_of_sweeps_is_a_reason_not_an_error():
    run = loop(halve, 8.0, max_iter=3)
    assert (run.reason, run.converged, run.params) == ("max_iter", False, 1.0)


def test_a_value_that_is_not_finite_ends_the_run_with_the_last_good_parameters():
    def blow_up(x):
        return SweepResult(x * 10, value=np.inf if x >= 100 else x)

    run = loop(blow_up, 1.0, max_iter=50)
    assert (run.reason, run.converged, run.params) == ("not_finite", False, 100.0)


def test_no_sweep_at_all_returns_the_start():
    run = loop(halve, 8.0, max_iter=0)
    assert (run.params, run.n_iter) == (8.0, 0)


def test_watchers_see_every_sweep():
    seen = []
    loop(halve, 8.0, max_iter=4, watchers=[lambda it, result, seconds: seen.append((it, result.value))])
    assert seen == [(1, 4.0), (2, 2.0), (3, 1.0), (4, 0.5)]


def test_a_held_out_stop_keeps_the_best_parameters():
    stop = HeldOut(lambda x: abs(x - 1.0), patience=2)
    run = loop(halve, 8.0, [stop], max_iter=50)
    assert (run.reason, stop.best_params, run.n_iter) == ("held_out", 1.0, 5)


def test_small_changes_must_last_for_the_patience():
    values = iter([4.0, 4.0, 3.0, 3.0, 3.0, 3.0])
    run = loop(lambda x: SweepResult(x, next(values)), 0.0, [RelativeChange(1e-6, patience=3)], max_iter=6)
    assert (run.reason, run.n_iter) == ("change", 6)


def test_conjugate_gradients_solve_and_count_their_products():
    problem = Quadratic()
    products = []
    found, count = conjugate_gradient(
        lambda v: products.append(1) or problem.H @ v, problem.b, lambda v: v.copy(), 1e-12, 200
    )
    np.testing.assert_allclose(found, problem.answer, rtol=1e-8)
    assert count == len(products)


def test_conjugate_gradients_turn_back_at_negative_curvature():
    right = np.array([1.0, 1.0])
    found, _ = conjugate_gradient(lambda v: np.array([1.0, -2.0]) * v, right, lambda v: v.copy(), 1e-10, 20)
    assert found @ right > 0


def test_the_largest_curvature_is_the_largest_eigenvalue():
    assert largest_curvature(Quadratic(condition=50.0), np.zeros(30)) == pytest.approx(50.0, rel=0.02)


@pytest.mark.parametrize(
    "make", [NewtonCG, lambda p: GradientDescent(p, 1.6 / 10), lambda p: AcceleratedGradient(p, 0.1)]
)
def test_every_sweep_finds_the_minimum_of_a_quadratic(make):
    problem = Quadratic(condition=10.0)
    run = loop(make(problem), np.zeros(30), [GradientNorm(1e-9)], max_iter=500)
    assert run.reason == "gradient"
    np.testing.assert_allclose(run.params, problem.answer, atol=1e-8)


def test_newton_needs_far_fewer_sweeps_than_gradient_descent():
    problem = Quadratic(condition=1000.0)
    newton = loop(NewtonCG(problem), np.zeros(30), [GradientNorm(1e-8)], max_iter=2000)
    plain = loop(GradientDescent(problem, 1.6 / 1000), np.zeros(30), [GradientNorm(1e-8)], max_iter=20000)
    fast = loop(AcceleratedGradient(problem, 1 / 1000), np.zeros(30), [GradientNorm(1e-8)], max_iter=20000)
    assert newton.n_iter <= 10
    assert newton.work < fast.work < plain.work


def test_newton_crosses_an_indefinite_valley():
    run = loop(NewtonCG(Rosenbrock()), np.array([-1.2, 1.0]), [GradientNorm(1e-10)], max_iter=100)
    assert run.converged
    np.testing.assert_allclose(run.params, 1.0, atol=1e-8)
    assert np.all(np.diff(run.trace.value) <= 1e-12)


def test_a_guarded_step_survives_a_step_that_is_too_long():
    problem = Quadratic(condition=10.0)
    run = loop(GradientDescent(problem, 5.0), np.zeros(30), [GradientNorm(1e-8)], max_iter=2000)
    assert run.reason == "gradient"


def test_an_unguarded_step_that_is_too_long_is_seen_to_blow_up():
    with np.errstate(over="ignore", invalid="ignore"):
        run = loop(GradientDescent(Quadratic(), 5.0, is_guarded=False), np.ones(30), max_iter=2000)
    assert run.reason == "not_finite"


def test_single_precision_ends_for_its_precision():
    problem = Quadratic(condition=1000.0)
    problem.H, problem.b = problem.H.astype(np.float32), problem.b.astype(np.float32)
    run = loop(NewtonCG(problem), np.zeros(30, np.float32), [GradientNorm(1e-12)], max_iter=200)
    assert run.reason in ("precision", "exact")
    assert run.converged
    np.testing.assert_allclose(run.params, problem.answer, atol=1e-3)


class TestMixing:
    def test_a_linear_map_is_solved_in_as_many_steps_as_it_has_rates(self):
        rates, x, plain, mixing = np.array([0.99, 0.9, -0.8, 0.5]), np.zeros(4), np.zeros(4), AndersonMixing(4)
        for _ in range(8):
            x, plain = mixing(x, rates * x + 1.0), rates * plain + 1.0
        answer = 1.0 / (1.0 - rates)
        np.testing.assert_allclose(x, answer, rtol=1e-6)
        assert np.abs(plain - answer).max() > 50

    def test_what_is_forgotten_has_no_part_in_the_next_step(self):
        mixing, image = AndersonMixing(), np.array([1.0, 2.0])
        mixing(np.zeros(2), np.array([5.0, -3.0]))
        mixing.forget()
        assert mixing(np.zeros(2), image) is image

    def test_steps_that_repeat_are_no_trouble(self):
        mixing, x = AndersonMixing(), np.zeros(2, dtype=np.float32)
        for _ in range(4):
            x = mixing(np.zeros(2, np.float32), np.ones(2, np.float32))
        assert x.dtype == np.float32
        assert x.tolist() == [1.0, 1.0]
