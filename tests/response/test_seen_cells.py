"""Many columns, few answers each: work that goes with the seen cells gives what work on all cells gives."""

from __future__ import annotations

import numpy as np
import pytest
from response_tables import simulated

from halfseen.methods.response import fitting, nodes, seen_cells, table
from halfseen.methods.response.curvature import hessian, score_sums
from halfseen.methods.response.fitting import fit_random
from halfseen.methods.response.likelihood import MarginalLikelihood, Point
from halfseen.methods.response.nodes import Loadings, Nodes, choose_nodes, own_nodes, shared_nodes

SLOPED = Loadings(0.3, 1.4, 0.1, 0.35)


def problems(share=0.4, seed=0, n=12, p=30):
    """One problem on shared nodes, and on the same nodes as if each column had its own."""
    truth = simulated(n, p, share, seed=seed)
    grid = shared_nodes(True, (21, 13))
    own = Nodes(np.repeat(grid.u, p, axis=0), np.repeat(grid.log_weight, p, axis=0), False)
    at = Point(truth.ability + 0.1, SLOPED, True)
    return [MarginalLikelihood(truth.table, here, True, 1.3) for here in (grid, own)], at


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_curvature_and_score_sums_of_seen_cells_are_those_of_all_cells(share):
    (shared, own), at = problems(share)
    np.testing.assert_allclose(hessian(shared, at), hessian(own, at), atol=1e-8)
    for found, wanted in zip(score_sums(shared, at), score_sums(own, at), strict=True):
        for name in ("expected", "slopes", "column_covariance", "noise"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-8, err_msg=name)


def test_nodes_without_posterior_chance_may_be_passed_over(monkeypatch):
    truth = simulated(60, 10, 1.0, seed=1)
    problem = MarginalLikelihood(truth.table, shared_nodes(True, (41, 13)), True, 1.3)
    at = Point(truth.ability, SLOPED, True)
    pruned = hessian(problem, at)
    monkeypatch.setattr(seen_cells, "LEAST_CHANCE", -1.0)
    np.testing.assert_allclose(pruned, hessian(problem, at), atol=1e-6)


def test_a_row_that_answered_all_has_nothing_unseen():
    truth = simulated(8, 40, 0.5, seed=2)
    R = truth.observed.to_dense()
    R[3] = truth.answers[3]
    observed = type(truth.observed).from_dense(R)
    whole = table.SeenAnswers.of(observed, np.asarray(observed.values, float))
    problem = MarginalLikelihood(whole, shared_nodes(True, (21, 13)), True, 1.3)
    unseen, every = score_sums(problem, Point(truth.ability, SLOPED, True))
    assert unseen.expected[3] == 0.0
    assert not unseen.slopes[3].any()
    assert not unseen.column_covariance[3].any()
    assert not unseen.column_covariance[:, 3].any()
    assert every.expected[3] > 0


def test_sparse_products_give_the_gradient_of_dense_ones(monkeypatch):
    (problem, _), at = problems(0.1, n=40, p=50)
    sparse = problem.value_and_gradient(at.theta)
    monkeypatch.setattr(table, "SPARSE_BELOW", -1.0)
    dense = problem.value_and_gradient(at.theta)
    assert sparse[0] == pytest.approx(dense[0], rel=1e-12)
    np.testing.assert_allclose(sparse[1], dense[1], atol=1e-10)


@pytest.mark.slow
def test_a_fit_that_begins_on_a_part_of_the_columns_ends_where_one_on_all_does(monkeypatch):
    # seed 3: a hundred columns show no difference of slopes, where the gradient is 0 by symmetry
    answers = simulated(20, 600, 0.5, slope=0.3, seed=3).table
    plain = fit_random(answers, True, False, 1e-7)
    monkeypatch.setattr(fitting, "MANY_COLUMNS", 100)
    begun = fit_random(answers, True, False, 1e-7)
    # rounds end where the variance moves by less than 1 %
    se = np.sqrt(np.diag(np.linalg.inv(plain.hessian)))
    one, two = begun.at.theta, plain.at.theta
    one[-1], two[-1] = abs(one[-1]), abs(two[-1])  # its sign has no meaning
    assert np.max(np.abs(one - two) / se) < 0.02
    assert begun.problem.prior_variance == pytest.approx(plain.problem.prior_variance, rel=0.01)
    np.testing.assert_allclose(np.diag(begun.hessian), np.diag(plain.hessian), rtol=0.02)


def test_the_grid_of_sparse_tables_is_as_good_as_nodes_of_their_own():
    truth = simulated(700, 40, 0.12, slope=0.3, seed=4)
    few = truth.table.columns(np.flatnonzero(np.bincount(truth.table.cols) <= nodes.SPARSE_GRID[0]))
    chosen = choose_nodes(few, truth.ability, SLOPED, True)
    assert few.most_per_column > nodes.SHARED_GRIDS[-1][0]
    assert chosen.is_shared
    at = Point(truth.ability, SLOPED, True)
    exact = own_nodes(few, truth.ability, SLOPED, True)
    one, two = (
        np.concatenate([part.log_likelihood for part in MarginalLikelihood(few, here, True, 1.3).posteriors(at)])
        for here in (chosen, exact)
    )
    # the bound that was measured for the other grids
    assert np.abs(one - two).max() < 0.005
    assert np.abs(one - two).mean() < 0.001
