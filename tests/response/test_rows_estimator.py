"""The estimator with rows integrated out: its faces, files, predictions and the choice of the side."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import LSAT7, class_chances, lsat, several_classes, two_choice
from scipy.special import expit

import halfseen as hs


def as_table(answers):
    return np.where(answers == 255, np.nan, answers).astype(float)


@pytest.fixture(scope="module")
def lsat7():
    return hs.ItemResponseModel().fit(lsat(LSAT7).astype(float))


@pytest.fixture(scope="module")
def sparse():
    """600 x 12, a third missing, with labels."""
    y, a, d, x = two_choice(600, 12, missing=0.33, seed=5)
    labels = {"row_labels": [f"p{i}" for i in range(600)], "col_labels": [f"q{j}" for j in range(12)]}
    table = hs.Observed.from_dense(as_table(y), **labels)
    return hs.ItemResponseModel().fit(table), table, (a, d, x)


@pytest.fixture(scope="module")
def graded():
    y = as_table(several_classes(500, 6, 4, "grm", missing=0.2, seed=2)) + 1.0
    return hs.ItemResponseModel("grm").fit(y), y


class TestWhichSide:
    def test_many_rows_are_integrated_out_and_few_are_not(self):
        y, *_ = two_choice(120, 8, missing=0.1, seed=1)
        assert hs.ItemResponseModel().fit(as_table(y)).engine_ == "rows"
        assert hs.ItemResponseModel("rasch").fit(as_table(y[:20]).T[:, :20]).engine_ == "columns"

    def test_grades_in_a_yes_no_model_are_told_of_the_kinds_for_grades(self):
        grades = 1.0 + 2.0 * (np.random.default_rng(0).random((40, 6)) < 0.5)
        with pytest.raises(ValueError, match="grm"):
            hs.ItemResponseModel("2pl").fit(np.column_stack([grades, 1.0 + np.arange(40) % 3]))

    def test_pass_rates_and_blocks_integrate_columns_out(self):
        rng = np.random.default_rng(0)
        rates = rng.integers(0, 5, (40, 5)) / 4.0
        assert hs.ItemResponseModel("rasch").fit(rates).engine_ == "columns"
        y = (rng.random((40, 5)) < 0.5).astype(float)
        assert hs.ItemResponseModel("rasch").fit(y, blocks=list("aabbb")).engine_ == "columns"

    @pytest.mark.parametrize(
        ("given", "more", "words"),
        [
            ({"integrate": "rows", "family": "binomial(4)"}, {}, "integrate='columns'"),
            ({"integrate": "rows", "dimensions": 2}, {"blocks": list("aabbccdd")}, "blocks= goes with dimensions=1"),
            ({"integrate": "columns", "kind": "rasch"}, {"row_groups": ["a"] * 100}, "row_groups= goes with"),
            ({"integrate": "columns", "item_prior": "none"}, {}, "item_prior='none'"),
            ({"integrate": "columns", "dimensions": 2}, {}, "dimensions=2"),
        ],
    )
    def test_what_belongs_to_the_other_side_is_refused(self, given, more, words):
        y, *_ = two_choice(100, 8, missing=0.0, seed=1)
        with pytest.raises(ValueError, match=words.replace("(", r"\(")):
            hs.ItemResponseModel(**given).fit(as_table(y), **more)


class TestOracles:
    def test_the_items_of_lsat7_are_those_of_mirt(self, lsat7):
        items = lsat7.items_
        np.testing.assert_allclose(items["slope"], [0.9875, 1.0808, 1.7075, 0.7650, 0.7357], atol=3e-4)
        np.testing.assert_allclose(items["slope_se"], [0.1772, 0.1687, 0.3211, 0.1341, 0.1511], atol=2e-4)
        np.testing.assert_allclose(items["intercept"], [1.8559, 0.8080, 1.8052, 0.4860, 1.8545], atol=3e-4)
        np.testing.assert_allclose(items["difficulty"], -items["intercept"] / items["slope"])
        assert lsat7.log_likelihood_ == pytest.approx(-2658.8051, abs=6e-5)
        assert lsat7.aic_ == pytest.approx(2 * 2658.8051 + 20, abs=2e-3)

    def test_abilities_and_fit_of_lsat7_are_those_of_mirt(self, lsat7):
        i = lsat7.inference()
        plain = i.abilities(has_item_errors=False)
        np.testing.assert_allclose(plain.estimate[[0, -1]], [-1.870, 0.727], atol=6e-4)
        np.testing.assert_allclose(plain.se[[0, -1]], [0.693, 0.801], atol=6e-4)
        assert np.all(i.abilities().se >= plain.se)
        np.testing.assert_allclose(i.item_fit()["s_x2"], [4.75, 14.45, 1.27, 5.24, 0.94], atol=6e-3)
        assert i.overall_fit().statistic == pytest.approx(11.94, abs=6e-3)
        assert lsat7.reliability()["marginal"] == pytest.approx(0.4418, abs=1e-4)

    def test_rasch_items_have_slope_one_and_the_population_its_spread(self):
        model = hs.ItemResponseModel("rasch").fit(lsat(LSAT7).astype(float))
        one = hs.ItemResponseModel("1pl").fit(lsat(LSAT7).astype(float))
        assert set(model.items_["slope"]) == {1.0}
        assert model.population_["sd"][0] == pytest.approx(one.items_["slope"][0], abs=1e-4)
        np.testing.assert_allclose(model.predict_table(), one.predict_table(), atol=1e-5)
        np.testing.assert_allclose(model.row_factors_, one.row_factors_ * one.items_["slope"][0], atol=1e-4)


class TestPredictions:
    def test_an_expected_answer_averages_over_the_posterior(self, lsat7):
        """The naive twin: a fine grid, the pattern's likelihood, the mean chance."""
        fit = lsat7.rows_fit_
        x = np.linspace(-7, 7, 4001)
        slope, level = lsat7.col_factors_[:, 0], lsat7.intercept_
        chance = expit(np.outer(x, slope) + level)
        weight = np.exp(-0.5 * x**2) * np.prod(1.0 - chance, axis=1)
        wanted = weight @ chance / weight.sum()
        np.testing.assert_allclose(lsat7.predict([0] * 5, range(5)), wanted, atol=2e-3)
        assert fit.columns.tolist() == [0, 1, 2, 3, 4]

    def test_chances_of_classes_sum_to_one_and_give_the_mean(self, graded):
        model, _ = graded
        chances = model.predict([0, 1, 2], [0, 1, 5], kind="probabilities")
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        np.testing.assert_allclose(chances @ [1, 2, 3, 4], model.predict([0, 1, 2], [0, 1, 5]), atol=1e-9)

    def test_new_rows_are_placed_where_the_fit_places_them(self, sparse, graded):
        model, table, _ = sparse
        np.testing.assert_allclose(model.transform(table), model.row_factors_, atol=1e-8)
        np.testing.assert_allclose(model.predict(table), model.predict_table(), atol=1e-8)
        model, y = graded
        np.testing.assert_allclose(model.transform(y), model.row_factors_, atol=1e-8)

    def test_a_table_is_completed_and_seen_cells_stay(self, graded):
        model, y = graded
        full = model.complete(y)
        seen = ~np.isnan(y)
        np.testing.assert_array_equal(full[seen], y[seen])
        assert np.all((full[~seen] > 1) & (full[~seen] < 4))

    def test_held_out_answers_are_predicted_almost_as_by_the_truth(self, sparse):
        model, table, (a, d, x) = sparse
        rng = np.random.default_rng(1)
        chance = expit(np.outer(x, a) + d)
        again = (rng.random(chance.shape) < chance).astype(float)
        further = hs.Observed.from_dense(again, row_labels=table.row_labels, col_labels=table.col_labels)
        best = np.mean(again * np.log(chance) + (1 - again) * np.log1p(-chance))
        # the posterior of an ability from 8 answers costs about .06 an answer
        assert best - 0.09 < model.score(further) < best

    def test_a_row_without_answers_is_at_the_mean(self, sparse):
        model, table, _ = sparse
        empty = np.full((2, 12), np.nan)
        empty[1, 0] = 1.0
        placed = model.transform(hs.Observed.from_dense(empty, col_labels=table.col_labels), inference=True)
        assert placed.ability[0] == pytest.approx(0.0, abs=1e-6)
        assert placed.ability_se[0] == pytest.approx(1.0, abs=2e-3)
        assert placed.ability[1] > 0.1

    def test_new_graded_rows_have_intervals_and_next_questions(self, graded):
        model, y = graded
        part = y[:3].copy()
        part[:, 3:] = np.nan
        placed = model.transform(part, inference=True)
        assert placed.abilities().se.shape == (3,)
        assert placed.next_items(2).num_rows == 6
        np.testing.assert_array_equal(placed.information(0) == 0.0, ~np.isnan(part[0]))


