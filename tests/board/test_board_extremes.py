"""Boards of one question, of one model, of answers that are all alike: what little they say is said."""

from __future__ import annotations

import numpy as np
import pytest
from board_logs import answers, observed, read
from typer.testing import CliRunner

import halfseen as hs
from halfseen.cli.app import app


def test_one_question_tells_no_model_from_another():
    board = hs.Board(observed(np.array([[1.0], [0.0], [1.0]])))
    table = board.table()
    assert (table["rank_low"] == 1).all()
    assert (table["rank_high"] == 3).all()
    assert (table["group"] == 1).all()
    told = board.compare("m0", "m1")
    assert told.low < 0 < told.high


@pytest.mark.slow
def test_ranks_from_few_questions_are_as_unsure_as_the_paired_test():
    """Models that flip the same coin are told apart by their ranks in at most 5 % of the boards."""
    rng = np.random.default_rng(0)
    apart = 0
    for _ in range(300):
        X = (rng.random((2, 6)) < 0.5).astype(float)
        table = hs.Board(observed(X)).table()
        apart += int(table["rank_high"][0] < 2)
    # 5 % of 300; normal draws tell 19 apart
    assert apart <= 15


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("about", ["like-these", "these", "again"])
def test_answers_that_are_all_alike_leave_a_width_that_goes_with_their_number(about, value):
    rng = np.random.default_rng(1)
    X = np.where(rng.random((5, 60)) < 0.5, value, np.nan)
    table = hs.Board(observed(X)).table(about)
    k = table["answered"]
    wilson = 4.0 / (k + 4.0)  # about the width of Wilson's interval for k of k
    width = table["high"] - table["low"]
    if about == "these":
        wilson = wilson * (1.0 - k / 60)
    assert (width > 0.5 * wilson).all()
    assert (width < 2.0 * wilson).all()
    assert np.isnan(table["needed"]).all()


def test_a_newcomer_is_not_known_before_it_is_asked():
    board = hs.Board(observed(np.ones((6, 30))))
    first, last = board.next(n=30)["se"][[0, -1]]
    assert first > 0.05
    assert last < 1e-6


def test_models_outside_an_island_are_not_called_ungraded():
    X = answers(6, 40)
    X[:3, 20:], X[3:, :20] = np.nan, np.nan
    whats = hs.Board(observed(X), island=1).checks()["what"]
    assert not any("left out" in what for what in whats)


def test_six_models_with_the_same_answers_are_one_line():
    X = np.repeat(answers(1, 40), 6, axis=0)
    records = [one for one in hs.Board(observed(X)).checks().records() if "same answers" in one["what"]]
    assert [one["about"] for one in records] == ["6 models (m0, m1, m2, ..)"]


def test_values_up_to_three_are_points_and_no_per_cent(tmp_path):
    lines = ["model,question,score"] + [f"m{i},{j},{(i + j) % 4}" for i in range(3) for j in range(8)]
    with pytest.raises(ValueError, match=r"values up to 3: .* divide these by what a full score is"):
        read(tmp_path, lines)


def test_a_comparison_from_one_question_promises_no_gap(tmp_path):
    hs.Board(observed(np.array([[1.0], [0.0], [1.0]]))).save(tmp_path / "b")
    told = CliRunner().invoke(app, ["board", "compare", str(tmp_path / "b"), "m0", "m1"]).stdout
    assert "With one question no gap can be told" in told


def test_benchmarks_that_one_model_holds_together_are_told(tmp_path):
    X = answers(3, 50)
    X[0, 25:], X[2, :25] = np.nan, np.nan
    names = ["a", "b", "c"]
    lines = ["model,benchmark,question,score"] + [
        f"{names[i]},{'xy'[j // 25]},{j},{X[i, j]:g}" for i in range(3) for j in range(50) if X[i, j] == X[i, j]
    ]
    records = hs.Board(read(tmp_path, lines)).checks().records()
    (told,) = [one for one in records if one["about"] == "benchmarks"]
    assert told["what"] == "x and y were both answered by one model alone"
    assert told["level"] == "warning"


def test_groups_that_only_a_version_parts_say_so(tmp_path):
    from evals_samples import put

    for model, version in (("a", 1), ("b", 1), ("c", 2)):
        spec = {"eval_id": model, "created": "2026-01-02T03:04:05+00:00", "task": "sums", "task_version": version}
        spec |= {"model": model, "dataset": {"samples": 3, "sample_ids": [1, 2, 3]}}
        samples = [{"id": q, "epoch": 1, "scores": {"match": {"value": "C"}}} for q in (1, 2, 3)]
        log = {"version": 2, "status": "success", "eval": spec, "samples": samples}
        put(tmp_path, f"2026-01-02_{model}.json", log | {"results": {"scores": [{"name": "match"}]}})
    with pytest.raises(ValueError, match=r"share no question .*sums: versions mixed \(1, 2\)"):
        hs.Board(hs.read_evals(tmp_path))


def test_a_name_of_two_lines_does_not_break_the_small_table(tmp_path):
    hs.Board(observed(answers(3, 30), names=["a\nb", "c|d", "<i>"])).save(tmp_path / "b")
    lines = (tmp_path / "b" / "board.md").read_text(encoding="utf-8").splitlines()
    rows = lines[2:5]
    assert all(line.startswith("| ") and line.endswith(") |") for line in rows)
    assert any("a b" in line for line in rows)
    assert any("&lt;i>" in line for line in rows)
