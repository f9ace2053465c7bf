"""Bundled tables: labelled, half seen, the same at every call, and good enough to show what they are for."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.datasets.bundled import BUNDLED


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_table_is_incomplete_named_and_the_same_at_every_call(name):
    table, again = hs.datasets.load(name), hs.datasets.load(name)
    np.testing.assert_array_equal(table.values, again.values)
    np.testing.assert_array_equal(table.cols, again.cols)
    assert 0.05 < table.density < 0.95
    info = next(info for info in hs.datasets.list_datasets() if info.name == name)
    assert info.here
    assert not info.file
    assert f"{table.shape[0]} " in info.summary
    assert f"{table.shape[1]} " in info.summary
    assert not hs.losses.get_loss(info.family).invalid(table.values).any()


def test_the_sensor_that_is_silent_is_predicted_by_the_others():
    table = hs.datasets.load("sensors")
    train, test = table.split(0.1, random_state=0)
    errors = {}
    for model in (hs.BayesianFactorization(max_iter=60, random_state=0), hs.ColumnMean()):
        scale = np.nanstd(train.to_dense(), axis=0)
        dense = train.to_dense() / scale
        off = model.fit(dense).predict(test.rows, test.cols) - test.values / scale[test.cols]
        errors[type(model).__name__] = np.sqrt(np.mean(off**2))
    assert errors["BayesianFactorization"] < 0.7 * errors["ColumnMean"]
    assert np.isnan(table.to_dense()[100:130, 2]).all()


def test_film_ratings_have_more_than_biases():
    train, test = hs.datasets.load("film_ratings").split(0.1, random_state=0)
    errors = [
        np.sqrt(np.mean((model.fit(train).predict_table()[test.rows, test.cols] - test.values) ** 2))
        for model in (hs.BayesianFactorization(max_iter=100, random_state=0), hs.BiasModel())
    ]
    assert errors[0] < 0.97 * errors[1]
