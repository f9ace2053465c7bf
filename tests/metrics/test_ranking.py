"""Ranks, precision and recall against scikit-learn and plain counting; partitions against all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, rand_score, roc_auc_score

from halfseen.metrics import (
    average_precision,
    pair_error,
    precision_recall,
    rank_cdf,
    recall_at,
    relevant_ranks,
    roc_auc,
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
