"""Scores of the table as it is: what such a score can be, and what it would be under a stated tilt."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import NotStated


def answers(n: int, p: int, hidden: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-(rng.normal(size=p) + rng.normal(size=(n, 1)))))
    full = (rng.random((n, p)) < chance).astype(float)
    table = full.copy()
    for i in range(1, n):
        table[i, rng.choice(p, hidden, replace=False)] = np.nan
    return full, table


@pytest.fixture(scope="module", params=[pytest.param("columns", marks=pytest.mark.slow), "rows"])
def case(request):
    full, table = answers(100, 12, 2, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.ItemResponseModel("2pl", integrate=request.param).fit(table)
    return full, table, model


def test_scores_of_a_table_with_two_hidden_answers_end_where_a_score_can_be(case):
    full, table, model = case
    scores = model.inference().scores("these")
    for end in (scores.low, scores.high):
        np.testing.assert_allclose(12 * end, np.round(12 * end), atol=1e-9)
    known = np.nansum(table, axis=1) / 12
    assert (scores.low >= known - 1e-9).all()
    assert (scores.high <= known + np.isnan(table).sum(axis=1) / 12 + 1e-9).all()
    held = (scores.low <= full.mean(axis=1) + 1e-9) & (full.mean(axis=1) - 1e-9 <= scores.high)
    assert held.mean() >= 0.95
    assert scores.low[0] == scores.high[0] == full[0].mean()


def test_a_tilt_moves_the_hidden_cells_alone_and_zero_is_the_score_itself(case):
    _, table, model = case
    i = model.inference()
    listing, scores = i.sensitivity([-1.0, 0.0, 1.0]), i.scores("these")
    by_tilt = np.asarray(listing["score"]).reshape(3, -1)
    np.testing.assert_allclose(by_tilt[1], scores.estimate, atol=1e-9)
    assert (by_tilt[0, 1:] < by_tilt[1, 1:]).all()
    assert (by_tilt[1, 1:] < by_tilt[2, 1:]).all()
    assert by_tilt[0, 0] == by_tilt[2, 0]  # nothing hidden
    # the naive twin: every hidden cell by itself
    linear = model.predict_table(kind="linear")
    unit = np.sqrt(np.mean(linear.var(axis=0)))
    moved = [
        sum(
            1 / (1 + np.exp(-m - unit)) - 1 / (1 + np.exp(-m))
            for m, seen in zip(line, row, strict=True)
            if np.isnan(seen)
        )
        for line, row in zip(linear, table, strict=True)
    ]
    np.testing.assert_allclose(by_tilt[2] - by_tilt[1], np.array(moved) / 12, atol=1e-9)


def test_a_model_out_of_a_file_needs_the_table_again(case, tmp_path):
    _, table, model = case
    hs.save(model, tmp_path / "model.safetensors")
    loaded = hs.load(tmp_path / "model.safetensors")
    with pytest.raises(NotStated, match="R=, or fit again"):
        loaded.inference().sensitivity()
    again = loaded.inference().sensitivity([1.0], R=table)
    np.testing.assert_allclose(again["score"], model.inference().sensitivity([1.0])["score"], atol=1e-9)
    with pytest.raises(ValueError, match="100 rows of the fit"):
        loaded.inference().sensitivity(R=table[:5])
