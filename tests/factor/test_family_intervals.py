"""Intervals of probit, negative binomial, ordinal and mixed fits: naive formulas, clusters, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import halfseen as hs
from halfseen.inference import Clustered
from halfseen.losses import at_columns
from halfseen.methods.factor import FactorPoint
from halfseen.methods.factor.identification import to_gauge
from halfseen.metrics import coverage

NAMES = ["probit", "negative_binomial", "ordinal", "mixed"]
SIX = ["gaussian", "bernoulli", "poisson", "ordinal", "negative_binomial", "probit"]


def family_of(name, p):
    return [SIX[j % 6] for j in range(p)] if name == "mixed" else name


def fit(data, rank=1, **more):
    options = {"penalty": "none", "random_state": 0, **more}
    return hs.GeneralizedFactorModel(rank, data.family, **options).fit(data.observed)


class NaiveOrdinal:
    """All parameters of every column at once, thresholds for the intercept, entry by entry, class by class."""

    def __init__(self, model, R):
        self.model, (n, p) = model, R.shape
        X, Y, T = model.row_factors_, model.col_factors_, model.thresholds_
        seen = ~np.isnan(R.to_dense())
        count, r = T.shape[1], X.shape[1]
        self.count = count
        H, self.V = np.zeros((p, count + r, count + r)), np.zeros((n, r, r))
        for i in range(n):
            for j in np.flatnonzero(seen[i]):
                chance, slopes = self.classes(X[i], Y[j], T[j])
                # slopes of the classes' probabilities by (thresholds, m)
                by_column = np.concatenate([slopes[:, :count], slopes[:, [count]] * X[i]], axis=1)
                H[j] += np.einsum("k,ka,kb->ab", 1 / chance, by_column, by_column)
                self.V[i] += np.sum(slopes[:, count] ** 2 / chance) * np.outer(Y[j], Y[j])
        self.W, self.V = np.linalg.inv(H), np.linalg.inv(self.V)

    @staticmethod
    def classes(x, y, thresholds):
        above = 1 / (1 + np.exp(thresholds - x @ y))
        d = above * (1 - above)
        count = len(thresholds)
        chance = -np.diff(np.concatenate([[1.0], above, [0.0]]))
        slopes = np.zeros((count + 1, count + 1))
        for t in range(count):
            # P(y >= t + 1) falls with its threshold and rises with m
            for k, sign in ((t, -1.0), (t + 1, 1.0)):
                slopes[k, t] += -sign * d[t]
                slopes[k, count] += sign * d[t]
        return chance, slopes

    def mean_gradient(self, i, j):
        """Derivatives of the expected answer by the column's parameters, and by the row's."""
        _, slopes = self.classes(self.model.row_factors_[i], self.model.col_factors_[j], self.model.thresholds_[j])
        total = np.arange(1.0, self.count + 2) @ slopes
        own = total[self.count] * self.model.row_factors_[i]
        return np.concatenate([total[: self.count], own]), total[self.count] * self.model.col_factors_[j]

    def mean_variance(self, i, j):
        c, y = self.mean_gradient(i, j)
        return c @ self.W[j] @ c + y @ self.V[i] @ y


@pytest.fixture(scope="module")
def ordinal():
    data = hs.datasets.make_factor_data(60, 25, 1, "ordinal", strength=1.3, observed=0.9, random_state=3)
    model = fit(data)
    return data, model, NaiveOrdinal(model, data.observed), model.inference(variance="plug_in", gauge="plain")


def test_thresholds_and_factors_have_the_errors_of_their_joint_information(ordinal):
    """Up to the half answer's worth that keeps the distances of thresholds finite."""
    _, _, naive, i = ordinal
    np.testing.assert_allclose(i.col_factors(0).se, np.sqrt(naive.W[:, -1, -1]), rtol=0.01)
    found = i.thresholds()
    np.testing.assert_allclose(found.se, np.sqrt(np.einsum("jkk->jk", naive.W)[:, :4]), rtol=0.03)
    np.testing.assert_allclose(i.row_factors(0).se, np.sqrt(naive.V[:, 0, 0]), rtol=1e-6)
    assert found.to_frame().column_names[:2] == ["col", "threshold"]


