"""A board as a folder, and on the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from board_logs import answers, observed
from typer.testing import CliRunner

import halfseen as hs
from halfseen.cli.app import app


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A file of trials, a few of which nobody graded."""
    X = answers(8, 60, share_seen=0.8)
    rng = np.random.default_rng(0)
    lines = ["model,benchmark,question,run,score,status"]
    for i, j in zip(*np.nonzero(~np.isnan(X)), strict=True):
        is_lost = rng.random() < 0.03
        lines.append(
            f"m{i},<b>bench</b>,{j:02d},1,{'' if is_lost else int(X[i, j])},{'error' if is_lost else 'graded'}"
        )
    file = tmp_path_factory.mktemp("logs") / "answers.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def saved(logs):
    folder = logs.parent / "board"
    result = command("board", logs, "-o", folder)
    assert result.exit_code == 0, result.output
    return folder


def test_a_saved_board_says_the_same_when_opened_again(logs, saved):
    fresh, opened = hs.Board(hs.read_evals(logs)), hs.Board.load(saved)
    for about in ("like-these", "these", "again"):
        one, two = fresh.table(about), opened.table(about)
        for name in one.data:
            assert np.array_equal(one[name], two[name], equal_nan=one[name].dtype.kind == "f")
    assert fresh.checks().records() == opened.checks().records()


def test_the_files_of_a_board_say_what_the_board_says(saved):
    board = hs.Board.load(saved)
    rows = list(csv.DictReader((saved / "board.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 24
    assert rows[0]["about"] == "like-these"
    assert float(rows[0]["score"]) == board.table()["score"][0]
    facts = json.loads((saved / "board.json").read_text(encoding="utf-8"))
    assert facts["models"] == 8
    assert len(facts["about"]["these"]["rows"]) == 8
    pairs = json.loads((saved / "compare.json").read_text(encoding="utf-8"))
    assert len(pairs["neighbours"]) == 7
    assert pairs["models"] == board.table()["model"].tolist()
    assert np.allclose(np.array(pairs["ahead"]["these"])[0, 1], pairs["ahead"]["these"][0][1])
    badge = (saved / "board.md").read_text(encoding="utf-8").splitlines()
    assert badge[0] == "| rank | model | score |"
    assert len(badge) == 12


def test_the_page_escapes_names_and_loads_nothing(saved):
    page = (saved / "index.html").read_text(encoding="utf-8")
    assert "<b>bench" not in page
    assert "&lt;b&gt;bench" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert page.count('type="radio"') == 3


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds no board"):
        hs.Board(observed(answers(4, 20))).save(tmp_path)
    with pytest.raises(ValueError, match="holds no board; write one"):
        hs.Board.load(tmp_path)


def test_a_damaged_board_is_one_clear_error(tmp_path):
    hs.Board(observed(answers(4, 20))).save(tmp_path / "b")
    (tmp_path / "b" / "answers.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="is damaged"):
        hs.Board.load(tmp_path / "b")


def test_the_command_line_answers_every_question(saved, logs):
    shown = command("board", "show", saved, "--about", "these", "--json")
    assert json.loads(shown.stdout)["rows"][0]["rank"] == 1
    told = json.loads(command("board", "compare", saved, "m7", "m6", "--gap", "0.05", "--json").stdout)
    assert told["needed_for_it"] > 100
    assert told["low"] < told["gap"] < told["high"]
    sentence = command("board", "compare", saved, "m7", "m0").stdout
    assert "m7 is ahead" in sentence
    assert "both answered" in sentence
    asked = list(
        csv.DictReader(command("board", "next", saved, "m7", "--against", "m6", "-n", "3").stdout.splitlines())
    )
    assert [line["place"] for line in asked] == ["1", "2", "3"]
    items = list(csv.DictReader(command("board", "items", saved).stdout.splitlines()))
    assert len(items) == 60
    placed = list(csv.DictReader(command("board", "place", saved, logs).stdout.splitlines()))
    assert len(placed) == 8
    checks = command("board", "checks", saved, "--json")
    assert json.loads(checks.stdout)["rows"]


def test_read_only_says_what_is_there_and_makes_nothing(logs):
    result = command("board", logs, "--read-only", "--json")
    assert len(json.loads(result.stdout)["read"]["model"]) == 8


def test_bad_input_is_one_line_and_exit_code_2(saved, tmp_path):
    X = answers(4, 40)
    X[:2, 20:], X[2:, :20] = np.nan, np.nan
    lines = ["model,question,score"]
    lines += [f"m{i},{j:02d},{int(X[i, j])}" for i, j in zip(*np.nonzero(~np.isnan(X)), strict=True)]
    file = tmp_path / "two.csv"
    file.write_text("\n".join(lines) + "\n")
    result = command("board", file)
    assert result.exit_code == 2
    assert "or give --island 1" in result.stderr
    assert result.stderr.count("\n") == 1
    assert command("board", file, "--island", "2").exit_code == 0
    missing = command("board", "compare", saved, "m7", "m77")
    assert missing.exit_code == 2
    assert "close: 'm7'" in missing.stderr
