"""What ``fit`` prints and keeps of a model is part of what its summary says: one place, the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs
from halfseen.summary import Summary


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    rng = np.random.default_rng(3)
    table = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 12)) + 0.3 * rng.normal(size=(40, 12))
    seen = rng.random(table.shape) < 0.7
    folder = tmp_path_factory.mktemp("panel")
    head = ",".join(["row", *(f"c{j}" for j in range(12))])
    cells = [
        ",".join([f"r{i}", *(f"{v:.4f}" if s else "" for v, s in zip(table[i], seen[i], strict=True))])
        for i in range(40)
    ]
    (folder / "wide.csv").write_text("\n".join([head, *cells]) + "\n")
    i, j = np.nonzero(seen)
    long = [f"{'ab'[int(b > 5)]},r{a},c{b},{table[a, b]:.4f}" for a, b in zip(i, j, strict=True)]
    (folder / "long.csv").write_text("\n".join(["source,row,col,value", *long]) + "\n")
    return folder


def tables(parts):
    return {part["caption"]: part["columns"] for part in parts if part["kind"] == "table"}


FITS = {
    "descent": ("wide.csv", "--rank", 6, "--stop", 40),
    "moment": ("wide.csv", "--rank", 2),
    "heterogeneous": ("long.csv", "--source", "source", "--row", "row", "--col", "col", "--value", "value"),
}


@pytest.mark.fast_cases("moment", "descent")
@pytest.mark.parametrize("method", FITS)
def test_what_a_fit_prints_is_kept_and_is_part_of_the_summary(halfseen, panel, tmp_path, method):
    file, *words = FITS[method]
    done = halfseen("fit", method, panel / file, *words, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    model = hs.load(tmp_path / "run" / "model.safetensors")
    whole = Summary.of(model, record=record).to_dict()
    parts = [part for section in whole["sections"] for part in section["parts"]]
    assert record["summary"]
    for caption, columns in tables(record["summary"]).items():
        assert caption in done.stdout
        theirs = {column["title"]: column for column in tables(parts)[caption]}
        for column in columns:
            if column["title"] in theirs:
                assert column.get("values") == pytest.approx(theirs[column["title"]].get("values"), nan_ok=True)
    for part in record["summary"]:
        if part["kind"] == "facts":
            assert all(value in done.stdout for value in part["items"].values())
            assert any(other["kind"] == "facts" and part["items"].items() <= other["items"].items() for other in parts)


def test_a_wide_file_is_recognised_by_the_fit_of_second_moments_too(halfseen, panel):
    told = halfseen("fit", "moment", panel / "wide.csv", "--rank", 2, "--json", "--no-errors")
    assert told.exit_code == 0, told.output
    data = json.loads(told.stdout)["data"]
    assert (data["n_rows"], data["n_cols"]) == (40, 12)


def test_entries_in_another_order_are_refused_as_every_reader_refuses_them(halfseen, tmp_path):
    lines = [f"{k % 5 + 1}.5,u{k % 12},i{k % 9}" for k in range(60)]
    (tmp_path / "mixed.csv").write_text("\n".join(["rating,user,item", *lines]) + "\n")
    refused = [halfseen("fit", method, tmp_path / "mixed.csv") for method in ("moment", "als")]
    assert [answer.exit_code for answer in refused] == [2, 2]
    assert refused[0].stderr == refused[1].stderr
    assert "--row user, --col item, --value rating" in refused[0].stderr


@pytest.mark.slow
def test_faint_factors_hide_neither_ranks_nor_misalignment():
    rng = np.random.default_rng(0)
    rows, own = rng.normal(size=(100, 2)), rng.normal(size=(100, 3))
    tables = {}
    for k, name in enumerate("abc"):
        common, mine = rows @ rng.normal(size=(2, 12)), own[:, [k]] @ rng.normal(size=(1, 12))
        tables[name] = common + mine + 0.5 * rng.normal(size=(100, 12))
    model = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    assert (model.shared_rank_, set(model.unique_rank_.values())) == (2, {1})
    assert model.misalignment_ > 0.3
    assert not any("hardly differ" in note.text for note in model.summary().notes)
