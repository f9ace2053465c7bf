"""Scores, ranks, tables and new rows of a fit whose columns were integrated out."""

from __future__ import annotations

import numpy as np
import pytest
from response_tables import simulated
from scipy.special import expit
from sklearn.base import clone

import halfseen as hs
from halfseen.inference.bank import Bank, bank_of_normal


@pytest.fixture(scope="module")
def truth():
    return simulated(40, 200, 0.3, slope=0.3, seed=1)


@pytest.fixture(scope="module")
def model(truth):
    return hs.ItemResponseModel("2pl").fit(truth.observed)


@pytest.fixture(scope="module")
def i(model):
    return model.inference(random_state=0)


class TestScores:
    def test_expected_scores_are_the_means_of_the_predictions_and_what_rows_lean(self, model, i):
        wanted = model.predict_table().mean(axis=1) + i.leanings.effect
        np.testing.assert_allclose(i.scores().estimate, wanted, atol=1e-5)

    def test_realised_scores_take_known_answers_as_they_are(self, truth, model, i):
        table = truth.observed.to_dense()
        wanted = np.where(np.isnan(table), model.predict_table(), table).mean(axis=1)
        wanted += np.isnan(table).mean(axis=1) * model.board_.leanings.effect
        found = i.scores("these")
        np.testing.assert_allclose(found.estimate, wanted, atol=1e-5)
        right, unseen = np.nansum(table, axis=1), np.isnan(table).sum(axis=1)
        assert np.all(found.low >= right / 200 - 1e-12)
        assert np.all(found.high <= (right + unseen) / 200 + 1e-12)

    def test_a_complete_row_has_no_error_left(self):
        truth = simulated(20, 50, 0.5)
        table = truth.observed.to_dense()
        table[4] = truth.answers[4]
        found = hs.ItemResponseModel("rasch").fit(table).inference().scores("these")
        assert found.estimate[4] == pytest.approx(truth.answers[4].mean())
        assert found.se[4] == pytest.approx(0.0, abs=1e-9)
        assert found.se[5] > 0.01

    def test_differences_use_the_joint_covariance(self, truth, i):
        first, second = truth.observed.row_labels[:2]
        found, V = i.differences([first], [second]), i.score_covariance()
        assert V[0, 1] > 0  # rows share items
        assert found.se[0] == pytest.approx(np.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1]))
        scores = i.scores()
        assert found.estimate[0] == pytest.approx(scores.estimate[0] - scores.estimate[1])
        assert found.se[0] < np.hypot(*scores.se[:2])

    def test_a_higher_level_is_a_wider_interval(self, model):
        narrow, wide = model.inference(0.5).scores(), model.inference(0.99).scores()
        assert np.all(wide.width > 2 * narrow.width)

    def test_the_band_is_wider_than_single_intervals(self, i):
        assert 2.5 < i.band("scores").quantile < 4
        assert np.all(i.band("scores", about="these").width >= i.scores("these").width)
        assert i.band("row_factors").quantile > 2.5

    def test_any_parameters_and_entries_hold_together(self, i):
        sets = [
            i.entries(["m00", "m01"], ["q000", "q001"]), i.row_factors(), i.intercepts(),
            i.differences(["m02"], ["m03"], of=0),
        ]  # fmt: skip
        both = i.band(*sets)
        assert len(both) == 2 + 40 + 200 + 1
        assert max(i.band(part).quantile for part in sets) <= both.quantile < 5
        # the errors that are drawn are those of the standard errors
        z = np.random.default_rng(0)
        for part in sets:
            errors = part.statement.errors
            drawn = errors.deviations({name: z.standard_normal((4000, size)) for name, size in errors.sizes.items()})
            np.testing.assert_allclose(drawn.std(axis=0), 1.0, atol=0.06)
            total = sum(np.asarray((L * L).sum(axis=1)).ravel() for L in errors.loadings.values())
            if part.name != "entry":
                np.testing.assert_allclose(np.sqrt(total), part.se)

    def test_contrasts_of_scores_are_differences(self, i):
        weights = np.zeros(40)
        weights[[3, 9]] = 1.0, -1.0
        found, wanted = i.contrast(scores=weights), i.differences(["m03"], ["m09"])
        np.testing.assert_allclose([found.estimate, found.se], [wanted.estimate, wanted.se])
        np.testing.assert_allclose(i.band(found).quantile, i.band(wanted).quantile)

    def test_entries_and_parameters_have_intervals_around_their_estimates(self, truth, model, i):
        rows, cols = truth.observed.row_labels[:5], truth.observed.col_labels[:5]
        linear, mean = i.entries(rows, cols, kind="linear"), i.entries(rows, cols)
        np.testing.assert_allclose(mean.low, expit(linear.low))
        assert np.all((linear.low < linear.estimate) & (linear.estimate < linear.high))
        np.testing.assert_allclose(i.intercepts().estimate, model.intercept_)
        np.testing.assert_allclose(i.col_factors().estimate, model.col_factors_[:, 0])
        np.testing.assert_allclose(i.row_factors().estimate, model.row_factors_[:, 0])
        # prediction intervals of yes/no answers: all of {0, 1}, or the one value that is sure enough
        every = i.responses(np.repeat(rows, 200), np.tile(truth.observed.col_labels, 5))
        answers = truth.answers[:5].ravel()
        assert np.mean((every.low <= answers) & (answers <= every.high)) > 0.94
        assert 0 < np.mean(every.width == 0) < 0.5

    def test_a_loaded_model_says_the_same_without_its_entries(self, model, i, tmp_path):
        hs.save(model, tmp_path / "model.safetensors")
        again = hs.load(tmp_path / "model.safetensors")
        one, two = i.leaderboard(), again.inference(random_state=0).leaderboard()
        for name in one.data:
            np.testing.assert_array_equal(one[name], two[name])
        np.testing.assert_array_equal(model.predict_table(), again.predict_table())


