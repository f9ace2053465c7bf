"""Answers in, parameters out, models compared and linked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rows_truth import LSAT7, lsat, several_classes, two_choice
from scipy.special import expit

import halfseen as hs


@pytest.fixture(scope="module")
def two_forms():
    """Two groups of 900, 8 common items, 6 of their own; the second is abler by .5 and wider by 1.2."""
    rng = np.random.default_rng(4)
    a, d = rng.lognormal(0.2, 0.3, 20), rng.normal(size=20)
    models = []
    for mean, sd, own in ((0.0, 1.0, range(14)), (0.5, 1.2, [*range(8), *range(14, 20)])):
        x = mean + sd * rng.normal(size=900)
        y = (rng.random((900, 20)) < expit(np.outer(x, a) + d)).astype(float)[:, list(own)]
        table = hs.Observed.from_dense(y, col_labels=[f"q{j}" for j in own])
        models.append(hs.ItemResponseModel().fit(table))
    return models


class TestLinking:
    def test_common_labels_link_two_fits(self, two_forms):
        found = hs.irt.link(*two_forms)
        assert found.n_anchors == 8
        # truth (1.2, .5); the errors are about .07
        assert abs(found.slope - 1.2) < 4 * found.slope_se < 0.5
        assert abs(found.intercept - 0.5) < 4 * found.intercept_se < 0.5

    def test_anchors_may_be_chosen_and_must_be_there(self, two_forms):
        assert hs.irt.link(*two_forms, anchors=["q0", ("q1", "q1"), "q2"]).n_anchors == 3
        with pytest.raises(ValueError, match="'q19', which is no item of the first model"):
            hs.irt.link(*two_forms, anchors=["q19"])

    def test_forms_without_common_columns_are_told(self):
        nan = np.nan
        table = [[0, 1, nan, nan], [1, 1, nan, nan], [nan, nan, 1, 0], [nan, nan, 0, 0], [nan, nan, 1, 1]]
        forms = hs.irt.connectivity(table, row_groups=["a", "a", "b", "b", "b"])
        assert not forms.is_connected
        assert forms.columns == [[0, 1], [2, 3]]
        assert forms.rows.tolist() == [0, 0, 1, 1, 1]
        assert forms.groups == [["a"], ["b"]]
        assert "2 unlinked forms" in str(forms)

    def test_unlinked_forms_are_warned_of_in_one_population_and_refused_between_groups(self):
        y, *_ = two_choice(200, 8, missing=0.0, seed=2)
        table = np.where(y == 255, np.nan, y).astype(float)
        table[:100, 4:], table[100:, :4] = np.nan, np.nan
        with pytest.warns(UserWarning, match="2 unlinked forms"):
            model = hs.ItemResponseModel().fit(table)
        assert not model.connectivity_.is_connected
        with pytest.raises(ValueError, match="no items in common"):
            hs.ItemResponseModel().fit(table, row_groups=[0] * 100 + [1] * 100)


class TestComparing:
    def test_a_likelihood_ratio_compares_nested_models(self):
        y = lsat(LSAT7).astype(float)
        one, two = hs.ItemResponseModel("1pl").fit(y), hs.ItemResponseModel("2pl").fit(y)
        found = hs.irt.compare(two, one)
        assert found.degrees == 4
        assert found.statistic == pytest.approx(2 * (two.log_likelihood_ - one.log_likelihood_))
        assert found.bic == (one.bic_, two.bic_)

    def test_fits_with_a_prior_are_refused(self):
        y = lsat(LSAT7).astype(float)
        two = hs.ItemResponseModel(item_prior="empirical").fit(y)
        with pytest.raises(ValueError, match="item_prior='none'"):
            hs.irt.compare(hs.ItemResponseModel("1pl").fit(y), two)

    def test_auto_takes_equal_slopes_where_they_do_as_well(self):
        rng = np.random.default_rng(5)
        x, d = rng.normal(size=(800, 1)), np.linspace(-1, 1, 8)
        for slope, wanted in ((np.ones(8), "1pl"), (np.linspace(0.3, 2.5, 8), "2pl")):
            y = (rng.random((800, 8)) < expit(x * slope + d)).astype(float)
            assert hs.ItemResponseModel("auto").fit(y).kind_ == wanted

    def test_models_of_the_other_engine_are_refused(self):
        y = lsat(LSAT7).astype(float)[:20]
        model = hs.ItemResponseModel("rasch", integrate="columns").fit(y)
        with pytest.raises(ValueError, match="integrate='rows'"):
            hs.irt.compare(model, model)


class TestParameters:
    def test_difficulties_and_slopes_are_those_of_the_items(self):
        model = hs.ItemResponseModel().fit(lsat(LSAT7).astype(float))
        mirt, hard = hs.irt.parameters(model), hs.irt.parameters(model, "difficulty")
        np.testing.assert_allclose(mirt["a1"], model.items_["slope"])
        np.testing.assert_allclose(hard["b"], -mirt["d"] / mirt["a1"])
        assert set(mirt["u"]) == {1.0}

    def test_partial_credit_intercepts_are_running_sums(self):
        y = several_classes(300, 5, 4, "gpcm", 0.0, 1).astype(float)
        model = hs.ItemResponseModel("gpcm").fit(y)
        table, items = hs.irt.parameters(model), model.items_
        np.testing.assert_allclose(table["d2"], items["intercept1"] + items["intercept2"])


class TestWords:
    @pytest.mark.slow
    def test_words_in_a_known_order_are_fitted_as_numbers(self):
        pandas = pytest.importorskip("pandas")
        y = several_classes(150, 5, 3, "grm", 0.1, 3)
        words = np.array(["no", "perhaps", "yes", None], dtype=object)[np.where(y == 255, 3, y)]
        frame = pandas.DataFrame(words, columns=list("abcde"))
        numbers = np.where(y == 255, np.nan, y).astype(float)
        said, plain = hs.ItemResponseModel("grm").fit(frame), hs.ItemResponseModel("grm").fit(numbers)
        np.testing.assert_allclose(said.row_factors_, plain.row_factors_)
        assert said.items_["col"].tolist() == list("abcde")
        np.testing.assert_allclose(said.transform(frame[:5]), said.row_factors_[:5], atol=1e-9)

    def test_a_key_scores_multiple_choice(self):
        rng = np.random.default_rng(0)
        right = rng.random((120, 4)) < 0.6
        given = np.where(right, "B", np.where(rng.random((120, 4)) < 0.5, "A", "C"))
        key = {str(j): "B" for j in range(4)}
        model = hs.ItemResponseModel("1pl").fit(given, key=key)
        plain = hs.ItemResponseModel("1pl").fit(right.astype(float))
        np.testing.assert_allclose(model.row_factors_, plain.row_factors_)
        with pytest.raises(ValueError, match="no right answer for 1 columns, first '3'"):
            hs.irt.answers(given, key={"0": "B", "1": "B", "2": "B"})

    def test_words_without_a_known_order_are_named(self):
        with pytest.raises(ValueError, match="'blue', 'red' have no known order"):
            hs.irt.answers([["red", "blue"], ["red", "red"]])
        coded = hs.irt.answers([["red", "blue"], ["green", "red"]], values={"red": 0, "blue": 1, "green": None})
        np.testing.assert_array_equal(coded.to_dense(), [[0, 1], [np.nan, 0]])

    def test_a_saved_model_knows_its_words(self, tmp_path):
        y = np.where(np.random.default_rng(1).random((110, 4)) < 0.5, "N", "Y")
        model = hs.ItemResponseModel("1pl").fit(y)
        hs.save(model, tmp_path / "m.halfseen")
        np.testing.assert_array_equal(hs.load(tmp_path / "m.halfseen").transform(y[:3]), model.transform(y[:3]))


class TestOtherFormats:
    def test_py_irt_lines_are_read(self, tmp_path):
        given = {"pedro": {"q1": 1, "q2": 0}, "ann": {"q2": 1}}
        lines = [{"subject_id": name, "responses": own} for name, own in given.items()]
        file = tmp_path / "data.jsonlines"
        file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        R = hs.irt.read_py_irt(file)
        assert R.n_entries == 3
        assert sorted(R.row_labels.tolist()) == ["ann", "pedro"]
        file.write_text('{"subject": 1}', encoding="utf-8")
        with pytest.raises(ValueError, match="line 1: needed an object with subject_id"):
            hs.irt.read_py_irt(file)

    @pytest.mark.slow
    def test_girth_estimates_the_same_slopes_on_its_own_arrays(self):
        girth = pytest.importorskip("girth")
        y, *_ = two_choice(500, 8, missing=0.0, seed=12)
        theirs = girth.twopl_mml(y.T.astype(int))
        ours = hs.ItemResponseModel().fit(hs.irt.from_girth(y.T.astype(int)))
        # its default puts a prior on the slopes
        np.testing.assert_allclose(ours.items_["difficulty"], theirs["Difficulty"], atol=0.15)
        assert np.corrcoef(ours.items_["slope"], theirs["Discrimination"])[0, 1] > 0.95
