"""Many sources at the command line: factors shown, new samples placed, sources of a long table completed."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

import halfseen as hs
from patient_views import NEW, WIDTHS, N, draw_world, frame, seen_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    world = draw_world()
    tables = seen_tables(world)
    folder = tmp_path_factory.mktemp("views")
    (folder / "new").mkdir()
    lines = []
    for name, table in tables.items():
        if name == "answers":
            continue
        table.to_csv(folder / f"{name}.csv")
        frame(name, world[name][N:], N).to_csv(folder / "new" / f"{name}.csv")
        long = table.stack().dropna().reset_index()
        long.columns = ["patient", "what", "value"]
        lines.append(long.assign(view=name))
    pd.concat(lines).to_csv(folder / "long.csv", index=False)
    return folder


@pytest.mark.slow
def test_a_fit_shows_what_factors_explain_and_draws_them(halfseen, folder):
    done = halfseen("fit", "heterogeneous", folder / "clinic.csv", folder / "genes.csv", "--wide", "--held-out", 0,
                    "-o", folder / "run")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "columns that stand out" in done.output
    kept = {path.name for path in (folder / "run").iterdir()}
    assert {"variance.png", "samples.png", "loadings-0.png", "loadings-1.png"} <= kept
    record = json.loads((folder / "run" / "run.json").read_text())
    caption = "Variance explained by factor and source"
    (explained,) = (part for part in record["summary"] if part.get("caption") == caption)
    shares = {column["title"]: column["values"] for column in explained["columns"]}
    assert all(0 < share < 1 for share in shares["clinic"] if share is not None)
    assert len(shares["factor"]) == len(shares["clinic"]) == len(shares["genes"])
    placed = halfseen("place", folder / "run", folder / "new" / "clinic.csv", "--wide")
    lines = list(csv.DictReader(io.StringIO(placed.stdout)))
    assert {line["source"] for line in lines} == {"genes"}
    assert len(lines) == NEW * WIDTHS["genes"]
    model = hs.load(folder / "run" / "model.safetensors")
    clinic = pd.read_csv(folder / "new" / "clinic.csv", index_col=0)
    guess = model.place_samples({"clinic": clinic}).predict_table("genes")
    assert float(lines[3]["predicted"]) == pytest.approx(guess[0, 3])
    assert float(lines[3]["low"]) < guess[0, 3] < float(lines[3]["high"])
    both = halfseen("place", folder / "run", folder / "new" / "clinic.csv", folder / "new" / "genes.csv", "--wide",
                    "--scores", "--json")  # fmt: skip
    scores = json.loads(both.stdout)
    assert {line["row"] for line in scores} == set(clinic.index)
    assert all(line["low"] < line["score"] < line["high"] for line in scores)
    asked = halfseen("predict", folder / "run", "--source", "genes", "--rows", "p03", "--cols", "g02", "--level",
                     0.9, "--json")  # fmt: skip
    cell = json.loads(asked.stdout[asked.stdout.index("[") :])[0]
    assert cell["low"] < cell["predicted"] < cell["high"]


def test_sources_of_a_long_table_are_completed_together(halfseen, folder):
    out = folder / "whole.csv"
    done = halfseen("complete", folder / "long.csv", "--source", "view", "--row", "patient", "--col", "what",
                    "--value", "value", "--interval", 0.9, "-o", out)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "cells kept back" in done.output
    whole, tables = pd.read_csv(out), seen_tables(draw_world())
    assert len(whole) == N * (WIDTHS["clinic"] + WIDTHS["genes"])
    filled = whole[whole.is_filled]
    assert len(filled) == sum(int(tables[name].isna().sum().sum()) for name in ("clinic", "genes"))
    assert ((filled.low < filled.value) & (filled.value < filled.high)).all()
    assert whole[~whole.is_filled].low.isna().all()
    kept = whole[~whole.is_filled].set_index(["source", "row", "col"]).value
    assert kept["clinic", "p00", tables["clinic"].columns[tables["clinic"].loc["p00"].notna()][0]] > 250


def test_options_without_a_meaning_for_sources_are_refused(halfseen, folder):
    done = halfseen("complete", folder / "long.csv", "--source", "view", "--method", "als")
    assert done.exit_code != 0
    assert "--method has no meaning with --source" in done.output + done.stderr
