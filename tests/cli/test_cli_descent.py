"""``halfseen fit descent``: no rank to choose, the stop on record, pictures of the path."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    rng = np.random.default_rng(0)
    table = 3 + rng.normal(size=(60, 1)) + 2 * rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40))
    i, j = np.nonzero(rng.random(table.shape) < 0.5)
    path = tmp_path_factory.mktemp("descent") / "ratings.csv"
    lines = [f"u{a},t{b},{table[a, b] + 0.3 * rng.normal():.4f}" for a, b in zip(i, j, strict=True)]
    path.write_text("user,item,rating\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


NAMES = ("--row", "user", "--col", "item", "--value", "rating")


@pytest.mark.slow
def test_a_run_holds_the_stop_the_pictures_and_a_model_that_predicts(halfseen, ratings, tmp_path):
    found = halfseen("fit", "descent", ratings, *NAMES, "--rank", "12", "-o", tmp_path / "run", "--threads", "1")
    assert found.exit_code == 0, found.output
    assert "overparametrized descent, 12 columns" in found.output
    assert "stopped after" in found.output
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert {"descent.png", "fit.png", "model.safetensors"} <= set(facts["files"])
    told = facts["summary"][0]["items"]
    assert 2 <= int(told["components found"]) <= 4
    assert facts["figures"][0]["rmse"] < 0.5 * facts["figures"][-1]["rmse"]
    model = hs.load(tmp_path / "run" / "model.safetensors")
    assert told["stopped after"] == f"{model.stop_time_:,} iterations".replace(",", " ")
    assert np.isfinite(model.predict(["u0"], ["t0"])).all()


def test_switches_reach_the_model(halfseen, ratings):
    found = halfseen("fit", "descent", ratings, *NAMES, "--rank", "5", "--stop", "30", "--start-scale", "0.01",
                     "--centre", "none", "--held-out", "0", "--json", "--threads", "1")  # fmt: skip
    config = json.loads(found.stdout)["config"]
    assert (config["rank"], config["stop"], config["start_scale"]) == (5, 30, 0.01)
    assert config["centre"] == "none"


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (("--stop", "soon"), "--stop 'soon' is not allowed; needed: one of 'auto'"),
        (("--stop", "sure"), "needs all singular values"),
        (("--centre", "x"), "--centre 'x' is not allowed; needed: one of"),
        (("--family", "binomial"), "--family binomial needs --trials N"),
    ],
)
def test_bad_switches_end_with_one_line(halfseen, ratings, switches, message):
    found = halfseen("fit", "descent", ratings, *NAMES, *switches)
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())
