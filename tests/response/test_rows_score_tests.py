"""Score tests, left-out mean squares, residual correlations, person fit and statistics of complete tables."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import several_classes, two_choice
from scipy.special import expit

from halfseen.inference.multiple import benjamini_hochberg
from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_limited import limited_fit, score_distribution, summed_score_fit
from halfseen.methods.response.rows_residuals import mean_squares, person_fit, residual_correlations
from halfseen.methods.response.rows_score_tests import differential_items, item_shape, local_dependence


def fitted(y, kind="2pl", groups=None):
    return fit_rows(y, kind, row_groups=groups), answer_table(y, [kind] * y.shape[1], groups=groups)


def bent_log_likelihood(patterns, free, bend, item, nodes=81):
    """2pl with the logit of one item bent by ``bend (x^2 - 1)``, as a function of all numbers."""
    y, count = patterns
    x = np.linspace(-6, 6, nodes)
    a, d = free.reshape(-1, 2).T
    m = a[:, None] * x + d[:, None]
    m[item] += bend * (x**2 - 1)
    joint = np.tile(-0.5 * x**2, (len(y), 1))
    for j in range(y.shape[1]):
        seen = y[:, j] != 255
        joint[seen] -= np.logaddexp(0.0, np.where(y[seen, j : j + 1] == 1, -m[j], m[j]))
    top = joint.max(axis=1)
    return float(count @ (top + np.log(np.exp(joint - top[:, None]).sum(axis=1))))


@pytest.mark.slow
def test_the_shape_test_is_the_score_test_of_a_bent_item():
    y, *_ = two_choice(1500, 5, missing=0.1, seed=30, slope=np.full(5, 1.5), intercept=np.linspace(-1, 1, 5))
    fit, table = fitted(y)
    found = item_shape(fit, table, form="observed")
    step, patterns = 2e-3, np.unique(y, axis=0, return_counts=True)
    at = lambda z, j: bent_log_likelihood(patterns, z[:-1], z[-1], j)  # noqa: E731
    for j in (1,):
        z0, n = np.append(fit.free, 0.0), len(fit.free) + 1
        e = step * np.eye(n)
        H = np.array([[
            -(at(z0 + e[k] + e[m], j) - at(z0 + e[k] - e[m], j) - at(z0 - e[k] + e[m], j) + at(z0 - e[k] - e[m], j))
            / (4 * step**2) for m in range(n)] for k in range(n)])  # fmt: skip
        U = (at(z0 + e[-1], j) - at(z0 - e[-1], j)) / (2 * step)
        wanted = U / np.sqrt(H[-1, -1] - H[-1, :-1] @ np.linalg.solve(H[:-1, :-1], H[:-1, -1]))
        assert found.statistic[j] == pytest.approx(wanted, abs=5e-3)


def test_both_forms_agree_in_a_large_right_model():
    y, *_ = two_choice(6000, 6, missing=0.2, seed=31)
    groups = np.arange(6000) % 2
    fit, table = fitted(y, groups=groups)
    for test in (local_dependence, item_shape, differential_items):
        observed, outer = test(fit, table, form="observed"), test(fit, table, form="outer")
        assert (observed.form, outer.form) == ("observed", "outer")
        gap = observed.statistic - outer.statistic
        assert np.abs(gap).max() < 0.1 * max(3.0, np.abs(observed.statistic).max())


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_copied_item_is_found(missing):
    y, *_ = two_choice(1500, 14, missing=missing, seed=32)
    rng = np.random.default_rng(0)
    both = (y[:, 6] != 255) & (y[:, 7] != 255) & (rng.random(1500) < 0.4)
    y[both, 7] = y[both, 6]
    found = local_dependence(*fitted(y))
    worst = int(np.argmin(found.p_value))
    assert found.items[worst].tolist() == [6, 7]
    assert found.statistic[worst] > 0
    assert found.q_value[worst] < 1e-3
    assert np.median(found.p_value) > 0.1


def test_corrected_residual_correlations_are_about_zero_but_for_a_copied_item():
    y, *_ = two_choice(1500, 20, seed=41)
    both = (y[:, 6] != 255) & (y[:, 7] != 255) & (np.random.default_rng(0).random(1500) < 0.3)
    y[both, 7] = y[both, 6]
    Q3 = residual_correlations(*fitted(y))
    off = Q3[np.triu_indices(20, 1)]
    assert np.mean(off) == pytest.approx(0.0, abs=0.02)
    assert Q3[6, 7] == off.max() > 0.1


def test_guessing_is_found_by_its_shape():
    rng = np.random.default_rng(33)
    x = rng.normal(size=3000)
    y, *_ = two_choice(3000, 12, missing=0.1, ability=x, seed=33)
    right = 0.3 + 0.7 * expit(2.0 * x - 0.5)
    y[:, 4] = rng.random(3000) < right
    found = item_shape(*fitted(y))
    assert int(np.argmin(found.p_value)) == 4
    assert found.statistic[4] > 3  # more right answers at both ends
    assert found.effect[4, 0] > 0


def test_an_item_that_is_harder_for_one_group_is_found_under_impact():
    rng = np.random.default_rng(34)
    groups = np.repeat(["here", "there"], 1000)
    x = rng.normal(size=2000) + 0.6 * (groups == "there")
    y, a, d, _ = two_choice(2000, 15, missing=0.2, ability=x, seed=34)
    there = (groups == "there") & (y[:, 3] != 255)
    y[there, 3] = rng.random(there.sum()) < expit(a[3] * x[there] + d[3] - 0.8)
    codes = (groups == "there").astype(int)
    fit = fit_rows(y, "2pl", row_groups=groups)
    found = differential_items(fit, answer_table(y, ["2pl"] * 15, groups=codes))
    assert found.degrees == 2
    assert int(np.argmin(found.p_value)) == 3
    assert found.effect[3, 0] < -0.3
    with pytest.raises(ValueError, match="fit with row_groups"):
        differential_items(*fitted(y))


@pytest.mark.slow
def test_graded_items_have_score_tests_of_size():
    p = []
    for seed in range(8):
        fit, table = fitted(several_classes(600, 8, 4, "grm", seed=seed), "grm")
        p += [*local_dependence(fit, table).p_value, *item_shape(fit, table).p_value]
    # 288 tests, dependent within a table: standard error about .018
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.11


def test_left_out_mean_squares_are_one_in_a_right_model_and_not_for_noise():
    y, *_ = two_choice(3000, 15, seed=35)
    fit, table = fitted(y)
    found = mean_squares(fit, table)
    np.testing.assert_allclose(found.item_infit, 1.0, atol=0.06)
    assert np.mean(found.item_outfit) == pytest.approx(1.0, abs=0.05)
    assert found.row_infit.shape == (3000,)
    assert found.row_infit.mean() == pytest.approx(1.0, abs=0.05)


def test_left_out_moments_are_those_of_a_posterior_without_the_answer():
    from halfseen.methods.response.rows_residuals import left_out_moments

    y, *_ = two_choice(40, 6, seed=36)
    fit, _ = fitted(y)
    table = answer_table(y, ["2pl"] * 6, collapses=False)
    problem = fit.problem(table)
    items, _ = problem.split(fit.params)
    log = problem.layout.table(items, problem.grid.nodes)
    part = next(iter(problem.parts(fit.params, log)))
    seen, mean, variance = left_out_moments(problem, items, part)
    for i, j in ((0, 1), (7, 4), (20, 0)):
        if np.isnan(seen[i, j]):
            continue
        less = y[[i]].copy()
        less[0, j] = 255
        other = fit.problem(answer_table(np.vstack([less, y]), ["2pl"] * 6, collapses=False))
        q = next(iter(other.parts(fit.params, log))).posterior[0]
        chance = np.exp(log[2 * j + 1])
        assert mean[i, j] == pytest.approx(q @ chance, abs=1e-9)
        assert variance[i, j] == pytest.approx(q @ chance * (1 - q @ chance), abs=1e-9)


def test_person_fit_finds_rows_that_answer_by_chance():
    y, *_ = two_choice(400, 30, missing=0.1, seed=37, intercept=np.linspace(-3, 3, 30))
    rng = np.random.default_rng(0)
    y[:15] = np.where(y[:15] == 255, 255, rng.random((15, 30)) < 0.5)
    y[20] = 255
    found = person_fit(*fitted(y), draws=100)
    assert np.isnan(found.z[20])
    assert np.mean(found.p_value[:15] < 0.05) > 0.7
    assert np.nanmean(found.p_value[21:] < 0.05) < 0.09


@pytest.mark.slow
def test_a_right_model_has_a_limited_fit_near_its_degrees_and_a_wrong_one_not():
    statistics = []
    for seed in range(20):
        fit, table = fitted(several_classes(500, 5, 4, "grm", missing=0.0, seed=seed), "grm")
        found = limited_fit(fit, table)
        assert found.name == "C2"
        assert found.rmsea_low <= found.rmsea <= found.rmsea_high
        statistics.append(found.statistic / found.degrees)
    # 20 chi-squared of 5 degrees: the mean has a standard error of sqrt(2/5/20) = .14
    assert np.mean(statistics) == pytest.approx(1.0, abs=0.5)
    y, *_ = two_choice(2000, 8, missing=0.0, seed=38)
    y[:, 4:] = two_choice(2000, 4, missing=0.0, seed=39)[0]  # a second ability
    wrong = limited_fit(*fitted(y))
    assert wrong.p_value < 1e-6
    assert wrong.rmsea > 0.03
    assert wrong.srmr > 0.03


def test_statistics_of_complete_tables_refuse_others():
    fit, table = fitted(two_choice(200, 5, seed=40)[0])
    for statistic in (limited_fit, summed_score_fit):
        with pytest.raises(ValueError, match=r"needs a complete table.*score tests"):
            statistic(fit, table)


def test_summed_scores_of_items_are_a_convolution():
    chances = [np.array([[0.3], [0.7]]), np.array([[0.2], [0.5], [0.3]])]
    wanted = np.convolve([0.3, 0.7], [0.2, 0.5, 0.3])
    np.testing.assert_allclose(score_distribution(chances)[:, 0], wanted)


def test_false_discovery_rates_are_those_of_scipy():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    assert np.isnan(benjamini_hochberg([0.1, np.nan]))[1]


@pytest.mark.slow
def test_score_tests_keep_their_size_with_missing_answers():
    reject = {"local": [], "shape": [], "dif": []}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        groups = np.repeat([0, 1], 500)
        y, *_ = two_choice(1000, 20, ability=rng.normal(size=1000) + 0.5 * groups, seed=2000 + seed)
        fit, table = fitted(y, groups=groups)
        reject["shape"].append(np.mean(item_shape(fit, table).p_value < 0.05))
        reject["dif"].append(np.mean(differential_items(fit, table).p_value < 0.05))
        if seed < 40:
            reject["local"].append(np.mean(local_dependence(fit, table).p_value < 0.05))
    for name, shares in reject.items():
        # 120 tables of 20 tests: .0045; 40 of 190 pairs: about .004
        assert 0.035 < np.mean(shares) < 0.07, name