class TestRanks:
    def test_the_best_is_first_and_intervals_hold_the_rank(self, i):
        for kind in ("posterior", "per_item", "simultaneous", "ties"):
            found = i.ranks(kind=kind, about="these")
            assert np.all((found.low <= found.estimate) & (found.estimate <= found.high))
            assert sorted(found.estimate) == list(range(1, 41))
        np.testing.assert_array_equal(np.argsort(found.estimate), np.argsort(-i.scores("these").estimate))

    def test_drawn_ranks_are_narrower_than_pairs_and_pairs_than_all_at_once(self, i):
        widths = [np.mean(i.ranks(kind=kind).width) for kind in ("posterior", "per_item", "simultaneous")]
        assert 0.55 < widths[0] / widths[1] < 0.95
        assert widths[1] < widths[2]

    def test_ranks_of_abilities_are_there_too(self, i, truth):
        found = i.ranks(0)
        true = np.argsort(np.argsort(-truth.ability)) + 1
        assert np.mean((found.low <= true) & (true <= found.high)) > 0.85

    def test_the_same_seed_draws_the_same_ranks(self, model):
        one, two = (model.inference(random_state=3).ranks().low for _ in range(2))
        np.testing.assert_array_equal(one, two)


class TestTables:
    def test_the_leaderboard_has_a_line_per_row_best_first(self, truth, i):
        found = i.leaderboard()
        assert list(found.data) == [
            "row", "score", "se", "low", "high", "rank", "rank_low", "rank_high", "group", "answered", "raw", "ability",
            "ability_se",
        ]  # fmt: skip
        assert found["rank"].tolist() == list(range(1, 41))
        assert np.all(np.diff(found["score"]) <= 0)
        assert np.all(np.diff(found["group"]) >= 0)
        place = {name: k for k, name in enumerate(truth.observed.row_labels.tolist())}
        order = [place[name] for name in found["row"].tolist()]
        table = truth.observed.to_dense()[order]
        np.testing.assert_array_equal(found["answered"], np.isfinite(table).sum(axis=1))
        np.testing.assert_allclose(found["raw"], np.nanmean(table, axis=1))
        assert found.claim
        assert any("blocks=" in note for note in found.notes)
        assert found.records()[0]["rank"] == 1
        assert found.to_frame("pandas").shape == (40, 13)

    @pytest.mark.slow
    def test_items_are_flagged(self):
        truth = simulated(40, 120, 0.8, seed=2, spread=1.0)
        table = truth.observed.to_dense()
        table[:, 0], table[:, 1], table[:, 2] = np.nan, 1.0, 0.0
        table[:, 3] = truth.ability < np.median(truth.ability)
        found = hs.ItemResponseModel("2pl").fit(table).inference().items()
        assert found["flag"][:4].tolist() == ["unseen", "all right", "all wrong", "against order"]
        assert np.mean(found["flag"][4:] == "") > 0.9
        assert found["discrimination"][3] < 0 < found["discrimination"][4:].min()
        # hard items are those few got right
        assert np.corrcoef(found["difficulty"][4:], -found["raw"][4:])[0, 1] > 0.7

    @pytest.mark.slow
    def test_an_item_that_follows_no_ability_does_not_fit_rasch(self):
        truth = simulated(150, 60, 1.0, seed=3, spread=1.0)
        table = truth.observed.to_dense()
        table[:, 0] = np.random.default_rng(0).integers(2, size=150)
        found = hs.ItemResponseModel("rasch", integrate="columns").fit(table).inference().items()
        assert found["infit"][0] > 1.15
        assert found["flag"][0] == "misfit"
        assert np.mean(found["flag"][1:] == "misfit") < 0.05


