"""Shared subspaces, their gauge and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from halfseen.linalg import joint_basis, leading_left, misalignment, polar, projection_error
from halfseen.linalg.subspace import GRAM_SIDE, balancing, sketched_left


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (GRAM_SIDE + 20, GRAM_SIDE + 50)])
def test_leading_left_agrees_with_the_whole_svd(shape):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1])) * 3 + rng.normal(size=shape)
    U, s, _ = np.linalg.svd(table, full_matrices=False)
    for kind in (table, sp.csr_array(table)):
        mine, sizes = leading_left(kind, 3, rng)
        np.testing.assert_allclose(sizes, s[:3], rtol=1e-7)
        np.testing.assert_allclose(mine @ mine.T, U[:, :3] @ U[:, :3].T, atol=1e-6)


def test_leading_left_is_exact_for_low_rank_tables_of_condition_1000():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(40, 3)))[0]
    table = Q @ np.diag([1.0, 0.03, 0.001]) @ np.linalg.qr(rng.normal(size=(50, 3)))[0].T
    assert projection_error(leading_left(table, 3, rng)[0], Q) < 1e-22


def test_a_table_of_zeros_has_some_basis():
    U, s = leading_left(np.zeros((5, 4)), 2, np.random.default_rng(0))
    assert U.shape == (5, 2)
    assert not s.any()


def test_the_joint_basis_is_what_all_bases_hold():
    rng = np.random.default_rng(0)
    common = np.linalg.qr(rng.normal(size=(20, 2)))[0]
    bases = [np.linalg.qr(np.hstack([common, rng.normal(size=(20, 3))]))[0] for _ in range(5)]
    found, shares = joint_basis(bases, 2)
    assert projection_error(found, common) < 1e-25
    np.testing.assert_allclose(shares[:2], 1.0)
    assert shares[2] < 0.95


def test_the_misalignment_is_its_definition():
    rng = np.random.default_rng(0)
    bases = [np.linalg.qr(rng.normal(size=(10, 2)))[0] for _ in range(4)]
    mean = sum(basis @ basis.T for basis in bases) / 4
    assert misalignment(bases) == pytest.approx(1 - np.linalg.eigvalsh(mean)[-1])
    assert misalignment([bases[0]] * 3) == pytest.approx(0.0, abs=1e-12)
    assert misalignment([np.zeros((5, 0))]) == 1.0


def test_the_projection_error_is_that_of_the_projections_and_reaches_below_rounding():
    rng = np.random.default_rng(0)
    U, W = rng.normal(size=(2, 12, 3))
    P, Q = (A @ np.linalg.pinv(A) for A in (U, W))
    assert projection_error(U, W) == pytest.approx(np.sum((P - Q) ** 2))
    assert projection_error(U @ rng.normal(size=(3, 3)), U) < 1e-25
    with pytest.raises(ValueError, match="both need the same"):
        projection_error(U, W[:, :2])


def test_the_polar_factor_is_the_nearest_orthonormal_matrix():
    rng = np.random.default_rng(0)
    U = rng.normal(size=(8, 3))
    near = polar(U)
    np.testing.assert_allclose(near.T @ near, np.eye(3), atol=1e-12)
    others = (np.linalg.qr(near + 0.1 * rng.normal(size=(8, 3)))[0] for _ in range(30))
    assert all(np.linalg.norm(U - near) <= np.linalg.norm(U - polar(other)) for other in others)


def test_balancing_keeps_the_product_and_makes_both_sides_equal():
    rng = np.random.default_rng(0)
    U, V = 5 * rng.normal(size=(9, 3)), 0.1 * rng.normal(size=(7, 3))
    turn, back = balancing(U.T @ U, V.T @ V)
    A, B = U @ turn, V @ back
    np.testing.assert_allclose(A @ B.T, U @ V.T, atol=1e-12)
    np.testing.assert_allclose(A.T @ A, B.T @ B, atol=1e-10)
    assert 0.5 * (np.sum(A**2) + np.sum(B**2)) == pytest.approx(np.linalg.norm(U @ V.T, "nuc"))


def test_balancing_survives_an_empty_direction():
    turn, back = balancing(np.diag([1.0, 1.0]), np.diag([1.0, 0.0]))
    assert np.isfinite(turn).all()
    assert np.isfinite(back).all()


def sketch(matrix, rank, rng):
    return sketched_left(matrix.shape, lambda X: matrix @ X, lambda Y: matrix.T @ Y, rank, rng)


def test_a_sketch_is_exact_for_low_rank_and_near_for_noisy_tables():
    rng = np.random.default_rng(0)
    low = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40))
    U, s = sketch(low, 3, rng)
    truth, sizes, _ = np.linalg.svd(low, full_matrices=False)
    assert projection_error(U, truth[:, :3]) < 1e-24
    np.testing.assert_allclose(s, sizes[:3])
    noisy = low + rng.normal(size=low.shape)
    best = np.linalg.svd(noisy, full_matrices=False)[0][:, :3]
    assert projection_error(sketch(noisy, 3, rng)[0], best) < 1e-3


def test_directions_in_common_are_the_same_from_few_bases_and_from_many():
    rng = np.random.default_rng(0)
    common = np.linalg.qr(rng.normal(size=(12, 2)))[0]
    bases = [np.linalg.qr(np.hstack([common, rng.normal(size=(12, 2))]))[0] for _ in range(7)]
    few, many = joint_basis(bases[:6], 2), joint_basis(bases, 2)  # 24 columns for 12 rows, and 28
    side = np.hstack(bases)
    np.testing.assert_allclose(many[1], np.linalg.svd(side, compute_uv=False) ** 2 / 7, atol=1e-14)
    for basis, shares in (few, many):
        assert projection_error(basis, common) < 1e-26
        np.testing.assert_allclose(shares[:2], 1.0)
