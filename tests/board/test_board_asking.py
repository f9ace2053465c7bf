"""Broken questions, what to run next, how many, and new models."""

from __future__ import annotations

import numpy as np
import pytest
from board_logs import answers, observed

import halfseen as hs


@pytest.fixture(scope="module")
def half_seen():
    return hs.Board(observed(answers(12, 100, share_seen=0.5)))


@pytest.fixture(scope="module")
def with_coins():
    """40 models by 500 questions, of which the first 10 have coin-flip keys and the next 5 reversed ones."""
    rng = np.random.default_rng(2)
    ability, difficulty = 2.5 * rng.normal(size=40), 2.5 * rng.normal(size=500)
    slope = rng.lognormal(0.0, 0.3, 500)
    chance = 1.0 / (1.0 + np.exp(-slope * (ability[:, None] - difficulty)))
    X = (rng.random((40, 500)) < chance).astype(float)
    X[:, :10] = rng.random((40, 10)) < 0.5
    X[:, 10:15] = 1.0 - X[:, 10:15]
    return X


def test_coin_flip_keys_say_nothing_and_reversed_keys_are_against_the_order(with_coins):
    flag = hs.Board(observed(with_coins)).items()["flag"]
    assert np.isin(flag[:10], ("says nothing", "against order")).sum() >= 8
    assert (flag[10:15] == "against order").sum() >= 4
    assert np.isin(flag[15:], ("says nothing", "against order")).sum() <= 1


def test_dead_questions_are_flagged_by_how_they_died():
    X = answers(12, 40)
    X[:, 0], X[:, 1] = 1.0, 0.0
    flag = hs.Board(observed(X)).items()["flag"]
    assert flag[:2].tolist() == ["all right", "all wrong"]


def test_questions_whose_repeats_disagree_are_flagged(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["model,benchmark,question,run,score"]
    for i in range(12):
        for j in range(30):
            steady = int(rng.random() < 0.2 + 0.05 * i)
            lines += [f"m{i:02d},b,{j:02d},{r},{rng.integers(2) if j == 0 else steady}" for r in range(4)]
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(lines) + "\n")
    items = hs.Board(hs.read_evals(file)).items()
    assert items["flag"][0] == "repeats disagree"
    assert items["repeats"][1] == 0.0


def test_needed_questions_follow_the_formula_and_grow_as_gaps_shrink():
    X = answers(8, 60)
    board = hs.Board(observed(X))
    spread = (X[7] - X[6]).std(ddof=1)
    assert board.needed("m7", "m6", gap=0.05) == int(np.ceil(spread**2 * (1.959964 + 0.841621) ** 2 / 0.05**2))
    assert board.needed("m7", "m6", gap=0.01) > 20 * board.needed("m7", "m6", gap=0.05)
    assert board.compare("m7", "m6").needed == board.needed("m7", "m6")


def test_equal_scores_need_a_gap_of_your_own():
    X = answers(4, 40)
    board = hs.Board(observed(np.vstack([X, X[-1:, ::-1]])))
    with pytest.raises(ValueError, match="same score; give the gap"):
        board.needed("m3", "m4")


def test_next_questions_are_unanswered_and_lower_the_error_one_by_one(half_seen):
    listing = half_seen.next("m3", n=10)
    seen = ~np.isnan(answers(12, 100, share_seen=0.5)[3])
    answered = {f"table/q{j:03d}" for j in np.flatnonzero(seen)}
    assert not answered & set(listing["question"])
    assert len(set(listing["question"])) == 10
    assert (np.diff(listing["se"]) < 0).all()


def test_questions_against_another_model_may_be_asked_of_either(half_seen):
    listing = half_seen.next("m3", against="m8", n=40)
    assert set(listing["model"]) == {"m3", "m8"}


