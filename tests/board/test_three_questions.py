"""What a board says about these questions, these again, and others of the kind."""

from __future__ import annotations

import numpy as np
import pytest
from board_logs import answers, observed, read
from scipy.stats import ttest_rel

import halfseen as hs


@pytest.fixture(scope="module")
def complete():
    return answers()


@pytest.fixture(scope="module")
def half_seen():
    return hs.Board(observed(answers(share_seen=0.5, n_questions=100)))


def test_on_a_complete_table_a_comparison_is_the_paired_test(complete):
    board = hs.Board(observed(complete))
    for a, b in ((7, 6), (5, 2), (0, 1)):
        told, paired = board.compare(f"m{a}", f"m{b}"), ttest_rel(complete[a], complete[b])
        low, high = paired.confidence_interval(0.95)
        assert np.allclose([told.low, told.high, told.p_value], [low, high, paired.pvalue], atol=1e-9)


def test_clusters_widen_the_error_as_the_naive_sum_says(complete, tmp_path):
    lines = ["model,benchmark,question,score,passage"]
    lines += [
        f"m{i},bench,{j:02d},{complete[i, j]:g},p{j // 6}"
        for i in range(complete.shape[0])
        for j in range(complete.shape[1])
    ]
    board = hs.Board(read(tmp_path, lines, cluster="passage"))
    d = complete[7] - complete[2]
    sums = np.array([np.sum(d[6 * g : 6 * g + 6] - d.mean()) for g in range(10)])
    naive = np.sqrt(10 / 9 * np.sum(sums**2)) / len(d)
    assert np.isclose(board.compare("m7", "m2").se, naive, atol=1e-12)
    assert any("clusters" in what for what in board.checks()["what"])


def test_a_finite_set_shrinks_errors_and_a_whole_set_leaves_none(complete):
    free, part = hs.Board(observed(complete)), hs.Board(observed(complete), set_size=80)
    whole = hs.Board(observed(complete), set_size=60)
    one, two, none = (board.compare("m7", "m6") for board in (free, part, whole))
    assert np.isclose(two.se, one.se * np.sqrt(1 - 60 / 80))
    assert none.se == 0.0
    assert two.needed == one.needed
    table = whole.table()
    assert (table["low"] == table["high"]).all()
    with pytest.raises(ValueError, match="set_size=59"):
        hs.Board(observed(complete), set_size=59)


def test_intervals_about_other_questions_have_a_width_even_at_the_ends():
    X = np.vstack([np.ones(40), np.zeros(40), answers(3, 40)])
    board = hs.Board(observed(X))
    table = board.table()
    assert (table["high"] > table["low"]).all()
    assert table["high"].max() == 1.0
    assert table["low"].min() == 0.0
    # Wilson's end for 40 of 40, with the t quantile of 39 degrees of freedom
    best = table["low"][0]
    assert 0.88 < best < 0.93


def test_models_with_the_same_answers_are_not_surely_equal_on_other_questions():
    X = answers(4, 40)
    told = hs.Board(observed(np.vstack([X, X[-1:]]))).compare("m3", "m4")
    assert told.gap == 0.0
    assert 0.05 < told.high < 0.15
    assert told.needed is None


def test_equal_scores_share_a_rank_interval_and_a_group_in_any_order_of_the_models(complete):
    X = complete.copy()
    X[3] = X[4][::-1]  # the same score from other questions
    first = hs.Board(observed(X)).table()
    names = [f"m{i}" for i in range(8)]
    second = hs.Board(observed(X[::-1], names=names[::-1])).table()
    for table in (first, second):
        at = [list(table["model"]).index(name) for name in ("m3", "m4")]
        for column in ("rank", "rank_low", "rank_high", "group"):
            assert table[column][at[0]] == table[column][at[1]]
    assert first["model"].tolist() == second["model"].tolist()


def test_two_models_of_one_score_are_never_surely_first_and_second():
    rng = np.random.default_rng(0)
    one = np.zeros(510)
    one[:186] = 1.0
    X = np.stack([one, rng.permutation(one), rng.permutation(one) * (rng.random(510) < 0.5)])
    table = hs.Board(observed(X)).table()
    assert table["rank_low"][:2].tolist() == [1, 1]
    assert table["rank_high"][:2].tolist() == [2, 2]
    assert table["group"].tolist() == [1, 1, 2]


