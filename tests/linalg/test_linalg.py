"""Triplets, shrinkage, balance and rotations against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from halfseen.linalg import (
    balance,
    optimal_shrinkage,
    procrustes,
    row_errors,
    sign_rule,
    soft_threshold,
    trim_rows,
    truncated_svd,
    varimax_criterion,
)
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.identification import to_gauge, varimax


@pytest.mark.parametrize(("shape", "k"), [((60, 40), 5), ((40, 60), 5), ((30, 4), 4), ((4, 30), 3), ((10, 10), 10)])
def test_leading_triplets_are_those_of_the_dense_svd(shape, k):
    matrix = random_array(shape, density=0.4, rng=np.random.default_rng(0), format="csr")
    U, s, Vt = truncated_svd(matrix, k, np.random.default_rng(1))
    want = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(s, want[1][:k], rtol=1e-8, atol=1e-10)
    best = (want[0][:, :k] * want[1][:k]) @ want[2][:k]
    np.testing.assert_allclose((U * s) @ Vt, best, atol=1e-7)


def test_a_matrix_of_zeros_has_triplets_too():
    U, s, Vt = truncated_svd(csr_array((30, 20)), 3, np.random.default_rng(0))
    assert not s.any()
    np.testing.assert_array_equal(U.T @ U, np.eye(3))
    np.testing.assert_array_equal(Vt @ Vt.T, np.eye(3))


def test_a_threshold_that_would_kill_all_keeps_as_many_as_asked():
    kept = soft_threshold(np.array([3.0, 2.0, 1.0]), 10.0, keep=2)
    assert np.count_nonzero(kept) == 2
    assert np.all(np.diff(kept) <= 0)


def test_optimal_shrinkage_beats_every_constant_threshold():
    rng, n, p = np.random.default_rng(0), 300, 200
    signal = 3.0 * rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)) / 4
    U, s, Vt = np.linalg.svd(signal + rng.normal(size=(n, p)), full_matrices=False)
    error = np.linalg.norm((U * optimal_shrinkage(s, n, p, 1.0)) @ Vt - signal)
    edge = np.sqrt(n) + np.sqrt(p)
    assert all(error < np.linalg.norm((U * soft_threshold(s, c * edge)) @ Vt - signal) for c in (0.5, 1.0, 1.2))
    assert error < np.linalg.norm((U * (s > edge) * s) @ Vt - signal)


@given(st.integers(0, 10_000), st.floats(0.1, 10.0), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_balance_keeps_the_product_and_sets_the_scales(seed, rho, r):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(12, r)), rng.normal(size=(9, r)) * 3
    A, B, s = balance(X, Y, rho)
    np.testing.assert_allclose(A @ B.T, X @ Y.T, atol=1e-10)
    np.testing.assert_allclose(A.T @ A, rho * B.T @ B, atol=1e-9 * max(1.0, s[0]))
    np.testing.assert_allclose(s, np.linalg.svd(X @ Y.T)[1][:r], rtol=1e-9, atol=1e-9)
    assert np.all(B.sum(axis=0) >= -1e-12)
    assert np.all(sign_rule(B) == 1)


@given(st.integers(0, 10_000), st.sampled_from([None, "varimax"]))
@settings(max_examples=30, deadline=None)
def test_the_gauge_keeps_the_predictor_and_does_not_move_twice(seed, rotation):
    rng = np.random.default_rng(seed)
    start = FactorPoint(rng.normal(size=7), rng.normal(size=(11, 3)) + 2, rng.normal(size=(7, 3)))
    every = slice(None)
    once = to_gauge(start, 2.0, rotation)
    np.testing.assert_allclose(once.block(every, every), start.block(every, every), atol=1e-10)
    assert np.abs(once.rows.sum(axis=0)).max() < 1e-10
    np.testing.assert_allclose(once.rows.T @ once.rows, 2.0 * once.cols.T @ once.cols, atol=1e-9)
    twice = to_gauge(once, 2.0, rotation)
    np.testing.assert_allclose(twice.rows, once.rows, atol=1e-6)


def test_varimax_agrees_with_a_search_over_angles():
    rng = np.random.default_rng(0)
    simple = np.zeros((40, 2))
    simple[:20, 0], simple[20:, 1] = rng.uniform(1, 2, 20), rng.uniform(0.5, 1.5, 20)
    angle = 0.4
    Y = simple @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = Y @ varimax(Y)
    grid = [
        varimax_criterion(Y @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]))
        for t in np.linspace(0, np.pi / 2, 2001)
    ]
    assert varimax_criterion(turned) >= max(grid) * (1 - 1e-9)
    np.testing.assert_allclose(np.abs(turned), simple, atol=1e-6)


def test_procrustes_finds_the_rotation_and_row_errors_ignore_it():
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(20, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.testing.assert_allclose(procrustes(X, X @ Q), Q, atol=1e-10)
    moved = X @ Q
    moved[4] += [3.0, 0.0, 0.0]
    assert int(np.argmax(row_errors(X, moved))) == 4


def test_trimming_shortens_long_rows_only():
    X = np.vstack([np.eye(2), [[30.0, 40.0]]])
    trimmed = trim_rows(X, 1.0)
    rms = np.sqrt(np.mean(np.sum(X**2, axis=1)))
    assert np.array_equal(trimmed[:2], X[:2])
    assert np.linalg.norm(trimmed[2]) == pytest.approx(rms)
    assert trimmed[2] @ X[2] == pytest.approx(rms * 50)
