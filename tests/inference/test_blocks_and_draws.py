"""Covariance blocks and random errors against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.inference import (
    Clustered,
    GaussianDraws,
    Influence,
    MultiplierDraws,
    invert_blocks,
    largest_deviations,
    sandwich,
    second_order,
    upper_quantile,
)
from halfseen.losses import get_loss


def blocks(m, k, rng, scale=10.0):
    root = rng.normal(size=(m, k, k))
    return root @ np.swapaxes(root, 1, 2) + scale * np.eye(k)


def test_inverses_are_found_where_there_is_information():
    rng = np.random.default_rng(0)
    H = blocks(4, 3, rng)
    H[1], H[2] = 0.0, np.outer([1, 2, 3], [1, 2, 3])
    V, is_resolved = invert_blocks(H)
    assert is_resolved.tolist() == [True, False, False, True]
    np.testing.assert_allclose(V[[0, 3]] @ H[[0, 3]], np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-12)
    assert not V[[1, 2]].any()


def test_blocks_of_no_parameters_are_fine():
    V, is_resolved = invert_blocks(np.zeros((5, 0, 0)))
    covariance, share = second_order(np.zeros((5, 0, 0)), V, V, V)
    assert V.shape == covariance.shape == (5, 0, 0)
    assert is_resolved.all()
    assert share.tolist() == [1.0] * 5


def test_second_order_covariances_follow_their_formula():
    rng = np.random.default_rng(1)
    H, C, Q = blocks(6, 2, rng), 0.3 * blocks(6, 2, rng, 1.0), 0.2 * blocks(6, 2, rng, 1.0)
    V, _ = invert_blocks(H)
    found, share = second_order(H, V, C, Q)
    light, _ = second_order(H, V, C, Q, is_prior_used=True)
    for i in range(6):
        Hc = H[i] - C[i]
        assert share[i] == pytest.approx(np.linalg.eigvals(Hc @ V[i]).real.min())
        left = np.linalg.inv(H[i] - Q[i])
        expected = np.linalg.inv(Hc) @ H[i] @ left @ H[i] @ np.linalg.inv(Hc) if share[i] >= 0.3 else light[i]
        np.testing.assert_allclose(found[i], expected, rtol=1e-9)
        np.testing.assert_allclose(light[i], left + V[i] @ C[i] @ V[i], rtol=1e-9)


def test_where_too_little_information_is_left_the_lighter_formula_is_taken():
    H, C, Q = np.full((1, 1, 1), 10.0), np.full((1, 1, 1), 9.0), np.full((1, 1, 1), 1.0)
    found, share = second_order(H, np.full((1, 1, 1), 0.1), C, Q)
    assert share[0] == pytest.approx(0.1)
    assert found.item() == pytest.approx(1 / 9 + 0.09)


def test_what_the_columns_take_away_is_the_schur_complement_of_the_joint_information():
    """One row fitted with all its columns, the other rows held; one column leans on this row's entry alone."""
    rng = np.random.default_rng(0)
    p, r = 12, 2
    Y, x, w = rng.normal(size=(p, r)), rng.normal(size=r), rng.uniform(0.5, 2.0, p)
    w[3] = 500.0
    own = blocks(p, r, rng, 5.0)  # information about each column from the other rows
    joint = np.zeros((r + p * r, r + p * r))
    for j in range(p):
        cell, at = np.r_[Y[j], x], np.r_[:r, r + j * r : r + (j + 1) * r]
        joint[np.ix_(at, at)] += w[j] * np.outer(cell, cell)
        joint[np.ix_(at[r:], at[r:])] += own[j]
    H = np.einsum("j,jk,jl->kl", w, Y, Y)[None]
    q = np.array([x @ np.linalg.inv(own[j] + w[j] * np.outer(x, x)) @ x for j in range(p)])
    Q = np.einsum("j,jk,jl->kl", w**2 * q, Y, Y)[None]
    found, _ = second_order(H, np.linalg.inv(H), np.zeros_like(H), Q)
    np.testing.assert_allclose(found[0], np.linalg.inv(joint)[:r, :r], rtol=1e-9)
    assert found[0][0, 0] > 1.4 * np.linalg.inv(H[0])[0, 0]