def test_expected_answers_know_that_their_thresholds_are_estimates(ordinal):
    _, _, naive, i = ordinal
    rows, cols = np.array([0, 5, 9, 30]), np.array([2, 7, 7, 20])
    expected = [np.sqrt(naive.mean_variance(a, b)) for a, b in zip(rows, cols, strict=True)]
    np.testing.assert_allclose(i.entries(rows, cols).se, expected, rtol=0.01)
    W = sparse.coo_array((np.ones(4), (rows, cols)), shape=(60, 25))
    grad_rows, grad_cols = {}, {}
    for a, b in zip(rows, cols, strict=True):
        c, y = naive.mean_gradient(a, b)
        grad_rows[a], grad_cols[b] = grad_rows.get(a, 0) + y, grad_cols.get(b, 0) + c
    variance = sum(g @ naive.V[a] @ g for a, g in grad_rows.items())
    variance += sum(g @ naive.W[b] @ g for b, g in grad_cols.items())
    assert i.contrast(entries=W, kind="mean").se[0] == pytest.approx(np.sqrt(variance), rel=0.01)


def test_scores_of_ordered_answers_follow_the_naive_formula(ordinal):
    _, _, naive, i = ordinal
    for which, others in ((4, range(25)), (11, range(25))):
        parts = [naive.mean_gradient(which, j) for j in others]
        own = sum(y for _, y in parts) / 25
        variance = own @ naive.V[which] @ own + sum(c @ naive.W[j] @ c for j, (c, _) in enumerate(parts)) / 25**2
        assert i.scores().se[which] == pytest.approx(np.sqrt(variance), rel=0.01)
    parts = [naive.mean_gradient(a, 3) for a in range(60)]
    own = sum(c for c, _ in parts) / 60
    variance = own @ naive.W[3] @ own + sum(y @ naive.V[a] @ y for a, (_, y) in enumerate(parts)) / 60**2
    assert i.scores(axis="cols").se[3] == pytest.approx(np.sqrt(variance), rel=0.01)


def test_differences_of_scores_agree_with_contrasts(ordinal):
    _, _, _, i = ordinal
    for axis, shape in (("rows", 25), ("cols", 60)):
        W = np.zeros((60, 25))
        one, two = (W[2], W[9]) if axis == "rows" else (W[:, 2], W[:, 9])
        one[:], two[:] = 1 / shape, -1 / shape
        found, contrast = i.differences([2], [9], axis=axis), i.contrast(entries=W, kind="mean")
        np.testing.assert_allclose([found.estimate, found.se], [contrast.estimate, contrast.se], rtol=1e-6)


def test_the_gauge_changes_no_expected_answer(ordinal):
    _, model, _, plain = ordinal
    turned = model.inference(variance="plug_in", gauge="denoised")
    a, b = np.arange(20), np.arange(20)
    np.testing.assert_allclose(turned.entries(a, b).se, plain.entries(a, b).se, rtol=1e-8)
    np.testing.assert_allclose(turned.scores().se, plain.scores().se, rtol=1e-8)
    np.testing.assert_allclose(turned.thresholds().se, plain.thresholds().se, rtol=1e-8)


def test_drawn_errors_of_ordered_answers_have_the_information_bound(ordinal):
    """Standard deviations of multiplier draws against plug-in errors: equal on average, sd of the ratio .02."""
    _, model, _, _ = ordinal
    i = model.inference(draws=1000, random_state=0)
    none = np.zeros(0, dtype=int)
    drawn = np.concatenate([b for _, b in i._draws.batches("multiplier", none, np.arange(25), count=1000)])
    ratio = drawn.std(axis=0) / np.sqrt(np.einsum("jkk->jk", i._view.uncertainty.cols.inverse))
    assert np.median(ratio, axis=0) == pytest.approx([1.0, 1.0], abs=0.12)
    sandwich = np.sqrt(np.einsum("jkk->jk", model.inference(variance="sandwich")._view.uncertainty.cols.covariance))
    np.testing.assert_allclose(drawn.std(axis=0) / sandwich, 1.0, atol=0.1)


