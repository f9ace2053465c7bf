"""What a fit of the rows engine does with ordinary and with awkward tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rows_truth import LSAT7, log_two_choice, lsat, several_classes, two_choice

import halfseen as hs
from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_covariance import Covariance, covariance_of, indefinite_at, means_covariance
from halfseen.methods.response.rows_faces import difficulties, item_faces, item_table, population_table
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_information import observed_information
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import Patience, climb
from halfseen.methods.response.rows_options import RowsOptions
from halfseen.methods.response.rows_scores import score_rows

PLAIN = RowsOptions(item_prior="none")


def values_of(fit):
    return np.array([face for face, _ in item_faces(fit)])


@pytest.mark.parametrize("kind", ["grm", "gpcm"])
def test_parameters_of_several_classes_come_back(kind):
    y = several_classes(4000, 8, 4, kind, missing=0.2, seed=3)
    fit = fit_rows(y, kind)
    rng = np.random.default_rng(3)
    rng.normal(size=4000)
    gaps = []
    for j in range(8):
        a, d = rng.lognormal(0.1, 0.3), rng.normal(0.0, 1.0, 3)
        rng.random(4000)
        face, V = item_faces(fit)[j]
        truth = np.concatenate([[a], np.sort(d)[::-1] if kind == "grm" else d])
        gaps.append((face - truth) / np.sqrt(np.diag(V)))
    # 32 standardised errors, slightly dependent: their mean square is 1 with a standard deviation of about .3
    assert 0.3 < np.mean(np.square(gaps)) < 2.0


def test_a_guessing_chance_is_held_by_its_prior():
    y, *_ = two_choice(500, 12, seed=2)
    fit = fit_rows(y, "3pl")
    guess = item_table(fit)["guess"]
    assert fit.run.converged
    assert ((guess > 0.0) & (guess < 0.6)).all()


def test_kinds_may_differ_by_column():
    y = np.hstack([two_choice(500, 4, seed=1)[0], several_classes(500, 3, 4, "grm", seed=1)])
    fit = fit_rows(y, ["1pl"] * 2 + ["2pl"] * 2 + ["grm"] * 2 + ["gpcm"])
    slopes = values_slopes(fit)
    assert slopes[0] == slopes[1] != slopes[2]
    assert fit.run.converged


def values_slopes(fit):
    return fit.params[fit.layout.slopes[:, 0]]


def test_places_set_equal_are_equal_and_fixed_ones_stay():
    y, *_ = two_choice(600, 6, seed=4)
    options = RowsOptions(equal=[[(0, "slope"), (3, "slope")], [(1, "item"), (2, "item")]], fixed={(5, "slope"): 1.5})
    fit = fit_rows(y, "2pl", options=options)
    v = values_of(fit)
    assert v[0, 0] == v[3, 0]
    assert v[1].tolist() == v[2].tolist()
    assert v[5, 0] == 1.5
    assert fit.n_free == 12 - 1 - 2 - 1
    assert item_faces(fit)[5][1][0, 0] == 0.0


def test_a_fixed_bank_tells_the_population():
    rng = np.random.default_rng(0)
    a, d = rng.lognormal(0.2, 0.3, 20), rng.normal(size=20)
    y, *_ = two_choice(3000, 20, slope=a, intercept=d, ability=0.7 + 1.4 * rng.normal(size=3000), seed=5)
    fit = fit_rows(y, "2pl", options=RowsOptions(fixed={(j, "item"): [a[j], d[j]] for j in range(20)}))
    people = population_table(fit)
    assert abs(people["mean"][0] - 0.7) < 4 * people["mean_se"][0] < 0.2
    assert abs(people["sd"][0] - 1.4) < 4 * people["sd_se"][0] < 0.2


def test_a_wrong_place_is_named():
    y, *_ = two_choice(100, 3, missing=0.0)
    for fixed, words in (({(7, "slope"): 1.0}, "no column 7"), ({(0, "guess"): 1.0}, "known names there"),
                         ({(0, "slope"): np.nan}, "finite")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            fit_rows(y, "2pl", options=RowsOptions(fixed=fixed))


def test_columns_that_are_all_right_or_all_wrong_are_flagged_infinite_without_a_prior():
    y, *_ = two_choice(400, 7, seed=6)
    y[y[:, 1] != 255, 1], y[y[:, 4] != 255, 4], y[:, 5] = 1, 0, 255
    fit = fit_rows(y, "2pl", options=PLAIN)
    assert {j: fit.flags[j] for j in (1, 4, 5)} == {1: "all right", 4: "all wrong", 5: "no answers"}
    table = item_table(fit)
    assert table["intercept"][1] == [np.inf]
    assert table["intercept"][4] == [-np.inf]
    rest = fit_rows(np.delete(y, [1, 4, 5], axis=1), "2pl", options=PLAIN)
    assert fit.log_likelihood == pytest.approx(rest.log_likelihood, abs=1e-9)


def test_the_empirical_prior_keeps_columns_that_are_all_right():
    y, *_ = two_choice(80, 30, seed=7)
    y[y[:, 1] != 255, 1] = 1
    fit = fit_rows(y, "2pl")
    assert fit.prior_kind == "empirical"
    assert fit.flags[1] == "all right"
    face, V = item_faces(fit)[1]
    assert np.isfinite(face).all()
    assert 0 < np.sqrt(V[1, 1]) < 3


@pytest.mark.slow
def test_the_empirical_prior_brings_few_answers_nearer_to_the_truth():
    gaps = []
    for seed in range(3):
        y, a, d, _ = two_choice(60, 60, missing=0.6, seed=seed)
        for kind in ("none", "empirical"):
            fit = fit_rows(y, "2pl", options=RowsOptions(item_prior=kind))
            v = values_of(fit)
            gaps.append(np.sqrt(np.mean((v - np.column_stack([a, d])[fit.columns]) ** 2)))
    # unregularised slopes run away with some 24 answers per column
    assert np.mean(gaps[1::2]) < 0.5 * np.mean(gaps[::2])


def test_errors_of_items_hold_what_is_not_known_of_the_priors_means():
    y, *_ = two_choice(80, 12, missing=0.3, seed=4)
    fit = fit_rows(y, "2pl", options=RowsOptions(item_prior="empirical"))
    problem = fit.problem(answer_table(y, ["2pl"] * 12))
    H = observed_information(problem, fit.free)
    places = fit.index.free[: fit.layout.n_params]
    E = np.zeros((len(fit.free), 2))
    E[places[fit.layout.slopes[:, 0]], 0] = 1.0
    E[places[fit.layout.first_param + 1], 1] = 1.0
    precision = np.zeros(len(fit.free))
    precision[places] = fit.prior.precision
    # the numbers of the items and their two means together, the means under a flat prior
    joint = np.block([[H, -precision[:, None] * E], [-(precision[:, None] * E).T, E.T @ (precision[:, None] * E)]])
    wanted = np.linalg.inv(joint)[: len(fit.free), : len(fit.free)]
    np.testing.assert_allclose(fit.covariance.matrix, wanted, rtol=1e-6, atol=1e-10)
    assert (np.diag(wanted) > np.diag(np.linalg.inv(H))).all()


def test_a_slope_without_a_maximum_is_flagged_and_the_way_out_works():
    rng = np.random.default_rng(0)
    y = np.repeat((rng.normal(size=(60, 1)) > 0).astype(np.uint8), 4, axis=1)
    y[:, 3] = rng.random(60) < 0.5
    fit = fit_rows(y, "2pl", options=PLAIN)
    assert "runaway slope" in fit.flags.values()
    assert any("use item_prior='empirical'" in text for text in fit.warnings)
    held = fit_rows(y, "2pl", options=RowsOptions(item_prior="empirical"))
    assert "runaway slope" not in held.flags.values()


def test_the_means_of_a_prior_have_errors_where_an_observed_information_is_below_the_priors():
    held = np.diag([30.0, 60.0])
    wide = means_covariance(held, np.array([[31.0, 0.5], [0.5, 20.0]]))
    assert np.isfinite(wide).all()
    assert (np.linalg.eigvalsh(wide) > 0).all()
    lost = np.array([[10.0, 0.5], [0.5, 20.0]])
    np.testing.assert_allclose(means_covariance(held, lost), np.linalg.inv(held - lost))


def test_the_mean_of_the_slopes_prior_stands_where_its_marginal_likelihood_is_flat():
    y, *_ = two_choice(150, 12, missing=0.4, seed=2)
    fit = fit_rows(y, "2pl", options=RowsOptions(item_prior="empirical", tol=1e-7))
    problem, slopes = fit.problem(answer_table(y, ["2pl"] * 12)), fit.layout.slopes[:, 0]

    def laplace(shift):
        mean = fit.prior.mean.copy()
        mean[slopes] += shift
        moved = replace(problem, prior=replace(fit.prior, mean=mean))
        run = climb(moved, fit.free, Patience(1e-8), np.random.default_rng(0), em_steps=0)
        return -run.value - 0.5 * np.linalg.slogdet(observed_information(moved, run.params))[1]

    low, middle, high = (laplace(shift) for shift in (-0.2, 0.0, 0.2))
    # the top of the parabola through the three lies within a small part of the mean's standard error, about .1
    top = 0.1 * (low - high) / (low - 2 * middle + high)
    assert abs(top) < 0.02


def test_rows_without_answers_stay_with_the_population_mean():
    y, *_ = two_choice(300, 6, seed=8)
    y[[3, 70]] = 255
    fit = fit_rows(y, "2pl", options=PLAIN)
    scores = score_rows(fit, answer_table(y, ["2pl"] * 6))
    np.testing.assert_allclose(scores.ability[[3, 70]], 0.0, atol=1e-9)
    np.testing.assert_allclose(scores.sd[[3, 70]], 1.0, atol=1e-6)
    assert fit.n_people == 300


def test_slopes_point_upwards_and_a_negative_item_is_flagged():
    y, *_ = two_choice(1500, 8, missing=0.1, seed=9)
    y[:, 2] = np.where(y[:, 2] == 255, 255, 1 - y[:, 2])
    fit = fit_rows(y, "2pl")
    slopes = values_slopes(fit)
    assert slopes.sum() > 0
    assert fit.flags == {2: "negative slope"}
    assert (np.delete(slopes, 2) > 0).all()


def test_categories_nobody_chose_are_closed_up_with_a_note():
    y = several_classes(400, 4, 4, "grm", seed=10)
    y[y[:, 1] == 2, 1] = 3
    fit = fit_rows(y, "grm")
    assert fit.categories[1].tolist() == [0, 1, 3]
    assert "nobody chose" in fit.notes[0]
    assert len(item_faces(fit)[1][0]) == 3


def test_more_than_two_answers_in_a_2pl_column_name_the_way_out():
    y = two_choice(50, 3, missing=0.0)[0].astype(float)
    y[7, 1] = 2
    with pytest.raises(ValueError, match=r"column 1 has 3 different answers .* use kind='grm' or 'gpcm'"):
        fit_rows(y, "2pl")
    y[7, 1] = 0.5
    with pytest.raises(ValueError, match=r"answers\[7, 1\] = 0.5.*integrate='columns'"):
        fit_rows(y, "2pl")


def test_wrong_arguments_are_named():
    y, *_ = two_choice(50, 3, missing=0.0)
    for words, kwargs in (
        ("kind='4pl'|kind\\[0\\]='4pl'", {"kinds": "4pl"}),
        ("beside other kinds use '1pl'", {"kinds": ["rasch", "2pl", "2pl"]}),
        ("row_groups has shape", {"row_groups": ["a"] * 3}),
        ("covariates\\[2, 0\\]", {"covariates": np.r_[0.0, 1, np.nan, np.zeros(47)]}),
        ("covariates column 0 is constant", {"covariates": np.ones(50)}),
        ("weights\\[1\\]", {"weights": np.r_[1.0, -1, np.ones(48)]}),
        ("dimensions=0", {"dimensions": 0}),
    ):
        with pytest.raises(ValueError, match=words):
            fit_rows(y, **kwargs)
    with pytest.raises(ValueError, match="no column has two different answers"):
        fit_rows(np.ones((20, 3), np.uint8), "2pl")


def test_an_indefinite_information_names_the_item_and_gives_numbers():
    # two items with one and the same unknown: equal rows of the information
    assert indefinite_at(np.array([[1.0, 1.0], [1.0, 1.0]])) in (0, 1)
    assert indefinite_at(np.diag([3.0, 1e-3])) is None
    # two answers only in a column: its slope runs away, and nothing may be nan
    y, *_ = two_choice(300, 5, missing=0.1, seed=12)
    y[:, 3] = 255
    y[:2, 3] = 0, 1
    fit = fit_rows(y, "2pl", options=PLAIN)
    assert np.isfinite(np.concatenate([np.diag(V) for _, V in item_faces(fit)])).all()
    if fit.covariance.kind == "cross":
        assert "column" in fit.warnings[0]


def test_kinds_of_standard_errors_agree_in_a_right_model():
    y, *_ = two_choice(3000, 6, missing=0.2, seed=13)
    fit = fit_rows(y, "2pl")
    problem = fit.problem(answer_table(y, ["2pl"] * 6))
    observed = np.sqrt(np.diag(fit.covariance.matrix))
    for kind in ("cross", "sandwich"):
        other, trouble = covariance_of(problem, fit.free, kind)
        assert (other.kind, trouble) == (kind, [])
        np.testing.assert_allclose(np.sqrt(np.diag(other.matrix)), observed, rtol=0.15)


def test_covariances_by_item_give_draws_of_the_right_spread():
    places = np.array([[0, 1], [2, 3]])
    blocks = np.array([[[1.0, 0.5], [0.5, 2.0]], [[4.0, 0.0], [0.0, 1.0]]])
    found = Covariance("blocks", None, ((places, blocks),))
    index = IndexMap.of(4)
    assert found.block(index, np.array([1, 0])).tolist() == [[2.0, 0.5], [0.5, 1.0]]
    draws = found.draws(np.zeros(4), np.random.default_rng(0), 20_000)
    # 20 000 draws: covariances within 5 standard errors of at most 4 sqrt(2 / 20 000)
    wanted = np.zeros((4, 4))
    wanted[:2, :2], wanted[2:, 2:] = blocks
    np.testing.assert_allclose(np.cov(draws.T), wanted, atol=0.2)


def test_difficulties_are_minus_intercept_over_slope():
    fit = fit_rows(lsat(LSAT7), "2pl")
    for (face, V), (b, se) in zip(item_faces(fit), difficulties(fit), strict=True):
        assert b[0] == pytest.approx(-face[1] / face[0])
        draws = np.random.default_rng(0).multivariate_normal(face, V, 20_000)
        spread = np.subtract(*np.quantile(-draws[:, 1] / draws[:, 0], [0.84, 0.16])) / 2
        assert se[0] == pytest.approx(spread, rel=0.25)


def test_labelled_tables_are_read_and_named():
    y, *_ = two_choice(60, 3, missing=0.0)
    R = hs.Observed.from_dense(y.astype(float), col_labels=["one", "two", "three"])
    values = R.values.copy()
    values[1] = 2
    with pytest.raises(ValueError, match="column 'two' has 3"):
        fit_rows(R.with_values(values), "2pl")
    assert fit_rows(R, "2pl").log_likelihood == pytest.approx(fit_rows(y, "2pl").log_likelihood, abs=1e-8)


def test_the_fitted_likelihood_cannot_be_raised_by_moving_a_number():
    y, *_ = two_choice(200, 5, seed=14)
    fit = fit_rows(y, "2pl")
    problem = fit.problem(answer_table(y, ["2pl"] * 5))
    here = problem.value(fit.free)
    for k in range(fit.n_free):
        for step in (0.05, -0.05):
            moved = fit.free.copy()
            moved[k] += step
            assert problem.value(moved) > here - 1e-6


def test_modes_maximise_each_row():
    y, *_ = two_choice(60, 10, seed=15)
    fit = fit_rows(y, "2pl", options=PLAIN)
    x = score_rows(fit, answer_table(y, ["2pl"] * 10), "map").ability
    a, d = values_of(fit).T
    values = []
    for gap in np.linspace(-0.02, 0.02, 5):
        each = [log_two_choice(y[[i]], x[[i]] + gap, a, d)[0] for i in range(60)]
        values.append(np.array(each) - 0.5 * (x + gap) ** 2)
    assert (np.argmax(values, axis=0) == 2).all()