def test_covariances_stay_finite_where_the_columns_take_everything():
    H = np.full((1, 1, 1), 4.0)
    found, _ = second_order(H, 1 / H, 0.0 * H, H)
    assert found.item() == pytest.approx(25.0)


@pytest.fixture(scope="module")
def bilinear():
    """A small table with residuals, features and blocks that are what they should be."""
    rng = np.random.default_rng(2)
    n, p, r = 40, 30, 2
    X, Y = rng.normal(size=(n, r)), rng.normal(size=(p, r))
    table = np.where(rng.random((n, p)) < 0.7, rng.normal(size=(n, p)), np.nan)
    observed = Observed.from_dense(table)
    e = np.asarray(observed.values)
    Xt = np.column_stack([np.ones(n), X])
    mask = ~np.isnan(table)
    V, _ = invert_blocks(np.einsum("ij,jk,jl->ikl", mask, Y, Y))
    W, _ = invert_blocks(np.einsum("ij,ik,il->jkl", mask, Xt, Xt))
    passes = EntryPasses(observed, get_loss("gaussian"))
    draws = MultiplierDraws(Influence(passes, 0, e, Y, V), Influence(passes, 1, e, Xt, W))
    return draws, np.nan_to_num(table), mask


def test_multiplier_draws_are_the_linearised_errors(bilinear):
    draws, E, _ = bilinear

    class Fixed:
        """The same multipliers, so that the formula can be written out."""

        def __init__(self):
            self.given = []

        def standard_normal(self, size):
            self.given.append(np.random.default_rng(len(self.given)).normal(size=size))
            return self.given[-1]

    rng = Fixed()
    one, two = next(draws.batches(3, rng, np.arange(40), np.arange(30)))
    by_col, by_row = rng.given
    for b in range(3):
        V, W, Y, X = draws.rows.inverse, draws.cols.inverse, draws.rows.features, draws.cols.features
        expected = np.array([-V[i] @ Y.T @ (E[i] * by_col[:, b]) for i in range(40)])
        np.testing.assert_allclose(one[b], expected, atol=1e-12)
        expected = np.array([-W[j] @ X.T @ (E[:, j] * by_row[:, b]) for j in range(30)])
        np.testing.assert_allclose(two[b], expected, atol=1e-12)


def test_multiplier_draws_have_the_sandwich_covariance(bilinear):
    """4000 draws: each variance within 5 relative standard errors, 5 sqrt(2 / 4000) = .11."""
    draws, E, _ = bilinear
    rng = np.random.default_rng(0)
    one = np.concatenate([a for a, _ in draws.batches(4000, rng, np.array([0, 5]), np.zeros(0, dtype=int))])
    for k, i in enumerate((0, 5)):
        meat = np.einsum("j,jk,jl->kl", E[i] ** 2, draws.rows.features, draws.rows.features)
        expected = sandwich(draws.rows.inverse[i : i + 1], meat[None])[0]
        np.testing.assert_allclose(np.var(one[:, k], axis=0), np.diag(expected), rtol=0.11)


def test_gaussian_draws_have_the_covariance_asked_for():
    rng = np.random.default_rng(1)
    V = blocks(3, 2, rng, 1.0)
    found = [a for a, _ in GaussianDraws(V, V).batches(6000, rng, np.array([2, 0]), np.array([1]))]
    sample = np.concatenate(found)
    for place, i in enumerate((2, 0)):
        np.testing.assert_allclose(np.cov(sample[:, place].T), V[i], atol=0.08 * np.abs(V[i]).max())


def test_the_quantile_of_a_maximum_makes_a_band_of_the_right_level():
    """Maxima of 50 independent normals: P(max <= q) = .95 at q = 3.28; 4000 draws give it within .1."""
    rng = np.random.default_rng(2)
    s = rng.uniform(0.5, 2.0, 50)
    maxima = largest_deviations((s * rng.normal(size=(500, 50)) for _ in range(8)), s)
    assert upper_quantile(maxima, 0.95) == pytest.approx(3.284, abs=0.1)