class TestFaces:
    def test_scores_contrasts_and_differences_agree(self, sparse):
        i = sparse[0].inference()
        scores, gap = i.scores(), i.differences(["p0"], ["p1"])
        assert gap.estimate[0] == pytest.approx(scores.estimate[0] - scores.estimate[1])
        weights = np.zeros(600)
        weights[:2] = 1.0, -1.0
        assert i.contrast(scores=weights).se[0] == pytest.approx(gap.se[0])
        band = i.band("scores")
        assert np.all(band.high >= scores.high - 1e-12)

    def test_entries_hold_together_and_cover_their_chance(self, sparse):
        model, _, (a, d, x) = sparse
        i = model.inference()
        rows, cols = np.arange(0, 600, 2), np.arange(300) % 12
        names = [f"p{r}" for r in rows], [f"q{c}" for c in cols]
        found = i.entries(*names)
        chance = expit(x[rows] * a[cols] + d[cols])
        # 300 cells of 300 rows: standard error .013
        assert 0.9 < np.mean((found.low <= chance) & (chance <= found.high)) < 1.0
        band = i.band("entries", rows=names[0], cols=names[1])
        assert np.all((band.low <= found.low) & (found.high <= band.high))

    def test_realised_scores_keep_known_answers(self, sparse):
        model, table, _ = sparse
        these = model.inference().scores("these")
        known = table.to_dense()
        low = np.nansum(known, axis=1) / 12
        assert np.all(these.estimate >= low - 1e-9)
        assert np.all(these.high <= low + np.isnan(known).sum(axis=1) / 12 + 1.0)

    def test_the_leaderboard_is_ordered(self, sparse):
        board = sparse[0].inference(draws=200).leaderboard()
        assert np.all(np.diff(board["score"]) <= 1e-12)
        assert np.all((board["rank_low"] <= board["rank"]) & (board["rank"] <= board["rank_high"]))

    def test_plausible_values_have_the_spread_of_the_population(self, sparse):
        values = sparse[0].inference().plausible_values(10)
        assert values.shape == (600, 10)
        # sd 1; 600 people: standard error .03
        assert values.std() == pytest.approx(1.0, abs=0.1)

    def test_modes_and_weighted_likelihood_are_abilities_too(self, sparse):
        i, x = sparse[0].inference(), sparse[2][2]
        for method in ("map", "wle"):
            assert np.corrcoef(i.abilities(method).estimate, x)[0, 1] > 0.75

    def test_curves_and_information_have_bands_and_frames(self, graded):
        model, _ = graded
        curves, information = model.curves([0.0, 1.0]), model.information([0.0, 1.0])
        assert curves.values.shape == (24, 2)
        np.testing.assert_allclose(curves.of(0).values.sum(axis=0), 1.0)
        np.testing.assert_allclose(information.values[:-1].sum(axis=0), information.values[-1])
        assert np.all((information.low < information.values) & (information.values < information.high))
        assert information.to_frame().num_rows == 14
        fit = model.rows_fit_
        first = class_chances("grm", [0.0, 1.0], fit.params[0], _intercepts(model, 0))
        np.testing.assert_allclose(curves.of(0).values.T, first, atol=1e-9)

    def test_pictures_are_drawn(self, lsat7):
        pytest.importorskip("matplotlib")
        axes = lsat7.curves().plot().axes[0]
        assert len(axes.get_lines()) == 5

    def test_a_saved_model_says_what_the_fitted_one_says(self, sparse, tmp_path):
        model, table, _ = sparse
        hs.save(model, tmp_path / "test.halfseen")
        again = hs.load(tmp_path / "test.halfseen")
        np.testing.assert_array_equal(again.predict_table(), model.predict_table())
        np.testing.assert_array_equal(again.inference().scores().se, model.inference().scores().se)
        np.testing.assert_array_equal(again.items_["slope"], model.items_["slope"])
        with pytest.raises(ValueError, match="a saved model does not hold"):
            again.inference().item_fit()
        np.testing.assert_allclose(
            again.inference().item_fit(table)["shape_z"], model.inference().item_fit()["shape_z"], atol=1e-9
        )

    def test_single_precision_in_is_single_precision_out(self, graded):
        model = hs.ItemResponseModel("grm").fit(graded[1].astype(np.float32))
        assert model.row_factors_.dtype == model.predict_table().dtype == np.float32


