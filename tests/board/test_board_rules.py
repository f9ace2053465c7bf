"""What a board makes of trials that nobody graded, groups without a common question, twins, and odd data."""

from __future__ import annotations

import numpy as np
import pytest
from board_logs import answers, observed, read

import halfseen as hs

HEAD = "model,benchmark,question,run,score,status"


def trials(X, lost=()):
    """Lines of a file; ``lost`` cells were not graded."""
    return [HEAD] + [
        f"m{i},bench,{j:02d},1,{'' if (i, j) in lost else f'{X[i, j]:g}'},{'error' if (i, j) in lost else 'graded'}"
        for i in range(X.shape[0])
        for j in range(X.shape[1])
        if not np.isnan(X[i, j])
    ]


def texts(board):
    """All checks as sentences."""
    return [f"{record['about']}: {record['what']}" for record in board.checks().records()]


def test_what_nobody_graded_is_missing_and_bounded(tmp_path):
    X = answers(6, 50)
    lost = {(5, j) for j in range(10)}
    board = hs.Board(read(tmp_path, trials(X, lost)))
    record = next(one for one in board.table().records() if one["model"] == "m5")
    known = X[5, 10:].sum()
    assert record["not_graded"] == 10
    assert record["answered"] == 40
    assert record["trials"] == 50
    assert np.isclose(record["lowest"], known / 50)
    assert np.isclose(record["highest"], (known + 10) / 50)
    assert record["lowest"] < record["score"] < record["highest"]


def test_counted_as_wrong_the_score_is_the_lower_bound(tmp_path):
    X, lost = answers(6, 50), {(5, j) for j in range(10)}
    table = hs.Board(read(tmp_path, trials(X, lost), not_graded="wrong")).table("these")
    record = next(one for one in table.records() if one["model"] == "m5")
    assert np.isclose(record["score"], X[5, 10:].sum() / 50)
    assert np.isclose(record["score"], record["lowest"])
    assert record["not_graded"] == 10
    assert np.isclose(record["highest"], record["score"] + 0.2)


def test_a_board_says_where_the_order_hangs_on_what_nobody_graded(tmp_path):
    X = answers(6, 50)
    X[4] = X[5]
    board = hs.Board(read(tmp_path, trials(X, {(5, j) for j in range(10)})))
    assert board.table()["hangs"][:2].any()
    assert any("hangs on 10 trials that nobody graded" in text for text in texts(board))
    sure = hs.Board(read(tmp_path, trials(X)))
    assert not sure.table()["hangs"].any()
    assert not any("hangs" in text for text in texts(sure))


def test_models_without_a_common_question_are_refused_and_an_island_is_the_way_out():
    X = answers(12, 80)
    X[:6, 40:], X[6:, :40] = np.nan, np.nan
    with pytest.raises(ValueError, match="share no question") as error:
        hs.Board(observed(X, names=[f"m{i:02d}" for i in range(12)]))
    assert str(error.value) == (
        "12 models fall into 2 groups that share no question (6: m00, m01, ..; 6: m06, m07, ..); their scores cannot "
        "be compared. Run some questions of one group with a model of the other, or give island=1."
    )
    island = hs.Board(observed(X), island=2)
    assert len(island.models) == 6
    assert len(island.questions) == 40
    with pytest.raises(ValueError, match="island=3 is not there"):
        hs.Board(observed(X), island=3)


def test_groups_held_together_by_few_questions_are_told():
    X = answers(8, 80)
    X[:4, 45:], X[4:, :40] = np.nan, np.nan
    assert any("held together by fewer than 20 common questions" in text for text in texts(hs.Board(observed(X))))
    assert not any("held together" in text for text in texts(hs.Board(observed(answers(8, 80, 0.9)))))


def test_a_model_seen_only_on_easy_questions_is_told():
    X = answers(10, 100)
    order = np.argsort(-X.mean(axis=0))
    X[9, order[30:]] = np.nan
    board = hs.Board(observed(X))
    assert any("m9: answered 30 of 100 questions, easier ones" in text for text in texts(board))
    raw = float(np.nanmean(X[9]))
    assert board._of("these").estimate[9] < raw - 0.05


def test_the_same_log_under_two_names_is_told():
    X = answers(6, 50)
    board = hs.Board(observed(np.vstack([X, X[2:3]])))
    assert any("m2 and m6: the same answers to 50 questions" in text for text in texts(board))


def test_a_question_of_two_twin_benchmarks_counts_as_one_draw(tmp_path):
    X = answers(5, 30)
    lines = [HEAD] + [
        f"m{i},{name},{j:02d},1,{X[i, j]:g},graded"
        for i in range(5)
        for j in range(30)
        for name in ("humaneval", "humaneval+")
    ]
    twins, alone = hs.Board(read(tmp_path, lines)), hs.Board(observed(X))
    assert np.isclose(twins.compare("m4", "m1").se, alone.compare("m4", "m1").se)


def test_a_model_of_which_nothing_was_graded_is_left_out_and_told(tmp_path):
    X = answers(5, 20)
    board = hs.Board(read(tmp_path, trials(X, {(0, j) for j in range(20)})))
    assert board.models == ["m1", "m2", "m3", "m4"]
    assert any("one model left out, nothing of theirs was graded (m0)" in text for text in texts(board))


def test_few_models_and_few_questions_are_told():
    told = texts(hs.Board(observed(answers(3, 12))))
    assert any("only three models" in text for text in told)
    assert any("only 12 questions" in text for text in told)


def test_partial_credit_keeps_the_paired_error():
    rng = np.random.default_rng(3)
    X = rng.random((4, 50)).round(2)
    d = X[3] - X[1]
    assert np.isclose(hs.Board(observed(X)).compare("m3", "m1").se, d.std(ddof=1) / np.sqrt(50))


def test_one_model_alone_has_a_board():
    table = hs.Board(observed(answers(1, 30))).table()
    assert table["rank_high"].tolist() == [1]
    assert np.isnan(table["needed"][0])


def test_benchmarks_that_agree_have_a_high_correlation(tmp_path):
    X = answers(12, 120)
    lines = [HEAD] + [
        f"m{i},{'one' if j < 60 else 'two'},{j:03d},1,{X[i, j]:g},graded" for i in range(12) for j in range(120)
    ]
    pairs = hs.Board(read(tmp_path, lines)).blocks()
    assert pairs["models"].tolist() == [12]
    assert pairs["correlation"][0] > 0.8
    assert pairs["low"][0] < pairs["correlation"][0] < pairs["high"][0]