def test_parameters_without_information_do_not_enter_a_maximum():
    errors, scale = np.array([[1.0, 50.0, 3.0]]), np.array([1.0, np.inf, 0.0])
    assert largest_deviations([errors], scale).tolist() == [1.0]


# ---- influence values ----------------------------------------------------------------------------------------------


def test_sandwich_and_clustered_covariances_follow_their_formulas(bilinear):
    draws, E, mask = bilinear
    Y, V = draws.rows.features, draws.rows.inverse
    codes = np.arange(30) // 4
    found, counts = draws.rows.clustered(codes)
    plain = draws.rows.sandwich()
    for i in range(40):
        meat = sum(np.outer(E[i, j] * Y[j], E[i, j] * Y[j]) for j in range(30) if mask[i, j])
        np.testing.assert_allclose(plain[i], V[i] @ meat @ V[i], atol=1e-12)
        groups = [g for g in range(8) if mask[i, codes == g].any()]
        sums = [sum(E[i, j] * Y[j] for j in np.flatnonzero((codes == g) & mask[i])) for g in groups]
        meat = len(groups) / (len(groups) - 1) * sum(np.outer(s, s) for s in sums)
        assert counts[i] == len(groups)
        np.testing.assert_allclose(found[i], V[i] @ meat @ V[i], atol=1e-12)


def test_groups_of_one_are_the_sandwich_up_to_its_small_sample_factor(bilinear):
    draws, _, mask = bilinear
    for side, seen in ((draws.rows, mask.sum(axis=1)), (draws.cols, mask.sum(axis=0))):
        found, counts = side.clustered(np.arange(len(side.features)))
        np.testing.assert_array_equal(counts, seen)
        np.testing.assert_allclose(found, side.sandwich() * (seen / (seen - 1))[:, None, None], rtol=1e-10)


def test_what_nuisance_parameters_add_is_part_of_every_covariance_and_draw(bilinear):
    draws, _, _ = bilinear
    side = draws.rows
    extra = np.random.default_rng(0).normal(size=(len(side.scores), 2))
    more = Influence(side.passes, 0, side.scores, side.features, side.inverse, extra)
    values, own = more.values(), side.passes.observed.rows
    for i in (0, 7):
        meat = values[own == i].T @ values[own == i]
        np.testing.assert_allclose(more.sandwich()[i], side.inverse[i] @ meat @ side.inverse[i], rtol=1e-10)
    xi = np.random.default_rng(1).normal(size=(30, 2))
    found, cols = more.draws(xi, np.array([7])), side.passes.observed.cols
    mine = own == 7
    for b in range(2):
        expected = -side.inverse[7] @ (values[mine] * xi[cols[mine], b][:, None]).sum(axis=0)
        np.testing.assert_allclose(found[b, 0], expected, rtol=1e-10)


def test_multipliers_shared_by_groups_have_the_clustered_covariance(bilinear):
    """4000 draws: variances within 5 relative standard errors, .11; the small-sample factor is not theirs."""
    draws, _, _ = bilinear
    codes = np.arange(30) // 4
    shared = MultiplierDraws(draws.rows, draws.cols, codes)
    none = np.zeros(0, dtype=int)
    one = np.concatenate([a for a, _ in shared.batches(4000, np.random.default_rng(0), np.array([0, 5]), none)])
    covariance, counts = draws.rows.clustered(codes)
    for k, i in enumerate((0, 5)):
        expected = np.diag(covariance[i]) * (counts[i] - 1) / counts[i]
        np.testing.assert_allclose(np.var(one[:, k], axis=0), expected, rtol=0.11)


@pytest.mark.parametrize(("labels", "match"), [([1, 2], r"\(30,\)"), ([1] * 30, "one group")])
def test_wrong_groups_are_named(labels, match):
    with pytest.raises(ValueError, match=match):
        Clustered(cols=labels).codes("cols", 30)
