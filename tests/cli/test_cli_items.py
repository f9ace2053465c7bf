"""``halfseen fit irt`` of a test, ``halfseen items``, ``halfseen scores`` and ``halfseen place``."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """160 people by 6 items, a tenth missing, and a file of their groups."""
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-(rng.normal(size=(160, 1)) + np.linspace(-1, 1, 6))))
    i, j = np.nonzero(rng.random(chance.shape) < 0.9)
    folder = tmp_path_factory.mktemp("test")
    lines = [f"p{a},q{b},{int(rng.random() < chance[a, b])}" for a, b in zip(i, j, strict=True)]
    (folder / "answers.csv").write_text("person,item,right\n" + "\n".join(lines) + "\n", encoding="utf-8")
    groups = "\n".join(f"p{a},{'old' if a % 2 else 'new'}" for a in range(160))
    (folder / "groups.csv").write_text(f"person,group\n{groups}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(answers):
    from typer.testing import CliRunner

    from halfseen.cli.app import app

    words = ["fit", "irt", str(answers / "answers.csv"), "--kind", "1pl", "--held-out", "0", "--threads", "1"]
    words += ["--row-groups", str(answers / "groups.csv"), "-o", str(answers / "run")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    return answers / "run"


def table_of(found):
    assert found.exit_code == 0, found.output
    return list(csv.DictReader(io.StringIO(found.stdout)))


def test_items_have_their_numbers_and_errors(halfseen, run):
    lines = table_of(halfseen("items", run))
    assert [line["col"] for line in lines] == [f"q{j}" for j in range(6)]
    assert len({line["slope"] for line in lines}) == 1
    assert all(float(line["difficulty_se"]) > 0 for line in lines)
    mirt = table_of(halfseen("items", run, "--what", "mirt"))
    assert list(mirt[0]) == ["item", "class", "a1", "d", "g", "u"]


@pytest.mark.parametrize(("what", "column"), [("fit", "shape_z"), ("pairs", "q3"), ("curves", "values")])
def test_fit_pairs_and_curves_are_tables_too(halfseen, run, what, column):
    lines = table_of(halfseen("items", run, "--what", what))
    assert len(lines) >= 6
    assert all(np.isfinite(float(line[column])) for line in lines)


def test_items_between_groups_need_the_groups(halfseen, run, answers):
    assert len(table_of(halfseen("items", run, "--what", "dif", "--row-groups", answers / "groups.csv"))) == 6
    refused = halfseen("items", run, "--what", "dif")
    assert refused.exit_code == 2
    assert "--row-groups FILE" in refused.stderr


def test_scores_are_a_line_per_person(halfseen, run):
    lines = table_of(halfseen("scores", run))
    assert len(lines) == 160
    assert all(float(line["ability low"]) < float(line["ability"]) < float(line["ability high"]) for line in lines)
    drawn = table_of(halfseen("scores", run, "--plausible", "3"))
    assert list(drawn[0]) == ["row", "value 1", "value 2", "value 3"]
    assert len(table_of(halfseen("scores", run, "--method", "wle"))) == 160


def test_new_people_are_placed_and_asked_next(halfseen, run, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("person,item,right\nx,q0,1\nx,q1,1\ny,q0,0\n", encoding="utf-8")
    found = json.loads(halfseen("place", run, file, "--json").stdout)
    assert [line["row"] for line in found] == ["x", "y"]
    assert found[0]["ability"] > found[1]["ability"]
    assert found[0]["ask 1"] not in ("q0", "q1")


def test_scores_and_placed_people_say_what_they_answer(halfseen, run, tmp_path):
    told = halfseen("scores", run).stderr
    assert "ability: the group 'new' has mean 0 and standard deviation 1" in told
    assert "score: mean expected answer over all 6 questions" in told
    file = tmp_path / "new.csv"
    file.write_text("person,item,right\nx,q0,1\n", encoding="utf-8")
    assert "answers given as they are, the others predicted" in halfseen("place", run, file).stderr


def test_the_interval_of_a_yes_no_answer_is_that_of_its_chance(halfseen, run):
    found = halfseen("predict", run, "--rows", "p1", "--cols", "q1,q2", "--level", "0.9")
    assert "intervals of expected values" in found.stderr
    for line in table_of(found):
        assert 0 < float(line["low"]) < float(line["predicted"]) < float(line["high"]) < 1


def test_predictions_of_new_rows_outside_the_scale_are_counted(halfseen, tmp_path):
    rng = np.random.default_rng(0)
    # who likes films that others do not would give more than five stars to those that all like
    table = np.clip(np.round(np.array([2.0, 2, 2, 2, 4, 4.5]) + rng.normal(size=(60, 1))), 1, 5)
    lines = [f"u{i},m{j},{table[i, j]:g}" for i in range(60) for j in range(6)]
    (tmp_path / "ratings.csv").write_text("user,film,stars\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("user,film,stars\nx,m0,5\nx,m1,5\nx,m2,5\nx,m3,5\ny,m0,2\n")
    words = ["--rank", "2", "--held-out", "0", "--threads", "1", "-o", tmp_path / "run"]
    assert halfseen("fit", "als", tmp_path / "ratings.csv", *words).exit_code == 0
    found = halfseen("place", tmp_path / "run", tmp_path / "new.csv")
    beyond = [float(line["predicted"]) for line in table_of(found)]
    n_beyond = sum(not 1 <= value <= 5 for value in beyond)
    assert n_beyond > 0
    assert f"{n_beyond} of {len(beyond)} predictions lie outside the values that were fitted, 1 to 5" in found.stderr


def test_a_row_without_a_group_is_named(halfseen, answers, tmp_path):
    (tmp_path / "few.csv").write_text("p0,old\n", encoding="utf-8")
    found = halfseen("fit", "irt", answers / "answers.csv", "--row-groups", tmp_path / "few.csv", "--held-out", "0")
    assert found.exit_code == 2
    assert "no group for 159 rows, first 'p1'" in found.stderr