class TestNewRows:
    def test_the_posterior_is_that_of_brute_force(self, model, truth):
        rng = np.random.default_rng(0)
        answers = np.where(rng.random((1, 200)) < 0.15, (rng.random((1, 200)) < 0.6) * 1.0, np.nan)
        new = hs.Observed.from_dense(answers, col_labels=truth.observed.col_labels)
        found = model.transform(new, inference=True)
        x = np.linspace(-7, 7, 4001)
        P = expit(model.bank_.block(np.clip(x, *model.bank_.knots[[0, -1]]), slice(None)))
        is_seen = np.isfinite(answers[0])
        k = answers[0][is_seen]
        log = np.log(P[:, is_seen]) @ k + np.log1p(-P[:, is_seen]) @ (1 - k) - 0.5 * x**2 / model.prior_variance_
        w = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
        mean = w @ x
        assert found.ability[0] == pytest.approx(x[log.argmax()], abs=0.005)
        assert found.ability_se[0] == pytest.approx(np.sqrt(w @ (x - mean) ** 2), rel=1e-3)
        rest = P[:, ~is_seen]
        score = (k.sum() + rest.sum(axis=1)) / 200
        variance = w @ (score - w @ score) ** 2 + w @ np.sum(rest * (1 - rest), axis=1) / 200**2
        assert found.scores().estimate[0] == pytest.approx(w @ score, abs=1e-4)
        assert found.scores().se[0] == pytest.approx(np.sqrt(variance), rel=1e-3)

    def test_training_rows_are_placed_where_they_were(self, model, truth):
        placed = model.transform(truth.observed)
        assert placed.shape == (40, 1)
        assert np.max(np.abs(placed - model.row_factors_)) < 0.5 * np.median(model.inference().row_factors().se)

    def test_a_row_without_answers_is_the_prior(self, model, truth):
        found = model.inference().new_rows(
            hs.Observed.from_triplets([0], [0], [1.0], shape=(2, 200), col_labels=truth.observed.col_labels)
        )
        assert found.ability[1] == pytest.approx(0.0, abs=1e-6)
        assert found.ability_se[1] == pytest.approx(np.sqrt(model.prior_variance_), rel=1e-2)

    def test_the_best_question_is_the_one_of_even_odds(self):
        knots = np.linspace(-6, 6, 49)
        difficulty = np.linspace(-3, 3, 61)
        bank = Bank(knots, knots - difficulty[:, None], 1.0, 1.0)
        new = halfseen_place(bank, np.array([[1.0] * 20 + [np.nan] * 41, [np.nan] * 61]))
        table = new.next_items(3)
        items = np.array(table["item"].to_pylist()).reshape(2, 3)
        # nobody knows the second row: its best questions lie at the prior's middle
        assert sorted(difficulty[items[1]].round(1)) == [-0.1, 0.0, 0.1]
        assert np.all(np.abs(difficulty[items[0]] - new.ability[0]) < 1.0)
        assert np.all(items[0] >= 20)

    def test_information_is_the_slope_squared_over_the_variance(self, model):
        x, h = np.array([0.4]), 1e-4
        P = [expit(model.bank_.block(x + s, slice(None)))[0] for s in (-h, 0.0, h)]
        wanted = ((P[2] - P[0]) / (2 * h)) ** 2 / (P[1] * (1 - P[1]))
        slope = model.bank_.slopes(x, slice(None))[0]
        np.testing.assert_allclose(slope**2 * P[1] * (1 - P[1]), wanted, rtol=1e-5)

    def test_widths_fall_with_every_question_and_faster_with_the_best(self, model, truth):
        new = model.transform(truth.observed.take_rows(np.arange(3)), inference=True)
        curve = new.width_curve(range(0, 201, 20))
        assert np.all(np.diff(curve.best, axis=1) <= 1e-12)
        assert np.all(np.diff(curve.random, axis=1) <= 1e-12)
        assert np.all(curve.best <= curve.random + 1e-3)
        np.testing.assert_allclose(curve.best[:, 0], 2 * 1.96 * new.scores().se, rtol=0.1)
        assert curve.best[:, -1] == pytest.approx(0.0, abs=1e-7)
        assert curve.to_frame().num_rows == 33
        k = new.questions_needed(float(curve.best[0, 2]))
        assert 20 < k[0] <= 40

    def test_more_questions_are_needed_for_a_narrower_interval(self, model, truth):
        new = model.transform(truth.observed.take_rows([0]), inference=True)
        assert new.questions_needed(0.05)[0] > new.questions_needed(0.08)[0]

    @pytest.mark.slow
    def test_scores_of_new_rows_are_covered(self):
        truth = simulated(60, 400, 0.5, slope=0.3, seed=5)
        rng = np.random.default_rng(6)
        table = truth.observed.to_dense()
        # the first 20 rows build the bank's neighbours, the last 300 are new
        fitted = hs.ItemResponseModel("2pl").fit(table)
        x = rng.normal(size=300)
        items = simulated(60, 400, 0.5, slope=0.3, seed=5)
        logit = np.log(items.chance / (1 - items.chance))
        y = (logit[1] - logit[0]) / (items.ability[1] - items.ability[0])
        z = logit[0] - items.ability[0] * y
        chance = expit(z + np.outer(x, y))
        answers = (rng.random(chance.shape) < chance).astype(float)
        seen = np.where(rng.random(chance.shape) < 0.1, answers, np.nan)
        found = fitted.transform(seen, inference=True).scores()
        score = answers.mean(axis=1)
        # 300 rows: a share of .95 is known to .013
        assert 0.91 < np.mean((found.low <= score) & (score <= found.high)) < 0.99
        error = np.sqrt(np.mean((found.estimate - score) ** 2))
        assert error < 0.8 * np.sqrt(np.mean((np.nanmean(seen, axis=1) - score) ** 2))


