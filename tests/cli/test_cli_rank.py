"""``halfseen fit irt`` and ``halfseen rank``."""

from __future__ import annotations

import json

import numpy as np
import pytest

NAMES = ("--row", "model", "--col", "question", "--value", "right")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """24 models, 60 questions of two benchmarks, a third of the answers; the first model is by far the best."""
    rng = np.random.default_rng(0)
    ability = np.concatenate([[4.0], rng.normal(size=23)])
    chance = 1 / (1 + np.exp(-(ability[:, None] + 2 * rng.normal(size=60))))
    i, j = np.nonzero(rng.random(chance.shape) < 0.4)
    path = tmp_path_factory.mktemp("rank") / "results.csv"
    lines = [f"m{a:02d},{'ab'[b % 2]}/{b},{int(rng.random() < chance[a, b])}" for a, b in zip(i, j, strict=True)]
    path.write_text("model,question,right\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(results, tmp_path_factory):
    from typer.testing import CliRunner

    from halfseen.cli.app import app

    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["fit", "irt", str(results), *NAMES, "--blocks", "/", "-o", str(out)]
    words += ["--threads", "1"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    return out


def test_rank_prints_a_line_per_row_best_first(halfseen, run):
    found = halfseen("rank", run)
    assert found.exit_code == 0, found.output
    head, _, *lines = found.stdout.rstrip().splitlines()
    assert head.split() == ["row", "score", "95", "%", "rank", "group", "answers", "raw"]
    assert len(lines) == 24
    assert lines[0].split()[:2] == ["1", "m00"]
    assert found.stderr == ""


def test_json_holds_all_columns_and_what_they_mean(halfseen, run):
    found = json.loads(halfseen("rank", run, "--json", "--level", "0.8", "--top", "5").stdout)
    assert found["level"] == 0.8
    assert [row["rank"] for row in found["rows"]] == [1, 2, 3, 4, 5]
    assert {"row", "score", "low", "high", "rank_low", "rank_high", "group", "answered", "raw"} <= set(found["rows"][0])
    assert found["kind"] in ("rasch", "2pl")
    assert any("block" in note for note in found["notes"])
    wide = json.loads(halfseen("rank", run, "--json").stdout)["rows"][3]
    narrow = found["rows"][3]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_expected_scores_can_be_asked_for(halfseen, run):
    one = json.loads(halfseen("rank", run, "--json").stdout)["rows"]
    two = json.loads(halfseen("rank", run, "--json", "--about", "again").stdout)["rows"]
    assert {row["row"]: row["score"] for row in one} != {row["row"]: row["score"] for row in two}


def test_top_says_how_many_rows_are_left(halfseen, run):
    assert "21 more rows" in halfseen("rank", run, "--top", "3").stdout


@pytest.mark.slow
def test_the_same_seed_prints_the_same_table(halfseen, run):
    assert halfseen("rank", run).stdout == halfseen("rank", run).stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--level", "1.5"), "--level 1.5"),
        (("--top", "0"), "--top 0"),
        (("--about", "raw"), "raw"),
    ],
)
def test_a_wrong_option_takes_one_line_and_exit_code_2(halfseen, run, words, text):
    found = halfseen("rank", run, *words)
    assert found.exit_code == 2
    assert text in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_a_folder_without_a_run_is_refused(halfseen, tmp_path):
    found = halfseen("rank", tmp_path)
    assert found.exit_code == 2
    assert "not a halfseen run" in found.stderr


def test_a_run_without_a_leaderboard_says_how_to_get_one(halfseen, table, tmp_path):
    halfseen("fit", "als", table, "--rank", "1", "-o", tmp_path / "run", "--threads", "1")
    found = halfseen("rank", tmp_path / "run")
    assert found.exit_code == 2
    assert "halfseen fit irt" in found.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--blocks", ":"), "--blocks ':'"),
        (("--kind", "4pl"), "4pl"),
        (("--rank", "2"), "--rank"),
    ],
)
def test_fits_of_leaderboards_refuse_what_makes_no_sense(halfseen, results, words, text):
    found = halfseen("fit", "irt", results, *NAMES, *words, "--threads", "1")
    assert found.exit_code == 2, found.output
    assert any(part in found.stderr for part in text.split("|")), found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_pass_rates_are_ranked_too(halfseen, tmp_path):
    rng = np.random.default_rng(1)
    rates = rng.binomial(5, 1 / (1 + np.exp(-(rng.normal(size=(20, 1)) + 2 * rng.normal(size=40))))) / 5
    lines = [f"m{i},q{j},{rates[i, j]}" for i in range(20) for j in range(40) if rng.random() < 0.5]
    path = tmp_path / "rates.csv"
    path.write_text("model,question,right\n" + "\n".join(lines) + "\n", encoding="utf-8")
    words = ("--kind", "rasch", "-o", tmp_path / "run", "--threads", "1")
    found = halfseen("fit", "irt", path, *NAMES, *words)
    assert found.exit_code == 0, found.output
    assert len(json.loads(halfseen("rank", tmp_path / "run", "--json").stdout)["rows"]) == 20


@pytest.mark.slow
def test_the_report_of_a_leaderboard_shows_rows_items_and_blocks(halfseen, run, tmp_path):
    found = halfseen("report", run, "-o", tmp_path / "page.html")
    assert found.exit_code == 0, found.output
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(words in text for words in ("m00", "a/0", "effect of a block", "integrated out", "group"))


def test_long_names_never_cut_a_number(halfseen, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a-provider-of-models/model-{i}-large-instruct" for i in range(4)]
    lines = ["model,question,right"] + [
        f"{n},q{j},{(3 * i + j * j) % 4 > 1:d}" for i, n in enumerate(names) for j in range(12)
    ]
    (tmp_path / "answers.csv").write_text("\n".join(lines) + "\n")
    assert halfseen("fit", "irt", tmp_path / "answers.csv", "-o", tmp_path / "run", "-q").exit_code == 0
    shown = halfseen("rank", tmp_path / "run").output
    assert "…" not in shown
    assert all(word in shown for word in ("score", "answers", " to "))
    assert max(map(len, shown.splitlines())) <= 80
