"""Columns of fits with fixed columns: difficulty and its error, and items shrunk before they are a bank."""

from __future__ import annotations

import numpy as np
import pytest
from response_tables import simulated
from scipy import stats
from scipy.special import expit

import halfseen as hs
from halfseen.inference.shrinking import shrunk_items


@pytest.fixture(scope="module", params=[1, 2], ids=["one factor", "two factors"])
def case(request):
    data = hs.datasets.make_factor_data(
        200, 150, rank=request.param, family="bernoulli", observed=0.7, random_state=0
    )  # fmt: skip
    model = hs.GeneralizedFactorModel(request.param, "bernoulli", penalty="none", random_state=0).fit(data.observed)
    return data, model.inference(random_state=0)


class TestItems:
    def test_errors_are_those_of_finite_differences(self, case):
        _, i = case
        found, at, gauge = i.items(), i._view.uncertainty.factors, i._view.uncertainty.gauge

        def difficulty(z, y):
            return -z / y[0] if len(y) == 1 else -z / np.linalg.norm(y)

        for j in (0, 7, 33):
            point = np.append(at.intercept[j], at.cols[j])
            g = np.array([
                (difficulty((point + h)[0], (point + h)[1:]) - difficulty((point - h)[0], (point - h)[1:])) / 2e-6
                for h in 1e-6 * np.eye(len(point))
            ])  # fmt: skip
            wide = np.zeros((150, len(point)))
            wide[j] = g
            variance = g @ i._view.uncertainty.cols.covariance[j] @ g
            variance += gauge.of_functional(np.zeros_like(at.rows), wide, at.rows, at.cols)
            assert found["difficulty"][j] == pytest.approx(difficulty(point[0], point[1:]))
            assert found["difficulty_se"][j] == pytest.approx(np.sqrt(variance), rel=1e-5)

    def test_intercepts_and_slopes_are_those_asked_for_alone(self, case):
        _, i = case
        found = i.items()
        np.testing.assert_allclose(found["intercept_se"], i.intercepts().se)
        if i._view.uncertainty.factors.rank == 1:
            np.testing.assert_allclose(found["discrimination"], i.col_factors(0).estimate)
            np.testing.assert_allclose(found["discrimination_se"], i.col_factors(0).se)
        else:
            np.testing.assert_allclose(found["discrimination"], np.linalg.norm(i.col_factors_estimate, axis=1))

    def test_answers_are_counted(self, case):
        data, i = case
        found, table = i.items(), data.observed.to_dense()
        np.testing.assert_array_equal(found["answered"], np.isfinite(table).sum(axis=0))
        np.testing.assert_allclose(found["raw"], np.nanmean(table, axis=0))

    @pytest.mark.slow
    def test_difficulties_are_covered(self):
        inside = []
        for seed in range(4):
            truth = simulated(200, 150, 0.8, slope=0.2, seed=seed, spread=1.0)
            found = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0).fit(truth.observed)
            items = found.inference(random_state=0).items()
            logit = np.log(truth.chance / (1 - truth.chance))
            y = (logit[1] - logit[0]) / (truth.ability[1] - truth.ability[0])
            z = logit[0] - truth.ability[0] * y
            # the fit's abilities are centred, and X'X = Y'Y
            x = truth.ability - truth.ability.mean()
            c = (np.sum(y**2) / np.sum(x**2)) ** 0.25
            wanted = -(z + truth.ability.mean() * y) / (y / c)
            inside.append(np.abs(items["difficulty"] - wanted) <= 1.96 * items["difficulty_se"])
        # 600 items: a share of .95 is known to .009, and ratios are skewed
        assert 0.92 < np.mean(inside) < 0.98

    def test_columns_that_need_a_look_are_flagged(self):
        truth = simulated(150, 60, 0.9, slope=0.1, seed=3, spread=0.7)
        table = truth.observed.to_dense()
        table[:, 3] = np.random.default_rng(0).random(150) < expit(-1.5 * truth.ability)
        model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0).fit(table)
        found = model.inference(random_state=0).items()
        assert found["flag"][3] == "against order"
        assert np.mean(np.delete(found["flag"], 3) == "") > 0.9

    def test_counts_have_no_place_of_even_odds(self):
        data = hs.datasets.make_factor_data(150, 60, rank=1, family="poisson", observed=0.8, random_state=1)
        model = hs.GeneralizedFactorModel(1, "poisson", penalty="none", random_state=0).fit(data.observed)
        found = model.inference(random_state=0).items()
        assert "difficulty" not in found.columns()
        assert np.all(found["discrimination_se"] > 0)


