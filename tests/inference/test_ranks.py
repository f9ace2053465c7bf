"""Rank intervals against definitions written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.inference import (
    dense_pair_maximum,
    drawn_rank_intervals,
    independent_pairs,
    pair_maximum,
    printed_rank_intervals,
    rank_intervals,
    tie_groups,
)


def naive_maximum(draw, s):
    pairs = [(i, k) for i in range(len(s)) for k in range(i)]
    return max(abs(draw[i] - draw[k]) / np.hypot(s[i], s[k]) for i, k in pairs)


@pytest.mark.parametrize("n", [2, 3, 7, 60, 101])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.5])
def test_the_pruned_maximum_is_that_over_all_pairs(n, spread):
    rng = np.random.default_rng(n)
    s = np.exp(spread * rng.normal(size=n))
    D = s * rng.normal(size=(5, n))
    expected = [naive_maximum(draw, s) for draw in D]
    np.testing.assert_allclose(pair_maximum(D, s), expected, rtol=1e-12)
    np.testing.assert_allclose(dense_pair_maximum(D, independent_pairs(s)), expected, rtol=1e-12)


def test_one_item_has_no_pairs():
    assert pair_maximum(np.zeros((3, 1)), np.ones(1)).tolist() == [0.0, 0.0, 0.0]


def test_rank_intervals_count_the_surely_better_and_worse():
    rng = np.random.default_rng(0)
    x, s, q = rng.normal(size=40), rng.uniform(0.1, 0.4, 40), 1.7
    found = rank_intervals(x, independent_pairs(s), q)
    for i in range(40):
        margin = q * np.hypot(s, s[i])
        assert found.low[i] == 1 + sum(x[k] - x[i] > margin[k] for k in range(40))
        assert found.high[i] == 40 - sum(x[i] - x[k] > margin[k] for k in range(40))
    assert np.all((found.low <= found.estimate) & (found.estimate <= found.high))


def test_the_printed_rule_counts_the_intervals_that_meet():
    rng = np.random.default_rng(1)
    x, s, q = rng.normal(size=50), rng.uniform(0.05, 0.2, 50), 1.5
    found = printed_rank_intervals(x, s, q)
    low, high = x - q * np.sqrt(2) * s, x + q * np.sqrt(2) * s
    for i in range(50):
        meets = (low <= high[i]) & (low[i] <= high)
        assert found.high[i] - found.low[i] + 1 == meets.sum()
    pairwise = rank_intervals(x, independent_pairs(s), q)
    assert np.all(found.low <= pairwise.low)
    assert np.all(found.high >= pairwise.high)


def test_with_no_noise_ranks_are_known_and_with_much_nothing_is():
    x = np.array([3.0, 1.0, 2.0])
    sure, open_ = (rank_intervals(x, independent_pairs(np.full(3, s)), 2.0) for s in (1e-9, np.inf))
    assert sure.low.tolist() == sure.high.tolist() == [1, 3, 2]
    assert (open_.low.tolist(), open_.high.tolist()) == ([1, 1, 1], [3, 3, 3])


def test_tiers_begin_where_an_item_differs_from_the_tiers_first():
    x = np.array([1.0, 5.0, 4.5, 0.9, 3.9, 1.1])
    group, ranks = tie_groups(x, independent_pairs(np.full(6, 0.5)), np.sqrt(2.0))  # differs beyond 1.0
    assert group.tolist() == [3, 1, 1, 3, 2, 3]
    assert ranks.low.tolist() == [4, 1, 1, 4, 3, 4]
    assert ranks.high.tolist() == [6, 2, 2, 6, 3, 6]
    assert ranks.estimate.tolist() == [5, 1, 2, 6, 3, 4]


def test_simultaneous_ranks_cover_all_true_ranks_at_once():
    """200 repetitions at level .9: the share that cover everything is at least .9 - 3 sd = .83."""
    rng = np.random.default_rng(3)
    truth, s = rng.normal(size=60), rng.uniform(0.2, 0.6, 60)
    q = np.quantile(pair_maximum(s * rng.normal(size=(1000, 60)), s), 0.9)
    rank = np.argsort(np.argsort(-truth)) + 1
    hits = []
    for _ in range(200):
        found = rank_intervals(truth + s * rng.normal(size=60), independent_pairs(s), q)
        hits.append(np.all((found.low <= rank) & (rank <= found.high)))
    assert np.mean(hits) >= 0.83


def test_drawn_ranks_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(40):
        truth, root = rng.normal(size=12), 0.5 * rng.normal(size=(12, 12)) / np.sqrt(12)
        estimate = truth + root @ rng.normal(size=12)
        # a flat prior: errors of the estimate and of the truth given the estimate are the same
        found, spread = drawn_rank_intervals(estimate, rng.normal(size=(400, 12)) @ root.T, 0.9)
        true = np.argsort(np.argsort(-truth)) + 1
        inside.append((found.low <= true) & (true <= found.high))
        assert np.all(spread >= 0)
    # 480 ranks; neighbours are dependent
    assert 0.85 < np.mean(inside) < 1.0


def test_drawn_ranks_without_errors_are_the_ranks():
    found, spread = drawn_rank_intervals(np.array([0.1, 3.0, 2.0]), np.zeros((50, 3)), 0.95)
    assert found.low.tolist() == found.high.tolist() == found.estimate.tolist() == [3, 1, 2]
    assert spread.tolist() == [0, 0, 0]


def test_shared_errors_do_not_move_ranks():
    errors = np.random.default_rng(0).normal(size=(200, 1)) * np.ones(3)
    found, _ = drawn_rank_intervals(np.array([3.0, 2.0, 1.0]), errors, 0.95)
    assert found.low.tolist() == found.high.tolist() == [1, 2, 3]


SCORES = np.array([0.9, 0.7, 0.7, 0.7, 0.5, 0.5, 0.1])


@pytest.mark.parametrize("se", [0.0, 0.05, 0.2])
def test_equal_scores_share_their_rank_interval_whatever_the_order_of_rows(se):
    rng = np.random.default_rng(3)
    sizes = se * rng.uniform(0.5, 1.5, len(SCORES))
    errors = rng.normal(size=(500, len(SCORES))) * sizes
    for order in (np.arange(7), rng.permutation(7), np.arange(7)[::-1]):
        x, s = SCORES[order], sizes[order]
        by_rule = rank_intervals(x, independent_pairs(s), 1.96)
        by_draws, _ = drawn_rank_intervals(x, errors[:, order], 0.95)
        group, tiers = tie_groups(x, independent_pairs(s), 1.96)
        for ranks in (by_rule, by_draws, tiers):
            back = np.argsort(order)
            for name in ("estimate", "low", "high"):
                shared = getattr(ranks, name)[back]
                assert len(set(shared[1:4].tolist())) == 1
                assert len(set(shared[4:6].tolist())) == 1
        assert len(set(group[np.argsort(order)][1:4].tolist())) == 1


def test_exact_ties_without_errors_take_all_their_places():
    ranks = rank_intervals(SCORES, independent_pairs(np.zeros(7)), 1.96)
    assert ranks.low.tolist() == [1, 2, 2, 2, 5, 5, 7]
    assert ranks.high.tolist() == [1, 4, 4, 4, 6, 6, 7]
    drawn, spread = drawn_rank_intervals(SCORES, np.zeros((10, 7)), 0.95)
    assert drawn.low.tolist() == ranks.low.tolist()
    assert drawn.high.tolist() == ranks.high.tolist()
    assert spread.tolist() == [0.0] * 7
