"""One-class tables: exact alternating sweeps, lists without what was seen, floors on ratings, what is pointed there."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.inductive.one_class import GramSweeps, turned


@pytest.fixture(scope="module")
def likes():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    return np.where((groups[0][:, None] == groups[1]) & (rng.random((60, 40)) < 0.7), 1.0, np.nan)


def naive_rows(table, Y, beta, penalty):
    """Row by row, all cells: seen ones near 1, unseen ones near 0 with weight beta."""
    seen = ~np.isnan(table)
    X = np.zeros((len(table), Y.shape[1]))
    for i in range(len(table)):
        weights = np.where(seen[i], 1.0, beta)
        own = penalty * (seen[i].sum() + beta * table.shape[1])
        X[i] = np.linalg.solve((Y.T * weights) @ Y + own * np.eye(Y.shape[1]), Y[seen[i]].sum(axis=0))
    return X


def naive_objective(table, X, Y, beta, penalty):
    seen, m = ~np.isnan(table), X @ Y.T
    loss = np.sum((m - 1.0)[seen] ** 2) + beta * np.sum(m[~seen] ** 2)
    for part, counts, other in ((X, seen.sum(1), table.shape[1]), (Y, seen.sum(0), len(table))):
        loss += penalty * np.sum((counts + beta * other)[:, None] * part**2)
    return 0.5 * loss


def test_a_sweep_solves_rows_and_then_columns_exactly(likes):
    rng = np.random.default_rng(1)
    Y = rng.normal(size=(40, 4))
    sweep = GramSweeps(hs.Observed.from_dense(likes), 4, 0.2, 0.05)
    result = sweep((np.zeros((60, 4)), Y))
    X = naive_rows(likes, Y, 0.2, 0.05)
    np.testing.assert_allclose(result.params[0], X, rtol=1e-8, atol=1e-10)
    Y = naive_rows(likes.T, X, 0.2, 0.05)
    np.testing.assert_allclose(result.params[1], Y, rtol=1e-8, atol=1e-10)
    assert result.value == pytest.approx(naive_objective(likes, X, Y, 0.2, 0.05), rel=1e-10)


def test_the_objective_falls_and_new_rows_are_solved_like_fitted_ones(likes):
    model = hs.InductiveCompletion(family="one_class", random_state=0).fit(likes)
    assert model.rank_ == 40
    assert np.all(np.diff(model.run_.trace.value) <= 1e-9)
    new = model.predict(likes[:5])
    X = naive_rows(likes[:5], model.col_factors_, 0.1, model.penalty_)
    np.testing.assert_allclose(new, X @ model.col_factors_.T, atol=1e-8)


def test_lists_leave_out_what_was_seen_at_the_fit(likes):
    model = hs.InductiveCompletion(4, family="one_class", random_state=0).fit(likes)
    found = model.rank_columns([3, 7], 40)
    for place, row in enumerate((3, 7)):
        shown = found.cols[place][np.isfinite(found.scores[place])]
        assert set(shown) == set(np.flatnonzero(np.isnan(likes[row])))
    everything = model.rank_columns([3, 7], 40, seen=False)
    assert np.isfinite(everything.scores).all()


def test_lists_of_a_wide_table_never_hold_all_cells():
    rng = np.random.default_rng(0)
    n = p = 100_000  # 10^10 cells: 80 GB, were they made
    i, j = rng.integers(0, n, 3000), rng.integers(0, p, 3000)
    R = hs.Observed.from_triplets(i, j, np.ones(3000), shape=(n, p), duplicates="mean")
    model = hs.InductiveCompletion(2, family="one_class", max_iter=1, random_state=0).fit(R)
    assert model.rank_columns([0, 1], 3).cols.shape == (2, 3)


def test_a_turn_makes_the_sum_of_squared_weights_the_weighted_size_of_predictors():
    rng = np.random.default_rng(0)
    F, weights = rng.normal(size=(50, 3)) * [1.0, 5.0, 0.2], rng.random(50) + 0.5
    X, turn = turned(F, 50, weights, 20.0, True)
    np.testing.assert_allclose(np.c_[F, np.ones(50)] @ turn, X)
    wide = np.c_[F / np.sqrt(np.mean(np.sum(F**2, axis=1))), np.ones(50)]
    before = np.linalg.eigvalsh((wide * weights[:, None]).T @ wide / 20.0)
    after = np.linalg.eigvalsh((X * weights[:, None]).T @ X / 20.0)
    np.testing.assert_allclose(after, before / (before + 0.1 * before.mean()))


def test_features_of_a_one_class_table_may_have_any_unit(likes):
    rng = np.random.default_rng(0)
    F, G = np.nan_to_num(likes) @ rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    fit = lambda F: hs.InductiveCompletion(3, family="one_class", tol=1e-12, random_state=0).fit(  # noqa: E731
        likes, row_features=F, col_features=G
    )
    model, scaled = fit(F), fit(1e4 * F)
    np.testing.assert_allclose(scaled.predict_table(1e4 * F, G), model.predict_table(F, G), atol=1e-4)
    np.testing.assert_allclose(model.predict_table(F, G), model.predict_table(), atol=1e-9)
    left, right = F @ model.row_weights_ + model.row_intercept_, G @ model.col_weights_ + model.col_intercept_
    np.testing.assert_allclose(left @ right.T, model.predict_table(), atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*fall into 3 groups")
@pytest.mark.parametrize("make", [hs.AlternatingLeastSquares, hs.SoftImpute, hs.ColumnMean, hs.TwoStepSVD, hs.COBE])
def test_a_table_of_ones_is_pointed_to_the_one_class_model(likes, make):
    with pytest.warns(UserWarning, match="every seen cell is 1: .*family='one_class'"):
        make().fit(likes)


@pytest.mark.filterwarnings("ignore:every seen cell is 1")
def test_one_sided_completion_refuses_ones_and_names_the_one_class_model(likes):
    with pytest.raises(ValueError, match=r"entries are 1: .*family='one_class'"):
        hs.OneSidedCompletion().fit(likes)


def test_a_full_table_of_ones_is_pointed_nowhere():
    hs.ColumnMean().fit(np.ones((6, 5)))


@pytest.fixture(scope="module")
def positives():
    """MovieLens-100k, ratings of 4 and 5, a fifth held out; a user's held-out films and the films it had."""
    path = hs.datasets.data_home() / "ml-100k" / "u.data"
    if not path.is_file():
        pytest.skip("ml-100k is not in the data folder; set HALFSEEN_DATA")
    given = np.loadtxt(path, dtype=int)
    i, j = (given[given[:, 2] >= 4][:, k] - 1 for k in (0, 1))
    held = np.random.default_rng(11).random(len(i)) < 0.2
    relevant, known = np.zeros((943, 1682), dtype=bool), np.zeros((943, 1682), dtype=bool)
    relevant[i[held], j[held]], known[i[~held], j[~held]] = True, True
    R = hs.Observed.from_triplets(i[~held], j[~held], np.ones(int((~held).sum())), shape=relevant.shape)
    return R, relevant, known


