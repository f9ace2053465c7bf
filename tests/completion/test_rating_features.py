"""Prior means from features, noise per row and several chains of the Bayesian factorisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import halfseen as hs
from halfseen.engines import EntryPasses, cuts
from halfseen.engines.draws import GaussianPrior
from halfseen.engines.local import Serial
from halfseen.losses import get_loss
from halfseen.methods.completion import sampler
from halfseen.methods.completion.effects import (
    EffectState,
    PriorMeans,
    as_matrix,
    given_group,
    implicit_group,
    joint_effects,
)
from halfseen.methods.completion.gibbs import FREEDOMS, GibbsState, GibbsSweep, RowNoise
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.methods.completion.known_features import implicit_features, usual_features

SHORT = {"max_iter": 12, "burn_in": 4, "random_state": 0}


def rated(n=150, p=80, seed=0, informative=True, noise=0.5, rarity=1.2):
    """Ratings of taste and quality; seen cells are those that are liked, or any."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.normal(size=(n, 2)), rng.normal(size=(p, 2))
    truth = 3.0 + 0.4 * rng.normal(size=p) + taste @ kind.T
    chance = 1.0 / (1.0 + np.exp(-1.5 * (truth - 3.0) + rarity)) if informative else np.full((n, p), 0.35)
    seen = rng.random((n, p)) < chance
    return np.where(seen, truth + noise * rng.normal(size=(n, p)), np.nan), truth, taste, kind


@pytest.fixture(scope="module")
def table():
    return rated()


@pytest.fixture(scope="module")
def featured(table):
    values, _, taste, kind = table
    values = values.copy()
    values[:3] = np.nan  # rows of which only the features are known
    model = hs.BayesianFactorization(3, implicit="both", max_iter=60, random_state=0)
    return model.fit(values, row_features=taste, col_features=kind), values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("draws", ["each", "twice", "joint"])
def test_what_is_added_to_prior_means_is_what_the_effects_add_up_to(table, draws, dtype):
    values, _, taste, kind = table
    observed = hs.Observed.from_dense(values.astype(dtype))
    whole = sampler.Sampler(observed, get_loss("gaussian"), 3.0, None, (taste, sparse.csr_array(kind)))
    sweep, state = whole.chain(sampler.Choices(3, "both", True, draws, 2), *np.random.default_rng(0).spawn(2))
    for _ in range(8):
        state = sweep(state).params
    for axis, given in enumerate((taste, kind)):
        effects = state.effects[axis]
        columns = sweep.prior_means[axis].groups[0].columns
        implicit = as_matrix(columns, len(given), np.dtype(float))
        wanted = implicit @ effects.effects[0] + given @ effects.effects[1]
        np.testing.assert_allclose(effects.shift, wanted, atol=1e-3 if dtype == np.float32 else 1e-9)


def test_squares_after_a_second_draw_are_those_of_the_rows(table):
    observed = hs.Observed.from_dense(table[0])
    whole = sampler.Sampler(observed, get_loss("gaussian"), 3.0, None)
    sweep, state = whole.chain(sampler.Choices(2, "both", True, "twice", 2), *np.random.default_rng(0).spawn(2))
    state, rows = sweep.coefficients(sweep(state).params, 1.0)
    linear = state.rows[:, :2] @ state.cols[:, :2].T + np.add.outer(state.rows[:, 2], state.cols[:, 2]) + 3.0
    np.testing.assert_allclose(rows.squares, np.nansum((table[0] - linear) ** 2, axis=1))


