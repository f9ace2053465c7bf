"""``halfseen fit`` of a prepared folder: memory, checkpoints, Dask, and one line where something cannot be done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import halfseen as hs
from halfseen.cli.app import app

sys.path.append(str(Path(__file__).parents[1] / "scale"))
from prepared_tables import N, P, entries, write_raw

ALS = ("--rank", "2", "--penalty", "0.1", "--quiet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("prepared")
    hs.prepare(write_raw(base / "raw", entries(), "parquet"), base / "table", blocks=4)
    return str(base / "table")


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.mark.fast_cases("als", "factor")
@pytest.mark.parametrize("method", ["als", "factor", "soft-impute", "descent"])
def test_a_prepared_folder_is_fitted_judged_and_predicted(folder, tmp_path, method):
    code, text = run("fit", method, folder, "--rank", 2, "--memory", "1GB", "-o", tmp_path / "run")
    assert code == 0, text
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["n_fitted"] + record["n_judged"] == record["data"]["n_entries"] == hs.read_table(folder).n_entries
    assert record["figures"][0]["rmse"] < 0.6 * record["figures"][1]["rmse"]
    code, text = run("predict", tmp_path / "run", "--cols", "film 02,film 03", "-o", tmp_path / "cells")
    assert code == 0, text
    written = pq.read_table(tmp_path / "cells").to_pandas()
    assert len(written) == 2 * N
    model = hs.load(tmp_path / "run" / "model.safetensors")
    np.testing.assert_allclose(written["predicted"], model.predict(written["row"], written["col"]), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:rows have .* entries on average")
def test_second_moments_of_a_prepared_folder_are_those_of_its_rows(folder, tmp_path):
    code, text = run("fit", "moment", folder, "--rank", 2, "--errors", "-o", tmp_path / "run")
    assert code == 0, text
    model = hs.load(tmp_path / "run" / "model.safetensors")
    assert "more than 3 times the rank" in text
    here = hs.OneSidedCompletion(2, random_state=0).fit(hs.read_table(folder).load())
    np.testing.assert_allclose(model.second_moment(), here.second_moment(), atol=1e-4)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["n_entries"] == hs.read_table(folder).n_entries
    assert run("report", tmp_path / "run")[0] == 0


@pytest.mark.parametrize(
    ("method", "shown", "not_shown"),
    [("als", ("--engine", "--resume"), ()), ("irt", ("--resume",), ("--engine", "--memory")),
     ("moment", ("--engine",), ("--checkpoint",)), ("kron-ridge", (), ("--workers", "--checkpoint"))],
)  # fmt: skip
def test_help_shows_what_the_method_can_do(method, shown, not_shown):
    text = run("fit", method, "--help")[1]
    assert all(option in text for option in shown)
    assert not any(option in text for option in not_shown)


def test_a_fit_goes_on_from_its_checkpoint(folder, tmp_path):
    kept = ("--checkpoint", tmp_path / "kept")
    assert run("fit", "als", folder, *ALS, *kept, "-o", tmp_path / "one")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("loop-*.bin")}
    assert before
    assert run("fit", "als", folder, *ALS, *kept, "--resume", "-o", tmp_path / "two")[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("loop-*.bin")}
    one, two = (hs.load(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    np.testing.assert_array_equal(one.col_factors_, two.col_factors_)


def test_tables_in_memory_have_checkpoints_too(tmp_path):
    rows, cols, values = entries()
    lines = [f"{a},{b},{c:.4f}" for a, b, c in zip(rows, cols, values, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["user,film,stars", *lines]))
    words = ("fit", "soft-impute", tmp_path / "table.csv", "--rank", 2, "--quiet", "--checkpoint", tmp_path / "kept")
    assert run(*words)[0] == 0
    assert {"fit-1", "fit-2"} <= {path.name for path in (tmp_path / "kept").iterdir()}
    code, text = run(*words, "--resume")
    assert code == 0, text


def test_a_completed_table_keeps_what_was_seen(folder, tmp_path):
    table = hs.read_table(folder)
    model = hs.AlternatingLeastSquares(2, penalty=0.1, random_state=0).fit(table)
    model.write_table(tmp_path / "whole", keep_seen=True)
    whole = pq.read_table(tmp_path / "whole").to_pandas()
    assert len(whole) == N * P
    assert whole["seen"].sum() == table.n_entries
    rows, cols, values = entries()
    cells = whole.set_index(["row", "col"])["value"]
    np.testing.assert_array_equal(cells.loc[list(zip(rows, cols, strict=True))].to_numpy(), values)
    with pytest.raises(ValueError, match="not empty"):
        model.write_table(tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("irt", "FOLDER"), "'fit irt' does not fit; fit factor, fit als"),
        (("als", "FOLDER", "--row", "user"), "--row is for files"),
        (("als", "FOLDER", "--rank", "2,4"), "several values"),
        (("als", "digits", "--memory", "1GB"), "halfseen prepare RAW FOLDER"),
        (("als", "digits", "--engine", "dask", "--workers", "1"), "is for a prepared table"),
        (("als", "FOLDER", "--engine", "dask"), "needs --scheduler ADDRESS, or --workers"),
        (("als", "FOLDER", "--workers", "2"), "belong to --engine dask"),
        (("als", "FOLDER", "--resume"), "--resume needs --checkpoint"),
        (("moment", "FOLDER", "--row", "user"), "--row is for files"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, words, match):
    code, text = run("fit", *(folder if word == "FOLDER" else word for word in words))
    assert code != 0
    assert match in " ".join(text.split())


@pytest.mark.fast_cases("auto", "means")
@pytest.mark.parametrize("method", ["auto", "bayes", "means"])
def test_a_folder_is_completed_into_a_folder(folder, tmp_path, method):
    words = ("complete", folder, "--memory", "1GB", "-o", tmp_path / "whole", "--method", method, "--json")
    code, text = run(*words, *(() if method == "means" else ("--rank", 2)))
    assert code == 0, text
    facts, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])  # notes are on the other stream
    assert (facts["n_rows"], facts["n_cols"]) == (N, P)
    assert facts["judged"]["rmse"] < (1.05 if method == "means" else 0.6) * facts["judged"]["rmse_column_mean"]
    whole = pq.read_table(tmp_path / "whole").to_pandas()
    assert len(whole) == N * P
    rows, cols, values = entries()
    cells = whole.set_index(["row", "col"])["value"]
    np.testing.assert_array_equal(cells.loc[list(zip(rows, cols, strict=True))].to_numpy(), values)
    assert np.isfinite(whole["value"]).all()


def test_completing_a_folder_goes_on_from_its_checkpoint(folder, tmp_path):
    words = ("complete", folder, "--rank", 2, "--quiet", "--checkpoint", tmp_path / "kept")
    assert run(*words, "-o", tmp_path / "one")[0] == 0
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"fit", "judge"}
    assert run(*words, "--resume", "-o", tmp_path / "two")[0] == 0
    one, two = (pq.read_table(tmp_path / name).to_pandas() for name in ("one", "two"))
    np.testing.assert_array_equal(one["value"], two["value"])


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("FOLDER",), "give -o FOLDER"),
        (("FOLDER", "-o", "cells.csv"), "give -o FOLDER"),
        (("FOLDER", "-o", "new", "--row", "user"), "--row is for files"),
        (("FOLDER", "-o", "new", "--interval", "0.9"), "--level P"),
        (("FOLDER", "-o", "new", "--method", "irt"), "--method irt does not fit a prepared table"),
        (("FOLDER", "-o", "new", "--scale", "columns"), "needs the table in memory"),
        (("digits", "--memory", "1GB"), "then 'halfseen complete FOLDER'"),
        (("digits", "--checkpoint", "kept"), "are for prepared folders"),
    ],
)
def test_what_complete_cannot_do_with_a_folder_is_one_line(folder, words, match):
    code, text = run("complete", *(folder if word == "FOLDER" else word for word in words))
    assert code != 0
    assert match in " ".join(text.split())


@pytest.mark.slow
def test_workers_of_this_machine_give_the_bits_of_threads(folder, tmp_path):
    pytest.importorskip("distributed", reason="needs dask")
    assert run("fit", "als", folder, *ALS, "-o", tmp_path / "here")[0] == 0
    assert run("fit", "als", folder, *ALS, "--engine", "dask", "--workers", 2, "-o", tmp_path / "there")[0] == 0
    here, there = (hs.load(tmp_path / name / "model.safetensors") for name in ("here", "there"))
    np.testing.assert_array_equal(here.col_factors_, there.col_factors_)
