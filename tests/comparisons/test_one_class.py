"""Baselines of one-class completion against scikit-learn, plain sums and the large linear system."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

import halfseen as hs
from halfseen.methods.comparisons import KronRidge, NeighbourProfile, Popularity, RowKernelRidge


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    A = (rng.random((12, 9)) < 0.3).astype(float)
    sides = [rng.normal(size=(n, 5)) for n in (12, 9, 4)]
    K, G = (side @ side.T for side in sides[:2])
    return A, hs.Observed.from_dense(np.where(A > 0, A, np.nan)), K, G, sides[2] @ sides[0].T


def test_popularity_is_the_share_of_rows(known):
    A, R, _, _, new = known
    np.testing.assert_allclose(Popularity().fit(R).predict_table(new), np.tile(A.mean(axis=0), (4, 1)))


def test_row_ridge_is_that_of_scikit_learn(known):
    A, R, K, _, new = known
    other = KernelRidge(alpha=0.7, kernel="precomputed").fit(K, A)
    ours = RowKernelRidge(0.7).fit(R, row_kernel=K)
    np.testing.assert_allclose(ours.predict_table(new), other.predict(new), atol=1e-10)
    np.testing.assert_allclose(ours.predict_table(), other.predict(K), atol=1e-10)


def test_kron_ridge_solves_the_system_of_all_cells(known):
    A, R, K, G, new = known
    C = np.linalg.solve(np.kron(K, G) + 0.5 * np.eye(A.size), A.ravel()).reshape(A.shape)
    ours = KronRidge(0.5).fit(R, row_kernel=K, col_kernel=G)
    np.testing.assert_allclose(ours.predict_table(new), new @ C @ G, atol=1e-8)


def test_neighbours_are_averaged_by_similarity(known):
    A, R, _, _, _ = known
    S = np.random.default_rng(1).random((3, 12))
    ours = NeighbourProfile(2).fit(R, row_kernel=np.eye(12)).predict_table(S)
    for i in range(3):
        near = np.argsort(-S[i])[:2]
        np.testing.assert_allclose(ours[i], S[i, near] @ A[near] / S[i, near].sum())


def test_asymmetric_kernels_are_made_symmetric(known):
    _, R, K, _, new = known
    skew = K + np.triu(np.ones_like(K), 1) - np.tril(np.ones_like(K), -1)
    ours = [RowKernelRidge(0.7).fit(R, row_kernel=one).predict_table(new) for one in (K, skew)]
    np.testing.assert_allclose(*ours)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda R, K, G: RowKernelRidge().fit(R), "give row_kernel"),
        (lambda R, K, G: KronRidge().fit(R, row_kernel=K), "give col_kernel"),
        (lambda R, K, G: RowKernelRidge().fit(R, row_kernel=G), r"row_kernel has shape \(9, 9\)"),
        (lambda R, K, G: RowKernelRidge(-1.0).fit(R, row_kernel=K), "penalty=-1.0 is not allowed"),
        (lambda R, K, G: NeighbourProfile(0).fit(R, row_kernel=K), "n_neighbours"),
        (lambda R, K, G: RowKernelRidge().fit(R, row_kernel=K).predict_table(np.ones((2, 5))), "12 training rows"),
        (
            lambda R, K, G: Popularity().fit(hs.Observed.from_triplets([0], [0], [1.0], shape=(10**5, 10**4))),
            "holds all of them",
        ),
    ],
)
def test_what_does_not_fit_is_refused(known, fit, message):
    _, R, K, G, _ = known
    with pytest.raises(ValueError, match=message):
        fit(R, K, G)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Popularity, NeighbourProfile, RowKernelRidge, KronRidge])
def test_they_are_saved_and_loaded_in_a_process_that_has_not_seen_them(known, kind, tmp_path):
    _, R, K, G, _ = known
    model = kind().fit(R, row_kernel=K, col_kernel=G)
    hs.save(model, tmp_path / "model.safetensors")
    np.save(tmp_path / "scores.npy", model.predict_table())
    code = (
        "import sys, numpy as np, halfseen as hs\n"
        "model = hs.load(sys.argv[1] + '/model.safetensors')\n"
        "np.testing.assert_array_equal(model.predict_table(), np.load(sys.argv[1] + '/scores.npy'))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert getattr(hs.comparisons, kind.__name__) is kind
