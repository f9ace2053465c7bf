"""Features from similarities: their products, new rows, negative eigenvalues, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import KernelPCA
from sklearn.metrics.pairwise import rbf_kernel

import halfseen as hs


def test_features_are_the_components_of_scikit_learn_where_the_kernel_is_centred():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(40, 3)), rng.normal(size=(5, 3))
    K, cross = rbf_kernel(X), rbf_kernel(new, X)
    means, total = K.mean(axis=0), K.mean()
    F = hs.SimilarityFeatures(K - means - means[:, None] + total, rank=4)
    other = KernelPCA(4, kernel="precomputed").fit(K)
    signs = np.sign(np.sum(F.matrix * other.transform(K), axis=0))
    np.testing.assert_allclose(F.matrix * signs, other.transform(K), atol=1e-8)
    centred = cross - means - cross.mean(axis=1, keepdims=True) + total
    np.testing.assert_allclose(F.of(centred) * signs, other.transform(cross), atol=1e-8)


def test_old_rows_as_new_ones_get_their_own_features():
    K = rbf_kernel(np.random.default_rng(0).normal(size=(30, 2)))
    F = hs.SimilarityFeatures(K, share=0.9)
    assert F.eigenvalues.sum() / np.trace(K) >= 0.9 > F.eigenvalues[:-1].sum() / np.trace(K)
    np.testing.assert_allclose(F.of(K), F.matrix, atol=1e-10)


def test_negative_eigenvalues_are_left_out_and_said():
    K = np.eye(6) + 0.0
    K[0, 1] = K[1, 0] = 1.5  # more alike than an inner product allows: an eigenvalue of -.5
    with pytest.warns(UserWarning, match="7.1 % of the eigenvalues' sizes are negative"):
        F = hs.SimilarityFeatures(K, share=1.0)
    assert F.negative_share == pytest.approx(0.5 / 7.0)
    assert F.matrix.shape == (6, 5)


def test_a_model_takes_them_by_label_and_predicts_new_rows():
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(50, 2)), np.array([f"d{k:02}" for k in range(40)])
    truth = X @ rng.normal(size=(2, 12))
    K = X @ X.T
    i, j = np.nonzero(rng.random((40, 12)) < 0.7)
    R = hs.Observed.from_triplets(i, j, truth[i, j], shape=(40, 12), row_labels=names)
    order = rng.permutation(40)
    F = hs.SimilarityFeatures(K[np.ix_(order, order)], rank=2, labels=names[order])
    model = hs.InductiveCompletion(2, "linear", penalty=1e-8, tol=1e-12, random_state=0).fit(R, row_features=F)
    got = model.predict_table(F.of(K[40:, :40][:, order]))
    np.testing.assert_allclose(got, truth[40:], atol=1e-2 * truth.std())


@pytest.mark.parametrize(
    ("K", "more", "message"),
    [
        (np.ones((3, 2)), {}, r"shape \(3, 2\)"),
        ([[1.0, np.nan], [0.0, 1.0]], {}, "1 missing or infinite entries, first at 0, 1"),
        ([[1.0, 0.9], [0.1, 1.0]], {}, "not symmetric"),
        (-np.eye(3), {}, "no positive eigenvalue"),
        (np.eye(3), {"rank": 2, "share": 0.5}, "one of them"),
        (np.eye(3), {"share": 1.5}, "share=1.5"),
        (np.eye(3), {"rank": 0}, "rank=0"),
    ],
)
def test_what_is_no_similarity_is_refused(K, more, message):
    with pytest.raises(ValueError, match=message):
        hs.SimilarityFeatures(K, **more)