@pytest.mark.parametrize("name", ["probit", "negative_binomial"])
def test_blocks_are_those_of_the_expected_information(name):
    data = hs.datasets.make_factor_data(100, 60, 1, name, observed=0.9, random_state=3)
    model = fit(data)
    i = model.inference(variance="plug_in", gauge="plain")
    R, X, Y = data.observed, model.row_factors_, model.col_factors_
    M = model.predict_table(kind="linear")
    loss = at_columns(model.loss_, np.arange(60))
    # score variance of a generalized linear model: (d mean / d m)^2 / variance
    h = 1e-5
    w = ((loss.mean(M + h) - loss.mean(M - h)) / (2 * h)) ** 2 / loss.variance(M)
    w = np.where(np.isnan(R.to_dense()), 0.0, w)
    np.testing.assert_allclose(i.row_factors(0).se, 1 / np.sqrt(w @ Y[:, 0] ** 2), rtol=1e-5)
    Xt = np.column_stack([np.ones(100), X])
    V = np.linalg.inv(np.einsum("ij,ik,il->jkl", w, Xt, Xt))
    np.testing.assert_allclose(i.intercepts().se, np.sqrt(V[:, 0, 0]), rtol=1e-5)


@pytest.mark.fast_cases("probit")
@pytest.mark.parametrize("name", NAMES)
def test_unseen_responses_fall_into_their_intervals(name):
    """About 1900 held-out cells: at least .95 - .02 inside, ends where responses can lie."""
    data = hs.datasets.make_factor_data(160, 90, 1, family_of(name, 90), observed=0.9, random_state=5)
    train, test = data.observed.split(0.15, random_state=0)
    model = hs.GeneralizedFactorModel(1, data.family, penalty="none", random_state=0).fit(train)
    found = model.inference().responses(test.rows, test.cols)
    assert coverage(found.low, found.high, test.values) >= 0.93
    if name != "mixed":
        assert np.all(found.low == np.floor(found.low))


def test_known_answers_are_part_of_realised_scores():
    data = hs.datasets.make_factor_data(80, 40, 1, "ordinal", observed=1.0, random_state=0)
    i = fit(data, penalty="map").inference()
    np.testing.assert_allclose(i.scores("these").estimate, data.observed.to_dense().mean(axis=1), rtol=1e-12)
    part = hs.datasets.make_factor_data(80, 40, 1, "ordinal", observed=0.6, random_state=0)
    found = fit(part, penalty="map").inference().scores("these")
    assert np.all((found.low >= 1) & (found.high <= 5))


def test_only_ordinal_fits_have_thresholds():
    data = hs.datasets.make_factor_data(80, 40, 1, "poisson", observed=0.9, random_state=0)
    with pytest.raises(ValueError, match="family='ordinal'"):
        fit(data).inference().thresholds()


# ---- clustered errors ----------------------------------------------------------------------------------------------