def recall_and_ndcg(scores, relevant, known):
    """At 20; recall over what could be among 20."""
    table = np.where(known, -np.inf, scores)
    hits = np.take_along_axis(relevant, np.argsort(-table, axis=1)[:, :20], axis=1).sum(axis=1)
    counts = relevant.sum(axis=1)
    recall = np.mean(hits[counts > 0] / np.minimum(counts[counts > 0], 20))
    return recall, hs.metrics.ndcg_at(relevant, scores, 20, known)


@pytest.mark.slow
@pytest.mark.data
def test_defaults_reach_the_floor_on_ratings(positives):
    R, relevant, known = positives
    model = hs.InductiveCompletion(family="one_class", random_state=0).fit(R)
    recall, ndcg = recall_and_ndcg(model.predict_table(), relevant, known)
    assert recall >= 0.385
    assert ndcg >= 0.325
    ease = recall_and_ndcg(hs.comparisons.EASE().fit(R).predict_table(), relevant, known)
    neighbours = recall_and_ndcg(hs.comparisons.ItemNeighbours().fit(R).predict_table(), relevant, known)
    assert ease[0] == pytest.approx(0.385, abs=0.01)
    assert ease[1] == pytest.approx(0.330, abs=0.01)
    assert 0.25 < neighbours[0] < ease[0]


def test_held_out_cells_ask_for_a_larger_penalty_where_rows_differ_little():
    from halfseen.methods.inductive.one_class_penalty import held_lists

    rng = np.random.default_rng(0)
    tastes = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 300)) / np.sqrt(8)
    likes = rng.random((400, 300)) < 1.0 / (1.0 + np.exp(2.0 - rng.normal(size=300) - 0.6 * tastes))
    seen = likes & (rng.random(likes.shape) < 0.8)
    table = np.where(seen, 1.0, np.nan)

    def listed(**given):
        model = hs.InductiveCompletion(16, family="one_class", random_state=0, **given).fit(table)
        return hs.metrics.ndcg_at(likes & ~seen, model.row_factors_ @ model.col_factors_.T, 20, seen), model.penalty_

    (chosen, penalty), (usual, _) = listed(), listed(penalty=0.03)
    assert penalty == 0.1
    assert chosen > 1.1 * usual
    lists = held_lists(hs.Observed.from_dense(table), np.random.default_rng(0))
    assert not np.any(lists.held & lists.known)
    assert lists.train.n_entries + lists.held.sum() == seen.sum()


def test_a_table_with_too_few_rows_to_spare_keeps_the_usual_penalty(likes):
    assert hs.InductiveCompletion(4, family="one_class", random_state=0).fit(likes[:40]).penalty_ == 0.03
