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


def test_a_row_without_a_group_is_named(halfseen, answers, tmp_path):
    (tmp_path / "few.csv").write_text("p0,old\n", encoding="utf-8")
    found = halfseen("fit", "irt", answers / "answers.csv", "--row-groups", tmp_path / "few.csv", "--held-out", "0")
    assert found.exit_code == 2
    assert "no group for 159 rows, first 'p1'" in found.stderr