def halfseen_place(bank, table):
    from halfseen.inference.new_rows import place

    return place(bank, hs.Observed.from_dense(table), 0.95, None, 1.0)


class TestCoverage:
    @pytest.mark.slow
    def test_intervals_and_ranks_hold_in_simulated_tables(self):
        inside, ranked, errors, raws = [], [], [], []
        for seed in range(6):
            truth = simulated(40, 200, 0.25, slope=0.3, seed=100 + seed, spread=2.5)
            i = hs.ItemResponseModel("auto").fit(truth.observed).inference(random_state=0)
            found, ranks, score = i.scores("these"), i.ranks(about="these"), truth.score
            inside.append((found.low <= score) & (score <= found.high))
            above = np.sum(score[:, None] < score, axis=1)
            below = np.sum(score[:, None] > score, axis=1)
            ranked.append((ranks.low <= 40 - below) & (ranks.high >= 1 + above))
            errors.append(found.estimate - score)
            raws.append(np.nanmean(truth.observed.to_dense(), axis=1) - score)
        # 240 rows, nearly independent: a coverage of .95 is known to .014
        assert 0.91 < np.mean(inside) < 0.985
        assert np.mean(ranked) > 0.93
        assert np.std(errors) < 0.85 * np.std(raws)

    @pytest.mark.slow
    @pytest.mark.parametrize(("n", "share"), [(28, 0.4), (60, 0.1), (100, 0.8)])
    def test_coverage_holds_from_few_to_many_answers(self, n, share):
        inside = []
        for seed in range(12):
            truth = simulated(n, 300, share, slope=0.3, seed=200 + seed)
            i = hs.ItemResponseModel("auto").fit(truth.observed).inference(random_state=0)
            found = i.scores("these")
            inside.append(np.mean((found.low <= truth.score) & (truth.score <= found.high)))
        # at least 336 rows; errors that rows of a table share allow for twice their binomial spread of .012
        assert 0.92 < np.mean(inside) < 0.98


