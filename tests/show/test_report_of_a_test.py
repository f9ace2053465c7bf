"""The page of an item response model with rows integrated out."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-(rng.normal(size=(200, 1)) + np.linspace(-1, 1, 6))))
    return hs.ItemResponseModel().fit((rng.random((200, 6)) < chance).astype(float))


@pytest.mark.slow
def test_it_has_the_items_their_curves_and_their_fit(model, tmp_path):
    hs.report(model, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("Wright map", "Information of the whole test", "Fit of the items", "marginal reliability"):
        assert words in text


@pytest.mark.slow
def test_a_saved_model_has_all_but_what_needs_the_answers(model, tmp_path):
    hs.save(model, tmp_path / "model.halfseen")
    hs.report(hs.load(tmp_path / "model.halfseen"), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Wright map" in text
    assert "Fit of the items" not in text
