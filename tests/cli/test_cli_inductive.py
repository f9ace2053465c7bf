"""`halfseen fit inductive` and `fit bayes` with files of features, and `halfseen predict` for what comes with them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import halfseen as hs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ratings that follow from age, job and year, without noise; the last ten users and five films are not in it."""
    folder = tmp_path_factory.mktemp("inductive")
    rng = np.random.default_rng(0)
    age, job = rng.integers(18, 80, 60), rng.choice(["cook", "pilot", "nurse"], 60)
    year = rng.normal(size=30)
    truth = 3 + np.outer((age - 45) / 30, year) + 0.5 * (job == "cook")[:, None]

    def users(some):
        return "name,age,job\n" + "".join(f"u{i:02},{age[i]},{job[i]}\n" for i in some)

    def films(some):
        return "year,film\n" + "".join(f"{year[j]:.6f},f{j:02}\n" for j in some)

    (folder / "users.csv").write_text(users(reversed(range(60))))
    (folder / "films.csv").write_text(films(range(25)))
    (folder / "new-users.csv").write_text(users(range(50, 60)))
    (folder / "new-films.csv").write_text(films(range(25, 30)))
    cells = [(i, j) for i in range(50) for j in range(25) if rng.random() < 0.5]
    (folder / "ratings.csv").write_text(
        "user,film,rating\n" + "".join(f"u{i:02},f{j:02},{truth[i, j]}\n" for i, j in cells)
    )
    likes = [(i, j) for i, j in cells if truth[i, j] > 3.5]
    (folder / "likes.csv").write_text("user,film,like\n" + "".join(f"u{i:02},f{j:02},1\n" for i, j in likes))
    return folder, truth


def words(folder, *more, data="ratings.csv"):
    features = ["--row-features", folder / "users.csv", "--row-key", "name"]
    features += ["--col-features", folder / "films.csv", "--col-key", "film"]
    return ["fit", "inductive", folder / data, *features, *more]


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    from typer.testing import CliRunner

    from halfseen.cli.app import app

    folder, _ = files
    out = tmp_path_factory.mktemp("runs") / "run"
    given = words(folder, "--activation", "linear", "--rank", "4", "--penalty", "1e-6", "--held", "rows", "-o", out)
    done = CliRunner().invoke(app, [str(word) for word in given])
    assert done.exit_code == 0, done.output
    return out


def lines_of(done):
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(done.stdout.splitlines()))


@pytest.mark.slow
def test_new_rows_are_judged_beside_means(halfseen, files):
    folder, _ = files
    given = words(
        folder, "--rank", "2,4", "--penalty", "1e-4,1e-2", "--activation", "softplus", "--held", "rows", "--json"
    )
    done = halfseen(*given)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["method"] == "inductive"
    assert facts["features"]["row"]["key"] == "name"
    assert facts["choice"]["ranks"] == [2, 4]
    errors = {line["model"]: line["rmse"] for line in facts["figures"]}
    assert errors[f"inductive, linear, rank {facts['rank']}"] < 0.1 * errors["column mean"]


@pytest.mark.slow
def test_new_rows_meet_seen_and_new_columns(halfseen, files, run):
    folder, truth = files
    new = ["--row-features", folder / "new-users.csv"]
    lines = lines_of(halfseen("predict", run, *new))
    assert len(lines) == 250
    found = np.array([float(line["predicted"]) for line in lines]).reshape(10, 25)
    np.testing.assert_allclose(found, truth[50:, :25], atol=0.02)
    both = lines_of(halfseen("predict", run, *new, "--col-features", folder / "new-films.csv"))
    found = np.array([float(line["predicted"]) for line in both]).reshape(10, 5)
    np.testing.assert_allclose(found, truth[50:, 25:], atol=0.03)
    assert (both[7]["row"], both[7]["col"]) == ("u51", "f27")


@pytest.mark.slow
def test_the_best_columns_of_new_rows(halfseen, files, run):
    folder, truth = files
    lines = lines_of(halfseen("predict", run, "--row-features", folder / "new-users.csv", "--top", 2))
    assert len(lines) == 20
    best = np.argsort(-truth[50:, :25], axis=1)[:, :2]
    assert [line["col"] for line in lines] == [f"f{j:02}" for j in best.ravel()]


def test_pairs_name_new_rows_and_seen_columns(halfseen, files, run, tmp_path):
    folder, truth = files
    (tmp_path / "pairs.csv").write_text("user,film\nu55,f03\nu51,f20\n")
    lines = lines_of(halfseen("predict", run, tmp_path / "pairs.csv", "--row-features", folder / "new-users.csv"))
    np.testing.assert_allclose([float(line["predicted"]) for line in lines], [truth[55, 3], truth[51, 20]], atol=0.02)
    lines = lines_of(halfseen("predict", run, "--rows", "u03", "--cols", "f04"))
    assert float(lines[0]["predicted"]) == pytest.approx(truth[3, 4], abs=0.02)


def test_one_class_tables_are_judged_by_lists(halfseen, files):
    folder, _ = files
    done = halfseen(
        *words(folder, "--family", "one_class", "--penalty", "1e-4", "--held", "rows", data="likes.csv"), "--json"
    )
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["figures"] == []
    auc = {line["model"]: line["auc"] for line in facts["ranking"]}
    ours = next(name for name in auc if name.startswith("inductive, "))
    assert auc[ours] > auc["popularity"]
    shown = halfseen(*words(folder, "--family", "one_class", "--penalty", "1e-4", data="likes.csv"))
    assert "recall at 10" in shown.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--penalty", "x"], "--penalty 'x'"),
        (["--rank", "two"], "'two'"),
        (["--effects", "all"], "--effects 'all' is not allowed"),
        (["--family", "bernoulli"], "0 or 1"),
    ],
)
def test_bad_switches_end_with_one_line(halfseen, files, more, message):
    done = halfseen(*words(files[0], *more))
    assert done.exit_code == 2
    assert message in done.output


