"""Intervals by the delta method: their level in simulation, and the refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

import halfseen as hs
from halfseen.methods.inductive.activations import ACTIVATIONS
from halfseen.methods.inductive.intervals import inverted
from inductive_truth import Realizable, make_problem

STARTS = {"tol": 1e-12, "max_iter": 3000}


def fitted(data, activation, family="gaussian", observed=None, penalty=0.0, k=2):
    """A fit that begins near the truth: what is tested is the error of the bottom, not the way to it."""
    rng = np.random.default_rng(0)
    start = tuple(W + 0.02 * rng.normal(size=W.shape) for W in (data.U, data.V))
    options = {"start": start, "solver": "levenberg-marquardt", "max_iter": 60, "tol": 1e-13, "scale": "none"}
    model = hs.InductiveCompletion(k, activation, family=family, penalty=penalty, has_intercept=False, **options)
    return model.fit(data.observed if observed is None else observed, **data.features)


@pytest.mark.slow
@pytest.mark.parametrize("variance", ["model", "sandwich"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear"])
def test_intervals_for_new_pairs_hold_as_often_as_they_say(activation, variance):
    # 40 tables of 60 pairs; tables are the unit: with sd of a table's share near 0.08, 3 se are 0.04. Where both
    # sides of a relu model are 0 the interval is a point and always right: these do not count.
    shares, noise = [], 0.1
    for seed in range(40):
        data = Realizable(activation, 60, 700, k=2, d=4, seed=seed, noise=noise)
        model = fitted(data, activation)
        found = model.inference(R=data.observed, **data.features, level=0.9, variance=variance)
        pairs = found.entries(data.new[0], data.new[1])
        truth = np.diag(data.new_truth)
        counts = (truth != 0) | (pairs.se > 0)
        shares.append(hs.metrics.coverage(pairs.low[counts], pairs.high[counts], truth[counts]))
    assert np.mean(shares) == pytest.approx(0.9, abs=0.04)


def test_null_directions_are_left_out_and_the_noise_is_found():
    for activation, null in (("sigmoid", 0), ("relu", 2), ("linear", 4)):
        data = Realizable(activation, 80, 1500, k=2, d=4, noise=0.2)
        found = fitted(data, activation).inference(R=data.observed, **data.features)
        assert found.null_dimension == null
        assert found.dispersion == pytest.approx(0.04, rel=0.2)
        values = found.responses(np.arange(20), np.arange(20))
        assert np.all(values.se > 0.15)


@pytest.mark.slow
def test_intervals_of_probabilities_lie_between_zero_and_one_and_hold():
    shares = []
    for seed in range(20):
        data = Realizable("tanh", 80, 4000, k=2, d=3, seed=seed)
        rng = np.random.default_rng(seed)
        y = (rng.random(len(data.rows)) < 1 / (1 + np.exp(-data.observed.values))).astype(float)
        observed = data.observed.with_values(y)
        model = fitted(data, "tanh", "bernoulli", observed)
        pairs = model.inference(R=observed, **data.features, level=0.9).entries(*data.new)
        assert pairs.low.min() > 0
        assert pairs.high.max() < 1
        shares.append(hs.metrics.coverage(pairs.low, pairs.high, 1 / (1 + np.exp(-np.diag(data.new_truth)))))
    assert np.mean(shares) == pytest.approx(0.9, abs=0.05)


def test_the_covariance_is_the_inverse_of_the_information():
    data = Realizable("sigmoid", 60, 900, k=2, d=3, noise=0.1)
    model = fitted(data, "sigmoid")
    found = model.inference(R=data.observed, **data.features, variance="model")
    problem = make_problem(data.observed, data.F, data.G, "sigmoid", rank=2, has_intercept=False)
    matrix, _ = problem.normal_equations(problem.pack(model.row_weights_, model.col_weights_))
    wanted = found.dispersion * np.linalg.inv(matrix) / data.observed.n_entries
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-6)
    assert ACTIVATIONS["sigmoid"].null_dimension(2) == found.null_dimension == 0


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_what_has_no_honest_interval_is_refused_with_the_reason():
    data = Realizable("relu", 60, 700, k=2, d=4, noise=0.1)
    make = lambda **more: hs.InductiveCompletion(2, random_state=0, **more).fit(data.observed, **data.features)  # noqa: E731
    small = {"n_starts": 1, "tol": 1e-12, "max_iter": 5}
    cases = [
        (make(family="one_class"), "one_class"),
        (make(effects="cols"), "free effects"),
        (make(penalty=0.0, **small), "has not come to rest"),
        (make(penalty=0.0, gauge="first_row"), "first_row"),
    ]
    for model, message in cases:
        with pytest.raises(ValueError, match=message):
            model.inference(R=data.observed, **data.features)
    smooth = Realizable("sigmoid", 60, 700, k=2, d=4, noise=0.1)
    with pytest.raises(ValueError, match=r"the penalty takes .* %"):
        fitted(smooth, "sigmoid", penalty=0.001).inference(R=smooth.observed, **smooth.features)


def test_dependent_features_leave_directions_without_information():
    data = Realizable("sigmoid", 60, 900, k=2, d=4, noise=0.1)
    data.F[:, 3] = data.F[:, 0]
    model = hs.InductiveCompletion(2, "sigmoid", penalty=0.0, **STARTS, random_state=0)
    model.fit(data.observed, **data.features)
    with pytest.raises(ValueError, match="directions of the weights undetermined, 0 of which sigmoid"):
        model.inference(R=data.observed, **data.features)


def test_categories_of_a_data_frame_have_the_intervals_of_one_category_less():
    """Categories and the constant are dependent; which of them is left out changes no prediction and no interval."""
    rng, n, p = np.random.default_rng(0), 50, 25
    job, age, G = rng.integers(0, 3, n), rng.normal(size=n), rng.normal(size=(p, 2))
    words = np.array(["cook", "nurse", "pilot"])
    # all weights differ from 0: then no part of the constant can be moved into the units at the same rank
    encoded = np.column_stack([np.ones(n), age, job == 1, job == 2])
    truth = encoded @ rng.normal(size=(4, 2)) @ (np.column_stack([np.ones(p), G]) @ rng.normal(size=(3, 2))).T
    table = np.where(rng.random((n, p)) < 0.5, truth + 0.3 * rng.normal(size=(n, p)), np.nan)
    frames = {
        "all": {"age": age, "job": words[job]},
        "less": {"age": age, "is_nurse": (job == 1).astype(float), "is_pilot": (job == 2).astype(float)},
    }
    found = {}
    for name, columns in frames.items():
        given = {"row_features": hs.SideFeatures(columns=columns), "col_features": G}
        options = {"solver": "levenberg-marquardt", "penalty": 1e-6, "effects": "none", "max_iter": 200, "tol": 1e-13}
        model = hs.InductiveCompletion(2, "linear", n_starts=3, random_state=0, **options)  # one start may end higher
        found[name] = model.fit(table, **given).inference(R=table, **given).entries(np.arange(20), np.arange(20))
    np.testing.assert_allclose(found["all"].estimate, found["less"].estimate, atol=1e-3)
    np.testing.assert_allclose(found["all"].se, found["less"].se, rtol=1e-3)


@pytest.mark.parametrize(("activation", "null"), [("relu", 3), ("linear", 9), ("sigmoid", 0)])
def test_errors_do_not_depend_on_the_units_of_the_features(activation, null):
    data = Realizable(activation, 60, 900, k=3, d=5)
    units = np.geomspace(0.01, 100.0, 5)
    found = []
    for F, U in ((data.F, data.U), (data.F * units, data.U / units[:, None])):
        problem = make_problem(data.observed, F, data.G, activation, has_intercept=False)
        inverse, free, _ = inverted(problem, problem.pack(U, data.V))
        assert free == null
        J = problem.jacobian(problem.unpack(problem.pack(U, data.V)), F[:20], data.G[:20])
        found.append(np.sqrt(np.einsum("ei,ij,ej->e", J, inverse, J)))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


def test_the_noise_is_the_residual_over_the_entries_that_are_left():
    data = Realizable("relu", 30, 150, k=2, d=4, noise=0.2)
    options = {"solver": "levenberg-marquardt", "n_starts": 4, "max_iter": 300, "tol": 1e-14}
    model = hs.InductiveCompletion(2, "relu", penalty=0.0, has_intercept=False, **options, random_state=0)
    model.fit(data.observed, **data.features)
    found = model.inference(R=data.observed, **data.features)
    rss = np.sum((model.predict(data.rows, data.cols) - data.observed.values) ** 2)
    # 2 x (4 + 4) weights, of which the two lengths of the units are free
    assert found.dispersion == pytest.approx(rss / (data.observed.n_entries - 14), rel=1e-6)


def test_the_sandwich_is_made_of_the_entries_own_residuals():
    data = Realizable("sigmoid", 60, 900, k=2, d=3)
    rng = np.random.default_rng(3)
    loud = np.where(data.rows % 2, 0.2, 0.02)
    observed = data.observed.with_values(data.observed.values + loud * rng.normal(size=len(loud)))
    model = fitted(data, "sigmoid", observed=observed)
    plain, found = (model.inference(R=observed, **data.features, variance=kind) for kind in ("model", "sandwich"))
    problem = make_problem(observed, data.F, data.G, "sigmoid", rank=2, has_intercept=False)
    at = problem.unpack(problem.pack(model.row_weights_, model.col_weights_))
    J = problem.jacobian(at, data.F[data.rows], data.G[data.cols])
    residual = model.predict(data.rows, data.cols) - observed.values
    bread = np.linalg.inv(J.T @ J)
    wanted = bread @ (J.T * residual**2) @ J @ bread * len(J) / (len(J) - J.shape[1])
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-5, atol=1e-7 * np.abs(wanted).max())
    assert np.abs(found.covariance / plain.covariance - 1).max() > 0.2


def test_errors_of_probabilities_are_those_of_the_predictor_times_the_slope():
    data = Realizable("tanh", 60, 2000, k=2, d=3)
    y = (np.random.default_rng(0).random(len(data.rows)) < 1 / (1 + np.exp(-data.observed.values))).astype(float)
    observed = data.observed.with_values(y)
    found = fitted(data, "tanh", "bernoulli", observed).inference(R=observed, **data.features)
    linear, mean = (found.entries(*data.new, kind=kind) for kind in ("linear", "mean"))
    chance = 1 / (1 + np.exp(-linear.estimate))
    np.testing.assert_allclose(mean.se, chance * (1 - chance) * linear.se, rtol=1e-10)
    np.testing.assert_allclose(mean.low, 1 / (1 + np.exp(-linear.low)))


def with_effects(size, seed, n=150, p=120, d=4, k=2, m=2500):
    """A linear table whose rows and columns have effects of ``size`` standard deviations that no feature explains."""
    rng = np.random.default_rng(seed)
    F, G = rng.normal(size=(n, d)), rng.normal(size=(p, d))
    truth = (F @ rng.normal(size=(d, k))) @ (G @ rng.normal(size=(d, k))).T
    sd = truth.std()
    i, j = np.divmod(rng.choice(120 * 90, m, replace=False), 90)
    noisy = truth + sd * (0.2 * rng.normal(size=truth.shape) + size * rng.normal(size=(n, 1)))
    noisy += size * sd * rng.normal(size=(1, p))
    return F, G, truth, hs.Observed.from_triplets(i, j, noisy[i, j], shape=(n, p)), noisy


@pytest.mark.slow
@pytest.mark.parametrize("size", [0.0, 0.5, 1.0])
def test_intervals_hold_where_rows_and_columns_have_effects(size):
    shares, singles = [], []
    for seed in range(6):
        F, G, truth, observed, noisy = with_effects(size, 9900 + seed)
        model = hs.InductiveCompletion(2, "linear", penalty=0.0, tol=1e-10, max_iter=2000, random_state=0)
        found = model.fit(observed, row_features=F, col_features=G).inference(
            R=observed, row_features=F, col_features=G
        )
        i, j = (part.ravel() for part in np.meshgrid(np.arange(120, 150), np.arange(90, 120), indexing="ij"))
        pairs, values = found.entries(F[i], G[j]), found.responses(F[i], G[j])
        shares.append(hs.metrics.coverage(pairs.low, pairs.high, truth[i, j]))
        singles.append(hs.metrics.coverage(values.low, values.high, noisy[i, j]))
    # six tables whose shares vary by some .05: 2.5 standard errors are .05
    assert np.mean(shares) == pytest.approx(0.945, abs=0.05)
    assert np.mean(singles) == pytest.approx(0.95, abs=0.05)


def test_the_two_way_covariance_is_that_of_its_formula():
    F, G, _, observed, _ = with_effects(0.5, 1)
    model = hs.InductiveCompletion(2, "linear", penalty=0.0, scale="none", tol=1e-12, max_iter=3000, random_state=0)
    model.fit(observed, row_features=F, col_features=G)
    found = model.inference(R=observed, row_features=F, col_features=G)
    wide = [np.c_[part, np.ones(len(part))] for part in (F, G)]
    x, y = wide[0][observed.rows], wide[1][observed.cols]
    J = found.problem.jacobian(found.weights, x, y)
    r = observed.values - found.problem.predictor(found.weights, x, y)
    H = np.linalg.pinv(J.T @ J, rcond=1e-9)
    middle = -sum(np.outer(g, g) * e**2 / (1 - g @ H @ g) ** 2 for g, e in zip(J, r, strict=True))
    counts = []
    for groups in (observed.rows, observed.cols):
        own = np.zeros_like(middle)
        for g in np.unique(groups):
            part = J[groups == g]
            score = part.T @ np.linalg.solve(np.eye(len(part)) - part @ H @ part.T, r[groups == g])
            own += np.outer(score, score)
        counts.append(len(np.unique(groups)))
        middle += own * (counts[-1] - 1) / counts[-1]
    sizes, axes = np.linalg.eigh(H)
    root = (axes * np.sqrt(np.maximum(sizes, 0))) @ axes.T
    values, vectors = np.linalg.eigh(root @ middle @ root)  # negative ones go in units of the errors
    wanted = root @ (vectors * np.maximum(values, 0)) @ vectors.T @ root
    wanted *= (student.ppf(0.975, min(counts) - 1) / 1.959963984540054) ** 2
    # variances of predictions: those of weights depend on the basis that is chosen for a linear model
    variances = [np.einsum("ei,ij,ej->e", J, part, J) for part in (found.covariance, wanted)]
    np.testing.assert_allclose(*variances, rtol=1e-4)
