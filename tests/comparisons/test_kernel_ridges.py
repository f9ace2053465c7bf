"""Kernel ridges by features and similarities: the same as by kernels, new lines, lists, refusals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import halfseen as hs
from halfseen.methods.comparisons import KronRidge, RowKernelRidge

PEOPLE, THINGS = [f"p{i}" for i in range(14)], [f"t{j}" for j in range(9)]


@pytest.fixture(scope="module")
def world():
    """Links, features of both sides, and four new rows and three new columns."""
    rng = np.random.default_rng(0)
    F, G = rng.normal(size=(18, 5)), rng.normal(size=(12, 4))
    A = (F[:14] @ rng.normal(size=(5, 9)) > 0.5).astype(float)
    A[:, A.sum(axis=0) == 0] = 1.0
    A[A.sum(axis=1) == 0, 0] = 1.0
    i, j = np.nonzero(A)
    R = hs.Observed.from_triplets(np.array(PEOPLE)[i], np.array(THINGS)[j], np.ones(len(i)))
    rows, cols = (np.array([int(label[1:]) for label in part.tolist()]) for part in (R.row_labels, R.col_labels))
    return R, F, G, rows, cols


def named(kernel, labels, columns):
    """A frame of similarities: a line per label, a column per line of the fit."""
    return pa.table({"who": labels} | {name: kernel[:, k] for k, name in enumerate(columns)})


def test_similarity_features_stand_for_their_kernel(world):
    R, F, G, rows, cols = world
    K, L = F @ F.T, G @ G.T
    by_kernel = KronRidge(0.5).fit(R, row_kernel=K[np.ix_(rows, rows)], col_kernel=L[np.ix_(cols, cols)])
    sides = [hs.SimilarityFeatures(M[np.ix_(n, n)], share=1.0) for M, n in ((K, rows), (L, cols))]
    by_features = KronRidge(0.5).fit(R, row_features=sides[0], col_features=sides[1])
    np.testing.assert_allclose(by_features.predict_table(), by_kernel.predict_table(), atol=1e-8)
    wanted = by_kernel.predict_table(K[14:, rows], L[9:, cols])
    np.testing.assert_allclose(
        by_features.predict_table(sides[0].of(K[14:, rows]), sides[1].of(L[9:, cols])), wanted, atol=1e-8
    )
    C = by_kernel.weights_
    np.testing.assert_allclose(wanted, K[14:, rows] @ C @ L[np.ix_(cols, np.arange(9, 12))], atol=1e-10)


def test_a_frame_with_a_column_per_line_holds_similarities_in_any_order(world):
    R, F, _, rows, _ = world
    K = F @ F.T
    order = np.random.default_rng(1).permutation(14)
    frame = named(K[np.ix_(order, np.arange(14))], np.array(PEOPLE)[order], PEOPLE)
    by_frame = RowKernelRidge(0.7).fit(R, row_features=hs.SideFeatures.from_frame(frame, key="who"))
    by_kernel = RowKernelRidge(0.7).fit(R, row_kernel=K[np.ix_(rows, rows)])
    np.testing.assert_allclose(by_frame.predict_table(), by_kernel.predict_table(), atol=1e-10)
    new = named(K[14:, :14], ["n0", "n1", "n2", "n3"], PEOPLE)
    np.testing.assert_allclose(
        by_frame.predict_table(hs.SideFeatures.from_frame(new, key="who")), by_kernel.predict_table(K[14:, rows])
    )
    with pytest.raises(ValueError, match="no column 'p0'"):
        by_frame.predict_table(pa.table({"p1": [1.0]}))


def test_features_in_other_units_give_the_same_scores(world):
    R, F, _, rows, _ = world
    frames = [pa.table({f"f{k}": scale * F[rows, k] + shift for k in range(5)}) for scale, shift in ((1, 0), (1e4, 7))]
    scores = [RowKernelRidge(0.3).fit(R, row_features=frame).predict_table() for frame in frames]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    assert np.std(scores[0]) > 0.05


def test_rows_without_an_entry_are_unknown_and_not_empty(world):
    R, F, _, _, _ = world
    table = np.full((R.shape[0] + 4, R.shape[1]), np.nan)
    table[R.rows, R.cols] = 1.0
    K = F @ F.T
    everyone = RowKernelRidge(0.5).fit(table, row_features=hs.SimilarityFeatures(K, share=1.0))
    known = RowKernelRidge(0.5).fit(table[:14], row_kernel=K[:14, :14])
    np.testing.assert_allclose(everyone.predict_table()[14:], known.predict_table(K[14:, :14]), atol=1e-8)


def test_pairs_and_lists_are_of_the_table_of_scores(world):
    R, F, _, rows, _ = world
    model = RowKernelRidge(0.5).fit(R, row_features=F[rows])
    table = model.predict_table()
    assert model.predict_entries(["p3", "p5"], ["t2", "t2"]) == pytest.approx(
        [table[list(R.row_labels).index(p), list(R.col_labels).index("t2")] for p in ("p3", "p5")]
    )
    lists = model.rank_columns(["p3"], 20)
    has = set(R.col_labels[R.cols[R.rows == list(R.row_labels).index("p3")]].tolist())
    left = np.isfinite(lists.scores[0])
    assert not has & set(lists.cols[0][left].tolist())
    assert left.sum() == 9 - len(has)
    assert np.all(np.diff(lists.scores[0][left]) <= 0)
    assert np.isfinite(model.rank_columns(["p3"], 9, seen=False).scores).all()
    new = model.rank_columns(F[14:], 1)
    np.testing.assert_array_equal(new.cols[:, 0], R.col_labels[model.predict_table(F[14:]).argmax(axis=1)])


def test_what_does_not_fit_together_is_refused(world):
    R, F, G, rows, _ = world
    model = RowKernelRidge().fit(R, row_features=F[rows])
    cases = [
        (lambda: model.predict_table(None, G), "KronRidge scores new ones"),
        (lambda: model.predict_entries(["p1", "p2"], ["t1", "t2", "t3"]), "rows and cols are pairs"),
        (lambda: model.predict_entries(["nobody"], ["t1"]), "unknown row label 'nobody'"),
        (lambda: model.predict_table(kind="probabilities"), "kind must be one of"),
        (lambda: RowKernelRidge().fit(R, row_features=F[rows], row_kernel=np.eye(14)), "both row_kernel"),
        (lambda: KronRidge().fit(R, row_features=F[rows]), "give col_kernel"),
        (lambda: KronRidge().fit(R, row_features=F[rows], col_features=G), "col_features has 12 rows"),
    ]
    for refused, message in cases:
        with pytest.raises(ValueError, match=message):
            refused()


def test_a_saved_ridge_places_new_lines_alike(world, tmp_path):
    R, F, G, rows, cols = world
    model = KronRidge(0.5).fit(R, row_features=F[rows], col_features=G[cols])
    hs.save(model, tmp_path / "ridge.safetensors")
    twin = hs.load(tmp_path / "ridge.safetensors")
    np.testing.assert_array_equal(twin.predict_table(F[14:], G[9:]), model.predict_table(F[14:], G[9:]))
    np.testing.assert_array_equal(twin.rank_columns(None, 3).cols, model.rank_columns(None, 3).cols)
