"""The form of the weights, and where fits begin."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.inductive.moments import paired
from halfseen.methods.inductive.starts import random_point
from inductive_truth import Realizable, make_problem


def test_odd_units_have_one_sign_and_predict_what_they_did():
    data = Realizable("tanh", 60, 600, k=3, d=5)
    fits = []
    for gauge in ("none", "balance"):
        options = hs.InductiveOptions(start_scale=1.0, max_iter=40, gauge=gauge)
        model = hs.InductiveCompletion(3, "tanh", ridge=0.0, options=options, random_state=1)
        fits.append(model.fit(data.observed, **data.features))
    np.testing.assert_allclose(fits[0].predict(*data.new), fits[1].predict(*data.new), rtol=1e-9, atol=1e-9)
    weights = [np.vstack([fit.col_weights_, fit.col_intercept_]) for fit in fits]
    largest = [w[np.abs(w).argmax(axis=0), np.arange(3)] for w in weights]
    assert np.any(largest[0] < 0)
    assert np.all(largest[1] > 0)


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
def test_random_starts_predict_numbers_of_the_size_of_the_data(activation):
    sizes = []
    for scale in (0.1, 0.3):
        data = Realizable(activation, 100, 1500, scale=scale)
        problem = make_problem(data.observed, data.F, data.G, activation, intercept=False, rank=5)
        at = problem.unpack(random_point(problem, "auto", np.random.default_rng(0)))
        (_, H), (_, W) = problem.sides(at)
        sizes.append(np.sqrt(np.mean((H @ W.T) ** 2) / np.mean(data.observed.values**2)))
    # preactivations have one of 13 sizes, and weights are one draw
    assert all(0.4 < size < 2.5 for size in sizes)


def test_units_of_both_sides_are_paired_by_what_their_products_explain():
    data = Realizable("sigmoid", 100, 3000, k=4, d=6)
    problem = make_problem(data.observed, data.F, data.G, "sigmoid", intercept=False, rank=4)
    U, V = paired(problem, data.F, data.G, data.U, data.V[:, [2, 0, 3, 1]], np.random.default_rng(0))
    place = [int(np.argmin(np.sum((data.U - U[:, [k]]) ** 2, axis=0))) for k in range(4)]
    assert sorted(place) == [0, 1, 2, 3]
    np.testing.assert_allclose(V, data.V[:, place])
