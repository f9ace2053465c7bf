"""Abilities of several dimensions, and rotations of their slopes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rows_truth import several_classes, two_choice
from scipy.special import expit

from halfseen.kernels import response_expectations
from halfseen.linalg.rotations import geomin_value, oblimin_value, varimax_criterion, varimax_value
from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_rotation import ROTATIONS, loadings_of, rotate, score_several, several_reliability
from halfseen.methods.response.rows_scores import new_table
from halfseen.methods.response.rows_several import several_problem


def two_abilities(n=1500, p=16, correlation=0.4, seed=0):
    """Simple structure: the first half of the items asks for one ability, the second for another."""
    rng = np.random.default_rng(seed)
    A = np.zeros((p, 2))
    A[: p // 2, 0], A[p // 2 :, 1] = rng.uniform(1.0, 1.8, p // 2), rng.uniform(1.0, 1.8, p - p // 2)
    x = rng.normal(size=(n, 2)) @ np.linalg.cholesky([[1, correlation], [correlation, 1]]).T
    y = (rng.random((n, p)) < expit(x @ A.T + rng.normal(size=p))).astype(np.uint8)
    y[rng.random((n, p)) < 0.2] = 255
    return y, A, x


@pytest.fixture(scope="module")
def plane():
    y, A, x = two_abilities()
    return y, A, x, fit_rows(y, "2pl", dimensions=2), answer_table(y, ["2pl"] * 16)


def aligned(rotated, A):
    """Rotated columns in the order of the truth."""
    order = [0, 1] if abs(rotated[: len(A) // 2, 0]).sum() > abs(rotated[: len(A) // 2, 1]).sum() else [1, 0]
    return order


def grid_value(fit, table):
    """Log-likelihood on 31 x 31 nodes that all rows share (7 nodes of no weight fill the vectors)."""
    line = np.linspace(-6, 6, 31)
    nodes = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    log_weight = -0.5 * np.sum(nodes**2, axis=1)
    log_weight -= np.log(np.exp(log_weight).sum())
    nodes, log_weight = np.vstack([nodes, np.zeros((7, 2))]), np.append(log_weight, np.full(7, -1e30))
    log = fit.layout.table(fit.item_params, nodes)
    return response_expectations(table.responses, log, log_weight[None])


def test_the_value_on_own_nodes_is_that_on_a_shared_grid(plane):
    *_, fit, table = plane
    assert fit.log_likelihood == pytest.approx(grid_value(fit, table), abs=0.01)


@pytest.mark.parametrize("kind", ["2pl", "grm"])
def test_gradients_at_fixed_nodes_are_differences(kind):
    y = two_choice(150, 7, seed=1)[0] if kind == "2pl" else several_classes(150, 7, 4, "grm", seed=1)
    fit = fit_rows(y, kind, dimensions=2)
    problem = several_problem(fit, answer_table(y, [kind] * 7), 64)
    x = fit.free + 0.1 * np.random.default_rng(0).normal(size=fit.n_free)
    _, gradient = problem.value_and_gradient(x)
    step = 1e-5
    wanted = [(problem.value(x + step * u) - problem.value(x - step * u)) / (2 * step) for u in np.eye(len(x))]
    np.testing.assert_allclose(gradient, wanted, atol=2e-6)


def test_scores_of_rows_add_up_to_the_gradient():
    y, *_ = two_choice(200, 7, missing=0.0, seed=2)
    y[0] = 0, 1, 1, 0, 0, 1, 0
    fit = fit_rows(y, "2pl", dimensions=2)
    problem = several_problem(fit, answer_table(y, ["2pl"] * 7), 64)
    place = problem.table.row_of[0] if problem.table.row_of is not None else 0
    row = problem.table.rows(place, place + 1)
    alone = replace(problem, table=replace(problem.table, responses=row, frequency=None),
                    modes=problem.modes[[place]], roots=problem.roots[[place]])  # fmt: skip
    counts = tuple((row.answers[0, j] == np.arange(2)).astype(float) for j in range(7))
    alone = replace(alone, table=replace(alone.table, class_counts=counts))
    gradient = alone.value_and_gradient(fit.free)[1]
    np.testing.assert_allclose(alone.cross_product(fit.free) - np.diag(fit.index.back(
        np.concatenate([fit.prior.precision, np.zeros(2)]))), np.outer(gradient, gradient), atol=1e-8)  # fmt: skip


def test_the_triangle_leaves_no_rotation_free(plane):
    fit = plane[3]
    assert fit.n_free == 16 * 3 - 1
    assert np.linalg.eigvalsh(fit.covariance.matrix).min() > 0
    assert fit.covariance.kind == "cross"


@pytest.mark.fast_cases("oblimin", "promax")
@pytest.mark.parametrize("method", ["oblimin", "promax", "geomin"])
def test_oblique_rotations_bring_simple_structure_back(plane, method):
    _, A, _, fit, _ = plane
    found = rotate(fit, method)
    order = aligned(found.slopes, A)
    gap = (found.slopes[:, order] - A) / found.slopes_se[:, order]
    assert np.sqrt(np.mean((found.slopes[:, order] - A) ** 2)) < 0.25
    assert np.mean(np.abs(gap) < 3) > 0.9
    assert found.correlations[0, 1] == pytest.approx(0.4, abs=0.12)
    np.testing.assert_allclose(np.diag(found.correlations), 1.0)


def test_varimax_stays_orthogonal_and_raises_its_criterion(plane):
    fit = plane[3]
    found = rotate(fit, "varimax")
    np.testing.assert_allclose(found.correlations, np.eye(2), atol=1e-10)
    before = loadings_of(fit.params[fit.layout.slopes])
    assert varimax_criterion(found.loadings) >= varimax_criterion(before) - 1e-12
    for angle in np.linspace(-0.2, 0.2, 5):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert varimax_criterion(found.loadings @ turn) <= varimax_criterion(found.loadings) + 1e-8


@pytest.mark.slow
def test_rotations_leave_what_is_predicted(plane):
    *_, fit, table = plane
    plain = score_several(fit, table)
    slopes = fit.params[fit.layout.slopes]
    for method in ROTATIONS:
        found = rotate(fit, method)
        turned = score_several(fit, table, found)
        np.testing.assert_allclose(turned.ability @ found.slopes.T, plain.ability @ slopes.T, atol=1e-9)


def test_criteria_have_the_gradients_of_their_values():
    L = np.random.default_rng(0).normal(size=(6, 3))
    for criterion in (varimax_value, oblimin_value, geomin_value, lambda M: oblimin_value(M, 0.5)):
        _, gradient = criterion(L)
        for j, k in ((0, 0), (3, 2), (5, 1)):
            step = np.zeros_like(L)
            step[j, k] = 1e-6
            wanted = (criterion(L + step)[0] - criterion(L - step)[0]) / 2e-6
            assert gradient[j, k] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_abilities_follow_the_truth_and_new_rows_get_the_same(plane):
    y, A, x, fit, table = plane
    found = rotate(fit, "oblimin")
    order = aligned(found.slopes, A)
    scores = score_several(fit, table, found)
    for k in range(2):
        assert np.corrcoef(scores.ability[:, order[k]], x[:, k])[0, 1] > 0.75
    assert (several_reliability(fit, table, found) > 0.55).all()
    new = score_several(fit, new_table(fit, y[:20]), found)
    np.testing.assert_allclose(new.ability, scores.ability[:20], atol=1e-9)
    assert (score_several(fit, new_table(fit, y[:20]), item_draws=5).sd > 0).all()


@pytest.mark.slow
def test_three_abilities_are_fitted():
    rng = np.random.default_rng(3)
    A = rng.normal(0, 0.4, (18, 3))
    A[np.arange(18), np.arange(18) % 3] += 1.2
    x = rng.normal(size=(1200, 3))
    y = (rng.random((1200, 18)) < expit(x @ A.T)).astype(np.uint8)
    fit = fit_rows(y, "2pl", dimensions=3)
    slopes = fit.params[fit.layout.slopes]
    U, _, Vt = np.linalg.svd(slopes.T @ A)
    assert fit.run.converged
    assert np.sqrt(np.mean((slopes @ (U @ Vt) - A) ** 2)) < 0.25


def test_what_several_dimensions_do_not_take_is_refused():
    y, *_ = two_choice(100, 6, missing=0.0)
    with pytest.raises(ValueError, match="use 2pl or grm"):
        fit_rows(y, "3pl", dimensions=2)
    with pytest.raises(ValueError, match="go with dimensions=1"):
        fit_rows(y, "2pl", dimensions=2, covariates=np.arange(100.0))
    with pytest.raises(ValueError, match="cannot tell 3 dimensions"):
        fit_rows(y, "2pl", dimensions=3)
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        rotate(fit_rows(y, "2pl"), "varimax")
