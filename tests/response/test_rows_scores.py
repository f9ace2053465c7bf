"""Abilities, plausible values, curves and reliability of the rows engine."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import class_chances, log_two_choice, several_classes, two_choice
from scipy.integrate import quad
from scipy.special import expit

from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_curves import (
    class_curves,
    expected_scores,
    information_curves,
    item_information,
    reliability,
)
from halfseen.methods.response.rows_faces import item_faces
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_options import RowsOptions
from halfseen.methods.response.rows_scores import new_table, plausible_values, score_rows


@pytest.fixture(scope="module")
def test_of_twelve():
    y, _, _, x = two_choice(600, 12, seed=20)
    return y, x, fit_rows(y, "2pl"), answer_table(y, ["2pl"] * 12)


def test_posterior_means_are_integrals(test_of_twelve):
    y, _, fit, table = test_of_twelve
    a, d = np.array([face for face, _ in item_faces(fit)]).T
    scores = score_rows(fit, table, item_draws=0)
    for i in (0, 17, 321):
        density = lambda t, i=i: float(np.exp(log_two_choice(y[[i]], np.array([t]), a, d)[0] - t * t / 2))  # noqa: E731
        total = quad(density, -8, 8)[0]
        mean = quad(lambda t, f=density: t * f(t), -8, 8)[0] / total
        var = quad(lambda t, f=density, m=mean: (t - m) ** 2 * f(t), -8, 8)[0] / total
        assert scores.ability[i] == pytest.approx(mean, abs=1e-5)
        assert scores.sd[i] == pytest.approx(np.sqrt(var), abs=1e-5)


def test_weighted_likelihood_solves_warms_equation(test_of_twelve):
    y, _, fit, table = test_of_twelve
    a, d = np.array([face for face, _ in item_faces(fit)]).T
    scores = score_rows(fit, table, "wle", item_draws=0)
    for i in (1, 40, 333):
        seen = y[i] != 255
        p = expit(a * scores.ability[i] + d)[seen]
        information = np.sum(a[seen] ** 2 * p * (1 - p))
        bias = np.sum(a[seen] ** 3 * p * (1 - p) * (1 - 2 * p))  # sum P' P'' / P(1 - P)
        assert np.sum(a[seen] * (y[i, seen] - p)) + bias / (2 * information) == pytest.approx(0.0, abs=1e-5)
        assert scores.plug_in_sd[i] == pytest.approx(information**-0.5, rel=1e-6)


def test_item_errors_widen_the_scores(test_of_twelve):
    _, _, fit, table = test_of_twelve
    with_errors = score_rows(fit, table)
    assert (with_errors.sd > with_errors.plug_in_sd).mean() > 0.75
    assert np.mean(with_errors.sd / with_errors.plug_in_sd) < 1.1
    again = score_rows(fit, table)
    assert again.sd.tobytes() == with_errors.sd.tobytes()


def test_new_rows_get_the_scores_that_fitted_ones_have(test_of_twelve):
    y, _, fit, table = test_of_twelve
    some = score_rows(fit, new_table(fit, y[:50]), item_draws=0)
    np.testing.assert_allclose(some.ability, score_rows(fit, table, item_draws=0).ability[:50], atol=1e-10)


def test_new_rows_with_unknown_answers_are_refused(test_of_twelve):
    y, _, fit, _ = test_of_twelve
    changed = y[:3].copy()
    changed[2, 4] = 2
    with pytest.raises(ValueError, match=r"answers\[2, 4\] = 2, an answer that nobody gave"):
        new_table(fit, changed)
    with pytest.raises(ValueError, match="answers has 11 columns"):
        new_table(fit, y[:3, :11])


def test_plausible_values_have_the_posteriors_moments(test_of_twelve):
    _, _, fit, table = test_of_twelve
    scores = score_rows(fit, table)
    values = plausible_values(fit, table, 400)
    # 400 draws per row: means within 4.5 standard errors, all 600 of them
    assert np.abs((values.mean(axis=1) - scores.ability) / (scores.sd / 20)).max() < 5.0
    assert np.mean(values.var(axis=1) / scores.sd**2) == pytest.approx(1.0, abs=0.03)


def test_plausible_values_keep_a_regression_that_posterior_means_flatten():
    rng = np.random.default_rng(21)
    z = rng.normal(size=2000)
    y, *_ = two_choice(2000, 6, missing=0.2, ability=0.8 * z + rng.normal(size=2000), seed=21)
    kinds = ["2pl"] * 6
    conditioned = fit_rows(y, "2pl", covariates=z)
    slope = conditioned.population_params[2]
    se = np.sqrt(conditioned.covariance.matrix[-1, -1])
    assert abs(slope - 0.8) < 4 * se < 0.25
    table = answer_table(y, kinds, collapses=False)
    values = plausible_values(conditioned, table, 10, covariates=z)
    assert np.polyfit(z, values.mean(axis=1), 1)[0] == pytest.approx(slope, abs=0.04)
    flat = fit_rows(y, "2pl")
    means = score_rows(flat, answer_table(y, kinds), item_draws=0).ability
    assert np.polyfit(z, means, 1)[0] < 0.75 * slope * 0.9


@pytest.mark.parametrize("kind", ["grm", "gpcm", "3pl"])
def test_information_is_the_squared_derivative_over_the_chance(kind):
    y = several_classes(800, 3, 4, kind, seed=22) if kind != "3pl" else two_choice(3000, 10, seed=22)[0]
    fit = fit_rows(y, kind)
    x = np.array([-1.3, 0.2, 1.7])
    found = item_information(fit.layout, fit.item_params, x)
    for j, (face, _) in enumerate(item_faces(fit)):
        at = [class_chances(kind, x + s, face[0], face[1:]) for s in (1e-5, 0.0, -1e-5)]
        wanted = np.sum(((at[0] - at[2]) / 2e-5) ** 2 / at[1], axis=1)
        np.testing.assert_allclose(found[j], wanted, rtol=1e-5, atol=1e-9)


def test_bands_hold_their_curves_and_shrink_with_more_rows():
    widths = []
    for n in (400, 6400):
        fit = fit_rows(two_choice(n, 8, seed=23)[0], "2pl")
        items, whole = information_curves(fit, np.linspace(-2, 2, 9))
        assert (whole.low < whole.values).all()
        assert (whole.values < whole.high).all()
        np.testing.assert_allclose(items.values.sum(axis=0), whole.values)
        curves = class_curves(fit, np.linspace(-2, 2, 9))
        assert (curves.low < curves.values).all()
        np.testing.assert_allclose(curves.values[::2] + curves.values[1::2], 1.0)
        widths.append(np.mean(curves.high - curves.low))
    # 16 times the rows: a quarter of the width
    assert widths[1] / widths[0] == pytest.approx(0.25, abs=0.08)


def test_expected_scores_rise_with_the_ability(test_of_twelve):
    fit = test_of_twelve[2]
    scores = expected_scores(fit, np.linspace(-3, 3, 13))
    assert (np.diff(scores, axis=1) > 0).all()
    assert 0 < scores.min() < scores.max() < 1


def test_reliability_is_the_squared_correlation_with_the_truth(test_of_twelve):
    _, x, fit, table = test_of_twelve
    found = reliability(fit, table)
    eap = score_rows(fit, table, item_draws=0).ability
    # 600 rows: a correlation near .85 has a standard error of about .012, its square one of .02
    assert found["empirical"] == pytest.approx(np.corrcoef(eap, x)[0, 1] ** 2, abs=0.07)
    assert found["marginal"] > found["empirical"]  # a third of the answers are missing


def test_covariate_models_ask_for_covariates_of_new_rows():
    rng = np.random.default_rng(24)
    z = rng.normal(size=500)
    y, *_ = two_choice(500, 6, ability=z + rng.normal(size=500), seed=24)
    fit = fit_rows(y, "2pl", covariates=z)
    new = new_table(fit, np.full((2, 6), 255, np.uint8))
    scores = score_rows(fit, new, covariates=[0.0, 1.0], item_draws=0)
    slope = fit.population_params[2]
    np.testing.assert_allclose(np.diff(scores.ability), slope, atol=1e-6)
    with pytest.raises(ValueError, match="covariates"):
        score_rows(fit, new)


@pytest.mark.slow
def test_intervals_of_abilities_and_items_cover():
    inside, items = [], []
    for seed in range(60):
        y, a, d, x = two_choice(200, 20, seed=1000 + seed)
        fit = fit_rows(y, "2pl")
        scores = score_rows(fit, answer_table(y, ["2pl"] * 20))
        inside.append(np.abs(scores.ability - x) < 1.96 * scores.sd)
        plain = fit_rows(y, "2pl", options=RowsOptions(item_prior="none"))
        for j, (face, V) in zip(plain.columns, item_faces(plain), strict=True):
            items.append(np.abs(face - [a[j], d[j]]) < 1.96 * np.sqrt(np.diag(V)))
    # 12 000 rows of 60 tables: standard error at most .005 with the items' common errors; 1200 items: .007
    assert 0.94 < np.mean(inside) < 0.97
    coverage = np.mean(items, axis=0)
    assert (coverage > 0.93).all()
    assert (coverage < 0.98).all()