@pytest.mark.slow_cases("800-0.2")
@pytest.mark.parametrize(("times", "atol"), [(800, 0.2), pytest.param(3000, 0.12, marks=pytest.mark.slow)])
def test_conditional_modes_of_the_effects_do_not_depend_on_how_they_are_drawn(table, times, atol):
    """One feature: the joint draw and the single one have the same distribution; with the same noise the same mean."""
    _, _, taste, _ = table
    rng = np.random.default_rng(3)
    hyper = NormalWishart(np.ones(2), 1.0, 3.0)
    group = given_group(taste[:, :1], np.dtype(float))
    prior = GaussianPrior(np.array([0.3, -0.2]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    own = GaussianPrior(np.array([0.1, 0.4]), np.array([[1.5, -0.3], [-0.3, 0.8]]))
    rows, state = rng.normal(size=(len(taste), 2)), EffectState((np.zeros((1, 2)),), (own,), np.zeros((len(taste), 2)))
    means = {}
    for draws in ("each", "joint"):
        side = PriorMeans((group,), hyper, Serial(), draws)
        drawn = [side.drawn(state, rows, prior, rng).effects[0][0] for _ in range(times)]
        means[draws] = np.mean(drawn, axis=0), np.cov(np.array(drawn).T)
    a = taste[:, 0]
    Q = (a @ a) * prior.precision + own.precision
    mean = np.linalg.solve(Q, prior.precision @ (a @ (rows - prior.mean)) + own.precision @ own.mean)
    for found, spread in means.values():
        assert np.all(np.abs(found - mean) < 4 * np.sqrt(np.diag(np.linalg.inv(Q)) / times))
        np.testing.assert_allclose(spread, np.linalg.inv(Q), atol=atol * np.linalg.inv(Q).max())


@pytest.mark.slow
def test_a_hundred_thousand_effects_are_drawn_jointly_around_their_conditional_mean():
    """The mean of a joint draw solves its normal equations, which 10^5 features leave to conjugate gradients."""
    rng, n, n_features = np.random.default_rng(0), 400, 100_000
    A = sparse.random_array((n, n_features), density=2e-3, rng=rng, format="csr")
    group = given_group(A, np.dtype(float))
    residuals, start = rng.normal(size=(n, 2)), np.zeros((n_features, 2))
    precision, mean = np.array([2.0, 5.0]), np.array([0.1, -0.2])
    drawn = [
        joint_effects(group, start, residuals, sign * noise, (precision, mean), np.random.default_rng(1))[0]
        for noise in [rng.normal(size=(n_features, 2))]
        for sign in (1.0, -1.0)
    ]
    kick = np.sqrt(precision) * np.random.default_rng(1).standard_normal(residuals.shape)
    middle = np.mean(drawn, axis=0)  # the noise of the effects cancels, the rows' is the same in both
    # the smaller system of the rows has the same solution
    right = np.asarray(A.T @ (precision * residuals + kick)) + mean
    for k in range(2):
        small = precision[k] * (A @ A.T).toarray() + np.eye(n)
        exact = right[:, k] - precision[k] * (A.T @ np.linalg.solve(small, A @ right[:, k]))
        np.testing.assert_allclose(middle[:, k], exact, atol=0.05)  # the draws have spreads of 1


def test_auto_takes_implicit_features_where_missingness_tells_something():
    chosen = hs.BayesianFactorization(4, max_iter=2, burn_in=0, random_state=0)
    chosen.fit(rated(300, 200, noise=1.0, rarity=2.8)[0])
    assert chosen.implicit_ == "both"
    choice = chosen.implicit_choice_
    assert choice.loss_with < choice.loss_without - 2 * choice.standard_error


def test_auto_takes_none_where_missingness_tells_nothing():
    plain = hs.BayesianFactorization(4, max_iter=2, burn_in=0, random_state=0)
    assert plain.fit(rated(200, 100, informative=False)[0]).implicit_ == "none"
    assert plain.fit(rated(40, 30)[0]).implicit_ == "none"  # too few entries to tell
    assert np.isnan(plain.implicit_choice_.loss_with)


def test_rows_without_entries_are_predicted_from_their_features(featured, table):
    model, _ = featured
    truth = table[1][:3]
    error = np.sqrt(np.mean((model.predict_table()[:3] - truth) ** 2))
    assert error < 0.5 * np.sqrt(np.mean((truth - np.nanmean(table[0])) ** 2))
    cells = model.inference().entries(np.zeros(80, int), np.arange(80))
    seen = model.inference().entries(np.full(80, 10), np.arange(80))
    assert np.mean(cells.se) > np.mean(seen.se)


def test_a_new_row_is_placed_by_its_features_and_its_entries(featured, table):
    model, _ = featured
    truth, taste = table[1][:3], table[2][:3]
    few = np.full((3, 80), np.nan)
    few[:, :4] = truth[:, :4]
    none = few.copy()
    none[1:] = np.nan
    placed = [model.predict(rows, row_features=taste)[1:] for rows in (none, few)]
    errors = [np.sqrt(np.mean((predicted - truth[1:]) ** 2)) for predicted in placed]
    assert errors[1] < errors[0] + 0.1
    with pytest.warns(UserWarning, match="row_features: all features: taken as on average"):
        unknown = model.predict(none)[1:]
    assert errors[0] < np.sqrt(np.mean((unknown - truth[1:]) ** 2))
    # without entries of its own a row stands where its features put it
    np.testing.assert_allclose(placed[0], model.predict_table()[1:3], atol=0.5)


def test_rows_of_which_nothing_was_seen_are_placed_by_their_features_alone(featured, table):
    model, _ = featured
    taste = table[2][:3]
    some = np.full((4, 80), np.nan)
    some[3, 0] = 3.0  # the others have nothing
    together = model.predict(some, row_features=np.vstack([taste, taste[:1]]))[:3]
    np.testing.assert_allclose(model.predict(None, row_features=taste), together, rtol=1e-6)
    placed = model.inference(0.9).new_rows(None, row_features=taste)
    cells = placed.entries(np.repeat(np.arange(3), 80), np.tile(np.arange(80), 3))
    seen = model.inference(0.9).entries(np.repeat(np.arange(10, 13), 80), np.tile(np.arange(80), 3))
    assert cells.width.mean() > 1.1 * seen.width.mean()


def test_implicit_features_of_new_rows_are_those_of_the_fit_with_the_usual_for_what_is_not_known():
    observed = hs.Observed.from_dense(np.where(np.random.default_rng(0).random((30, 12)) < 0.4, 1.0, np.nan))
    group = implicit_group(EntryPasses(observed, get_loss("gaussian")), 0)
    inside = as_matrix(group.columns, 30, np.dtype(float)).toarray()
    usual = usual_features(observed)
    mean = inside[observed.by_rows.counts > 0].mean(axis=0)
    np.testing.assert_allclose(usual, mean, rtol=1e-6)
    effects = np.random.default_rng(1).normal(size=(12, 2))
    share = 10.0 / (observed.by_rows.counts + 10.0)
    wanted = (inside + share[:, None] * mean) @ effects
    np.testing.assert_allclose(implicit_features(observed, usual) @ effects, wanted, atol=1e-5)


def test_intervals_of_new_rows_cover(featured, table):
    model, _ = featured
    rng = np.random.default_rng(5)
    taste = rng.normal(size=(200, 2))
    quality = table[1] - table[2] @ table[3].T  # the columns' own means
    truth = quality[:1] + taste @ table[3].T
    answers = truth + 0.5 * rng.normal(size=truth.shape)
    seen = np.where(rng.random(truth.shape) < 0.05, answers, np.nan)
    placed = model.inference(0.9).new_rows(seen, row_features=taste, random_state=1)
    i, j = np.nonzero(np.isnan(seen))
    said = placed.responses(i, j)
    # some 15 000 values of 200 rows whose errors are shared: standard deviation about .01
    assert 0.86 < np.mean((said.low < answers[i, j]) & (answers[i, j] < said.high)) < 0.95


def test_a_saved_model_answers_for_new_rows(featured, table, tmp_path):
    model, values = featured
    hs.save(model, tmp_path / "model")
    loaded = hs.load(tmp_path / "model")
    given = {"row_features": table[2][3:9]}
    np.testing.assert_array_equal(loaded.predict(values[3:9], **given), model.predict(values[3:9], **given))


def test_the_tables_own_values_are_refused_as_features(table):
    values, _, taste, _ = table
    filled = np.where(np.isnan(values), 0.0, values - np.nanmean(values))
    scaled = filled / np.sqrt(np.maximum((~np.isnan(values)).sum(axis=1), 1))[:, None]
    model = hs.BayesianFactorization(2, implicit="none", **SHORT)
    for given in (filled, scaled, sparse.csr_array(scaled)):
        with pytest.raises(ValueError, match="row_features holds the table's own values"):
            model.fit(values, row_features=given)
    with pytest.raises(ValueError, match="col_features holds the table's own values"):
        model.fit(values, col_features=filled.T)
    means = np.nanmean(values, axis=1)
    with pytest.raises(ValueError, match=r"row_features: column .2. is the mean of each row's own values"):
        model.fit(values, row_features=np.column_stack([taste, 5 * means + 1]))
    # what is only correlated with the values, and which cells were seen, are features like any other
    model.fit(values, row_features=np.column_stack([means + 0.1 * taste[:, 0], (~np.isnan(values)).sum(axis=1)]))


def test_noise_of_rows_is_found_and_stated():
    rng = np.random.default_rng(0)
    sd = np.repeat([0.3, 1.2], 60)
    table = np.add.outer(rng.normal(size=120), rng.normal(size=50)) + sd[:, None] * rng.normal(size=(120, 50))
    seen = np.where(rng.random(table.shape) < 0.7, table, np.nan)
    model = hs.BayesianFactorization(1, implicit="none", max_iter=60, random_state=0).fit(seen)
    # rows' noise is drawn towards the common one
    assert np.mean(model.row_noise_sd_[:60]) == pytest.approx(0.3, rel=0.25)
    assert np.mean(model.row_noise_sd_[60:]) == pytest.approx(1.2, rel=0.15)
    answers = model.inference(0.9).responses(*np.nonzero(np.isnan(seen)))
    i, j = np.nonzero(np.isnan(seen))
    inside = (answers.low < table[i, j]) & (table[i, j] < answers.high)
    # 900 values each: standard deviation .01; the quiet rows' intervals are as wide as the prior makes them
    assert 0.88 < inside[i < 60].mean() < 0.97
    assert 0.86 < inside[i >= 60].mean() < 0.94


def test_threads_and_regrouped_columns_have_the_same_bits(table, monkeypatch):
    values, _, taste, kind = table
    values = values.astype(np.float32)

    def fitted(**changes):
        model = hs.BayesianFactorization(18, implicit="both", **SHORT, **changes)
        return model.fit(values, row_features=taste, col_features=kind).predict_table()

    plain = fitted()
    np.testing.assert_array_equal(fitted(engine="threads"), plain)
    monkeypatch.setattr(cuts, "FRUGAL_FROM", 0)
    np.testing.assert_array_equal(fitted(), plain)


def test_yes_no_answers_take_features_too(table):
    answers = np.where(np.isnan(table[0]), np.nan, (table[0] > 3.2).astype(float))
    model = hs.BayesianFactorization(2, "bernoulli", implicit="both", **SHORT).fit(answers, row_features=table[2])
    assert not hasattr(model, "row_noise_sd_")
    assert np.all((model.predict_table() > 0) & (model.predict_table() < 1))


def test_r_hat_tells_chains_that_agree_from_chains_that_do_not(table):
    model = hs.BayesianFactorization(2, implicit="none", max_iter=80, n_chains=2, random_state=0).fit(table[0])
    assert len(model.draws_) == 160
    assert np.quantile(model.r_hat_, 0.9) < 1.1
    moved = replace(model.draws_, rows=model.draws_.rows + np.where(np.arange(160) < 80, 0.0, 1.0)[:, None])
    from halfseen.methods.completion.convergence import potential_scale_reduction

    assert np.median(potential_scale_reduction(moved, 2)) > 1.3
    assert hs.BayesianFactorization(1, **SHORT).fit(table[0]).r_hat_ is None


def test_rows_that_share_no_column_are_told_of():
    rng = np.random.default_rng(0)
    apart = np.full((40, 20), np.nan)
    apart[:20, :10], apart[20:, 10:] = rng.normal(size=(20, 10)), 5 + rng.normal(size=(20, 10))
    model = hs.BayesianFactorization(1, **SHORT)
    with pytest.warns(UserWarning, match="40 rows fall into 2 groups"):
        model.fit(apart)
    apart[:3, 10:13] = 5.0
    assert model.fit(apart).linking_ is None


@pytest.mark.slow
def test_the_sampler_with_features_and_row_noise_leaves_the_joint_distribution_as_it_is():
    """Geweke (2004), as for the plain sampler: parameters from the prior, and along a chain that redraws the data."""
    rng, n, p, n_draws = np.random.default_rng(2), 6, 5, 3000
    seen = rng.random((n, p)) < 0.7
    R = hs.Observed.from_dense(np.where(seen, 1.0, np.nan))
    passes, hyper = EntryPasses(R, get_loss("gaussian")), NormalWishart(np.full(2, 6.0), 3.0, 12.0)
    given = given_group(rng.normal(size=(n, 2)), np.dtype(float))
    covered, noise = (seen.any(axis=1), seen.any(axis=0)), RowNoise(seen.sum(axis=1))
    sides = [(implicit_group(passes, 0), given), (implicit_group(passes, 1),)]
    amounts = [
        [as_matrix(group.columns, size, np.dtype(float)) for group in side]
        for side, size in zip(sides, (n, p), strict=True)
    ]

    def normal(prior, size):
        half = np.linalg.cholesky(np.linalg.inv(prior.precision))
        return prior.mean + rng.normal(size=(size, 2)) @ half.T

    def from_prior():
        coefficients, effects, priors = [], [], []
        for side, matrices, size in zip(sides, amounts, (n, p), strict=True):
            own = [hyper.draw(np.zeros((0, 2)), rng) for _ in side]
            w = [normal(prior, group.n_features) for prior, group in zip(own, side, strict=True)]
            shift = sum(A @ x for A, x in zip(matrices, w, strict=True))
            priors.append(hyper.draw(np.zeros((0, 2)), rng))
            coefficients.append(shift + normal(priors[-1], size))
            effects.append(EffectState(tuple(w), tuple(own), shift))
        freedom = float(rng.choice(FREEDOMS))
        alpha = rng.gamma(freedom / 2, 2 / freedom, size=n)
        return GibbsState(*coefficients, float(rng.gamma(4.0, 1 / 4.0)), priors[0], tuple(effects), alpha, freedom)

    def statistics(state):
        cells = np.tanh(state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1]))
        w, v = state.effects[0], state.effects[1]
        return [
            cells.mean(), np.square(cells).mean(), np.tanh(state.precision), np.tanh(state.row_weights).mean(),
            np.square(np.tanh(state.row_weights)).mean(), np.log(state.freedom), np.tanh(w.effects[0]).mean(),
            np.tanh(w.effects[1][0, 0]) ** 2, np.square(np.tanh(v.effects[0])).mean(),
            np.tanh(np.diag(w.priors[0].precision) / 10).sum(),
            np.tanh(np.diag(w.priors[1].precision) / 10).sum(), np.square(np.tanh(w.shift)).mean(),
        ]  # fmt: skip

    direct = np.array([statistics(from_prior()) for _ in range(n_draws)])
    for draws in ("each", "twice", "joint"):
        means = tuple(PriorMeans(tuple(side), hyper, passes.engine, draws) for side in sides)
        sweep = GibbsSweep(passes, 0.0, hyper, 4.0, 4.0, covered, R.n_entries, rng, means, noise)
        state, chain = from_prior(), []
        for _ in range(n_draws):
            cells = state.rows[:, :1] @ state.cols[:, :1].T + np.add.outer(state.rows[:, 1], state.cols[:, 1])
            sd = 1.0 / np.sqrt(state.precision * state.row_weights[R.rows])
            values = cells[R.rows, R.cols] + sd * rng.normal(size=R.n_entries)
            state = replace(sweep, passes=sweep.passes.with_values(values))(state).params
            chain.append(statistics(state))
        # standard errors: plain for the direct draws, by batch means (30 batches) for the chain
        batches = np.array(chain).reshape(30, -1, direct.shape[1]).mean(axis=1)
        error = np.sqrt(batches.var(axis=0, ddof=1) / 30 + direct.var(axis=0) / n_draws)
        z = (batches.mean(axis=0) - direct.mean(axis=0)) / error
        assert np.abs(z).max() < 4.2, (draws, z)
