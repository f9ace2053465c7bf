"""Fit statistics of several dimensions against those of shared nodes, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

import halfseen as hs
from halfseen.inference import NotStated
from halfseen.methods.response import rows_residuals, rows_score_tests, rows_several_fit
from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_fit import fit_rows


def graded_table(seed=0, n=300, p=6):
    """Yes/no and three-class answers of one ability, a tenth missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    y = (rng.logistic(size=(n, p)) < 1.2 * x + np.linspace(-1, 1, p)).astype(np.uint8)
    y[:, 4:] += (rng.logistic(size=(n, 2)) < 1.2 * x - 1.0) & (y[:, 4:] == 1)
    y[rng.random((n, p)) < 0.1] = 255
    return y, ["2pl"] * 4 + ["grm"] * 2


@pytest.fixture(scope="module")
def known():
    y, kinds = graded_table()
    return fit_rows(y, kinds), answer_table(y, kinds)


class TestOneDimensionAtNodesOfItsOwn:
    def test_dependence_is_that_of_shared_nodes(self, known):
        fit, table = known
        own = rows_several_fit.local_dependence(fit, table)
        shared = rows_score_tests.local_dependence(fit, table, form="outer")
        np.testing.assert_array_equal(own.items, shared.items)
        np.testing.assert_allclose(own.statistic, shared.statistic, atol=2e-4)
        np.testing.assert_allclose(own.effect, shared.effect, atol=2e-4)

    def test_shapes_are_those_of_shared_nodes(self, known):
        fit, table = known
        own = rows_several_fit.item_shape(fit, table)
        shared = rows_score_tests.item_shape(fit, table, form="outer")
        np.testing.assert_allclose(own.statistic, shared.statistic, atol=2e-3)

    def test_mean_squares_are_those_of_shared_nodes(self, known):
        own, shared = (room.mean_squares(*known) for room in (rows_several_fit, rows_residuals))
        for name in ("item_outfit", "item_infit", "row_outfit", "row_infit"):
            np.testing.assert_allclose(getattr(own, name), getattr(shared, name), rtol=2e-3, err_msg=name)


@pytest.fixture(scope="module")
def planted():
    """Two abilities, five items each; the second item often repeats the first's answer."""
    rng = np.random.default_rng(3)
    a, n = np.kron(np.eye(2), np.full((5, 1), 1.4)), 800
    y = (rng.random((n, 10)) < expit(rng.normal(size=(n, 2)) @ a.T + np.linspace(-1, 1, 10))).astype(float)
    y[:, 1] = np.where(rng.random(n) < 0.35, y[:, 0], y[:, 1])
    model = hs.ItemResponseModel("2pl", dimensions=2, integrate="rows", random_state=0)
    return model.fit(y).inference()


class TestTwoDimensions:
    def test_a_pair_that_goes_together_is_told(self, planted):
        told = planted.dependence()
        assert {int(told["first"][0]), int(told["second"][0])} == {0, 1}
        assert told["q"][0] < 0.01
        assert told["q3"][0] > 0.04
        assert np.mean(told["q"] < 0.05) < 0.2

    def test_items_and_rows_fit(self, planted):
        items, rows = planted.item_fit(), planted.person_fit()
        assert np.abs(items["infit"] - 1.0).max() < 0.05
        assert (items["shape_q"] > 0.01).all()
        assert 0.01 < np.mean(rows["p"] < 0.05) < 0.08
        assert "direction" in " ".join(items.notes)

    def test_a_whole_model_is_judged(self, planted):
        found = planted.overall_fit()
        assert found.name == "M2"
        assert found.degrees == 55 - (10 * 3 - 1)
        # the planted pair is seen in the whole
        assert found.p_value < 0.05

    def test_items_between_groups_are_for_one_dimension(self, planted):
        with pytest.raises(NotStated, match="row_groups"):
            planted.dif()


def test_the_right_number_of_dimensions_fits_as_a_whole():
    rng = np.random.default_rng(5)
    a = np.kron(np.eye(2), np.full((4, 1), 1.5))
    y = (rng.random((700, 8)) < expit(rng.normal(size=(700, 2)) @ a.T)).astype(float)
    two, one = (
        hs.ItemResponseModel("2pl", dimensions=D, integrate="rows", random_state=0).fit(y).inference().overall_fit()
        for D in (2, 1)
    )
    assert two.p_value > 0.01
    assert one.p_value < 1e-6
    assert two.rmsea < 0.05 < one.rmsea