def _intercepts(model, item):
    table = model.items_
    return [table[f"intercept{k}"][item] for k in (1, 2, 3)]


class TestBlocks:
    def test_effects_of_blocks_are_measured_and_widen_lopsided_rows(self):
        blocks = np.repeat(["a", "b", "c", "d"], 16)
        sd = {}
        for strength in (0.0, 1.0):
            rng = np.random.default_rng(12)
            x, d = rng.normal(size=400), rng.normal(size=64)
            moved = x[:, None] + strength * rng.normal(size=(400, 4))[:, np.repeat(np.arange(4), 16)]
            answers = (rng.random((400, 64)) < expit(d + moved)).astype(float)
            answers[:100, :32] = np.nan
            model = hs.ItemResponseModel("1pl", integrate="rows").fit(answers, blocks=blocks)
            sd[strength] = model.block_effects_.sd
        assert sd[0.0] < 0.03
        # an effect of 1 on the logit is about .18 on the score at the middle, less where chances are spread
        assert 0.1 < sd[1.0] < 0.22
        added = np.sqrt(model.block_effects_.added)
        assert np.all(added[:100] > 0.02)
        np.testing.assert_allclose(added[100:], 0.0, atol=1e-12)
        assert np.all(model.inference().scores().se[:100] > added[:100])
        assert "left out in turn" in " ".join(model.inference(draws=50).leaderboard().notes)