def test_chosen_questions_beat_random_ones(half_seen):
    """The expected error after 10 chosen questions is below that after any of 20 random sets."""
    from halfseen.board.asking import questions_to_ask

    chosen = half_seen.next("m3", n=10)["se"][-1]
    rng = np.random.default_rng(0)
    for _ in range(20):
        state = half_seen._remaining("m3")
        for question in rng.choice(np.flatnonzero(state.free), 10, replace=False):
            state.ask(int(question))
        assert np.sqrt(state.variance) > chosen
    assert questions_to_ask([half_seen._remaining("m3")], 10)[2][-1] == chosen


def test_a_model_that_answered_all_has_no_next_question():
    board = hs.Board(observed(answers(6, 30)))
    with pytest.raises(ValueError, match="answered all 30 questions"):
        board.next("m1")


def test_a_newcomer_is_asked_and_placed():
    X = answers(20, 120, seed=4)
    board = hs.Board(observed(X[:19]))
    questions = [name.split("/")[1] for name in board.next(n=30)["question"]]
    cols = [int(name[1:]) for name in questions]
    new = observed(X[19:, cols], names=["new"], questions=questions)
    placed = board.place(new)
    truth = X[19].mean()
    assert placed["answered"].tolist() == [30]
    assert placed["outside"].tolist() == [0]
    assert placed["low"][0] < truth < placed["high"][0]
    assert placed["widened"][0] >= 1.0
    assert placed["rank_low"][0] == 1


def test_new_models_without_a_common_question_are_refused(half_seen):
    with pytest.raises(ValueError, match="share no question with the board"):
        half_seen.place(observed(answers(2, 5), questions=list("abcde")))


def test_questions_outside_the_board_are_counted(half_seen):
    questions = [f"q{j:03d}" for j in range(20)] + ["x", "y"]
    placed = half_seen.place(observed(answers(1, 22), names=["new"], questions=questions))
    assert placed["outside"].tolist() == [2]
    assert placed["answered"].tolist() == [20]


def test_a_newcomers_questions_are_those_that_leave_least_variance_of_the_sum():
    """Against the plain formula, every set of the first questions with one more tried."""
    from halfseen.board.newcomer import chosen

    rng = np.random.default_rng(0)
    F, own = rng.normal(size=(4, 12)), rng.uniform(0.1, 1.0, 12)
    S, one = F.T @ F + np.diag(own), np.ones(12)

    def left(asked):
        c = S[asked] @ one
        return one @ S @ one - c @ np.linalg.solve(S[np.ix_(asked, asked)], c)

    questions, errors = chosen(F, own, 12)
    for k in range(12):
        others = [j for j in range(12) if j not in questions[:k]]
        best = min(left([*questions[:k], j]) for j in others)
        assert left(questions[: k + 1]) == pytest.approx(best, abs=1e-9)
        assert errors[k] == pytest.approx(np.sqrt(max(best, 0.0)) / 12, abs=1e-6)
    assert sorted(questions) == list(range(12))


@pytest.mark.parametrize("seed", [0, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_questions_for_a_newcomer_are_of_both_kinds_where_two_abilities_are_at_work(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 100))
    difficulty = rng.normal(size=200)
    ability = np.where(np.arange(200) < 100, first[:, None], 0.5 * first[:, None] + second[:, None])
    X = (rng.random((100, 200)) < 1 / (1 + np.exp(1.5 * (difficulty - ability)))).astype(float)
    board = hs.Board(observed(X[:60]))
    names = [f"q{j:03d}" for j in range(200)]

    def error(cols):
        new = observed(X[60:, cols], names=[f"n{i}" for i in range(40)], questions=[names[j] for j in cols])
        placed = board.place(new)
        at = [int(str(name)[1:]) for name in placed["model"]]
        return np.sqrt(np.mean((placed["score"] - X[60:].mean(axis=1)[at]) ** 2))

    asked = np.sort([names.index(name.split("/")[1]) for name in board.next(n=20)["question"]])
    assert 8 <= (asked < 100).sum() <= 12
    assert error(asked) < np.mean([error(np.sort(rng.choice(200, 20, replace=False))) for _ in range(5)])
