"""`halfseen predict`: pairs in, expected values out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.feather
import pyarrow.parquet
import pytest
from small_table import write_table
from typer.testing import CliRunner

import halfseen as hs
from halfseen.cli.app import app


@pytest.fixture(scope="module")
def fitted_run(tmp_path_factory):
    """A run of the shared table, fitted once."""
    folder = tmp_path_factory.mktemp("fitted")
    names = ("--row", "user", "--col", "film", "--value", "rating")
    words = ("fit", "als", write_table(folder), "--rank", 1, *names, "-o", folder / "run")
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    return folder / "run"


@pytest.fixture
def run(fitted_run, tmp_path):
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(fitted_run, tmp_path / "run"))


@pytest.fixture
def expected(run):
    model = hs.load(run / "model.safetensors")
    return model.predict(["u00", "u29"], ["f03", "f19"])


PAIRS = [("u00", "f03"), ("u29", "f19")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "film,user\nf03,u00\nf19,u29\n"),  # by the names of the fit, in any order
        ("p.tsv", "a\tb\nu00\tf03\nu29\tf19\n"),  # other names: the first two columns
    ],
)
def test_pairs_come_from_a_file(halfseen, run, expected, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = halfseen("predict", run, tmp_path / name)
    assert done.exit_code == 0, done.output
    lines = list(csv.DictReader(done.stdout.splitlines()))
    assert [(line["row"], line["col"]) for line in lines] == PAIRS
    np.testing.assert_array_equal([float(line["predicted"]) for line in lines], expected)


def test_rows_and_columns_of_options_meet_each_other(halfseen, run):
    words = ["--rows", "u00,u29", "--cols", "f03", "--cols", "f19"]
    lines = json.loads(halfseen("predict", run, *words, "--json").stdout)
    model = hs.load(run / "model.safetensors")
    block = model.predict_table(["u00", "u29"], ["f03", "f19"])
    assert [line["predicted"] for line in lines] == pytest.approx(block.ravel())
    assert [(line["row"], line["col"]) for line in lines] == [
        ("u00", "f03"), ("u00", "f19"), ("u29", "f03"), ("u29", "f19")
    ]  # fmt: skip


def test_without_pairs_the_whole_table_is_predicted(halfseen, run, tmp_path):
    assert halfseen("predict", run, "-o", tmp_path / "all.parquet").exit_code == 0
    whole = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    model = hs.load(run / "model.safetensors")
    assert whole["predicted"].to_pylist() == pytest.approx(model.predict_table().ravel())
    assert whole["row"].to_pylist()[:20] == ["u00"] * 20
    chosen = json.loads(halfseen("predict", run, "--cols", "f07", "--json").stdout)
    assert len(chosen) == 30


def test_one_row_meets_many_columns(halfseen, run):
    words = ["--rows", "u00", "--cols", "f03", "--cols", "f19"]
    assert [line["row"] for line in json.loads(halfseen("predict", run, *words, "--json").stdout)] == ["u00", "u00"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".parquet", ".feather"])
def test_predictions_are_written_in_the_format_of_the_name(halfseen, run, expected, tmp_path, suffix):
    pairs, out = tmp_path / "p.csv", tmp_path / f"out{suffix}"
    pairs.write_text("user,film\nu00,f03\nu29,f19\n")
    done = halfseen("predict", run, pairs, "-o", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    if suffix in (".csv", ".tsv"):
        lines = list(csv.DictReader(out.read_text().splitlines(), delimiter="," if suffix == ".csv" else "\t"))
        found = [float(line["predicted"]) for line in lines]
    elif suffix == ".json":
        found = [line["predicted"] for line in json.loads(out.read_text())]
    else:
        read = pyarrow.parquet.read_table if suffix == ".parquet" else pyarrow.feather.read_table
        found = read(out)["predicted"].to_pylist()
    np.testing.assert_array_equal(found, expected)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "u00", "--cols", "f3"], "f03"),
        (["--rows", "u00", "--cols", "f03", "-o", "out.xls"], ".parquet"),
        (["absent.csv"], "absent.csv"),
        (["absent.csv", "--rows", "u00"], "either"),
    ],
)
def test_bad_questions_end_with_one_clear_line(halfseen, run, words, message):
    done = halfseen("predict", run, *words)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_folder_without_a_run_is_told(halfseen, tmp_path):
    done = halfseen("predict", tmp_path, "--rows", 1, "--cols", 1)
    assert done.exit_code == 2
    assert "not a halfseen run" in done.stderr


def test_a_damaged_model_is_told(halfseen, run):
    model = run / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-40])
    done = halfseen("predict", run, "--rows", "u00", "--cols", "f03")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "model.safetensors" in done.stderr


def test_a_damaged_record_is_told(halfseen, run):
    (run / "run.json").write_text("{")
    done = halfseen("predict", run, "--rows", "u00", "--cols", "f03")
    assert done.exit_code == 2
    assert "run.json" in done.stderr


def test_a_level_adds_the_ends_of_predictive_intervals(halfseen, table, tmp_path):
    shifted = ["--shift", 2, "--rank", 1, "--max-iter", 40, "--held-out", 0]
    assert halfseen("fit", "bayes", table, *shifted, "-o", tmp_path / "run").exit_code == 0
    words = ["predict", tmp_path / "run", "--rows", "u00", "--cols", "f03", "--json"]
    (line,) = json.loads(halfseen(*words, "--level", 0.9).stdout)
    (narrow,) = json.loads(halfseen(*words, "--level", 0.5).stdout)
    model = hs.load(tmp_path / "run" / "model.safetensors")
    found = model.inference(0.9).responses(["u00"], ["f03"])
    assert (line["low"], line["high"]) == (found.low[0] - 2, found.high[0] - 2)
    assert line["low"] < narrow["low"] < line["predicted"] < narrow["high"] < line["high"]
    assert halfseen(*words, "--level", 2).exit_code == 2


def test_a_level_is_refused_where_the_model_has_no_intervals(halfseen, run):
    done = halfseen("predict", run, "--rows", "u00", "--cols", "f03", "--level", 0.9)
    assert done.exit_code == 2
    assert "an AlternatingLeastSquares has no intervals" in done.output
