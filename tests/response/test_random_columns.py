"""Columns integrated out: the likelihood, its derivatives, left-out predictions, blocks, the fit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from response_tables import naive_log_likelihood, simulated
from scipy import integrate, optimize
from scipy.special import expit

import halfseen as hs
from halfseen.methods.response.curvature import hessian, score_sums
from halfseen.methods.response.fitting import choose_kind, fit_random
from halfseen.methods.response.leaveout import left_out_chances, lopsided
from halfseen.methods.response.likelihood import MarginalLikelihood, Point
from halfseen.methods.response.nodes import Loadings, choose_nodes, column_modes, own_nodes, shared_nodes
from halfseen.methods.response.table import SeenAnswers

RASCH, SLOPED = Loadings(0.3, 1.4), Loadings(0.3, 1.4, 0.1, 0.35)
kinds = pytest.mark.parametrize(
    ("is_sloped", "is_shared"), [(False, True), (False, False), (True, True), (True, False)],
    ids=["rasch, shared nodes", "rasch, own nodes", "2pl, shared nodes", "2pl, own nodes"],
)  # fmt: skip


def problem_of(truth, is_sloped, is_shared, table=None):
    table = truth.table if table is None else table
    loadings = SLOPED if is_sloped else RASCH
    at = Point(truth.ability + 0.1, loadings, is_sloped)
    nodes = shared_nodes(is_sloped, (31, 13)) if is_shared else own_nodes(table, at.x, loadings, is_sloped)
    return MarginalLikelihood(table, nodes, is_sloped, 1.3), at


def slopes(f, theta, step=1e-5):
    return np.array([(f(theta + step * e) - f(theta - step * e)) / (2 * step) for e in np.eye(len(theta))])


class TestLikelihood:
    @kinds
    def test_it_is_the_naive_quadrature(self, is_sloped, is_shared):
        truth = simulated(9, 12, 0.7, seed=3)
        problem, at = problem_of(truth, is_sloped, is_shared)
        found = np.concatenate([part.log_likelihood for part in problem.posteriors(at)])
        wanted = naive_log_likelihood(truth.table, at.x, at.loadings)
        np.testing.assert_allclose(found, wanted, atol=2e-5 if is_shared and not is_sloped else 6e-3)

    def test_scipys_quadrature_agrees(self):
        truth = simulated(6, 5, 1.0, seed=1)
        problem, at = problem_of(truth, False, True)
        found = np.concatenate([part.log_likelihood for part in problem.posteriors(at)])
        for j in range(5):
            k = truth.answers[:, j]

            def density(u, k=k):
                chance = expit(RASCH.mean + RASCH.spread * u + at.x)
                return np.prod(np.where(k == 1, chance, 1 - chance)) * np.exp(-0.5 * u * u) / np.sqrt(2 * np.pi)

            assert found[j] == pytest.approx(np.log(integrate.quad(density, -9, 9)[0]), abs=1e-6)

    @kinds
    def test_the_gradient_is_that_of_finite_differences(self, is_sloped, is_shared):
        problem, at = problem_of(simulated(8, 30, 0.6), is_sloped, is_shared)
        wanted = slopes(problem.value, at.theta)
        np.testing.assert_allclose(problem.value_and_gradient(at.theta)[1], wanted, rtol=1e-6, atol=1e-6)

    @kinds
    def test_the_hessian_is_that_of_finite_differences(self, is_sloped, is_shared):
        problem, at = problem_of(simulated(8, 30, 0.6), is_sloped, is_shared)
        wanted = slopes(lambda theta: problem.value_and_gradient(theta)[1], at.theta)
        np.testing.assert_allclose(hessian(problem, at), wanted, rtol=1e-6, atol=1e-6)

    @kinds
    def test_scores_follow_the_parameters_as_finite_differences_say(self, is_sloped, is_shared):
        problem, at = problem_of(simulated(8, 30, 0.6), is_sloped, is_shared)
        for k in (0, 1):
            found = score_sums(problem, at)[k]
            wanted = slopes(lambda theta, k=k: score_sums(problem, Point.of(theta, is_sloped))[k].expected, at.theta)
            np.testing.assert_allclose(found.slopes, wanted.T, rtol=1e-6, atol=1e-6)

    @kinds
    def test_the_items_part_of_the_covariance_is_that_of_drawn_items(self, is_sloped, is_shared):
        truth = simulated(6, 20, 0.5, seed=2)
        problem, at = problem_of(truth, is_sloped, is_shared)
        unseen, _ = score_sums(problem, at)
        (found,) = problem.posteriors(at)
        rng, free = np.random.default_rng(0), ~np.isfinite(truth.observed.to_dense())
        draws, total = 40_000, np.zeros((40_000, 6))
        for j in range(20):
            g = rng.choice(found.chance.shape[1], size=draws, p=found.chance[j])
            chance = found.mean[0 if is_shared else j][:, g].T
            total += (rng.random(chance.shape) < chance) * free[:, j]
        wanted = np.cov(total.T)
        here = unseen.column_covariance + np.diag(unseen.noise)
        np.testing.assert_allclose(total.mean(axis=0), unseen.expected, atol=0.05)
        # a covariance of 40 000 draws is known to about 1 % of the variances
        np.testing.assert_allclose(here, wanted, atol=0.03 * wanted.max())

    def test_answers_with_weights_count_as_often(self):
        truth = simulated(6, 10, 0.8, seed=5)
        once, at = problem_of(truth, True, True)
        twice, _ = problem_of(truth, True, True, truth.table.scaled(2.0))
        parts = (np.repeat(getattr(truth.table, name), 2) for name in ("rows", "cols", "shares", "weights"))
        doubled = SeenAnswers(*parts, truth.table.shape)
        naive = naive_log_likelihood(doubled, at.x, at.loadings, nodes=40).sum()
        found = sum(part.log_likelihood.sum() for part in twice.posteriors(at))
        assert found == pytest.approx(naive, abs=0.02)
        assert found < sum(part.log_likelihood.sum() for part in once.posteriors(at)) - 10

    def test_modes_are_those_of_scipys_optimiser(self):
        truth = simulated(12, 4, 1.0, seed=4)
        mode, curvature = column_modes(truth.table, truth.ability, SLOPED, True)
        for j in range(4):

            def cost(u, j=j):
                z, y = SLOPED.pairs(np.asarray(u))
                m = z + truth.ability * y
                return np.sum(np.logaddexp(0, m) - truth.answers[:, j] * m) + 0.5 * np.sum(np.square(u))

            np.testing.assert_allclose(mode[j], optimize.minimize(cost, np.zeros(2), tol=1e-10).x, atol=1e-4)
        assert np.all(np.linalg.eigvalsh(curvature) >= 1.0)

    def test_full_columns_get_nodes_of_their_own(self):
        few, many = simulated(20, 10, 1.0), simulated(90, 10, 1.0)
        assert choose_nodes(few.table, few.ability, SLOPED, True).is_shared
        assert not choose_nodes(many.table, many.ability, SLOPED, True).is_shared


class TestLeftOut:
    @kinds
    def test_it_is_the_prediction_without_the_answer(self, is_sloped, is_shared):
        truth = simulated(7, 8, 0.8, seed=6)
        problem, at = problem_of(truth, is_sloped, is_shared)
        found = left_out_chances(problem, at)
        for e in (0, 11, 20):
            rest = problem.table.select(np.arange(len(found)) != e)
            less = MarginalLikelihood(rest, problem.nodes, is_sloped, 1.3)
            (part,) = less.posteriors(at)
            i, j = problem.table.rows[e], problem.table.cols[e]
            assert found[e] == pytest.approx(part.expected(part.mean)[j, i], abs=1e-10)

    @pytest.mark.slow
    def test_2pl_is_kept_only_where_it_predicts_better(self):
        for slope, share, wanted in ((0.8, 0.9, "2pl"), (0.0, 0.15, "rasch")):
            truth = simulated(40, 150, share, slope=slope, seed=7)
            fits = {kind: fit_random(truth.table, kind == "2pl", False, 1e-6) for kind in ("rasch", "2pl")}
            assert choose_kind(fits, 150).chosen == wanted


class TestFit:
    def test_scipys_optimiser_finds_no_better_point(self):
        truth = simulated(12, 60, 0.5, seed=8)
        fit = fit_random(truth.table, True, False, 1e-7)
        other = optimize.minimize(fit.problem.value_and_gradient, fit.at.theta + 0.05, jac=True, method="BFGS")
        assert fit.problem.value(fit.at.theta) <= other.fun + 1e-6
        np.testing.assert_allclose(fit.at.x, other.x[:12], atol=1e-3)

    @pytest.mark.fast_cases("rasch")
    @pytest.mark.parametrize("kind", ["rasch", "2pl", "auto"])
    def test_it_predicts_unseen_answers_better_than_means(self, kind):
        truth = simulated(40, 200, 0.3, seed=9)
        model = hs.ItemResponseModel(kind).fit(truth.observed)
        hidden = hs.Observed.from_dense(
            np.where(np.isnan(truth.observed.to_dense()), truth.answers, np.nan),
            row_labels=truth.observed.row_labels, col_labels=truth.observed.col_labels,
        )  # fmt: skip
        error = np.mean((model.predict_table() - truth.chance) ** 2)
        assert error < 0.75 * np.mean((hs.ColumnMean().fit(truth.observed).predict_table() - truth.chance) ** 2)
        assert model.run_.converged
        assert model.kind_ == (kind if kind != "auto" else model.kind_choice_.chosen)
        assert -0.7 < model.score(hidden) < 0

    @pytest.mark.slow
    def test_the_distributions_are_recovered(self):
        truth = simulated(60, 600, 0.4, slope=0.3, seed=10)
        model = hs.ItemResponseModel("2pl").fit(truth.observed)
        assert abs(model.loadings_["spread"]) == pytest.approx(1.5, abs=0.15)
        assert np.hypot(model.loadings_["tilt"], model.loadings_["slope"]) == pytest.approx(0.3, abs=0.1)
        assert model.prior_variance_ == pytest.approx(np.mean(truth.ability**2), rel=0.25)
        assert np.corrcoef(model.row_factors_[:, 0], truth.ability)[0, 1] > 0.98

    def test_the_abilities_variance_counts_their_errors(self):
        truth = simulated(40, 150, 0.1, seed=13)
        model = hs.ItemResponseModel("rasch").fit(truth.observed)
        x, V = model.board_.ability, model.board_.ability_covariance
        assert model.prior_variance_ == pytest.approx(np.mean(x**2 + np.diag(V)), rel=0.02)
        # left out, they would shrink it to nothing
        assert 0.1 < np.mean(np.diag(V)) / model.prior_variance_ < 0.6

    @pytest.mark.slow
    def test_pass_rates_of_dependent_runs_count_for_what_they_are_worth(self):
        truth = simulated(40, 150, 0.5, seed=11)
        rng = np.random.default_rng(0)
        rates = rng.binomial(4, truth.chance) / 4
        rates[np.isnan(truth.observed.to_dense())] = np.nan
        model = hs.ItemResponseModel("rasch").fit(rates)
        # four independent runs: an answer's variance is a quarter of a yes/no answer's, and the items' own comes on top
        assert 0.25 < model.dispersion_ < 0.5
        yes_no = hs.ItemResponseModel("rasch").fit(truth.observed)
        assert yes_no.dispersion_ == 1.0
        assert np.mean(model.inference().scores().se) < 0.8 * np.mean(yes_no.inference().scores().se)
        counts = hs.ItemResponseModel("rasch", family="binomial(4)").fit(4 * rates)
        np.testing.assert_allclose(counts.predict_table(), 4 * model.predict_table())
        given = hs.ItemResponseModel("rasch").fit(4 * rates, trials=4)
        np.testing.assert_allclose(given.row_factors_, model.row_factors_)

    def test_all_kinds_of_input_are_the_same_table(self):
        truth = simulated(12, 40, 0.5)
        dense = truth.observed.to_dense()
        wanted = hs.ItemResponseModel("rasch").fit(truth.observed).row_factors_
        for kind in (dense, np.ma.masked_invalid(dense), truth.observed.to_csr(), np.asfortranarray(dense)):
            found = hs.ItemResponseModel("rasch").fit(kind).row_factors_
            np.testing.assert_allclose(found, wanted)
        with hs.engine("threads", workers=2):
            again = hs.ItemResponseModel("rasch").fit(truth.observed).row_factors_
        np.testing.assert_array_equal(again, wanted)

    def test_single_precision_in_is_single_precision_out(self):
        truth = simulated(12, 40, 0.5)
        one = hs.ItemResponseModel("2pl").fit(truth.observed.astype(np.float32))
        two = hs.ItemResponseModel("2pl").fit(truth.observed)
        assert one.row_factors_.dtype == one.predict_table().dtype == one.intercept_.dtype == np.float32
        np.testing.assert_allclose(one.predict_table(), two.predict_table(), atol=1e-5)

    def test_rows_and_columns_without_answers_get_the_prior(self):
        table = simulated(12, 40, 0.5).observed.to_dense()
        table[3], table[:, 7] = np.nan, np.nan
        model = hs.ItemResponseModel("2pl").fit(table)
        assert model.row_factors_[3, 0] == pytest.approx(0.0, abs=1e-6)
        assert model.intercept_[7] == pytest.approx(model.loadings_["mean"], abs=1e-3)
        se = model.inference().scores().se
        assert se[3] == se.max()

    def test_memory_stays_with_the_columns_not_with_the_cells(self):
        rng = np.random.default_rng(0)
        n, p, e = 40, 150_000, 3_000
        table = hs.Observed.from_triplets(
            np.concatenate([np.arange(n), rng.integers(n, size=e)]),
            np.concatenate([np.arange(n), np.arange(n, n + e)]),
            rng.integers(2, size=n + e).astype(float), shape=(n, p),
        )  # fmt: skip
        parts = list(table_parts(table))
        assert max(parts) <= 4_000_000 + n
        assert sum(parts) == n * p


def table_parts(observed):
    table = SeenAnswers.of(observed, np.asarray(observed.values, dtype=float))
    return (block.weights.size for block in table.blocks(400))


class TestBlocks:
    def test_rows_asked_of_all_blocks_alike_gain_nothing(self):
        sizes = np.array([[40.0], [60.0]])
        seen = np.array([[20.0, 40.0, 0.0], [30.0, 0.0, 0.0]])
        added = lopsided(seen, sizes)
        assert added[0] == pytest.approx(0.0)
        assert added[1] == pytest.approx(0.6**2 * 2.0)
        assert added[2] == pytest.approx(0.4**2 + 0.6**2)

    @pytest.mark.slow
    def test_block_effects_are_found_where_they_are(self):
        blocks = np.repeat(["a", "b", "c", "d"], 150)
        found = {}
        for strength in (0.0, 1.0):
            rng = np.random.default_rng(12)
            x, z = rng.normal(size=60), 1.3 * rng.normal(size=600)
            moved = x[:, None] + strength * rng.normal(size=(60, 4))[:, np.repeat(np.arange(4), 150)]
            answers = (rng.random((60, 600)) < expit(z + moved)).astype(float)
            answers[rng.random(answers.shape) < 0.5] = np.nan
            answers[:20, :150] = np.nan
            model = hs.ItemResponseModel("rasch").fit(answers, blocks=blocks)
            found[strength] = model.inference().block_effects
        assert found[0.0].sd < 0.02
        # an effect of 1 on the logit is about .16 on the score where chances are spread this widely
        assert 0.12 < found[1.0].sd < 0.22
        assert found[1.0].n_compared == 60 * 4 - 20
        added = np.sqrt(found[1.0].added)
        assert np.all(added[:20] > 3 * added[20:].max())

    def test_blocks_may_be_named_by_column(self):
        truth = simulated(30, 100, 0.6)
        names = truth.observed.col_labels
        by_name = {str(name): "ab"[k % 2] for k, name in enumerate(names)}
        one = hs.ItemResponseModel("rasch").fit(truth.observed, blocks=by_name)
        two = hs.ItemResponseModel("rasch").fit(truth.observed, blocks=list("ab" * 50))
        assert one.board_.blocks.sd == two.board_.blocks.sd
        assert one.board_.blocks.names.tolist() == ["a", "b"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (
                {"family": "gaussian"},
                "family='gaussian' is not for ItemResponseModel; it takes bernoulli, binomial(N).",
            ),
            ({"family": ["bernoulli"] * 40}, "one family for all columns"),
            ({"kind": "4pl"}, "kind='4pl' is not allowed; needed: one of '1pl', 'rasch'"),
            ({"kind": "3pl", "integrate": "columns"}, "kind='3pl' is not allowed; needed: '2pl', 'rasch' or 'auto'"),
            ({"kind": 3}, "kind=3"),
            ({"integrate": "both"}, "integrate='both'"),
            ({"max_iter": 0}, "max_iter=0"),
            ({"tol": 0.0}, "tol=0"),
        ],
    )
    def test_a_wrong_parameter_is_named(self, given, words):
        with pytest.raises(ValueError, match=re.escape(words)):
            hs.ItemResponseModel(**given).fit(simulated(12, 40, 0.5).observed)

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"blocks": ["a"] * 39}, r"blocks has shape \(39,\)"),
            ({"blocks": ["a"] * 40}, "at least 2"),
            ({"blocks": {"q000": "a"}}, "no block for 39 columns, first 'q001'"),
            ({"trials": 0}, "trials must be above 0"),
        ],
    )
    def test_wrong_arguments_of_fit_are_named(self, more, words):
        with pytest.raises(ValueError, match=words):
            hs.ItemResponseModel("rasch").fit(simulated(12, 40, 0.5).observed, **more)

    def test_answers_outside_zero_and_one_are_placed(self):
        table = simulated(12, 40, 0.9).observed.to_dense()
        table[2, 3] = 1.5
        with pytest.raises(ValueError, match=r"1 answers lie outside \[0, 1\], first R\[2, 3\] = 1.5"):
            hs.ItemResponseModel("rasch").fit(table)

    def test_too_many_rows_are_sent_to_the_factor_model(self):
        with pytest.raises(ValueError, match=r"GeneralizedFactorModel\(1, 'bernoulli'\)"):
            hs.ItemResponseModel("rasch", integrate="columns").fit(np.ones((3001, 2)))

    def test_sweeps_that_are_too_few_are_told(self):
        from sklearn.exceptions import ConvergenceWarning

        with pytest.warns(ConvergenceWarning, match="raise tol or max_iter"):
            model = hs.ItemResponseModel("rasch", max_iter=1).fit(simulated(12, 40, 0.5).observed)
        assert "max_iter" in model.warnings_[0]
