"""Advice that is followed: files as people keep them, from a first look to a filled table."""

from __future__ import annotations

import csv
import json
import re
import shlex

import numpy as np
import pytest


def people(n=24, p=5, seed=4):
    rng = np.random.default_rng(seed)
    table = np.round(30 + 8 * rng.normal(size=(n, 1)) + 2 * np.arange(p) + rng.normal(size=(n, p)), 1)
    table[rng.random(table.shape) < 0.08] = np.nan
    return table


def lines_of(table, sep=",", end=""):
    for k, row in enumerate(table):
        yield sep.join([f"n{k}", *("" if np.isnan(v) else f"{v}{end}" for v in row)])


def total(table, sep=","):
    return sep.join(["Total", *(f"{v:.1f}" for v in np.nansum(table, axis=0))])


HEADER = "who,a,b,c,d,e"
TABLE = people()
FILES = {
    "titled.csv": ["A title", "", HEADER, *lines_of(TABLE)],
    "percent.csv": [HEADER, *lines_of(TABLE, end=" %")],
    "units.csv": [HEADER, "-,kg,kg,kg,m,m", *lines_of(TABLE)],
    "total.csv": [HEADER, *lines_of(TABLE), total(TABLE)],
    "german.csv": [line.replace(",", ";").replace(".", ",") for line in [HEADER, *lines_of(TABLE)]],
    "counted.csv": [f",{HEADER}", *(f"{k},{line}" for k, line in enumerate(lines_of(TABLE)))],
    "years.csv": ["who,2001,2002,2003,2004,2005", *lines_of(TABLE)],
}


@pytest.mark.parametrize("name", FILES)
def test_every_command_that_describe_advises_works_and_fills_the_same_table(name, halfseen, tmp_path):
    path = tmp_path / name
    path.write_text("\n".join(FILES[name]) + "\n")
    told = halfseen("describe", path).output
    advised = re.findall(r"(?:try|or): +halfseen (.*)", told)
    assert any(line.startswith("fit factor") for line in advised)
    assert ("--drop-rows Total" in told) == (name == "total.csv")
    out = tmp_path / "completed.csv"
    words = shlex.split(
        next(line for line in advised if line.startswith("complete")).replace("completed.csv", str(out))
    )
    result = halfseen(*words, "--method", "als", "--rank", 1, "--held-out", 0)
    assert result.exit_code == 0, result.output
    rows = list(csv.reader(out.read_text().splitlines()))
    assert len(rows) == 1 + len(TABLE)
    values = np.array([row[-5:] for row in rows[1:]], dtype=float)
    np.testing.assert_allclose(values[np.isfinite(TABLE)], TABLE[np.isfinite(TABLE)], rtol=1e-12)
    assert np.isfinite(values).all()


def test_a_completed_table_goes_to_standard_output(halfseen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *lines_of(TABLE)]) + "\n")
    done = halfseen("complete", "t.csv", "-o", "-", "--method", "means")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == HEADER
    assert len(done.stdout.splitlines()) == 1 + len(TABLE)
    assert not (tmp_path / "-").exists()


def test_new_rows_are_read_as_the_table_of_the_fit_was(halfseen, tmp_path):
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *lines_of(TABLE)]) + "\n")
    (tmp_path / "new.csv").write_text("who,a,b\nzoe,30,31\nmax,,40\n")  # three columns: long, without the fit's word
    (tmp_path / "odd.csv").write_text("who,a,q\nzoe,30,31\nmax,,40\n")
    assert halfseen("fit", "als", tmp_path / "t.csv", "--rank", 1, "-q", "-o", tmp_path / "run").exit_code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["table"]["wide"] is True
    placed = halfseen("place", tmp_path / "run", tmp_path / "new.csv")
    assert "zoe,c," in placed.output
    assert "max,a," in placed.output
    refused = halfseen("place", tmp_path / "run", tmp_path / "odd.csv")
    assert refused.exit_code == 2
    assert "unknown column label 'q'" in refused.output


def test_words_of_a_test_are_read_by_fit_irt_as_in_python(halfseen, tmp_path):
    import halfseen as hs

    rng = np.random.default_rng(2)
    answers = rng.normal(size=(60, 1)) + 0.5 * np.arange(-2, 3) + rng.normal(size=(60, 5)) > 0
    words = [[f"s{k}", *("right" if cell else "wrong" for cell in row)] for k, row in enumerate(answers)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *map(",".join, words)]) + "\n")
    result = halfseen("fit", "irt", path, "--kind", "rasch", "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "words were read as numbers: --values wrong=0,right=1" in result.output
    python = hs.ItemResponseModel(kind="rasch").fit(hs.Observed.from_dense(answers.astype(float)))
    stored = hs.load(tmp_path / "run" / "model.safetensors")
    np.testing.assert_allclose(stored.predict_table(), python.predict_table(), atol=1e-3)
    (tmp_path / "new.csv").write_text("who,a,b,c\nzoe,right,right,wrong\n")
    placed = halfseen("place", tmp_path / "run", tmp_path / "new.csv")
    assert placed.exit_code == 0, placed.output


def test_questions_needed_are_whole_numbers(halfseen, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["model,question,right"]
    for m, ability in enumerate((-1.0, 0.0, 1.5)):
        lines += [f"m{m},q{q},{int(ability + rng.normal() > 0)}" for q in range(60)]
    path = tmp_path / "evals.csv"
    path.write_text("\n".join(lines) + "\n")
    result = halfseen("board", path, "-o", tmp_path / "board")
    assert result.exit_code == 0, result.output
    shown = halfseen("board", "show", tmp_path / "board", "--json")
    assert shown.exit_code == 0, shown.output
    needed = [row["needed"] for row in json.loads(shown.stdout)["rows"]]
    assert all(number is None or isinstance(number, int) for number in needed)
    assert any(number is not None for number in needed)
    shown = halfseen("board", "show", tmp_path / "board")
    listed = list(csv.DictReader(shown.stdout.splitlines()))
    assert [row["needed"] for row in listed] == ["" if number is None else str(number) for number in needed]