class TestBadInput:
    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            (lambda i: i.ranks(kind="all"), "kind='all'"),
            (lambda i: i.ranks("intercept"), "of='intercept'"),
            (lambda i: i.ranks(axis="cols"), "axis='cols'"),
            (lambda i: i.scores(axis="cols"), "axis='cols'"),
            (lambda i: i.scores("raw"), "about='raw'"),
            (lambda i: i.leaderboard("raw"), "about='raw'"),
            (lambda i: i.band("entries"), "rows= and cols="),
            (lambda i: i.band("scores", i.scores("these")), "joint distribution is not known"),
            (lambda i: i.band("scores", "row_factors"), "joint distribution is not known"),
            (lambda i: i.scores(over=[0]), "fit the table of these columns"),
            (lambda i: i.contrast(), "scores= or row_factors="),
            (lambda i: i.row_factors(1), "component=1"),
            (lambda i: i.entries([0], [0, 1, 2]), "unknown|not"),
            (lambda i: i.differences(["m00"], ["m99"]), "m99"),
        ],
    )
    def test_a_wrong_question_is_named(self, i, ask, words):
        with pytest.raises(ValueError, match=words):
            ask(i)

    @pytest.mark.parametrize("given", [{"level": 1.0}, {"level": 0}, {"draws": 3}, {"draws": True}])
    def test_a_wrong_level_or_number_of_draws_is_named(self, model, given):
        (name,) = given
        with pytest.raises(ValueError, match=name):
            model.inference(**given)

    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            (lambda new: new.next_items(0), "count=0"),
            (lambda new: new.width_curve([1.5]), "counts"),
            (lambda new: new.width_curve([-1]), "counts"),
            (lambda new: new.questions_needed(0), "width=0"),
        ],
    )
    def test_a_wrong_question_about_new_rows_is_named(self, model, truth, ask, words):
        with pytest.raises(ValueError, match=words):
            ask(model.transform(truth.observed, inference=True))

    def test_pass_rates_have_no_prediction_intervals(self):
        rates = np.random.default_rng(0).integers(5, size=(12, 40)) / 4
        model = hs.ItemResponseModel("rasch").fit(rates)
        with pytest.raises(ValueError, match="runs"):
            model.inference().responses([0], [0])

    def test_new_rows_of_another_width_are_refused(self, model):
        with pytest.raises(ValueError, match="features"):
            model.transform(np.ones((2, 7)), inference=True)


@pytest.fixture(scope="module")
def wide():
    """150 rows x 300 columns, 80 % seen: enough for the joint fit."""
    return simulated(150, 300, 0.8, slope=0.2, seed=4, spread=1.0)


@pytest.fixture(scope="module")
def fixed(wide):
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0)
    return model.fit(wide.observed)