class TestPeopleAndPlaces:
    def test_groups_differ_in_mean_and_spread(self):
        rng = np.random.default_rng(3)
        x = np.concatenate([rng.normal(size=500), 0.5 + 1.2 * rng.normal(size=500)])
        y, *_ = two_choice(1000, 20, missing=0.2, seed=3, ability=x)
        groups = ["old"] * 500 + ["new"] * 500
        model = hs.ItemResponseModel().fit(as_table(y), row_groups=groups)
        found = model.population_
        assert found["group"].tolist() == ["old", "new"]
        # truth (.5, 1.2); standard errors .07 and .08 with 500 a group
        assert abs(found["mean"][1] - 0.5) < 4 * found["mean_se"][1]
        assert abs(found["sd"][1] - 1.2) < 4 * found["sd_se"][1]
        dif = model.inference().dif()
        assert len(dif) == 20
        assert dif["q"].min() > 0.001
        placed = model.transform(np.full((2, 20), np.nan), row_groups=["old", "new"])
        np.testing.assert_allclose(placed[:, 0], found["mean"], atol=1e-3)

    def test_a_kind_per_column_by_label(self):
        y, *_ = two_choice(300, 3, missing=0.0, seed=6)
        table = hs.Observed.from_dense(np.hstack([as_table(y), as_table(several_classes(300, 2, 3, "gpcm", 0.0, 6))]),
                                       col_labels=list("abcde"))  # fmt: skip
        kinds = dict(zip("abcde", ["1pl", "1pl", "2pl", "gpcm", "grm"], strict=True))
        model = hs.ItemResponseModel(kinds).fit(table)
        assert model.items_["kind"].tolist() == list(kinds.values())
        assert model.items_["slope"][0] == model.items_["slope"][1]

    def test_equal_and_fixed_places_go_by_label(self):
        y, *_ = two_choice(300, 5, missing=0.0, seed=7)
        table = hs.Observed.from_dense(as_table(y), col_labels=list("abcde"))
        fixed = {("a", "slope"): 0.7}
        model = hs.ItemResponseModel(equal=[[("b", "slope"), ("c", "slope")]], fixed=fixed).fit(table)
        slope = model.items_["slope"]
        assert slope[0] == pytest.approx(0.7)
        assert slope[1] == slope[2] != slope[3]

    @pytest.mark.slow
    def test_several_dimensions_rotate_and_place(self):
        rng = np.random.default_rng(8)
        a = np.zeros((12, 2))
        a[:6, 0], a[6:, 1] = 1.6, 1.6
        y = (rng.random((600, 12)) < expit(rng.normal(size=(600, 2)) @ a.T)).astype(float)
        model = hs.ItemResponseModel(dimensions=2, rotation="varimax").fit(y)
        weak = np.minimum(np.abs(model.col_factors_[:, 0]), np.abs(model.col_factors_[:, 1]))
        assert weak.max() < 0.5
        np.testing.assert_allclose(model.transform(y), model.row_factors_, atol=0.05)
        i = model.inference()
        assert i.row_factors(1).estimate.shape == (600,)
        assert i.scores().estimate.min() > 0
        with pytest.raises(ValueError, match="one dimension"):
            i.plausible_values()

    def test_columns_that_all_answered_alike_are_flagged_and_predicted(self):
        y, *_ = two_choice(300, 5, missing=0.0, seed=7)
        table = as_table(y)
        table[:, 4] = 1.0
        model = hs.ItemResponseModel().fit(table)
        assert model.items_["flag"][4] == "all right"
        assert model.items_["intercept"][4] == np.inf
        assert 0.99 < model.predict([0], [4])[0] < 1.0
        assert any("all right" in text for text in model.warnings_)

    def test_covariates_move_the_ability(self):
        rng = np.random.default_rng(9)
        z = rng.normal(size=(800, 1))
        x = 0.8 * z[:, 0] + rng.normal(size=800)
        y, *_ = two_choice(800, 10, missing=0.2, seed=9, ability=x)
        model = hs.ItemResponseModel().fit(as_table(y), covariates=z)
        assert "coefficient of covariate 1: 0." in model.population_.notes[1]
        with pytest.raises(ValueError, match="covariates="):
            model.transform(as_table(y)[:2])
        two = model.transform(np.full((2, 10), np.nan), covariates=[[1.0], [-1.0]])
        assert two[0, 0] - two[1, 0] > 1.0
