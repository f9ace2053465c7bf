"""Bayesian factorisation of yes/no answers: the sampler is right, probabilities cover, new rows are placed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.engines.draws import GaussianPrior
from halfseen.losses import get_loss
from halfseen.methods.completion.gibbs import GibbsState, GibbsSweep
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.methods.completion.logit_gibbs import LogitSweep
from halfseen.methods.completion.posterior import conditional_modes


def simulated(n=120, p=90, rank=2, share=0.4, seed=0):
    """Answers, their probabilities, and the mask of what was seen."""
    rng = np.random.default_rng(seed)
    linear = np.add.outer(rng.normal(size=n), rng.normal(size=p)) - 0.6
    linear = linear + rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    answers = (rng.random((n, p)) < expit(linear)).astype(float)
    return expit(linear), answers, rng.random((n, p)) < share


@pytest.fixture(scope="module")
def fitted():
    truth, answers, seen = simulated()
    model = hs.BayesianFactorization(rank=3, max_iter=100, family="bernoulli", random_state=0)
    return model.fit(np.where(seen, answers, np.nan)), truth, answers, seen


def statistics(state):
    """Bounded functions of a state, so that heavy tails do not blur the comparison."""
    cells = np.tanh(state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1]))
    prior = state.row_prior
    return [
        cells.mean(), np.square(cells).mean(), (cells[0] * cells[1]).mean(), (cells[:, 0] * cells[:, 1]).mean(),
        np.tanh(prior.mean).sum(), np.tanh(np.diag(prior.precision) / 10).sum(), np.tanh(prior.precision[0, 1]),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_sampler_leaves_the_joint_distribution_as_it_is():
    """Geweke (2004): parameters from the prior, and parameters along a chain that also redraws the answers, agree."""
    rng, n, p, n_draws = np.random.default_rng(2), 5, 4, 5000
    seen = rng.random((n, p)) < 0.7
    R = hs.Observed.from_dense(np.where(seen, 1.0, np.nan))
    hyper = NormalWishart(np.full(2, 6.0), 3.0, 12.0)
    covered = seen.any(axis=1), seen.any(axis=0)
    inner = GibbsSweep(EntryPasses(R, get_loss("gaussian")), 0.3, hyper, 4.0, 4.0, covered, R.n_entries, rng)

    def from_prior():
        priors = [hyper.draw(np.zeros((0, 2)), rng) for _ in range(2)]
        sides = []
        for prior, size in zip(priors, (n, p), strict=True):
            half = np.linalg.cholesky(np.linalg.inv(prior.precision))
            sides.append(prior.mean + rng.normal(size=(size, 2)) @ half.T)
        return GibbsState(*sides, 1.0, priors[0])

    state, chain = from_prior(), []
    for _ in range(n_draws):
        linear = 0.3 + state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1])
        answers = (rng.random(R.n_entries) < expit(linear[R.rows, R.cols])).astype(float)
        sweep = LogitSweep(replace(inner, passes=inner.passes.with_values(answers)), get_loss("bernoulli"))
        state = sweep(state).params
        chain.append(statistics(state))
    direct = np.array([statistics(from_prior()) for _ in range(n_draws)])
    batches = np.array(chain).reshape(25, -1, direct.shape[1]).mean(axis=1)
    error = np.sqrt(batches.var(axis=0, ddof=1) / 25 + direct.var(axis=0) / n_draws)
    z = (batches.mean(axis=0) - direct.mean(axis=0)) / error
    assert np.abs(z).max() < 4.0, z


@pytest.mark.slow
def test_probabilities_cover_and_are_closer_than_those_of_the_factor_model(fitted):
    model, truth, answers, seen = fitted
    hidden = np.nonzero(~seen)
    cells = model.inference(0.9).entries(*hidden)
    assert 0.86 < hs.metrics.coverage(cells.low, cells.high, truth[hidden]) < 0.97
    assert np.all((cells.low > 0) & (cells.low < cells.estimate) & (cells.estimate < cells.high) & (cells.high < 1))
    other = hs.GeneralizedFactorModel(3, "bernoulli", random_state=0).fit(np.where(seen, answers, np.nan))
    errors = [np.sqrt(np.mean((one.predict(*hidden) - truth[hidden]) ** 2)) for one in (model, other)]
    assert errors[0] < errors[1]
    assert errors[0] < 0.75 * np.std(truth)


def test_predictions_are_mean_probabilities_of_the_draws(fitted):
    model, *_ = fitted
    i, j = np.array([0, 3, 7]), np.array([5, 5, 80])
    rows, cols = model.draws_.rows[i], model.draws_.cols[j]
    linear = model.mean_ + (rows[:, :, :-1] * cols[:, :, :-1]).sum(axis=2) + rows[:, :, -1] + cols[:, :, -1]
    np.testing.assert_allclose(model.predict(i, j), expit(linear).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(model.predict_table(i, j)[[0, 1, 2], [0, 1, 2]], model.predict(i, j), rtol=1e-9)
    cells = model.inference(0.95).entries(i, j, kind="linear")
    np.testing.assert_allclose(cells.estimate, linear.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(cells.se, linear.std(axis=1, ddof=1), rtol=1e-9)
    assert not hasattr(model, "noise_sd_")


def test_new_rows_are_the_most_probable_ones_under_every_draw():
    rng = np.random.default_rng(4)
    features, offset = rng.normal(size=(30, 3)), rng.normal(size=30)
    table = np.where(rng.random((2, 30)) < 0.7, (rng.random((2, 30)) < 0.5).astype(float), np.nan)
    root = rng.normal(size=(3, 3))
    prior = GaussianPrior(rng.normal(size=3), root @ root.T + np.eye(3))
    passes = EntryPasses(hs.Observed.from_dense(table), get_loss("bernoulli"))
    found = conditional_modes(passes, features, offset, prior)
    for row, answers in zip(found, table, strict=True):
        has = ~np.isnan(answers)

        def minus_log(x, has=has, answers=answers):
            m = offset[has] + features[has] @ x
            away = x - prior.mean
            return np.sum(np.logaddexp(0, m) - answers[has] * m) + 0.5 * away @ prior.precision @ away

        expected = minimize(minus_log, np.zeros(3), tol=1e-12).x
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_training_rows_placed_again_come_near_their_own_predictions(fitted):
    model, _, answers, seen = fitted
    again = model.predict(np.where(seen, answers, np.nan)[:20])
    assert np.sqrt(np.mean((again - model.predict_table()[:20]) ** 2)) < 0.06
    assert model.transform(np.where(seen, answers, np.nan)[:20]).shape == (20, 3)


def test_a_saved_model_answers_the_same(fitted, tmp_path):
    model, *_ = fitted
    hs.save(model, tmp_path / "model")
    again = hs.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict([0, 1], [2, 3]), model.predict([0, 1], [2, 3]))


def test_single_precision_gives_nearly_the_same_chain():
    _, answers, seen = simulated(40, 30)
    table = np.where(seen, answers, np.nan)
    one, two = (
        hs.BayesianFactorization(rank=2, max_iter=4, burn_in=0, family="bernoulli", precision=kind, random_state=0).fit(
            table
        )
        for kind in ("float32", "float64")
    )
    assert one.row_factors_.dtype == np.float32
    np.testing.assert_allclose(one.predict_table(), two.predict_table(), atol=2e-3)


@pytest.mark.filterwarnings("ignore:every seen cell is 1")
def test_answers_of_one_kind_only_still_have_a_probability():
    table = np.ones((20, 10))
    table[::3, ::2] = np.nan
    model = hs.BayesianFactorization(rank=1, max_iter=60, family="bernoulli", random_state=0).fit(table)
    chances = model.predict_table()
    assert np.all((chances > 0.8) & (chances < 1.0))


def test_what_has_no_meaning_is_refused(fitted):
    model, _, answers, seen = fitted
    table = np.where(seen, answers, np.nan)
    make = hs.BayesianFactorization
    with pytest.raises(ValueError, match="family='bernoulli' needs 0 or 1"):
        make(family="bernoulli").fit(2.0 * table)
    R = hs.Observed.from_dense(table)
    with pytest.raises(ValueError, match="cannot take weights of its own"):
        make(family="bernoulli").fit(R.with_values(R.values, weights=np.full(R.n_entries, 2.0)))
    with pytest.raises(ValueError, match="clip='range' bounds real values"):
        make(family="bernoulli", clip="range").fit(table)
    with pytest.raises(ValueError, match="family"):
        make(family="poisson").fit(table)
    with pytest.raises(ValueError, match="a single yes/no answer has no interval"):
        model.inference().responses([0], [1])
