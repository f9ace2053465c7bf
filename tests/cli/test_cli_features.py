"""Files of features in ``halfseen complete`` and ``halfseen place``: the Bayesian model learns from them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

import halfseen as hs
from halfseen.cli.app import app

SHORT = ("--rank", "2", "--max-iter", "60")


def answers(text):
    return list(csv.DictReader(text.splitlines()))


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Answers that follow from age and film year with noise; people u50 to u59 are new, u40 to u49 gave no answer."""
    folder, rng = tmp_path_factory.mktemp("survey"), np.random.default_rng(0)
    age, year = rng.normal(size=60), rng.normal(size=25)
    truth = 3 + np.outer(age, year)
    noisy = truth + 0.3 * rng.normal(size=truth.shape)
    people = [f"u{i:02}" for i in range(60)]

    def write(name, header, lines):
        (folder / name).write_text(header + "\n" + "\n".join(lines) + "\n")

    write("people.csv", "age,person", [f"{age[i]:.5f},{people[i]}" for i in range(50)])
    write("films.csv", "film,year", [f"f{j:02},{year[j]:.5f}" for j in range(25)])
    write("newcomers.csv", "age,person", [f"{age[i]:.5f},{people[i]}" for i in range(50, 60)])
    cells = [(i, j) for i in range(40) for j in range(25) if rng.random() < 0.5]
    write("ratings.csv", "person,film,rating", [f"{people[i]},f{j:02},{noisy[i, j]:.4f}" for i, j in cells])
    few = [(i, j) for i in range(50, 55) for j in range(4)]
    write("few.csv", "person,film,rating", [f"{people[i]},f{j:02},{noisy[i, j]:.4f}" for i, j in few])
    seen = {(i, j) for i, j in cells}
    wide = [
        people[i] + "," + ",".join(f"{noisy[i, j]:.4f}" if (i, j) in seen else "" for j in range(25)) for i in range(50)
    ]
    write("wide.csv", "person," + ",".join(f"f{j:02}" for j in range(25)), wide)
    return folder, truth


@pytest.fixture(scope="module")
def run(survey):
    folder, _ = survey
    sides = ("--row-features", folder / "people.csv", "--row-key", "person", "--col-features", folder / "films.csv")
    done = call("fit", "bayes", folder / "ratings.csv", *sides, *SHORT, "-o", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_complete_learns_from_features_and_fills_rows_without_answers_by_them(survey):
    folder, truth = survey
    given = ("complete", folder / "wide.csv", "--wide", "--held-out", 0, "-q", "--rank", 2)
    sides = ("--row-features", folder / "people.csv", "--row-key", "person", "--col-features", folder / "films.csv")
    errors = {}
    for name, more in (("with", sides), ("without", ())):
        done = call(*given, *more, "--interval", 0.9, "-o", folder / f"{name}.csv")
        assert done.exit_code == 0, done.output
        lines = answers((folder / f"{name}.csv").read_text())[40:]
        filled = np.array([[float(line[f"f{j:02}"]) for j in range(25)] for line in lines])
        errors[name] = np.sqrt(np.mean((filled - truth[40:50]) ** 2))
    assert errors["with"] < 0.4
    assert errors["with"] < 0.5 * errors["without"]


def test_complete_takes_features_beside_columns_of_unlike_units(survey):
    folder, truth = survey
    table = answers((folder / "wide.csv").read_text())
    for line in table:
        line["f00"] = line["f00"] and str(1e4 * float(line["f00"]))
    path = folder / "units.csv"
    path.write_text(",".join(table[0]) + "\n" + "\n".join(",".join(line.values()) for line in table) + "\n")
    sides = ("--row-features", folder / "people.csv", "--row-key", "person")
    done = call("complete", path, "--wide", "--scale", "columns", *sides, "--held-out", 0, "--rank", 2)
    assert done.exit_code == 0, done.output
    filled = np.array([float(line["f00"]) / 1e4 for line in answers(done.stdout)[40:]])
    assert np.corrcoef(filled, truth[40:50, 0])[0, 1] > 0.95


def test_complete_refuses_features_that_the_method_does_not_take(survey):
    folder, _ = survey
    done = call("complete", folder / "ratings.csv", "--method", "als", "--row-features", folder / "people.csv")
    assert done.exit_code == 2
    assert "--method als does not take features" in " ".join(done.output.split())


def test_new_people_are_placed_by_their_features_and_a_few_answers_with_intervals(survey, run):
    folder, truth = survey
    done = call("place", run, folder / "few.csv", "--row-features", folder / "newcomers.csv", "--level", 0.9)
    assert done.exit_code == 0, done.output
    lines = answers(done.stdout)
    # five people with four answers each, five of whom only the age is known
    assert len(lines) == 5 * 21 + 5 * 25
    at = [(int(line["row"][1:]), int(line["col"][1:])) for line in lines]
    found = np.array([float(line["predicted"]) for line in lines])
    target = np.array([truth[cell] for cell in at])
    low, high = (np.array([float(line[end]) for line in lines]) for end in ("low", "high"))
    assert np.sqrt(np.mean((found - target) ** 2)) < 0.4
    assert np.mean((low < target) & (target < high)) > 0.9  # of single values, so expected ones are inside more often
    # the same through the saved model
    model = hs.load(run / "model.safetensors")
    table = np.full((10, 25), np.nan)
    for line in answers((folder / "few.csv").read_text()):
        table[int(line["person"][1:]) - 50, int(line["film"][1:])] = float(line["rating"])
    side = hs.SideFeatures(None, {"age": np.loadtxt(folder / "newcomers.csv", delimiter=",", skiprows=1, usecols=0)})
    again = model.predict(table, row_features=side)
    np.testing.assert_allclose(found, [again[i - 50, j] for i, j in at], rtol=1e-6)


def test_new_people_of_whom_only_features_are_known_need_no_table(survey, run):
    folder, truth = survey
    done = call("place", run, "--row-features", folder / "newcomers.csv")
    assert done.exit_code == 0, done.output
    lines = answers(done.stdout)
    assert len(lines) == 10 * 25
    found = np.array([float(line["predicted"]) for line in lines]).reshape(10, 25)
    assert np.sqrt(np.mean((found - truth[50:]) ** 2)) < 0.4


def test_place_says_where_features_have_no_meaning(survey, run):
    folder, _ = survey
    nothing = call("place", run)
    assert nothing.exit_code == 2
    assert "give a file of new rows" in nothing.output
    alone = call("place", run, folder / "few.csv", "--row-key", "person")
    assert alone.exit_code == 2
    assert "give --row-features too" in alone.output
    plain = folder / "plain"
    assert call("fit", "als", folder / "ratings.csv", "--rank", 1, "-o", plain).exit_code == 0
    done = call("place", plain, folder / "few.csv", "--row-features", folder / "newcomers.csv")
    assert done.exit_code == 2
    assert "--row-features is for runs of 'fit bayes'" in " ".join(done.output.split())