def test_about_these_a_complete_table_is_known_exactly(complete):
    table = hs.Board(observed(complete)).table("these")
    assert (table["se"] == 0).all()
    assert np.array_equal(table["low"], table["score"])
    assert np.allclose(np.sort(complete.mean(axis=1))[::-1], table["score"])


def test_repeats_tell_how_scores_move_when_run_again(tmp_path):
    rng = np.random.default_rng(1)
    chance = rng.random((4, 30))
    runs = (rng.random((5, 4, 30)) < chance).astype(int)
    lines = ["model,benchmark,question,run,score"]
    lines += [f"m{i},b,{j:02d},{r},{runs[r, i, j]}" for i in range(4) for j in range(30) for r in range(5)]
    table = hs.Board(read(tmp_path, lines)).table("again")
    naive = np.sqrt(np.sum(runs.var(axis=0, ddof=1) / 5, axis=1)) / 30
    for name, se in zip(table["model"], table["se"], strict=True):
        assert np.isclose(se, naive[int(name[1])])
    # no random chances of its own: the spread that the truth has
    assert np.allclose(naive, np.sqrt(np.sum(chance * (1 - chance) / 5, axis=1)) / 30, rtol=0.25)


def test_an_incomplete_board_says_what_the_item_response_model_says(half_seen):
    model = hs.ItemResponseModel(integrate="columns").fit(half_seen._answers.table)
    inference = model.inference()
    for about in ("these", "again", "like-these"):
        table, scores = half_seen.table(about), inference.scores(about=about)
        at = [half_seen.models.index(name) for name in table["model"]]
        assert np.allclose(table["score"], scores.estimate[at], atol=1e-7)
        assert np.allclose(table["se"], scores.se[at], rtol=1e-5)


def test_what_is_said_of_other_questions_is_less_sure_than_of_these(half_seen):
    these, others = half_seen.compare("m7", "m5", about="these"), half_seen.compare("m7", "m5")
    assert others.se > these.se > 0
    assert others.common < 60


def test_chances_to_be_ahead_mirror_each_other(half_seen):
    ahead = half_seen.ahead()
    assert np.allclose(ahead + ahead.T, 1.0)
    assert ahead[7, 0] > 0.99


@pytest.mark.parametrize("about", ["like-these", "these", "again"])
def test_every_rank_interval_holds_the_rank(half_seen, about):
    table = half_seen.table(about)
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()
    assert (np.diff(table["score"]) <= 0).all()
    assert (np.diff(table["group"]) >= 0).all()


def test_bad_arguments_are_named(complete):
    board = hs.Board(observed(complete))
    with pytest.raises(ValueError, match="about='them'"):
        board.table("them")
    with pytest.raises(ValueError, match=r"no model 'm77'.*close: 'm7'"):
        board.compare("m77", "m1")
    with pytest.raises(ValueError, match="twice"):
        board.compare("m1", "m1")
    with pytest.raises(ValueError, match="power=1"):
        board.compare("m1", "m2", power=1)
    with pytest.raises(ValueError, match="level=95"):
        hs.Board(observed(complete), level=95)
    with pytest.raises(ValueError, match=r"scores must lie in \[0, 1\]; R\['m0', 'q000'\] = 40"):
        hs.Board(observed(complete + 40.0))
    with pytest.raises(ValueError, match="read_evals"):
        hs.Board([[1.0, 0.0]])


@pytest.mark.slow
def test_intervals_about_other_questions_hold_as_often_as_they_say():
    # 60 draws of 8 models: 480 intervals of scores, 28 x 60 of gaps; three (clustered) standard errors of .95 are .04
    rng = np.random.default_rng(0)
    pool = answers(8, 4000, seed=5)
    truth = pool.mean(axis=1)
    hits, pairs = [], []
    for _ in range(60):
        X = pool[:, rng.choice(4000, 100, replace=False)]
        X[rng.random(X.shape) < 0.5] = np.nan
        board = hs.Board(observed(X))
        table = board.table()
        at = [int(name[1:]) for name in table["model"]]
        hits += list((table["low"] <= truth[at]) & (truth[at] <= table["high"]))
        for a in range(8):
            for b in range(a):
                told = board.compare(f"m{a}", f"m{b}")
                pairs.append(told.low <= truth[a] - truth[b] <= told.high)
    assert 0.91 < np.mean(hits) <= 0.99
    assert 0.91 < np.mean(pairs) <= 0.99
