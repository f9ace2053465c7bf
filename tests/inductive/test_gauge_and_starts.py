"""The form of the weights, and where fits begin."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.inductive.moments import cross_units, paired, whitened
from halfseen.methods.inductive.starts import random_point
from inductive_truth import Realizable, make_problem


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_odd_units_have_one_sign_and_predict_what_they_did():
    data = Realizable("tanh", 60, 600, k=3, d=5)
    fits = []
    for gauge in ("none", "balance"):
        options = {"start_scale": 1.0, "max_iter": 40, "gauge": gauge}
        model = hs.InductiveCompletion(3, "tanh", penalty=0.0, **options, random_state=1)
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
        problem = make_problem(data.observed, data.F, data.G, activation, has_intercept=False, rank=5)
        at = problem.unpack(random_point(problem, "auto", np.random.default_rng(0)))
        (_, H), (_, W) = problem.sides(at)
        sizes.append(np.sqrt(np.mean((H @ W.T) ** 2) / np.mean(data.observed.values**2)))
    # preactivations have one of 13 sizes, and weights are one draw
    assert all(0.4 < size < 2.5 for size in sizes)


def test_units_of_both_sides_are_paired_by_what_their_products_explain():
    data = Realizable("sigmoid", 100, 3000, k=4, d=6)
    problem = make_problem(data.observed, data.F, data.G, "sigmoid", has_intercept=False, rank=4)
    U, V = paired(problem, data.F, data.G, data.U, data.V[:, [2, 0, 3, 1]], np.random.default_rng(0))
    place = [int(np.argmin(np.sum((data.U - U[:, [k]]) ** 2, axis=0))) for k in range(4)]
    assert sorted(place) == [0, 1, 2, 3]
    np.testing.assert_allclose(V, data.V[:, place])


@pytest.mark.fast_cases("400")
@pytest.mark.parametrize(("n", "m", "seed", "least"), [(400, 15_000, 1, 0.9), (800, 30_000, 0, 0.97)])
def test_the_cross_moment_points_along_the_units(n, m, seed, least):
    """Without the residual of the bilinear regression the first of these has a cosine of .55, the second of .85."""
    data = Realizable("relu", n, m, k=3, d=6, seed=seed)
    problem = make_problem(data.observed, data.F, data.G, "relu", has_intercept=False, rank=3)
    x, y = (whitened(side, "features", 3)[0] for side in (problem.rows, problem.cols))
    found = cross_units(problem, x, y, np.random.default_rng(0))
    for units, truth in zip(found, (data.U, data.V), strict=True):
        one, two = (w / np.linalg.norm(w, axis=0) for w in (units, truth))
        assert (one.T @ two).max(axis=0).min() > least


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_the_best_of_several_starts_is_kept():
    data = Realizable("relu", 60, 500, k=3, d=5, noise=0.3)
    options = {"n_starts": 5, "start_scale": 1.0, "max_iter": 30}
    model = hs.InductiveCompletion(3, "relu", penalty=0.0, has_intercept=False, scale="none", **options, random_state=4)
    model.fit(data.observed, **data.features)
    found = model.certificate_
    assert len(found.values) == 5
    assert found.best == np.argmin(found.values) != 4
    assert np.ptp(found.values) > 1e-3 * found.values.min()
    error = model.predict(data.rows, data.cols) - data.observed.values
    assert 0.5 * np.mean(error**2) == pytest.approx(found.values.min(), rel=1e-9)
    assert not found.is_exact
