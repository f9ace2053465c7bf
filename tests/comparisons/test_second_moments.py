"""The methods that one-sided completion is compared with."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.comparisons import alternating_gradient, nuclear_norm_pairs
from moment_truth import factor_rows, seen


def test_nuclear_norm_solves_its_problem():
    """Optimality: the residual on the pairs is the penalty's subgradient, VV' on the range and at most one beyond."""
    rng = np.random.default_rng(0)
    L = rng.normal(size=(15, 2))
    i, j = np.triu_indices(15)
    keep = rng.random(len(i)) < 0.7
    i, j = i[keep], j[keep]
    values = (L @ L.T)[i, j] + 0.1 * rng.normal(size=len(i))
    penalty = 1.5
    found = nuclear_norm_pairs((i, j), values, 15, penalty, largest_rank=15, max_iter=3000, tol=1e-13)
    rest = np.zeros((15, 15))
    rest[i, j] = rest[j, i] = values - found.table()[i, j]
    U = np.linalg.svd(found.factor, full_matrices=False)[0]
    np.testing.assert_allclose(rest @ U, penalty * U, atol=1e-3)
    P = np.eye(15) - U @ U.T
    assert np.linalg.eigvalsh(P @ rest @ P)[-1] <= penalty + 1e-3


@pytest.mark.slow
def test_nuclear_norm_completes_pairs_never_seen():
    rng = np.random.default_rng(1)
    L = rng.normal(size=(40, 2))
    i, j = np.triu_indices(40)
    keep = rng.random(len(i)) < 0.5
    T = L @ L.T
    found = nuclear_norm_pairs(
        (i[keep], j[keep]), T[i[keep], j[keep]], 40, 0.05, largest_rank=10, max_iter=2000
    ).table()
    assert np.linalg.norm(found - T) < 0.05 * np.linalg.norm(T)
    assert nuclear_norm_pairs((i, j), T[i, j], 40, 1e6).factor.shape == (40, 0)


def test_alternating_gradient_is_the_second_moment_of_the_completed_table():
    rng = np.random.default_rng(2)
    M, _ = factor_rows(300, 20, 2, rng)
    found = alternating_gradient(seen(M, 0.6, rng), 2, max_iter=600, random_state=0)
    T = M.T @ M / 300
    assert np.linalg.norm(found.table() - T) < 0.02 * np.linalg.norm(T)
    assert found.n_iter == 600


def test_their_settings_are_checked():
    with pytest.raises(ValueError, match="rank=0 is not allowed"):
        alternating_gradient(hs.Observed.from_dense(np.ones((3, 3))), 0)
    with pytest.raises(ValueError, match=r"penalty=-1\.0 is not allowed"):
        nuclear_norm_pairs((np.array([0]), np.array([0])), np.ones(1), 1, -1.0)
