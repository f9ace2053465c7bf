"""Ranks, precision and recall against scikit-learn and plain counting; partitions against all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score, precision_recall_curve, rand_score, roc_auc_score

from halfseen.metrics import (
    average_precision,
    hit_rate_at,
    map_at,
    mean_reciprocal_rank,
    ndcg_at,
    pair_error,
    precision_recall,
    rank_cdf,
    recall_at,
    relevant_ranks,
    roc_auc,
    shown_share,
)


@pytest.fixture(params=[False, True], ids=["distinct", "ties"])
def scored(request):
    rng = np.random.default_rng(0)
    score = rng.normal(size=200)
    y = rng.random(200) < 1 / (1 + np.exp(-score))
    return y, np.round(score, 1) if request.param else score


def test_area_and_average_precision_are_those_of_scikit_learn(scored):
    assert roc_auc(*scored) == pytest.approx(roc_auc_score(*scored), rel=1e-12)
    assert average_precision(*scored) == pytest.approx(average_precision_score(*scored), rel=1e-12)


def test_the_curve_is_that_of_scikit_learn_from_the_other_end(scored):
    precision, recall, thresholds = precision_recall(*scored)
    wanted = precision_recall_curve(*scored)
    for ours, theirs in zip((precision, recall, thresholds), wanted, strict=True):
        np.testing.assert_allclose(ours[::-1], theirs[: len(ours)])


def test_ranks_are_counted_among_the_candidates_of_a_row():
    rng = np.random.default_rng(1)
    y, table, known = rng.random((6, 9)) < 0.3, rng.normal(size=(6, 9)), rng.random((6, 9)) < 0.2
    y[2] = False
    naive, shares = [], []
    for i in range(6):
        places = [1 + np.sum(table[i, ~known[i]] > table[i, j]) for j in range(9) if y[i, j] and not known[i, j]]
        naive += places
        shares += [np.mean(np.array(places) <= 3)] if places else []
    np.testing.assert_array_equal(relevant_ranks(y, table, known), naive)
    assert rank_cdf(y, table, 3, known)[0] == pytest.approx(np.mean(np.array(naive) <= 3))
    assert recall_at(y, table, 3, known) == pytest.approx(np.mean(shares))


def test_equal_scores_share_a_rank():
    assert relevant_ranks([[1, 0, 0, 0]], [[0.5, 0.5, 0.5, 0.1]]).tolist() == [2.0]


def test_partitions_are_compared_on_all_pairs():
    rng = np.random.default_rng(2)
    one, two = rng.integers(0, 4, 50), rng.choice(["a", "b", "c"], 50)
    naive = [(one[i] == one[j]) != (two[i] == two[j]) for i in range(50) for j in range(i)]
    assert pair_error(one, two) == pytest.approx(np.mean(naive), rel=1e-13)
    assert pair_error(one, two) == pytest.approx(1 - rand_score(one, two), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roc_auc([1, 1], [0.1, 0.2]), "2 of 2 are relevant"),
        (lambda: roc_auc([0, 2], [0.1, 0.2]), "0 and 1"),
        (lambda: roc_auc([0, 1], [0.1, np.nan]), "1 scores are NaN"),
        (lambda: average_precision([0, 1, 1], [0.1, 0.2]), "one shape"),
        (lambda: rank_cdf([[0, 0]], [[1.0, 2.0]], 1), "no candidate is relevant"),
        (lambda: recall_at([[0, 1]], [[1.0, 2.0]], 1, [[False, True]]), "no candidate is relevant"),
        (lambda: pair_error([0], [0]), "at least 2"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def lists():
    """Relevant cells, scores without ties, cells that are no candidates; every row has a relevant candidate."""
    rng = np.random.default_rng(3)
    excluded = rng.random((30, 25)) < 0.3
    relevant = (rng.random((30, 25)) < 0.2) & ~excluded
    relevant[np.arange(30), (~excluded).argmax(axis=1)] = True
    return relevant, rng.normal(size=(30, 25)), excluded


@pytest.mark.parametrize("r", [1, 5, 40])
def test_ndcg_is_that_of_scikit_learn(lists, r):
    relevant, scores, excluded = lists
    low = np.where(excluded, scores.min() - 1.0, scores)
    assert ndcg_at(relevant, scores, r, excluded) == pytest.approx(ndcg_score(relevant, low, k=r))


def test_first_hits_are_those_of_plain_counting(lists):
    relevant, scores, excluded = lists
    rates, precisions, reciprocals, shown = [], [], [], set()
    for y, s, out in zip(relevant, scores, excluded, strict=True):
        order = [j for j in np.argsort(-s) if not out[j]]
        hits = [bool(y[j]) for j in order]
        rates.append(any(hits[:5]))
        precisions.append(sum(hits[t] * sum(hits[: t + 1]) / (t + 1) for t in range(5)) / min(sum(hits), 5))
        reciprocals.append(1 / (hits.index(True) + 1))
        shown |= set(order[:5])
    assert hit_rate_at(relevant, scores, 5, excluded) == pytest.approx(np.mean(rates))
    assert map_at(relevant, scores, 5, excluded) == pytest.approx(np.mean(precisions))
    assert mean_reciprocal_rank(relevant, scores, excluded) == pytest.approx(np.mean(reciprocals))
    assert shown_share(scores, 5, excluded) == pytest.approx(len(shown) / 25)


def test_average_precision_of_one_row_is_that_of_scikit_learn(lists):
    relevant, scores, _ = lists
    each = [average_precision_score(y, s) for y, s in zip(relevant, scores, strict=True)]
    assert map_at(relevant, scores, 25) == pytest.approx(np.mean(each))
