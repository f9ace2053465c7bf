"""What a refusal of intervals advises works when it is followed, to the end: scores with finite errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs


def thin_table(seed: int) -> np.ndarray:
    """50 x 20 yes/no answers, 70 % seen, of one factor with slopes of its own."""
    rng = np.random.default_rng([50, 20, seed])
    slopes, intercepts = rng.lognormal(0.0, 0.4, 20), rng.normal(size=20)
    chance = 1.0 / (1.0 + np.exp(-(rng.normal(size=(50, 1)) * slopes + intercepts)))
    answers = (rng.random((50, 20)) < chance).astype(float)
    return np.where(rng.random((50, 20)) < 0.7, answers, np.nan)


def fitted(table, rank=1, family="bernoulli", **changed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hs.GeneralizedFactorModel(rank, family, random_state=0, **changed).fit(table)


def inferred(model, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.inference(**given)


def states_scores(inference) -> bool:
    scores = inference.scores()
    return bool(np.isfinite(scores.se).all() and (scores.low <= scores.high).all())


@pytest.fixture(scope="module")
def table():
    return thin_table(0)


def test_a_separated_fit_is_sent_to_the_automatic_penalty():
    separated = np.where(np.arange(12) < np.arange(12)[:, None], 1.0, 0.0)
    model = fitted(separated, penalty="none", bias="none")
    with pytest.raises(ValueError, match="Use penalty='auto'"):
        inferred(model)
    assert states_scores(inferred(fitted(separated, penalty="auto")))


def test_an_early_end_is_sent_to_more_sweeps_or_a_penalty(table):
    model = fitted(table, penalty="none", max_iter=1)
    with pytest.raises(ValueError, match="Raise max_iter, use a penalty"):
        inferred(model)
    assert states_scores(inferred(fitted(table, penalty="none", max_iter=300)))
    assert states_scores(inferred(fitted(table, penalty="map")))


def test_a_model_out_of_a_file_is_sent_to_its_table(table, tmp_path):
    hs.save(fitted(table), tmp_path / "model.safetensors")
    loaded = hs.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.inference\(R=R\)"):
        loaded.inference()
    with pytest.raises(ValueError, match="pass the table of fit"):
        loaded.inference(R=table[:40])
    assert states_scores(inferred(loaded, R=table))


def test_joint_statements_of_a_penalised_fit_have_three_ways_out(table):
    i = inferred(fitted(table, penalty="map"))
    with pytest.raises(ValueError, match="this fit is penalised") as refusal:
        i.ties()
    for way in ("penalty='auto'", "ItemResponseModel", "ranks(kind='per_item')"):
        assert way in str(refusal.value)
    assert len(inferred(fitted(table, penalty="auto")).ties()) == 50
    assert len(inferred(hs.ItemResponseModel("2pl").fit(table)).ties()) == 50
    assert len(i.ranks(kind="per_item")) == 50


def test_intervals_that_rest_on_integrated_rows_name_only_ways_that_work():
    thin = thin_table(1)
    model = fitted(thin)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        i = model.inference()
    assert any("ItemResponseModel('2pl')" in str(warning.message) for warning in told)
    with pytest.raises(ValueError, match="this fit is penalised") as refusal:
        i.band("scores")
    assert "penalty='auto'" not in str(refusal.value)
    assert len(i.ranks(kind="per_item")) == 50
    rows = inferred(hs.ItemResponseModel("2pl").fit(thin))
    assert len(rows.band("scores")) == 50
    assert states_scores(i)
    # the ridge left no factors: intervals must not be those around a model without them
    assert np.median(i.scores().high - i.scores().low) > 0.3


def test_single_precision_is_sent_to_double(table):
    i = inferred(fitted(table.astype(np.float32)))
    with pytest.raises(ValueError, match="refit in float64"):
        i.row_factors()
    assert states_scores(i)
    assert np.isfinite(inferred(fitted(table)).row_factors().se).any()