def test_files_that_do_not_fit_are_named(halfseen, files, run, tmp_path):
    folder, _ = files
    (tmp_path / "some.csv").write_text("name,age,job\nu50,30,cook\n")
    cases = [
        (["fit", "inductive", folder / "ratings.csv"], "--row-features"),
        (["fit", "inductive", folder / "ratings.csv", "--row-features", tmp_path / "some.csv"], "u00"),
        (["predict", run, "--top", 3, "--rows", "u01", "--cols", "f01"], "--top"),
        (["predict", run, "--row-features", folder / "new-users.csv", "--level", "0.9"], "--level"),
    ]
    for given, message in cases:
        done = halfseen(*given)
        assert done.exit_code == 2, given
        assert message in " ".join(done.output.split())


def test_what_new_rows_lack_is_counted_and_the_mean_stands_for_it(halfseen, run, tmp_path):
    (tmp_path / "new.csv").write_text("name,age,job\nu50,,cook\nu51,30,king\n")
    done = halfseen("predict", run, "--row-features", tmp_path / "new.csv")
    assert done.exit_code == 0
    told = " ".join(done.output.split())
    assert "1 missing in column 'age'; 1 of unknown category in column 'job', first 'king' of 2 lines" in told


def test_other_runs_know_no_features(halfseen, files, tmp_path):
    folder, _ = files
    assert halfseen("fit", "als", folder / "ratings.csv", "--rank", 1, "-o", tmp_path / "als").exit_code == 0
    done = halfseen("predict", tmp_path / "als", "--row-features", folder / "new-users.csv")
    assert done.exit_code == 2
    assert "fit inductive" in done.output


def test_the_saved_model_is_the_one_that_predicts(files, run):
    _, truth = files
    model = hs.load(run / "model.safetensors")
    assert isinstance(model, hs.InductiveCompletion)
    assert model.predict(["u00"], ["f00"])[0] == pytest.approx(truth[0, 0], abs=0.02)


def test_the_bayesian_factorisation_takes_files_of_features(halfseen, files):
    folder, _ = files
    given = ["fit", "bayes", *words(folder, "--rank", "2", "--max-iter", "30", "--json")[2:]]
    done = halfseen(*given)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["features"]["row"]["key"] == "name"
    refused = halfseen(*given, "--scale", "columns")
    assert refused.exit_code == 2
    assert "--scale columns takes no files of features" in refused.output
    alone = halfseen("fit", "bayes", folder / "ratings.csv", "--row-key", "name")
    assert alone.exit_code == 2
    assert "give --row-features too" in alone.output


@pytest.mark.parametrize("method", ["row-kernel-ridge", "kron-ridge"])
def test_kernel_ridges_are_fitted_judged_saved_and_asked_like_everything_else(halfseen, tmp_path, method):
    rng = np.random.default_rng(3)
    F, G = rng.normal(size=(40, 3)), rng.normal(size=(20, 3))
    K, L = np.exp(-0.3 * ((F[:, None] - F) ** 2).sum(axis=2)), np.exp(-0.3 * ((G[:, None] - G) ** 2).sum(axis=2))
    people, things = [f"p{i:02}" for i in range(40)], [f"t{j:02}" for j in range(20)]
    i, j = np.nonzero((F @ G.T)[:34] > 1.5)
    lines = ["person,thing,has", *(f"{people[a]},{things[b]},1" for a, b in zip(i, j, strict=True))]
    (tmp_path / "links.csv").write_text("\n".join(lines))
    for name, kernel, own, others in (
        ("people", K[:34, :34], people[:34], people[:34]),
        ("new", K[34:, :34], people[34:], people[:34]),
        ("things", L, things, things),
    ):
        head = ",".join(["who", *others])
        body = [",".join([who, *(f"{x:.6f}" for x in line)]) for who, line in zip(own, kernel, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *body]))
    features = ["--row-features", tmp_path / "people.csv"]
    if method == "kron-ridge":
        refused = halfseen("fit", method, tmp_path / "links.csv", *features)
        assert refused.exit_code == 2
        assert "needs --col-features" in refused.output
        features += ["--col-features", tmp_path / "things.csv"]
    run = tmp_path / "run"
    done = halfseen("fit", method, tmp_path / "links.csv", *features, "--held", "rows", "--seed", "1", "-o", run)
    assert done.exit_code == 0, done.output
    facts = json.loads((run / "run.json").read_text())
    auc = {line["model"]: line["auc"] for line in facts["ranking"]}
    ours = next(name for name in auc if name.startswith("kernel ridge"))
    assert auc[ours] > auc["popularity"] + 0.1
    best = halfseen("predict", run, "--row-features", tmp_path / "new.csv", "--top", "2")
    pairs = [(line["row"], line["col"]) for line in csv.DictReader(best.stdout.splitlines())]
    assert len(pairs) == 12
    truth = (F @ G.T)[[people.index(row) for row, _ in pairs], [things.index(col) for _, col in pairs]]
    assert truth.mean() > 1.0
    seen = halfseen("predict", run, "--rows", people[0], "--cols", "t00,t01")
    assert seen.exit_code == 0
    assert seen.output.count(people[0]) == 2
