"""Figures of other programs (ltm 1.2, R mirt 1.47) on published tables, to the digits given."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import LSAT6, LSAT7, lsat

from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_curves import reliability
from halfseen.methods.response.rows_faces import item_faces, population_table
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_limited import compare_fits, limited_fit, summed_score_fit
from halfseen.methods.response.rows_scores import score_rows


def shown(fit):
    values = np.array([face for face, _ in item_faces(fit)])
    errors = np.sqrt(np.array([np.diag(V) for _, V in item_faces(fit)]))
    return values.T, errors.T


@pytest.fixture(scope="module")
def seven():
    y = lsat(LSAT7)
    return fit_rows(y, "2pl"), answer_table(y, ["2pl"] * 5)


def test_lsat6_2pl_is_that_of_ltm_and_mirt():
    fit = fit_rows(lsat(LSAT6), "2pl")
    values, errors = shown(fit)
    assert fit.log_likelihood == pytest.approx(-2466.6534, abs=6e-5)
    wanted = [[0.8257, 0.7227, 0.8909, 0.6884, 0.6569], [2.7732, 0.9902, 0.2491, 1.2848, 2.0533]]
    np.testing.assert_allclose(values, wanted, atol=1.5e-4)
    wanted = [[0.2581, 0.1867, 0.2328, 0.1851, 0.2099], [0.2057, 0.0900, 0.0763, 0.0990, 0.1354]]
    np.testing.assert_allclose(errors, wanted, atol=1.5e-4)


def test_lsat6_1pl_and_rasch_are_one_likelihood():
    fit, rasch = fit_rows(lsat(LSAT6), "1pl"), fit_rows(lsat(LSAT6), "rasch")
    values, errors = shown(fit)
    assert fit.log_likelihood == pytest.approx(-2466.9376, abs=6e-5)
    assert fit.n_free == 6
    np.testing.assert_allclose(values[0], 0.7551, atol=1e-4)
    np.testing.assert_allclose(errors[0], 0.0694, atol=1e-4)
    np.testing.assert_allclose(values[1], [2.7300, 0.9986, 0.2399, 1.3065, 2.0994], atol=1e-4)
    assert rasch.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    people = population_table(rasch)
    assert people["sd"][0] == pytest.approx(0.7551, abs=1e-4)
    assert people["sd_se"][0] == pytest.approx(0.0694, abs=1e-4)
    assert set(shown(rasch)[0][0]) == {1.0}


def test_lsat7_2pl_is_that_of_ltm_and_mirt(seven):
    values, errors = shown(seven[0])
    assert seven[0].log_likelihood == pytest.approx(-2658.8051, abs=6e-5)
    wanted = [[0.9875, 1.0808, 1.7075, 0.7650, 0.7357], [1.8559, 0.8080, 1.8052, 0.4860, 1.8545]]
    np.testing.assert_allclose(values, wanted, atol=3e-4)
    np.testing.assert_allclose(errors[0], [0.1772, 0.1687, 0.3211, 0.1341, 0.1511], atol=2e-4)


def test_lsat7_scores_and_reliability_are_those_of_mirt(seven):
    scores = score_rows(*seven, item_draws=0)
    np.testing.assert_allclose(scores.ability[[0, -1]], [-1.870, 0.727], atol=6e-4)
    np.testing.assert_allclose(scores.sd[[0, -1]], [0.693, 0.801], atol=6e-4)
    found = reliability(*seven)
    assert found["marginal"] == pytest.approx(0.4418, abs=1e-4)
    assert found["empirical"] == pytest.approx(0.452, abs=6e-4)


def test_lsat7_fit_statistics_are_those_of_mirt(seven):
    whole = limited_fit(*seven)
    assert (whole.name, whole.degrees) == ("M2", 5)
    assert whole.statistic == pytest.approx(11.94, abs=6e-3)
    items = summed_score_fit(*seven)
    np.testing.assert_allclose(items.statistic, [4.75, 14.45, 1.27, 5.24, 0.94], atol=6e-3)
    assert items.degrees.tolist() == [2, 2, 2, 2, 2]


def test_a_likelihood_ratio_is_twice_the_gain(seven):
    small = fit_rows(lsat(LSAT7), "1pl")
    found = compare_fits(seven[0], small)
    assert found.degrees == 4
    assert found.statistic == pytest.approx(2 * (seven[0].log_likelihood - small.log_likelihood), abs=1e-9)
    assert found.aic == (small.aic, seven[0].aic)
    with pytest.raises(ValueError, match="different answers"):
        compare_fits(small, fit_rows(lsat(LSAT6)[:500], "2pl"))


@pytest.mark.slow
def test_girth_is_not_above_on_simulated_answers():
    girth = pytest.importorskip("girth")
    from rows_truth import naive_log_likelihood, two_choice

    y, *_ = two_choice(400, 10, missing=0.0, seed=4)
    fit = fit_rows(y, "2pl")
    theirs = girth.twopl_mml(y.T.astype(int))
    slope, hard = np.asarray(theirs["Discrimination"]), np.asarray(theirs["Difficulty"])
    value = naive_log_likelihood(y, ["2pl"] * 10, np.column_stack([slope, -slope * hard]))
    assert value < fit.log_likelihood + 1e-3
    ours = np.array([face for face, _ in item_faces(fit)])
    # its 2pl puts a prior on the slopes: near, not equal
    assert np.corrcoef(ours[:, 0], slope)[0, 1] > 0.95
    np.testing.assert_allclose(ours[:, 1], -slope * hard, atol=0.1)
