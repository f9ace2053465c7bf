"""Bayesian factorisation: the sampler is right, its intervals cover, and it keeps to its budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import halfseen as hs
from halfseen.engines import EntryPasses, cuts
from halfseen.engines.draws import GaussianPrior
from halfseen.losses import get_loss
from halfseen.methods.completion.gibbs import GibbsState, GibbsSweep
from halfseen.methods.completion.hyperprior import NormalWishart


def simulated(n=80, p=60, rank=2, noise=0.5, share=0.4, seed=0, dtype=float):
    """A table with biases, its truth, and the mask of what was seen."""
    rng = np.random.default_rng(seed)
    truth = np.add.outer(0.7 * rng.normal(size=n), 0.7 * rng.normal(size=p)) + 2.0
    truth = truth + rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) / np.sqrt(rank)
    table = (truth + noise * rng.normal(size=truth.shape)).astype(dtype)
    return truth, table, rng.random(truth.shape) < share


@pytest.mark.slow
def test_hyperparameters_have_the_moments_of_their_posterior():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 2)) @ np.array([[1.0, 0.4], [0.0, 0.5]]) + [0.5, -1.0]
    hyper, n_draws = NormalWishart(np.array([2.0, 1.0]), 3.0, 5.0), 4000
    found = [hyper.draw(rows, rng) for _ in range(n_draws)]
    mean, scatter = rows.mean(axis=0), 30 * np.cov(rows.T, bias=True)
    W = np.linalg.inv(np.diag([2.0, 1.0]) + scatter + 3 * 30 / 33 * np.outer(mean, mean))
    # Wishart: mean nu W, variance nu (W_rs^2 + W_rr W_ss); mean of N(m*, (beta* Lambda)^-1) is m*
    deviation = np.sqrt(35 * (W**2 + np.outer(np.diag(W), np.diag(W))) / n_draws)
    assert np.all(np.abs(np.mean([p.precision for p in found], axis=0) - 35 * W) < 4 * deviation)
    means = np.array([p.mean for p in found])
    assert np.all(np.abs(means.mean(axis=0) - 30 / 33 * mean) < 4 * means.std(axis=0) / np.sqrt(n_draws))
    # given Lambda, beta* (m - m*)' Lambda (m - m*) is chi-square with 2 degrees of freedom: mean 2, variance 4
    away = means - 30 / 33 * mean
    lengths = [33 * d @ p.precision @ d for d, p in zip(away, found, strict=True)]
    assert abs(np.mean(lengths) - 2) < 4 * np.sqrt(4 / n_draws)


def test_without_rows_the_hyperprior_is_drawn_itself():
    rng, hyper = np.random.default_rng(1), NormalWishart(np.ones(2), 1.0, 6.0)
    found = np.mean([hyper.draw(np.zeros((0, 2)), rng).precision for _ in range(3000)], axis=0)
    assert np.all(np.abs(found - 6 * np.eye(2)) < 4 * np.sqrt(6 * 2 / 3000))


def statistics(state, sweep, rng):
    """Bounded functions of a state, so that heavy tails do not blur the comparison."""
    cells = state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1])
    bent = np.tanh(cells)
    prior = state.row_prior
    return [
        bent.mean(), np.square(bent).mean(), (bent[0] * bent[1]).mean(), (bent[:, 0] * bent[:, 1]).mean(),
        np.tanh(state.precision), np.tanh(state.precision) ** 2, np.tanh(prior.mean).sum(),
        np.tanh(np.diag(prior.precision) / 10).sum(), np.tanh(prior.precision[0, 1]),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_sampler_leaves_the_joint_distribution_as_it_is():
    """Geweke (2004): parameters from the prior, and parameters along a chain that also redraws the data, agree."""
    rng, n, p, n_draws = np.random.default_rng(2), 5, 4, 6000
    seen = rng.random((n, p)) < 0.7
    R = hs.Observed.from_dense(np.where(seen, 1.0, np.nan))
    hyper = NormalWishart(np.full(2, 6.0), 3.0, 12.0)
    covered = seen.any(axis=1), seen.any(axis=0)
    sweep = GibbsSweep(EntryPasses(R, get_loss("gaussian")), 0.0, hyper, 4.0, 4.0, covered, R.n_entries, rng)

    def rows_from(prior, size):
        half = np.linalg.cholesky(np.linalg.inv(prior.precision))
        return prior.mean + rng.normal(size=(size, 2)) @ half.T

    def from_prior():
        priors = [hyper.draw(np.zeros((0, 2)), rng) for _ in range(2)]
        rows, cols = (rows_from(prior, size) for prior, size in zip(priors, (n, p), strict=True))
        return GibbsState(rows, cols, float(rng.gamma(4.0, 1 / 4.0)), priors[0])

    state, chain = from_prior(), []
    for _ in range(n_draws):
        cells = state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1])
        values = cells[R.rows, R.cols] + rng.normal(size=R.n_entries) / np.sqrt(state.precision)
        state = replace(sweep, passes=sweep.passes.with_values(values))(state).params
        chain.append(statistics(state, sweep, rng))
    direct = np.array([statistics(from_prior(), sweep, rng) for _ in range(n_draws)])
    # standard errors: plain for the direct draws, by batch means (30 batches) for the chain
    batches = np.array(chain).reshape(30, -1, direct.shape[1]).mean(axis=1)
    error = np.sqrt(batches.var(axis=0, ddof=1) / 30 + direct.var(axis=0) / n_draws)
    z = (batches.mean(axis=0) - direct.mean(axis=0)) / error
    assert np.abs(z).max() < 4.0, z


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_cover_the_truth_and_the_values_to_come(level):
    covered, answered = [], []
    for seed in range(6):
        truth, table, seen = simulated(seed=seed)
        model = hs.BayesianFactorization(rank=3, max_iter=120, random_state=seed).fit(np.where(seen, table, np.nan))
        i, hidden = model.inference(level), np.nonzero(~seen)
        cells, answers = i.entries(*hidden), i.responses(*hidden)
        covered.append(np.mean((cells.low <= truth[hidden]) & (truth[hidden] <= cells.high)))
        answered.append(np.mean((answers.low <= table[hidden]) & (table[hidden] <= answers.high)))
    # Exact calibration is the test above; here the truth is not drawn from the prior and the rank is one too large,
    # which makes cells' intervals somewhat wide (.54 for .5). 6 tables of some 2900 hidden cells that share the errors
    # of their rows and columns: standard deviations between tables are .02 (cells) and .012 (values).
    assert -0.02 < np.mean(covered) - level < 0.06
    assert abs(np.mean(answered) - level) < 0.02


def test_twice_the_rank_costs_next_to_nothing_and_the_noise_is_found():
    truth, table, seen = simulated(n=150, p=100, rank=3, share=0.3)
    hidden = ~seen
    errors = {}
    for model in (
        hs.BayesianFactorization(rank=6, random_state=0),
        hs.AlternatingLeastSquares(rank=3, random_state=0),
    ):
        model.fit(np.where(seen, table, np.nan))
        errors[type(model).__name__] = np.sqrt(np.mean((model.predict_table() - truth)[hidden] ** 2))
        if hasattr(model, "noise_sd_"):
            assert model.noise_sd_ == pytest.approx(0.5, rel=0.05)
    # least squares was told the rank, and chooses its penalty on held-out entries
    assert errors["BayesianFactorization"] < 1.05 * errors["AlternatingLeastSquares"]


def test_predictions_and_intervals_are_those_of_the_draws():
    _, table, seen = simulated(n=20, p=12)
    model = hs.BayesianFactorization(rank=2, noise="equal", max_iter=15, random_state=0)
    model.fit(np.where(seen, table, np.nan))
    X, Y = model.draws_.rows, model.draws_.cols
    each = np.array([
        model.mean_ + X[:, s, :2] @ Y[:, s, :2].T + np.add.outer(X[:, s, 2], Y[:, s, 2]) for s in range(15)
    ])  # fmt: skip
    np.testing.assert_allclose(model.predict_table(), each.mean(axis=0))
    i, j = np.array([0, 5, 19]), np.array([3, 3, 11])
    cells, answers = (ask(i, j) for ask in (model.inference(0.9).entries, model.inference(0.9).responses))
    np.testing.assert_allclose(cells.estimate, each[:, i, j].mean(axis=0))
    np.testing.assert_allclose(cells.se, each[:, i, j].std(axis=0, ddof=1))
    noise = np.mean(1 / model.draws_.noise)
    np.testing.assert_allclose(answers.se**2, each[:, i, j].var(axis=0, ddof=1) + noise)
    np.testing.assert_allclose(answers.high - answers.estimate, 1.6448536 * answers.se)
    np.testing.assert_allclose(model.row_factors_, X[:, :, :2].mean(axis=1))


def test_new_rows_are_placed_under_every_draw():
    _, table, seen = simulated(n=30, p=12)
    model = hs.BayesianFactorization(rank=2, noise="equal", max_iter=6, random_state=0)
    model.fit(np.where(seen, table, np.nan)[:25])
    row = np.where(seen, table, np.nan)[27]
    known, wanted = ~np.isnan(row), np.zeros(12)
    for s in range(6):
        cols, tau = model.draws_.cols[:, s], model.draws_.noise[s]
        prior = GaussianPrior(model.draws_.prior_mean[s], model.draws_.prior_precision[s])
        features = np.column_stack([cols[:, :2], np.ones(12)])
        right = tau * features[known].T @ (row - model.mean_ - cols[:, 2])[known] + prior.precision @ prior.mean
        x = np.linalg.solve(tau * features[known].T @ features[known] + prior.precision, right)
        wanted += (model.mean_ + features @ x + cols[:, 2]) / 6
    np.testing.assert_allclose(model.predict(row[None])[0], wanted)
    assert model.transform(row[None]).shape == (1, 2)


def test_the_unit_of_the_values_does_not_matter():
    _, table, seen = simulated(n=30, p=20)
    table = np.where(seen, table, np.nan)
    one, four = (
        hs.BayesianFactorization(rank=2, max_iter=30, random_state=0).fit(scale * table) for scale in (1.0, 4.0)
    )
    np.testing.assert_allclose(four.predict_table(), 4 * one.predict_table(), rtol=1e-8)
    assert four.noise_sd_ == pytest.approx(4 * one.noise_sd_)


def test_columns_regrouped_part_by_part_give_the_same_bits(monkeypatch):
    _, table, seen = simulated(n=30, p=20, dtype=np.float32)
    table = np.where(seen, table, np.nan)
    plain = hs.BayesianFactorization(rank=3, max_iter=10, random_state=0).fit(table).predict_table()
    monkeypatch.setattr(cuts, "FRUGAL_FROM", 0)
    frugal = hs.BayesianFactorization(rank=3, max_iter=10, random_state=0).fit(table).predict_table()
    np.testing.assert_array_equal(plain, frugal)


def test_the_draws_keep_to_their_budget():
    _, table, seen = simulated(n=200, p=100)
    one = 300 * 4 * 8 / 2**20
    options = {"memory": 10.5 * one}
    model = hs.BayesianFactorization(3, max_iter=60, **options, random_state=0).fit(np.where(seen, table, np.nan))
    assert len(model.draws_) == 10
    assert model.draws_.nbytes <= 10.5 * one * 2**20
    assert model.n_iter_ == 80
    assert model.run_.reason == "sampled"
    assert model.run_.converged
    with pytest.raises(ValueError, match=r"memory=0\.01 is not allowed; needed: at least .* two draws of rank 3"):
        model.set_params(memory=0.01).fit(table)


def test_the_draws_stand_in_one_frame():
    truth, table, seen = simulated(n=150, p=100, rank=2, noise=0.2)
    model = hs.BayesianFactorization(2, max_iter=80, random_state=0).fit(np.where(seen, table, np.nan))
    x = model.inference().row_factors()
    # were they not, the factors' own signs and rotation would wander and their means vanish
    assert np.mean(x.se) < 0.2 * np.std(x.estimate)
    product = np.add.outer(model.row_bias_, model.col_bias_) + model.row_factors_ @ model.col_factors_.T
    assert np.corrcoef((product + model.mean_)[~seen], truth[~seen])[0, 1] > 0.98


def test_bounds_hold_for_predictions_and_intervals():
    _, table, seen = simulated()
    table = np.clip(np.round(np.where(seen, table, np.nan)), 1, 5)
    model = hs.BayesianFactorization(2, max_iter=20, clip=(1, 5), random_state=0).fit(table)
    answers = model.inference().responses(np.zeros(60, int), np.arange(60))
    assert model.predict_table().min() >= 1
    assert answers.low.min() >= 1
    assert answers.high.max() <= 5
    assert model.inference().entries([0], [0], kind="linear").width[0] > 0


def test_names_and_frames_of_intervals():
    R = hs.Observed.from_triplets(["ann", "ann", "bob", "bob"], ["a", "b", "a", "c"], [1.0, 2.0, 3.0, 5.0])
    i = hs.BayesianFactorization(1, max_iter=10, random_state=0).fit(R).inference()
    frame = i.responses(["ann"], ["a", "c"]).to_frame()
    assert frame.column_names == ["row", "col", "estimate", "se", "low", "high", "reliable"]
    assert frame["col"].to_pylist() == ["a", "c"]
    assert i.responses(["ann"], ["c"], weights=[4.0]).se[0] < i.responses(["ann"], ["c"]).se[0]
    assert i.row_factors(component=0).to_frame().num_rows == 2
    assert repr(i) == "PosteriorInference(2 x 3, level 0.95, 10 posterior draws)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_iter": 1}, "max_iter=.* is not allowed; needed: .*a whole number of at least 2"),
        ({"burn_in": -1}, "burn_in=.* is not allowed; needed: .*a whole number of at least 0"),
        ({"rank": -1}, "rank=-1 is not allowed; needed: a whole number of at least 0, 'auto' or None"),
        ({"memory": "much"}, "memory=.* is not allowed; needed: .*'auto'"),
        ({"precision": "half"}, "precision=.* is not allowed; needed: .*"),
    ],
)
def test_a_wrong_parameter_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        hs.BayesianFactorization(**change).fit(np.ones((80, 60)))


def test_wrong_questions_are_refused():
    model = hs.BayesianFactorization(1, max_iter=5, random_state=0).fit(simulated(n=8, p=6)[1])
    with pytest.raises(ValueError, match="level=2 is not allowed"):
        model.inference(2)
    with pytest.raises(ValueError, match="kind='odds' is not allowed"):
        model.inference().entries([0], [0], kind="odds")
    with pytest.raises(ValueError, match="2 rows and 3 cols"):
        model.inference().entries([0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="weights must be positive"):
        model.inference().responses([0], [0], weights=[0.0])


@pytest.mark.parametrize("value", [7.0, -3e-5, 0.0, 4e9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_constant_table_is_filled_with_its_constant(value, dtype):
    table = np.full((10, 4), value, dtype)
    table[0, 1] = table[3, 2] = np.nan
    model = hs.BayesianFactorization(random_state=0).fit(table)
    np.testing.assert_allclose(model.predict_table(), value, rtol=1e-5, atol=1e-5)
    assert model.inference().responses([0], [1]).width[0] <= 1e-4 * max(abs(value), 1.0)