def test_thin_columns_of_a_penalised_fit_are_sent_to_integrated_ones():
    truth = simulated(40, 150, 0.2, slope=0.3, seed=0)
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(truth.observed)
    with pytest.warns(UserWarning, match=r"columns have 7\.83 answers on average.*ItemResponseModel"):
        model.inference()


class TestShrinking:
    @pytest.mark.slow
    def test_the_distribution_is_that_of_maximum_likelihood(self):
        rng = np.random.default_rng(0)
        p, spread = 400, np.array([[1.0, 0.3], [0.3, 0.2]])
        A = rng.normal(size=(p, 2, 4))
        V = 0.1 * A @ np.swapaxes(A, 1, 2)
        beta = rng.multivariate_normal([0.5, 1.0], spread, size=p)
        estimate = beta + np.stack([rng.multivariate_normal(np.zeros(2), v) for v in V])
        mean, covariance = shrunk_items(estimate, V)
        # what was taken as the prior follows from any one item: C = (V^-1 + S^-1)^-1
        S = np.linalg.inv(np.linalg.inv(covariance[0]) - np.linalg.inv(V[0]))
        m = S @ (np.linalg.solve(covariance[0], mean[0]) - np.linalg.solve(V[0], estimate[0]))

        def likelihood(m, S):
            return sum(stats.multivariate_normal(m, S + v).logpdf(e) for e, v in zip(estimate, V, strict=True))

        best = likelihood(m, S)
        for step in (0.05, -0.05):
            assert likelihood(m + step, S) < best
            assert likelihood(m, (1 + step) * S) < best
        assert np.mean((mean - beta) ** 2) < 0.8 * np.mean((estimate - beta) ** 2)
        inside = np.abs(mean - beta) <= 1.96 * np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        assert 0.93 < inside.mean() < 0.97

    def test_an_item_of_which_nothing_is_known_is_like_all(self):
        estimate, V = np.random.default_rng(1).normal(size=(50, 2)), np.broadcast_to(0.1 * np.eye(2), (50, 2, 2)).copy()
        estimate[0], V[0] = 99.0, np.inf
        mean, covariance = shrunk_items(estimate, V)
        np.testing.assert_allclose(mean[0], estimate[1:].mean(axis=0), atol=0.05)
        assert np.all(np.diag(covariance[0]) > np.diag(covariance[1]))

    @pytest.mark.slow
    def test_a_fixed_bank_holds_for_questions_that_were_chosen(self):
        """Without shrinking .81 of the scores lie in their intervals; the steepest slopes are overestimated ones."""
        rng = np.random.default_rng(2)
        z, y = 1.5 * rng.normal(size=300), np.maximum(1 + 0.3 * rng.normal(size=300), 0.1)
        bank = (rng.random((100, 300)) < expit(z + np.outer(rng.normal(size=100), y))).astype(float)
        bank[rng.random(bank.shape) > 0.7] = np.nan
        model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0)
        with pytest.warns(UserWarning, match="too little information"):
            inference = model.fit(bank).inference()
        every = (rng.random((200, 300)) < expit(z + np.outer(rng.normal(size=200), y))).astype(float)
        seen = np.full_like(every, np.nan)
        for _ in range(6):
            here = inference.new_rows(np.vstack([seen, bank[:1]]))
            for i in range(200):
                best = np.argsort(-here.information(i))[:10]
                seen[i, best] = every[i, best]
        found, score = inference.new_rows(seen).scores(), every.mean(axis=1)
        # 200 rows: a share of .95 is known to .015
        assert np.mean((found.low <= score) & (score <= found.high)) > 0.9
