"""``halfseen fit autoencoder``: one table, or sources with encoders of their own; what it leaves behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs

pytest.importorskip("torch")

SMALL = ["--width", "6", "--hidden", "8", "--unique-hidden", "4", "--folds", "2", "--max-iter", "2",
         "--learning-rate", "0.02", "--device", "cpu"]  # fmt: skip
DATA = hs.datasets.make_sources_data(3, 20, [15, 18, 21], 1, 1, observed=0.7, random_state=0)


@pytest.fixture
def long(write_long):
    return write_long(DATA.sources)


@pytest.mark.slow
def test_sources_get_encoders_of_their_own_and_a_folder_that_predicts(long, tmp_path, halfseen):
    out = tmp_path / "run"
    done = halfseen("fit", "autoencoder", long, "--source", "site", *SMALL, "--penalty", "0.1,1", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "HeterogeneousAutoencoder, width 6" in done.stdout
    assert "best of 2 on held-out entries" in " ".join(done.stdout.split())
    facts = json.loads((out / "run.json").read_text())
    assert [one["model"].split(",")[0] for one in facts["figures"]] == [
        "heterogeneous autoencoder", "sparse autoencoder", "alternating least squares", "column mean"
    ]  # fmt: skip
    best = min(facts["tried"], key=lambda one: one["rmse"])
    assert facts["config"]["penalty"] == best["penalty"]
    assert {"embeddings.png", "trace.png", "model.safetensors"} <= set(facts["files"])
    answer = halfseen("predict", out, "--source", "source 1", "--rows", "s03", "--cols", "d07", "--json")
    wanted = hs.load(out / "model.safetensors").predict_entries("source 1", ["s03"], ["d07"])
    np.testing.assert_allclose(json.loads(answer.stdout)[0]["predicted"], wanted)


@pytest.mark.slow
def test_one_table_makes_one_network_and_needs_no_source_to_predict(long, tmp_path, halfseen):
    table = tmp_path / "one.csv"
    table.write_text("\n".join(line.split(",", 1)[1] for line in long.read_text().splitlines()[: 1 + 200]) + "\n")
    out = tmp_path / "run"
    done = halfseen("fit", "autoencoder", table, *SMALL, "--solver", "lbfgs", "--no-refit", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "SparseAutoencoder, width 6" in done.stdout
    assert halfseen("predict", out, "--rows", "s03", "--cols", "d07").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--width", "7"], "--folds 2 is not allowed; needed: None, 0, or a number that divides width=7"),
        (["--penalty", "x"], "--penalty 'x' is not allowed"),
        (["--device", "gpu"], "--device gpu is not known"),
        (["--solver", "sgd"], "--solver 'sgd' is not allowed"),
    ],
)
def test_bad_input_is_one_line(long, halfseen, words, message):
    done = halfseen("fit", "autoencoder", long, "--source", "site", *SMALL, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