class TestFixedBank:
    """Columns that are parameters of their own are a bank too."""

    def test_new_rows_are_placed_with_intervals_that_hold(self, wide, fixed):
        rng = np.random.default_rng(5)
        logit = np.log(wide.chance / (1 - wide.chance))
        y = (logit[1] - logit[0]) / (wide.ability[1] - wide.ability[0])
        z = logit[0] - wide.ability[0] * y
        answers = (rng.random((200, 300)) < expit(z + np.outer(rng.normal(size=200), y))).astype(float)
        seen = np.where(rng.random(answers.shape) < 0.2, answers, np.nan)
        new = hs.Observed.from_dense(seen, col_labels=wide.observed.col_labels)
        found, score = fixed.transform(new, inference=True).scores(), answers.mean(axis=1)
        # 200 rows: a share of .95 is known to .015
        assert 0.89 < np.mean((found.low <= score) & (score <= found.high)) < 0.995
        assert np.std(found.estimate - score) < 0.95 * np.std(np.nanmean(seen, axis=1) - score)

    def test_the_abilities_are_those_of_transform(self, wide, fixed):
        placed = fixed.transform(wide.observed, inference=True)
        # the gauge of intervals is stretched a little against the attributes', and the prior shrinks
        assert np.corrcoef(placed.ability, fixed.transform(wide.observed)[:, 0])[0, 1] > 0.995

    def test_columns_are_found_by_label(self, wide, fixed):
        i = fixed.inference()
        turned = wide.observed.to_dense()[:3, ::-1]
        new = hs.Observed.from_dense(turned, col_labels=wide.observed.col_labels[::-1])
        straight = i.new_rows(wide.observed.take_rows(np.arange(3)))
        np.testing.assert_allclose(i.new_rows(new).ability, straight.ability)

    def test_response_curves_average_over_the_items_own_errors(self):
        mean, covariance = np.array([[0.8, 1.2]]), np.array([[[0.5, 0.1], [0.1, 0.2]]])
        bank = bank_of_normal(mean, covariance, 1.0, np.zeros(1))
        z, y = np.random.default_rng(0).multivariate_normal(mean[0], covariance[0], size=200_000).T
        for x in (-2.0, 0.0, 3.0):
            # a mean of 200 000 chances is known to about .001
            assert expit(bank.block(np.array([x]), [0]))[0, 0] == pytest.approx(np.mean(expit(z + x * y)), abs=0.003)

    @pytest.mark.filterwarnings("ignore:the fit without a penalty")
    @pytest.mark.filterwarnings("ignore:the factors predict")
    def test_what_has_no_single_factor_or_no_answers_is_refused(self, wide, fixed):
        two = hs.GeneralizedFactorModel(2, "bernoulli", random_state=0).fit(wide.observed)
        with pytest.raises(ValueError, match="rank 2"):
            two.inference().new_rows(wide.observed)
        real = hs.GeneralizedFactorModel(1, random_state=0).fit(np.random.default_rng(0).normal(size=(40, 30)))
        with pytest.raises(ValueError, match="gaussian"):
            real.inference().new_rows(np.ones((1, 30)))
        with pytest.raises(ValueError, match="300"):
            fixed.inference().new_rows(np.ones((1, 30)))
        with pytest.raises(ValueError, match="offset"):
            fixed.transform(wide.observed, inference=True, offset=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [hs.ItemResponseModel("2pl"), hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0)],
    ids=["2pl", "fixed"],
)
@pytest.mark.filterwarnings("ignore:too little information", "ignore:the descent ended")
def test_the_bank_of_section_six_saves_questions(model):
    """Bank of 200 models x 1000 items, 70 % seen; 300 new rows, 100 questions at random and chosen."""
    rng = np.random.default_rng(0)
    n, p, new = 200, 1000, 300
    z, y = 2.0 * rng.normal(size=p), np.exp(0.5 * rng.normal(size=p))
    answers = (rng.random((n, p)) < expit(z + np.outer(rng.normal(size=n), y))).astype(float)
    answers[rng.random((n, p)) > 0.7] = np.nan
    inference = clone(model).fit(answers).inference()
    every = (rng.random((new, p)) < expit(z + np.outer(rng.normal(size=new), y))).astype(float)
    score, random, adaptive = every.mean(axis=1), np.full((new, p), np.nan), np.full((new, p), np.nan)
    for i in range(new):
        asked = rng.choice(p, 100, replace=False)
        random[i, asked] = every[i, asked]
    for _ in range(50):  # two at a time
        here = inference.new_rows(np.vstack([adaptive, answers[:1]]))
        for i in range(new):
            best = np.argsort(-here.information(i))[:2]
            adaptive[i, best] = every[i, best]
    one, two = inference.new_rows(random).scores(), inference.new_rows(adaptive).scores()
    errors = [
        np.sqrt(np.mean((found - score) ** 2)) for found in (np.nanmean(random, axis=1), one.estimate, two.estimate)
    ]
    assert errors[1] <= 0.80 * errors[0]
    assert errors[2] <= 0.65 * errors[1]
    for found in (one, two):
        # 300 rows: a share of .95 is known to .013
        assert 0.92 <= np.mean((found.low <= score) & (score <= found.high)) <= 0.98
