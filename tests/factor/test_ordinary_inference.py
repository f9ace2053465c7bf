"""Inference on ordinary tables: centred without a ridge, joint statements, tilts, scores over like columns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import NotStated


def answers(n: int, p: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances, complete answers and the seen ones of a two-parameter table."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(n, 1)), rng.normal(1, 0.3, p), rng.normal(0, 1, p)
    chance = 1 / (1 + np.exp(-(z + x * y)))
    full = (rng.random((n, p)) < chance).astype(float)
    return chance, full, np.where(rng.random((n, p)) < share, full, np.nan)


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def auto(table, **changed):
    model = hs.GeneralizedFactorModel(1, "bernoulli", random_state=0, **changed)
    return quietly(lambda: model.fit(table))


@pytest.fixture(scope="module")
def ridged():
    """A table on which ``penalty="auto"`` takes a ridge, and whose unpenalised fit exists."""
    chance, full, table = answers(100, 100, 0.5, 1)
    model = auto(table)
    assert model.penalty_choice_.chosen == "map"
    return chance, full, table, model, quietly(model.inference)


def test_after_an_automatic_ridge_intervals_are_those_of_the_fit_without_one(ridged):
    _, _, table, model, i = ridged
    free = quietly(auto(table, penalty="none").inference)
    i_rows, free_rows = i.scores(), free.scores()
    np.testing.assert_allclose(i_rows.estimate, free_rows.estimate, atol=1e-4)
    np.testing.assert_allclose(i_rows.se, free_rows.se, rtol=1e-3)
    assert i.claim.startswith("confidence")
    assert (
        np.abs(
            model.predict_table() - i.entries(*np.indices((100, 100)).reshape(2, -1)).estimate.reshape(100, 100)
        ).max()
        > 1e-3
    )


def test_bands_ranks_and_ties_answer_after_the_default_fit(ridged):
    chance, _, _, _, i = ridged
    band = i.band("scores")
    assert np.mean((band.low <= chance.mean(1)) & (chance.mean(1) <= band.high)) > 0.98
    assert i.ties().extra["group"].max() >= 2
    assert len(i.ranks(kind="simultaneous")) == 100


@pytest.mark.slow
def test_where_the_free_fit_does_not_exist_integrated_rows_cover_and_the_advice_works():
    chance, _, table = answers(50, 20, 0.7, 1)
    free = auto(table, penalty="none")
    with pytest.raises(ValueError, match="penalty='auto'"):
        free.inference()
    model = auto(table)
    i = quietly(model.inference)
    assert any("rows integrated out instead" in text for text in i.warnings_)
    scores = i.scores()
    assert np.mean((scores.low <= chance.mean(1)) & (chance.mean(1) <= scores.high)) > 0.85
    with pytest.raises(ValueError, match=r"hs\.ItemResponseModel") as refused:
        i.ties()
    assert "penalty='auto'" not in str(refused.value)
    followed = quietly(lambda: hs.ItemResponseModel().fit(table).inference())
    assert len(followed.ties()) == len(followed.band("scores")) == 50
    assert len(i.ranks(kind="per_item")) == 50


def test_a_chosen_ridge_refuses_bands_and_its_advice_works(ridged):
    i = quietly(auto(ridged[2], penalty="map").inference)
    with pytest.raises(ValueError, match="penalty='auto'"):
        i.band("scores")
    assert ridged[4].band("scores").kind == "band"


def test_a_tilt_of_nothing_is_the_realised_score_and_tilts_move_only_hidden_cells(ridged):
    _, _, table, _model, i = ridged
    listing, realised = i.sensitivity((-1, 0, 1)), i.scores(about="these")
    n, delta = 100, listing["delta"]
    np.testing.assert_allclose(listing["score"][delta == 0], realised.estimate)
    np.testing.assert_allclose(listing["low"][delta == 0], realised.low)
    # naive twin: the mean of seen answers and tilted chances
    unit = np.sqrt(np.mean(np.outer(i.row_factors_estimate[:, 0], i.col_factors_estimate[:, 0]) ** 2))
    linear = i.intercept + np.outer(i.row_factors_estimate[:, 0], i.col_factors_estimate[:, 0])
    up = np.where(np.isnan(table), 1 / (1 + np.exp(-(linear + unit))), table).mean(axis=1)
    np.testing.assert_allclose(listing["score"][delta == 1], up, rtol=1e-9)
    assert (listing["low"][delta == -1] <= listing["low"][delta == 1]).all()
    assert listing["hidden"][:n].tolist() == np.isnan(table).sum(axis=1).tolist()
    with pytest.raises(ValueError, match="deltas"):
        i.sensitivity([np.nan])


def test_a_tilt_recovers_scores_when_hidden_answers_are_worse_by_it():
    rng = np.random.default_rng(7)
    x, z = rng.normal(size=(200, 1)), rng.normal(size=60)
    seen = rng.random((200, 60)) < 0.6
    linear = z + x - np.where(seen, 0.0, 1.0)
    full = (rng.random((200, 60)) < 1 / (1 + np.exp(-linear))).astype(float)
    i = quietly(auto(np.where(seen, full, np.nan)).inference)
    listing = i.sensitivity((-1.0, 0.0))
    held = [np.mean((listing["low"][part] <= full.mean(1)) & (full.mean(1) <= listing["high"][part]))
            for part in (listing["delta"] == -1, listing["delta"] == 0)]  # fmt: skip
    assert held[0] > 0.9 > held[1]


def test_scores_over_like_columns_are_the_paired_test_on_a_complete_table():
    _, full, _ = answers(30, 200, 1.0, 3)
    full[0] = 1.0
    i = quietly(auto(full).inference)
    found = i.differences([3, 5], [4, 6], about="like-these")
    paired = full[[3, 5]] - full[[4, 6]]
    np.testing.assert_allclose(found.estimate, paired.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.se, paired.std(axis=1, ddof=1) / np.sqrt(200), rtol=1e-6)
    scores = i.scores(about="like-these")
    z = 1.959964
    assert scores.width.min() > 0
    np.testing.assert_allclose([scores.low[0], scores.high[0]], [200 / (200 + z**2), 1.0], rtol=1e-6)
    assert i.scores(about="these").name == "score of exactly these columns (all seen)"
    assert len(i.ranks(about="like-these")) == len(i.ties(about="like-these")) == 30


@pytest.mark.slow
def test_differences_over_like_columns_cover_those_of_the_whole_bank():
    held = []
    for seed in range(4):
        _chance, full, _ = answers(20, 3000, 1.0, seed)
        rng = np.random.default_rng(seed)
        table = full[:, rng.choice(3000, 150, replace=False)]
        table = np.where(rng.random(table.shape) < 0.6, table, np.nan)
        i = quietly(auto(table).inference)
        a, b = np.triu_indices(20, 1)
        found, truth = i.differences(a, b, about="like-these"), full.mean(1)[a] - full.mean(1)[b]
        held.append(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.88 < np.mean(held) < 0.99


def test_an_unknown_question_names_those_there_are(ridged):
    with pytest.raises(ValueError, match="like-these"):
        ridged[4].differences([0], [1], about="others")
    assert issubclass(NotStated, ValueError)
