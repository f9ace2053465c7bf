"""Kinds of tables that once came out wrong at the command line: each in its smallest form, with what is right."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs

RNG = np.random.default_rng(11)


@pytest.fixture
def write(tmp_path):
    """Write lines to a file of the name; returns its path."""

    def call(name, lines):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return call


@pytest.fixture
def held_out(halfseen, tmp_path):
    """Fit and return what the run's record says of held-out entries."""

    def call(*words):
        result = halfseen("fit", *words, "-o", tmp_path / "run", "--force")
        assert result.exit_code == 0, result.output
        return json.loads((tmp_path / "run" / "run.json").read_text())

    return call


@pytest.mark.slow
def test_a_unit_of_the_values_changes_no_relative_error(write, halfseen, tmp_path):
    F = RNG.normal(size=(30, 2))
    truth = F @ RNG.normal(size=(2, 12))
    features = ["user,a,b"] + [f"u{i}," + ",".join(f"{x:.6f}" for x in F[i]) for i in range(30)]
    write("users.csv", features)
    seen = np.argwhere(RNG.random(truth.shape) < 0.5)
    noise = 0.2 * RNG.normal(size=truth.shape)
    ratios = []
    for name, unit in (("plain", lambda v: v), ("odd", lambda v: 300 + v * 1e-4)):
        lines = [f"u{i},c{j},{unit(truth[i, j] + noise[i, j]):.12g}" for i, j in seen]
        words = ("--row-features", tmp_path / "users.csv", "--rank", 1, "--activation", "linear", "--held", "rows")
        file = write(f"{name}.csv", ["user,item,v", *lines])
        result = halfseen("fit", "inductive", file, *words, "-o", tmp_path / name)
        line = next(text for text in result.output.splitlines() if text.startswith("inductive"))
        ratios.append(float(line.split()[-1]))
    assert ratios[1] == pytest.approx(ratios[0], abs=2e-3)


def test_beside_a_baseline_without_error_there_are_no_ratios(write, halfseen, tmp_path):
    file = write("constant_columns.csv", ["u,i,v"] + [f"r{a},c{b},{b}" for a in range(6) for b in range(5)])
    result = halfseen("fit", "als", file, "-o", tmp_path / "run")
    assert result.exit_code == 0
    assert "Errors on held-out entries" in result.output
    assert "RMSE / " not in result.output


def test_a_largest_class_that_was_held_out_is_judged_all_the_same(write, halfseen, tmp_path):
    lines = ["u,i,v"] + [f"r{a},c{b},{min((a + 1) * (b + 1), 7)}" for a in range(6) for b in range(5)]
    result = halfseen("fit", "factor", write("products.csv", lines), "--family", "ordinal", "-o", tmp_path / "run")
    assert result.exit_code == 0
    assert "nan" not in result.output
    assert "deviance" in result.output


def test_large_identifiers_come_back_whole(write, halfseen, tmp_path):
    ids = [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3]
    lines = ["user,item,v"] + [f"{i},{j},{(k + j) % 4}" for k, i in enumerate(ids) for j in range(5)]
    file = write("hashes.csv", lines)
    assert halfseen("fit", "als", file, "--rank", 1, "-o", tmp_path / "run").exit_code == 0
    asked = write("asked.csv", ["row,col", f"{ids[1]},3"])
    answer = halfseen("predict", tmp_path / "run", asked, "-o", tmp_path / "answer.csv")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "answer.csv").read_text().splitlines()[1].startswith(f"{ids[1]},3,")


@pytest.mark.fast_cases("ids0")
@pytest.mark.parametrize("ids", [["007", "008", "009"], ["1.50", "2.50", "3.50"], ["2024-01-01T00:00+01:00", "b", "c"]])
def test_identifiers_are_the_same_through_every_door(write, halfseen, tmp_path, ids):
    lines = ["place,item,v"] + [f"{i},c{j},{(k + j) % 4}" for k, i in enumerate(ids) for j in range(5)]
    file = write("ids.csv", lines)
    direct = hs.read_table(file).row_labels.tolist()
    summed = hs.read_table(file, duplicates="sum").row_labels.tolist()
    with_source = write("sources.csv", ["s,place,item,v"] + [f"one,{line}" for line in lines[1:]])
    source = hs.read_sources(with_source, "s", "place", "item", "v").row_labels
    assert [str(each) for each in direct] == [str(each) for each in summed] == [str(each) for each in source] == ids
    assert halfseen("fit", "als", file, "--rank", 1, "-o", tmp_path / "run").exit_code == 0
    asked = write("asked.csv", ["row,col", f"{ids[1]},c3"])
    assert halfseen("predict", tmp_path / "run", asked, "-o", tmp_path / "answer.csv").exit_code == 0


def test_positions_far_apart_make_no_table_of_a_million_rows(write, halfseen):
    lines = ["i,j,v"] + [f"{RNG.integers(1_000_000)},{k % 20},{RNG.normal():.3f}" for k in range(200)]
    result = halfseen("describe", write("sparse.csv", lines))
    assert result.exit_code == 0
    assert " 20 columns, 200 entries" in result.output
    assert "1 000 000 rows" not in result.output


def test_play_counts_end_in_a_sane_error_or_in_a_refusal(write, halfseen, tmp_path):
    counts = np.exp(RNG.normal(5, 2, size=(15, 40))).astype(int) + 1
    seen = np.argwhere(RNG.random(counts.shape) < 0.3)
    file = write("plays.csv", ["user,artist,plays"] + [f"{i},{j},{counts[i, j]}" for i, j in seen])
    result = halfseen("fit", "factor", file, "--family", "poisson", "-o", tmp_path / "run")
    assert "negative_binomial" in result.output
    if result.exit_code == 0:
        line = next(text for text in result.output.splitlines() if text.startswith("factor model"))
        assert float(line.split()[-1]) < 3


def test_a_survey_in_words_is_fitted_by_following_what_is_said(write, halfseen, tmp_path):
    words = ("no", "perhaps", "yes")
    lines = [",age,sex,item,resp,id"]
    lines += [f"{i},{20 + i},F,q{j},{words[(i * j + i) % 3]},{i}" for i in range(20) for j in range(6)]
    file = write("survey.csv", lines)
    refused = halfseen("describe", file)
    assert refused.exit_code == 2
    advice = refused.output.split("give ", 1)[1].split(" (", 1)[0].replace(",  ", " ").replace(", --", " --")
    followed = halfseen("describe", file, *advice.replace("\n", " ").split())
    assert followed.exit_code == 0, followed.output
    assert "3 ordered steps" in followed.output


def test_shares_beside_their_trials_are_described_and_fitted(write, halfseen, tmp_path):
    lines = ["suite,model,task,share,n"] + [f"s,m{i},t{j},{(i + j) % 5 / 4},4" for i in range(8) for j in range(9)]
    file = write("shares.csv", lines)
    named = ("--row", "model", "--col", "task", "--value", "share")
    assert "--trials n" in halfseen("describe", file, *named).output
    described = halfseen("describe", file, *named, "--trials", "n")
    assert described.exit_code == 0
    suggested = described.output.split("try: halfseen ", 1)[1].split("\n")[0].split()
    result = halfseen(*suggested, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output


def test_the_refusal_of_a_long_option_names_the_option_that_made_the_file_wide(write, halfseen):
    file = write("long.csv", ["u,i,v", "a,b,1", "c,d,2"])
    assert "leave it or --columns (which says that lines are rows) out" in " ".join(
        halfseen("describe", file, "--columns", "u", "--col", "i").output.split()
    )
    assert "leave it or --wide out" in halfseen("describe", file, "--wide", "--col", "i").output
