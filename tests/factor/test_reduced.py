"""Newton's direction on the columns alone, and fits that are left when held-out entries have told enough."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.engines.linearised import Linearised
from halfseen.losses import get_loss
from halfseen.methods.factor import reduced
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.penalties import Watched
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem
from halfseen.solvers import conjugate_gradient


def problem_of(family, ridge=30.0, **penalty):
    data = hs.datasets.make_factor_data(30, 20, 2, "gaussian" if family == "gaussian" else "bernoulli", random_state=0)
    passes = EntryPasses(data.observed, get_loss(family))
    problem = FactorProblem(passes, 2, FactorPenalty(ridge, 0.5, 0.1, **penalty))
    return problem, 0.3 * np.random.default_rng(0).normal(size=20 + 2 * (30 + 20))


@pytest.mark.parametrize("family", ["bernoulli", "gaussian", "probit"])
def test_the_direction_on_columns_alone_is_newtons_in_half_the_products(family):
    problem, theta = problem_of(family)
    _, gradient = problem.value_and_gradient(theta)
    direction, products = problem.newton_direction(theta, gradient, 1e-10, 100)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(problem.hessian_vector(theta, direction), -gradient, atol=1e-8 * scale)
    _, whole = conjugate_gradient(
        lambda v: problem.hessian_vector(theta, v), -gradient, problem.preconditioner(theta), 1e-10, 100
    )
    assert products <= 0.75 * whole


def test_the_inner_solve_of_large_tables_is_in_single_precision(monkeypatch):
    problem, theta = problem_of("bernoulli")
    _, gradient = problem.value_and_gradient(theta)
    exact, _ = problem.newton_direction(theta, gradient, 1e-3, 100)
    monkeypatch.setattr(reduced, "SINGLE_FROM", 1)
    single, _ = problem.newton_direction(theta, gradient, 1e-3, 100)
    assert 0 < np.abs(single - exact).max() <= 1e-4 * np.abs(exact).max()


def test_rows_that_one_penalty_ties_together_are_not_eliminated():
    problem, theta = problem_of("bernoulli", orthogonality=0.5)
    _, gradient = problem.value_and_gradient(theta)
    direction, _ = problem.newton_direction(theta, gradient, 1e-10, 200)
    np.testing.assert_allclose(problem.hessian_vector(theta, direction), -gradient, atol=1e-7 * np.abs(gradient).max())


@pytest.mark.parametrize("family", ["bernoulli", "probit"])
def test_kept_curvatures_give_the_information_of_rows_and_columns(family):
    problem, theta = problem_of(family)
    at, passes = problem.unpack(theta), problem.passes
    model, features = Linearised(passes, at.rows, at.cols, at.intercept), problem.column_view(at)[1]
    rows = passes.information(0, at.rows, at.cols, minor_offset=at.intercept)
    np.testing.assert_allclose(model.information(0, at.cols), rows, atol=1e-10)
    cols = passes.information(1, *problem.column_view(at))
    np.testing.assert_allclose(model.information(1, features), cols, atol=1e-10)


def watched(*deviances, **choices):
    """What a watch says after each of these deviances of one held-out entry 1 (squared errors)."""
    cell = hs.Observed.from_triplets([0], [0], [0.0], shape=(1, 1))
    watch = Watched(cell, None, **choices)
    points = [FactorPoint(np.array([d**0.5]), np.zeros((1, 0)), np.zeros((1, 0))) for d in deviances]
    return [watch(point, get_loss("gaussian")) for point in points]


def test_a_compared_fit_is_left_when_it_cannot_win_any_more():
    assert watched(1.0, 0.5, 0.49999) == [False, False, True]  # settled
    assert watched(2.0, rival=1.0, last=1.0) == [True]  # what it moved is no more than what it is behind
    assert watched(1.2, 1.15, rival=1.0, last=2.0) == [False, True]
    assert watched(0.9, 0.89999, rival=1.0, may_win=False) == [False, False]  # ahead: its gradient decides
    assert watched(3.0, 2.9, 2.8, null=1.0) == [False, False, True]  # behind the intercepts, and staying there


def test_the_path_of_penalties_finds_the_scale_that_fits_to_the_end_find():
    """The early ends move no choice: the deviances of the tried scales are those of converged fits."""
    data = hs.datasets.make_factor_data(200, 120, 2, "bernoulli", observed=0.3, random_state=3)
    model = hs.GeneralizedFactorModel(2, "bernoulli", random_state=0).fit(data.observed)
    choice = model.penalty_choice_
    assert choice.chosen == "map"
    assert choice.deviance["map"] == pytest.approx(min(choice.ridge_path.values()), rel=2e-3)
    assert choice.deviance["map"] < choice.deviance["intercepts"]
    assert model.run_.converged
