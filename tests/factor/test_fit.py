"""The fitted point: stationary, gauged, the same for every solver, better at every stage where theory says so."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from factor_truth import EVERY, relative_error
from halfseen.engines import EntryPasses
from halfseen.linalg import row_errors
from halfseen.losses import get_loss
from halfseen.methods.factor.fitting import FitPlan, Stages
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem

FAMILIES = ["gaussian", "bernoulli", "binomial(6)", "poisson"]


def fit(data, **kwargs):
    return hs.GeneralizedFactorModel(2, kwargs.pop("family", data.family), random_state=0, **kwargs).fit(data.observed)


def small(family, seed=0):
    return hs.datasets.make_factor_data(60, 40, rank=2, family=family, observed=0.8, random_state=seed)


def informative(family, seed=0):
    """Enough entries per row for the plain likelihood to have a maximum, for every family."""
    return hs.datasets.make_factor_data(200, 150, rank=2, family=family, observed=0.8, random_state=seed)


def objective(model, observed):
    """The problem at the fitted parameters, without a penalty."""
    problem = FactorProblem(EntryPasses(observed, model.loss_), model.row_factors_.shape[1], FactorPenalty())
    return problem, problem.pack(model.stages_["final"])


@pytest.mark.parametrize("family", FAMILIES)
class TestEveryFamily:
    def test_derivatives_agree_with_finite_differences(self, family):
        data, rng, h = small(family), np.random.default_rng(0), 1e-5
        penalty = FactorPenalty(ridge=0.7, intercept_ridge=0.3, centre=-0.2, orthogonality=0.05)
        problem = FactorProblem(EntryPasses(data.observed, get_loss(family)), 2, penalty)
        theta, d = 0.3 * rng.normal(size=(2, 40 + 2 * 100))
        _, gradient = problem.value_and_gradient(theta)
        slope = (problem.value(theta + h * d) - problem.value(theta - h * d)) / (2 * h)
        assert gradient @ d == pytest.approx(slope, rel=1e-6)
        up, down = (problem.value_and_gradient(theta + s * h * d)[1] for s in (1, -1))
        curve = (up - down) / (2 * h)
        np.testing.assert_allclose(problem.hessian_vector(theta, d), curve, atol=1e-6 * np.abs(curve).max())

    def test_the_preconditioner_inverts_the_diagonal_blocks(self, family):
        data, rng = small(family), np.random.default_rng(0)
        problem = FactorProblem(
            EntryPasses(data.observed, get_loss(family)), 2, FactorPenalty(ridge=0.5, intercept_ridge=1.0)
        )
        theta = 0.3 * rng.normal(size=40 + 2 * 100)
        apply = problem.preconditioner(theta)
        # a direction in one column's block alone: the product inside the block is undone
        direction = np.zeros_like(theta)
        own = [7, 40 + 120 + 14, 40 + 120 + 15]  # zeta_7 and y_7
        direction[own] = [1.0, -2.0, 0.5]
        image = problem.hessian_vector(theta, direction)
        inside = np.zeros_like(theta)
        inside[own] = image[own]
        np.testing.assert_allclose(apply(inside)[own], direction[own], rtol=1e-6)

    def test_the_unpenalised_fit_is_stationary(self, family):
        data = informative(family)
        model = fit(data, family=family, penalty="none", bias="none")
        problem, theta = objective(model, data.observed)
        assert model.run_.reason == "gradient"
        assert np.abs(problem.value_and_gradient(theta)[1]).max() <= 1e-6 * max(model.dispersion_, 1.0)

    @pytest.mark.fast_cases("gaussian", "bernoulli")
    def test_the_gauge_is_exact(self, family):
        for rho in (1.0, 1.5):
            model = fit(informative(family), family=family, penalty="none", rho=rho)
            X, Y = model.row_factors_, model.col_factors_
            scale = np.linalg.norm(X.T @ X, 2)
            assert np.abs(X.sum(axis=0)).max() / len(X) <= 1e-10
            assert np.abs(X.T @ X - rho * Y.T @ Y).max() / scale <= 1e-10
            assert np.abs(np.triu(X.T @ X, 1)).max() / scale <= 1e-10
            assert np.all(Y.sum(axis=0) >= 0)
            assert np.all(np.diff(np.diag(X.T @ X)) <= 0)

    @pytest.mark.fast_cases("gaussian")
    def test_all_solvers_find_the_same_predictor(self, family):
        data = small(family)
        tight = {"tol": 1e-9, "max_iter": 20_000}
        fits = [
            fit(data, family=family, penalty="map", solver=solver, **tight).stages_["final"].block(EVERY, EVERY)
            for solver in ("newton-cg", "alternating", "gd", "nesterov")
        ]
        for other in fits[1:]:
            assert np.linalg.norm(other - fits[0]) <= 1e-7 * np.linalg.norm(fits[0])

    @pytest.mark.fast_cases("gaussian", "bernoulli")
    def test_training_rows_are_placed_where_they_were(self, family):
        data = informative(family)
        for penalty in ("map", "none"):
            model = fit(data, family=family, penalty=penalty, bias="none", tol=1e-9)
            np.testing.assert_allclose(model.transform(data.observed), model.row_factors_, atol=1e-6)

    def test_rows_and_columns_may_come_in_any_order(self, family):
        data, rng = small(family), np.random.default_rng(4)
        rows, cols = rng.permutation(60), rng.permutation(40)
        table = data.observed.to_dense()
        kwargs = {"penalty": "map", "start": "linear", "tol": 1e-9, "random_state": 0}
        one = hs.GeneralizedFactorModel(2, family, **kwargs).fit(table).predict_table(kind="linear")
        other = (
            hs.GeneralizedFactorModel(2, family, **kwargs).fit(table[np.ix_(rows, cols)]).predict_table(kind="linear")
        )
        np.testing.assert_allclose(other, one[np.ix_(rows, cols)], atol=1e-7 * np.abs(one).max())


@pytest.mark.slow
def test_the_stages_improve_row_by_row():
    """Section 8 of the study: spectral > one-step in (2, infinity) error and in Frobenius error, at lambda=1, pi=.5."""
    data = hs.datasets.make_factor_data(
        1000, 500, rank=2, family="bernoulli", strength=1.0, observed=0.5, random_state=0
    )
    model = fit(data, penalty="none")
    error = {name: relative_error(stage, data) for name, stage in model.stages_.items()}
    assert error["spectral"] > error["one_step"]
    assert error["spectral"] > error["final"]
    assert error["final"] <= 0.265
    for side in ("rows", "cols"):
        truth = data.row_factors if side == "rows" else data.col_factors
        worst = {name: row_errors(getattr(stage, side), truth).max() for name, stage in model.stages_.items()}
        assert worst["spectral"] > worst["one_step"], side
    plain = fit(data, penalty="none", bias="none")
    assert relative_error(plain, data) <= 0.285
    assert plain.run_.work <= 45
    assert fit(data, penalty="none", bias="none", solver="alternating").run_.work <= 80


@pytest.mark.slow
def test_weaker_signals_stay_within_their_bounds():
    data = hs.datasets.make_factor_data(
        1000, 500, rank=2, family="bernoulli", strength=0.5, observed=0.5, random_state=0
    )
    assert relative_error(fit(data, penalty="none", bias="none"), data) <= 0.38
    assert relative_error(fit(data, penalty="none"), data) <= 0.37


def test_newton_solves_poisson_quickly():
    data = hs.datasets.make_factor_data(
        400, 400, rank=2, family="poisson", strength=1.0, observed=0.5, intercept=0.0, random_state=0
    )
    model = fit(data, penalty="none", bias="none")
    assert model.run_.reason == "gradient"
    assert model.run_.n_iter <= 25


@pytest.mark.parametrize(("strength", "observed", "bound"), [(1.0, 0.1, 0.65), (0.5, 0.2, 0.55)])
@pytest.mark.slow
def test_with_little_information_the_default_chooses_the_prior(strength, observed, bound):
    data = hs.datasets.make_factor_data(
        1000, 500, rank=2, family="bernoulli", strength=strength, observed=observed, random_state=0
    )
    model = fit(data)
    assert model.penalty_choice_.chosen == "map"
    assert relative_error(model, data) <= bound


@pytest.mark.slow
@pytest.mark.parametrize(("strength", "observed"), [(1.0, 0.1), (0.5, 0.2), (0.3, 0.1)])
@pytest.mark.parametrize("seed", range(100, 110))
def test_the_default_beats_the_intercepts_or_warns(strength, observed, seed, recwarn):
    """Ten unseen seeds per hard cell: held-out deviance below that of the intercept-only model, or a warning."""
    data = hs.datasets.make_factor_data(
        1000, 500, rank=2, family="bernoulli", strength=strength, observed=observed, random_state=seed
    )
    train, test = data.observed.split(0.1, random_state=seed)
    model = hs.GeneralizedFactorModel(2, "bernoulli", random_state=seed).fit(train)
    null = hs.GeneralizedFactorModel(0, "bernoulli", penalty="none", bias="none").fit(train)
    is_warned = any("no better than the intercepts" in str(w.message) for w in recwarn.list)
    assert model.score(test) > null.score(test) or is_warned


@pytest.mark.slow
def test_gradient_descent_contracts_linearly_and_keeps_the_balance():
    """Remark 3 and Theorem 2.6, measured: a constant factor per sweep, and X'X = Y'Y hardly moves."""
    data = hs.datasets.make_factor_data(400, 200, rank=2, family="bernoulli", observed=0.6, random_state=0)
    passes = EntryPasses(data.observed, get_loss("bernoulli"))
    stages = Stages(
        passes, 2, hs.GeneralizedFactorModel(solver="gd", tol=1e-8, max_iter=4000), np.random.default_rng(0)
    )
    done = stages.descend(FitPlan(FactorPenalty()))
    gap = done.run.trace.value - done.run.trace.value[-1]
    tail = np.log(gap[(gap > 1e-9) & (np.arange(len(gap)) > 30)])
    rate = np.polyfit(np.arange(len(tail)), tail, 1)
    residual = tail - np.polyval(rate, np.arange(len(tail)))
    assert rate[0] < -0.005
    assert np.std(residual) < 0.15 * np.ptp(tail)
    moved = done.final.rows.T @ done.final.rows - done.final.cols.T @ done.final.cols
    before = done.one_step.rows.T @ done.one_step.rows - done.one_step.cols.T @ done.one_step.cols
    assert np.linalg.norm(moved - before) <= 1e-2 * np.linalg.norm(done.final.rows.T @ done.final.rows)


@pytest.mark.slow
def test_gradient_descent_needs_many_more_passes_than_newton():
    data = hs.datasets.make_factor_data(300, 150, rank=2, family="bernoulli", observed=0.6, random_state=0)
    newton = fit(data, penalty="none", bias="none")
    plain = fit(data, penalty="none", bias="none", solver="gd")
    assert plain.run_.converged
    assert plain.run_.work > 5 * newton.run_.work


@pytest.mark.slow
def test_the_printed_algorithm_is_available_and_reaches_the_same_likelihood():
    data = hs.datasets.make_factor_data(400, 200, rank=2, family="bernoulli", observed=0.6, random_state=0)
    with pytest.warns(UserWarning, match="max_iter"):
        printed = hs.GeneralizedFactorModel.paper(2, step=0.005, max_iter=400).fit(data.observed)
    ours = fit(data, penalty="none", bias="none")
    assert printed.is_centred is False
    assert printed.stages_["spectral"].rows.shape == (400, 2)
    assert relative_error(printed, data) == pytest.approx(relative_error(ours, data), rel=0.05)
    # the uncentred threshold shrinks the mean component: the start is worse than the centred one
    assert relative_error(printed.stages_["spectral"], data) > relative_error(ours.stages_["spectral"], data)


def test_without_factors_the_intercepts_are_the_columns_logits():
    data = small("bernoulli")
    model = hs.GeneralizedFactorModel(0, "bernoulli", bias="none").fit(data.observed)
    means = np.nanmean(data.observed.to_dense(), axis=0)
    np.testing.assert_allclose(model.intercept_, np.log(means / (1 - means)), atol=1e-6)
    assert model.row_factors_.shape == (60, 0)


def test_integer_weights_are_repetitions():
    data = small("bernoulli")
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 4, data.observed.n_entries).astype(float)
    R = data.observed
    weighted = hs.Observed.from_triplets(R.rows, R.cols, R.values, weights=weights, shape=R.shape)
    shares = hs.GeneralizedFactorModel(2, "bernoulli", penalty=1.0, random_state=0).fit(weighted)
    counts = R.with_values(R.values * weights)
    trials = hs.GeneralizedFactorModel(2, "bernoulli", penalty=1.0, random_state=0).fit(counts, trials=weights)
    np.testing.assert_allclose(shares.predict_table(), trials.predict_table(), atol=1e-9)


def test_totals_per_column_are_binomial_counts():
    data = small("binomial(6)")
    kwargs = {"penalty": "none", "bias": "none", "start": "linear", "tol": 1e-8}
    fused = hs.GeneralizedFactorModel(2, "binomial(6)", **kwargs).fit(data.observed)
    given = hs.GeneralizedFactorModel(2, "bernoulli", **kwargs).fit(data.observed, trials=np.full(40, 6.0))
    np.testing.assert_allclose(given.predict_table() * 6, fused.predict_table(), rtol=1e-6)


@pytest.mark.slow
def test_an_exposure_enters_as_an_offset():
    rng = np.random.default_rng(0)
    data = hs.datasets.make_factor_data(80, 40, rank=1, family="poisson", observed=0.7, intercept=0.5, random_state=0)
    exposure = rng.uniform(-1, 1, data.observed.n_entries)
    R = data.observed
    counts = R.with_values(rng.poisson(np.exp(data.linear[R.rows, R.cols] + exposure)).astype(float))
    with_offset = hs.GeneralizedFactorModel(1, "poisson", random_state=0).fit(counts, offset=exposure)
    with pytest.warns(UserWarning, match="counts spread"):
        without = hs.GeneralizedFactorModel(1, "poisson", random_state=0).fit(counts)
    assert relative_error(with_offset, data) < 0.9 * relative_error(without, data)


@pytest.mark.filterwarnings("ignore:.*errors have heavy tails")
def test_a_loss_of_ones_own_takes_the_plain_path():
    from contracts.test_losses import LogCosh

    data = small("gaussian")
    R = data.observed
    values = np.array(R.values)
    values[::50] += 100.0  # outliers, which log-cosh hardly feels
    robust = hs.GeneralizedFactorModel(2, LogCosh(), penalty=0.5, random_state=0).fit(R.with_values(values))
    squared = hs.GeneralizedFactorModel(2, "gaussian", penalty=0.5, random_state=0).fit(R.with_values(values))
    assert robust.run_.converged
    assert relative_error(robust, data) < 0.5 * relative_error(squared, data)


def test_a_plain_loss_and_its_fused_twin_agree():
    from dataclasses import dataclass, field

    from halfseen.losses import Bernoulli

    @dataclass(frozen=True)
    class Unfused(Bernoulli):
        kernel: str | None = field(default=None, init=False)

    data = small("bernoulli")
    one, other = (
        hs.GeneralizedFactorModel(2, loss, penalty="map", random_state=0).fit(data.observed).predict_table()
        for loss in ("bernoulli", Unfused())
    )
    np.testing.assert_allclose(one, other, atol=1e-7)


def test_varimax_turns_the_factors_and_nothing_else():
    data = small("gaussian")
    plain, turned = fit(data, penalty="none"), fit(data, penalty="none", rotation="varimax")
    np.testing.assert_allclose(turned.predict_table(), plain.predict_table(), atol=1e-8)
    assert np.var(turned.col_factors_**2, axis=0).sum() >= np.var(plain.col_factors_**2, axis=0).sum()


def test_the_dispersion_is_the_residual_variance():
    data = hs.datasets.make_factor_data(300, 200, rank=2, family="gaussian", observed=0.6, random_state=0)
    model = fit(data, penalty="none")
    # 36 000 entries: the variance of a variance estimate is 2 sigma^4 / E
    assert model.dispersion_ == pytest.approx(data.dispersion, abs=4 * np.sqrt(2 / data.observed.n_entries))


@pytest.mark.slow
def test_nothing_of_the_size_of_the_table_is_made():
    rng = np.random.default_rng(0)
    n, p, entries = 300_000, 200_000, 400_000  # 480 GB as a dense table
    R = hs.Observed.from_triplets(
        rng.integers(0, n, entries),
        rng.integers(0, p, entries),
        rng.normal(size=entries),
        shape=(n, p),
        duplicates="last",
    )
    model = hs.GeneralizedFactorModel(1, penalty=5.0, max_iter=3, tol=1.0, random_state=0).fit(R)
    assert model.row_factors_.shape == (n, 1)


@pytest.mark.parametrize("penalty", ["auto", "none"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_gaussian_fit_knows_no_unit(penalty, scale):
    table = small("gaussian").observed.to_dense()
    one = hs.GeneralizedFactorModel(2, penalty=penalty, random_state=0).fit(table)
    other = hs.GeneralizedFactorModel(2, penalty=penalty, random_state=0).fit(scale * table)
    np.testing.assert_allclose(other.predict_table() / scale, one.predict_table(), atol=1e-5)
    assert other.dispersion_ / scale**2 == pytest.approx(one.dispersion_, rel=1e-6)


@pytest.mark.filterwarnings("ignore:the factors predict")
@pytest.mark.parametrize("table", [np.ones((10, 8)), np.arange(8.0)[None, :], np.arange(8.0)[:, None]])
def test_tables_without_structure_are_fitted_by_their_intercepts(table):
    model = hs.GeneralizedFactorModel(1, random_state=0).fit(table)
    assert np.isfinite(model.predict_table()).all()
    if table.shape[0] > 1 and table.shape[1] > 1:
        np.testing.assert_allclose(model.predict_table(), 1.0)
