"""A check of the tracked verdicts: what counts as the same, as within error, as different."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halfseen.cli.app import app
from halfseen.reproduce import check_figure, find_papers, select
from halfseen.reproduce.check import is_within, keys
from halfseen.reproduce.study import Study

SCRIPT = '''"""A coin: its mean."""

import numpy as np

CONFIG = {{
    "full": {{"n": 4000, "repetitions": 5}}, "quick": {{"n": 4, "repetitions": 1}},
    "check": {check},
}}


def toss(n, seed):
    return {{"mean": float(np.random.default_rng(seed).random(n).mean())}}


def run(config, study):
    points = [{{"n": config["n"], "seed": seed}} for seed in range(config["repetitions"])]
    rows = study.repeat("tosses", points, toss)
    study.table("", rows)
    mean = float(np.mean([row["mean"] for row in rows]))
    study.claim("the mean is a half (n = %d)" % config["n"], "1/2", mean, figures={{"mean": mean}},
                rule="abs(mean - {half}) <= {close}", otherwise="it is not")
    if config["n"] > 100:
        study.target("many are tossed", 100, config["n"], figures={{"n": config["n"]}}, rule="n > 100")
'''


@pytest.fixture
def coin(tmp_path, monkeypatch):
    """Write the script, run it in full, and give its figure; ``after`` changes the script once it is tracked."""
    (tmp_path / "papers" / "coins").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def write(check="{'repetitions': 1}", half=0.5, close=0.05, after=None):
        script = tmp_path / "papers" / "coins" / "coin.py"
        script.write_text(SCRIPT.format(check=check, half=half, close=close))
        done = halfseen("coins/coin")
        assert done.exit_code == 0, done.output
        if after:
            script.write_text(script.read_text().replace(*after))
        return select(find_papers(tmp_path / "papers"), "coins/coin")[0]

    return write


def halfseen(*words):
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


def outcomes(check):
    return [comparison.outcome for comparison in check.comparisons]


def test_the_same_verdicts_are_the_same_and_nothing_is_written(coin):
    figure = coin()
    before = {path: path.read_bytes() for path in figure.path.parent.rglob("*") if path.is_file()}
    assert outcomes(check_figure(figure)) == ["same", "same"]
    after = {path: path.read_bytes() for path in figure.path.parent.rglob("*") if path.suffix not in (".pyc",)
             and path.is_file()}  # fmt: skip
    assert {path: text for path, text in before.items() if path.suffix != ".pyc"} == after


def test_a_verdict_that_the_error_of_the_small_run_explains_is_within_error(coin):
    """Ten tosses are .1 off as a rule; the bound is .03 and is kept by 20 000."""
    figure = coin(check="{'n': 10, 'repetitions': 1}", close=0.03)
    judged, other = check_figure(figure).comparisons
    assert (judged.tracked, judged.here, judged.outcome) == ("reproduced", "not reproduced", "within error")
    assert other.outcome == "not looked at"


def test_a_verdict_that_no_error_explains_differs(coin):
    figure = coin(after=("random(n).mean()", "random(n).mean() + 0.2"))
    judged, other = check_figure(figure).comparisons
    assert (judged.tracked, judged.here, judged.outcome) == ("reproduced", "not reproduced", "differs")
    assert judged.why.count("mean") == 3
    assert other.outcome == "same"


def test_a_rule_that_was_changed_after_the_tracked_run_differs(coin):
    figure = coin(after=("<= 0.05", "<= 0.5"))
    assert outcomes(check_figure(figure)) == ["differs", "same"]
    assert "no longer" in check_figure(figure).comparisons[0].why


def test_words_instead_of_a_setting_say_why_a_figure_is_left_out(coin):
    figure = coin(check="'it takes a week'")
    assert {(c.outcome, c.why) for c in check_figure(figure).comparisons} == {("not looked at", "it takes a week")}


def test_a_figure_with_verdicts_needs_a_check_setting(coin):
    figure = coin(after=('"check"', '"another"'))
    with pytest.raises(ValueError, match=r"coins/coin has no CONFIG\['check'\]"):
        check_figure(figure)


def test_the_command_checks_and_fails_where_a_verdict_differs(coin):
    coin()
    fine = halfseen("--all", "--check")
    assert fine.exit_code == 0, fine.output
    assert "coins/coin: 2 same" in fine.stdout
    assert "1 figures in" in fine.stdout
    assert json.loads(halfseen("coins", "--check", "--json").stdout)[0]["comparisons"][0]["outcome"] == "same"
    coin(after=("random(n).mean()", "random(n).mean() + 0.2"))
    broken = halfseen("coins", "--check")
    assert broken.exit_code == 2
    said = " ".join(broken.stdout.split())  # however wide the screen is
    assert "differs: the mean is a half (n = 4000): tracked reproduced, here not reproduced" in said
    assert "1 verdicts differ" in broken.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--check"], "--all"),
        (["coins", "--check", "--quick"], "leave out --quick"),
        (["coins", "--all"], "leave 'coins' out"),
    ],
)
def test_words_that_do_not_go_together_are_refused(coin, words, text):
    coin()
    done = halfseen(*words)
    assert done.exit_code == 2
    assert text in " ".join(done.stderr.split())


def test_a_paper_without_the_library_it_needs_is_named_and_left_out(coin):
    coin(after=("import numpy as np", "import numpy as np\nraise ImportError('needs torch')"))
    done = halfseen("--all", "--check")
    assert done.exit_code == 0
    assert "left out: coins/coin" in " ".join(done.stdout.split())


def test_statements_are_matched_without_brackets_where_that_tells_them_apart():
    assert keys(["a (n = 3)", "b (x)", "b (y)"]) == ["a", "b (x)", "b (y)"]


def test_counts_are_moved_as_whole_numbers():
    line = {"kind": "paper", "rule": "better == cells", "partly": "better > 1"}
    runs = [line | {"figures": {"better": better, "cells": 6}} for better in (4, 5, 6)]
    assert is_within("reproduced", runs)
    assert is_within("partly", runs)
    assert not is_within("not reproduced", runs)


def test_lists_and_words_are_moved_too():
    line = {"kind": "target", "rule": "min(shares) >= 0.9 and ended == 'gradient'", "partly": ""}
    draws = [([0.85, 0.95], "limit"), ([0.95, 0.99], "gradient"), ([0.91, 0.93], "limit")]
    runs = [line | {"figures": {"shares": shares, "ended": ended}} for shares, ended in draws]
    assert is_within("reached", runs)


def test_another_draw_moves_the_seeds_and_keeps_the_rows_as_asked():
    study = Study("any", shift=2)
    rows = study.repeat("x", [{"seed": 1, "n": 5}], lambda seed, n: {"used": seed + n})
    assert rows == [{"seed": 1, "n": 5, "used": 2006}]
