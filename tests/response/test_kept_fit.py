"""A saved model has no answers any more, and its page still tells how the items fit."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import NotStated


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A fitted test of 120 takers, and the same from a file."""
    rng = np.random.default_rng(4)
    chance = 1 / (1 + np.exp(-(rng.normal(size=(120, 1)) - np.linspace(-1, 1, 6))))
    answers = np.where(rng.random(chance.shape) < 0.9, (rng.random(chance.shape) < chance) * 1.0, np.nan)
    model = hs.ItemResponseModel(integrate="rows", random_state=0).fit(answers)
    path = tmp_path_factory.mktemp("kept") / "model.safetensors"
    hs.save(model, path)
    return model, hs.load(path)


def test_the_numbers_of_the_saved_model_are_those_of_the_fitted_one(both):
    model, loaded = both
    told = model.inference().item_fit()
    for name, column in loaded.kept_fit_["columns"].items():
        np.testing.assert_allclose(column, told.data[name], rtol=1e-12, err_msg=name)
    assert loaded.kept_fit_["flags"] == list(told.data["flag"])
    for name, value in model.reliability().items():
        np.testing.assert_allclose(loaded.kept_fit_["reliability"][name], value, rtol=1e-12)


def test_both_pages_have_the_fit_of_the_items_and_the_reliability(both):
    pages = [
        model.summary().to_json() if hasattr(model.summary(), "to_json") else str(model.summary()) for model in both
    ]
    for page in map(str, pages):
        assert "Fit of the items" in page
        assert "empirical reliability" in page


def test_asking_the_loaded_model_anew_still_needs_the_answers(both):
    with pytest.raises((ValueError, NotStated), match="answers"):
        both[1].inference().item_fit()