def texts(seed, n=300, p=120, size=4, shared=0.8):
    """Gaussian answers whose errors are shared inside groups of ``size`` columns that ask for the same thing."""
    rng = np.random.default_rng(seed)
    truth = to_gauge(FactorPoint(rng.normal(size=p), rng.normal(size=(n, 1)), 1.0 + 0.3 * rng.normal(size=(p, 1))))
    noise = np.sqrt(shared) * np.repeat(rng.normal(size=(n, p // size)), size, axis=1)
    noise += np.sqrt(1 - shared) * rng.normal(size=(n, p))
    table = truth.intercept + truth.rows @ truth.cols.T + noise
    table[rng.random((n, p)) < 0.3] = np.nan
    return truth, table, np.arange(p) // size


def test_clustered_intervals_cover_where_independent_ones_do_not():
    """600 rows of two tables: the standard error of a coverage is .009."""
    plain, clustered = [], []
    for seed in range(2):
        truth, table, groups = texts(seed)
        model = hs.GeneralizedFactorModel(1, "gaussian", penalty="none", random_state=0).fit(table)
        for variance, found in (("second_order", plain), (Clustered(cols=groups), clustered)):
            x = model.inference(variance=variance, random_state=0).row_factors(0)
            found.append(coverage(x.low, x.high, truth.rows[:, 0]))
    assert np.mean(plain) < 0.85
    assert 0.91 <= np.mean(clustered) <= 0.975


def test_clustered_statements_are_all_there():
    _, table, groups = texts(3, n=120, p=80)
    model = hs.GeneralizedFactorModel(1, "gaussian", penalty="none", random_state=0).fit(table)
    i = model.inference(variance=Clustered(cols=groups, rows=np.arange(120) // 3), draws=200, random_state=0)
    for method in ("gaussian", "multiplier"):
        assert 2.5 < i.band("row_factors", component=0, method=method).quantile < 4.6
        assert i.ranks(of=0, kind="simultaneous", method=method).width.mean() > 0
    assert np.isfinite(i.scores().se).all()
    with pytest.raises(ValueError, match=r"needed: \(80,\)"):
        model.inference(variance=Clustered(cols=[1, 2]))


def test_rows_seen_in_few_groups_are_marked():
    _, table, groups = texts(3, n=120, p=80)
    table[5, 8:] = np.nan
    model = hs.GeneralizedFactorModel(1, "gaussian", penalty="map", random_state=0).fit(table)
    with pytest.warns(UserWarning, match="too little information"):
        i = model.inference(variance=Clustered(cols=groups))
    assert not i.reliable_rows[5]
    assert i.reliable_rows.mean() > 0.95


# ---- coverage ------------------------------------------------------------------------------------------------------


def study(name, n, p, seeds, rank=2, share=0.5, **kwargs):
    """Pooled coverage of every kind of 95 % interval, over the seeds."""
    found = []
    for seed in seeds:
        data = hs.datasets.make_factor_data(n, p, rank, family_of(name, p), observed=share, random_state=seed)
        i = fit(data, rank, **kwargs).inference(random_state=0)
        turn, rng = np.sign((i.row_factors_estimate * data.row_factors).sum(axis=0)), np.random.default_rng(seed)
        a, b = rng.integers(n, size=5000), rng.integers(p, size=5000)
        x, y, z, s = i.row_factors(), i.col_factors(), i.intercepts(), i.scores()
        linear, mean = i.entries(a, b, kind="linear"), i.entries(a, b)
        found.append({
            "zeta": coverage(z.low, z.high, data.intercept),
            "X": coverage(x.low, x.high, data.row_factors * turn),
            "Y": coverage(y.low, y.high, data.col_factors * turn),
            "M": coverage(linear.low, linear.high, data.linear[a, b]),
            "mean": coverage(mean.low, mean.high, data.mean[a, b]),
            "score": coverage(s.low, s.high, data.mean.mean(axis=1)),
        })  # fmt: skip
        if name == "ordinal":
            tau, true = i.thresholds(), data.loss.cuts - data.intercept[:, None]
            found[-1]["thresholds"] = coverage(tau.low, tau.high, true)
    return {what: float(np.mean([one[what] for one in found])) for what in found[0]}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_the_default_intervals_cover(name):
    """One table of 200 x 150, rank 1: standard error of a share about .018; within 4 of them."""
    pooled = study(name, 200, 150, [1], rank=1, share=0.8)
    for what, value in pooled.items():
        assert 0.88 <= value <= 1.0, (what, pooled)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_coverage_at_the_studys_size(name):
    """n = p = 400, half seen, five tables: 2000 rows, standard error .005 (.007 where rows depend)."""
    pooled = study(name, 400, 400, range(5))
    for what, value in pooled.items():
        assert 0.93 <= value <= 0.975, (what, pooled)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_penalised_fits_cover_on_average(name):
    pooled = study(name, 400, 400, range(5), penalty="map")
    for what, value in pooled.items():
        assert 0.90 <= value <= 0.985, (what, pooled)
