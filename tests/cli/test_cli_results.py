"""The tracked figures of the factor model on real tables are those its commands print today."""

from __future__ import annotations

import csv
import json
import os
import shlex
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "examples" / "results" / "factor_real.csv"


def lines() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_on_every_tracked_table_the_factor_model_beats_the_means():
    rmse = {(line["table"], line["model"].split(",")[0]): float(line["rmse"]) for line in lines()}
    for table in {table for table, _ in rmse}:
        assert rmse[table, "factor model"] < rmse[table, "row and column means"] < rmse[table, "column mean"]


@pytest.mark.data
@pytest.mark.skipif("HALFSEEN_DATA" not in os.environ, reason="set HALFSEEN_DATA to the folder of real data sets")
@pytest.mark.parametrize("table", ["ml-100k, binomial(4)", "evalplus, bernoulli"])
@pytest.mark.slow
@pytest.mark.slow
def test_a_tracked_command_gives_its_tracked_figures(process, table):
    tracked = [line for line in lines() if line["table"] == table]
    words = shlex.split(tracked[0]["command"])[1:]
    done = process(*map(os.path.expandvars, words), "--json")
    assert done.returncode == 0, done.stderr
    for line, row in zip(tracked, json.loads(done.stdout)["figures"], strict=True):
        assert row["model"] == line["model"]
        # a different processor or BLAS sums in another order: the last digits may differ, no more
        assert row["rmse"] == pytest.approx(float(line["rmse"]), abs=2e-3)
