"""The score of an estimator judges only what its loss can judge."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.losses import get_loss


@pytest.mark.parametrize(
    ("family", "values", "message"),
    [
        ("bernoulli", [[0, 1], [1, 3], [1, 0]], r"'bernoulli' needs 0 or 1; 1 entry is outside, first R\[1, 1\] = 3"),
        ("poisson", [[0, 1], [1, -2], [0.5, 0]], r"'poisson' needs .*2 entries are outside, first R\[1, 1\] = -2"),
        ("binomial(4)", [[0, 5], [1, 2], [1, 0]], r"first R\[0, 1\] = 5"),
    ],
)
def test_values_outside_the_support_are_refused(family, values, message):
    model = hs.GeneralizedFactorModel(0, family).fit(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match=message):
        model.score(np.array(values, dtype=float))


def test_the_bad_entry_is_named_by_its_labels():
    train = hs.Observed.from_triplets(["ann", "ann", "bob"], ["q1", "q2", "q1"], [1.0, 0.0, 0.0])
    other = hs.Observed.from_triplets(["bob", "ann"], ["q2", "q1"], [2.0, 1.0], col_labels=None)
    model = hs.GeneralizedFactorModel(0, "bernoulli").fit(train)
    with pytest.raises(ValueError, match=r"first R\['bob', 'q2'\] = 2"):
        model.score(other.take_rows([0, 1]))


def test_values_inside_the_support_are_scored():
    table = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    model = hs.GeneralizedFactorModel(0, "bernoulli").fit(table)
    m = model.predict_table(kind="linear")
    assert model.score(table) == pytest.approx(-np.mean(np.log1p(np.exp(m)) - table * m))


def test_every_estimator_asks_its_loss():
    table = np.array([[1.0, 2.0], [3.0, 0.5]])
    model = hs.BiasModel().fit(table)
    assert np.isfinite(model.score(-table))
    model.loss_ = get_loss("poisson")
    with pytest.raises(ValueError, match=r"family='poisson' needs .*; 1 entry is outside, first R\[1, 1\] = 0\.5"):
        model.score(table)
