"""``model.summary()``: the same parts in a terminal, a notebook, as JSON and on the page."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs


@pytest.fixture(scope="module")
def board():
    data = hs.datasets.make_factor_data(40, 25, rank=1, family="bernoulli", observed=0.8, random_state=0).observed
    rows = np.array([f"model [{i}]" for i in range(40)])
    rows[3] = "red\x1b[31m"
    table = hs.Observed.from_triplets(data.rows, data.cols, data.values, shape=(40, 25), row_labels=rows)
    return hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)


def column(parts, caption, title):
    tables = [part for section in parts["sections"] for part in section["parts"] if part["kind"] == "table"]
    table = next(part for part in tables if part["caption"].startswith(caption))
    return next(one for one in table["columns"] if one["title"] == title)


def test_a_number_is_the_same_in_every_rendering(board, tmp_path):
    summary = board.summary(level=0.9)
    parts = json.loads(summary.to_json())
    scores = column(parts, "Rows, best first", "score")["values"]
    ends = column(parts, "Rows, best first", "90 % interval")
    intervals = board.inference(0.9).scores()
    assert sorted(scores) == pytest.approx(sorted(intervals.estimate))
    assert sorted(ends["low"]) == pytest.approx(sorted(intervals.low))
    text, html = str(summary), summary._repr_html_()
    page = summary.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    best = f"{scores[0]:.2f}"
    for rendered in (text, html, page):
        assert "Leaderboard" in rendered
        assert best in rendered


def test_text_prints_labels_literally(board):
    text = str(board.summary())
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert "model [" in text


def test_what_a_fit_warned_about_is_among_the_notes():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="held-out"):
        model = hs.GeneralizedFactorModel(3, random_state=0).fit(rng.normal(size=(60, 12)))
    told = [note.text for note in model.summary().notes]
    assert all(" ".join(text.split()) in told for text in model.warnings_)


def test_every_estimator_of_one_table_tells_something():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 1)) @ rng.normal(size=(1, 15)) + 0.1 * rng.normal(size=(40, 15)) + 3
    table[rng.random(table.shape) < 0.2] = np.nan
    for model in (
        hs.AlternatingLeastSquares(1, random_state=0), hs.SoftImpute(2, random_state=0), hs.BiasModel(),
        hs.BayesianFactorization(1, max_iter=20, burn_in=5, random_state=0), hs.ColumnMean(),
        hs.OverparametrizedFactorization(5, random_state=0), hs.Imputer(hs.ColumnMean()),
    ):  # fmt: skip
        summary = model.fit(table).summary()
        assert summary.facts["rows"] == "40", type(model).__name__
        assert summary.sections, type(model).__name__
        assert summary.chapter.title in str(summary)


def test_a_level_that_is_none_is_refused(board):
    with pytest.raises(ValueError, match="level=95 must lie between 0 and 1"):
        board.summary(level=95)
