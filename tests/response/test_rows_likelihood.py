"""The marginal likelihood of the rows engine: naive twins, finite differences, storage forms, threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rows_truth import naive_log_likelihood, several_classes, two_choice

import halfseen as hs
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_answers import answer_table, formulas_of
from halfseen.methods.response.rows_fit import fit_rows, start_of
from halfseen.methods.response.rows_information import observed_information
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import EmStep, Patience, climb
from halfseen.methods.response.rows_population import Grid, Population, grid_for
from halfseen.methods.response.rows_prior import first_prior, guessing_prior
from halfseen.solvers import loop

KINDS = ["2pl"] * 3 + ["grm"] * 3 + ["gpcm"] * 2 + ["3pl"] * 2


def mixed_answers(n=300, seed=0):
    return np.hstack([
        two_choice(n, 3, seed=seed)[0], several_classes(n, 3, 4, "grm", seed=seed),
        several_classes(n, 2, 3, "gpcm", seed=seed), two_choice(n, 2, seed=seed + 1)[0],
    ])  # fmt: skip


def mixed(n=300, groups=2, covariates=2, seed=0, prior=False):
    """Items of every kind, groups and covariates."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, groups, n).astype(np.int32) if groups > 1 else None
    Z = rng.normal(size=(n, covariates)) if covariates else None
    table = answer_table(mixed_answers(n, seed), KINDS, groups=g, collapses=False)
    layout = ItemLayout(formulas_of(KINDS, table.classes), table.classes)
    population = Population(groups, covariates, tuple("abc"[:groups]))
    fixed = {layout.n_params: 0.0, layout.n_params + groups: 0.0}
    equal = [layout.slopes[:2, 0]]
    index = IndexMap.of(layout.n_params + population.n_params, equal, fixed)
    make = first_prior if prior else guessing_prior
    return RowsLikelihood(table, layout, population, Grid(-8, 8, 64), index, make(layout, layout.n_params), Z)


def somewhere(problem, seed=0):
    return start_of(problem) + 0.2 * np.random.default_rng(seed).normal(size=problem.index.n_free)


def differences(function, x, step):
    return np.array([(function(x + step * u) - function(x - step * u)) / (2 * step) for u in np.eye(len(x))])


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize(("groups", "covariates"), [(1, 0), (2, 0), (3, 2), (1, 1)])
def test_gradients_are_finite_differences(groups, covariates, prior):
    problem = mixed(groups=groups, covariates=covariates, prior=prior)
    x = somewhere(problem)
    value, gradient = problem.value_and_gradient(x)
    assert value == pytest.approx(problem.value(x), rel=1e-12)
    # the value is some thousands: differences carry rounding errors of about 1e-12 * 3000 / 1e-5
    np.testing.assert_allclose(gradient, differences(problem.value, x, 1e-5), atol=1e-6 * max(1.0, abs(value) / 1e3))


@pytest.mark.parametrize(("groups", "covariates"), [(1, 0), (2, 1)])
def test_the_observed_information_is_the_difference_of_gradients(groups, covariates):
    problem = mixed(groups=groups, covariates=covariates)
    x = somewhere(problem)
    wanted = differences(lambda z: problem.value_and_gradient(z)[1], x, 1e-4)
    found = observed_information(problem, x)
    np.testing.assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())


def test_the_value_is_that_of_plain_loops():
    problem = mixed(n=40, groups=2, covariates=0)
    full = problem.index.full(somewhere(problem))
    items, population = problem.split(full)
    mean, sd, _ = problem.population.split(population)
    faces = []
    for j, formula in enumerate(problem.layout.formulas):
        own = items[problem.layout.first_param[j] :][: problem.layout.sizes[j]]
        faces.append(np.concatenate([own[:1], rows_kinds.intercepts(formula, own[1:])[0]]))
    g = problem.table.groups
    wanted = naive_log_likelihood(problem.table.dense(0, 40), problem.layout.formulas, faces, mean=mean[g], sd=sd[g])
    log = problem.layout.table(items, problem.grid.nodes)
    assert problem.expectation(full, log).log_likelihood == pytest.approx(wanted, abs=1e-6)


def test_an_em_step_never_lowers_the_likelihood():
    problem = mixed(groups=2, covariates=0)
    run = loop(EmStep(problem), start_of(problem), max_iter=6)
    values = run.trace.value
    assert (np.diff(values) < 0).all()


@pytest.mark.slow
def test_em_to_the_end_and_the_solver_find_one_optimum():
    y, *_ = two_choice(300, 6, seed=3)
    fit = fit_rows(y, "2pl")
    problem = replace(fit.problem(answer_table(y, ["2pl"] * 6)))
    run = loop(EmStep(problem), start_of(problem), max_iter=150)
    assert run.value == pytest.approx(-fit.log_likelihood, abs=2e-3)
    np.testing.assert_allclose(run.params, fit.free, atol=0.02)


def test_a_sparse_table_gives_the_numbers_of_a_full_one():
    y, *_ = two_choice(600, 30, missing=0.97, seed=5)
    y[:, 0] = two_choice(600, 1, missing=0.0, seed=6)[0][:, 0]
    i, j = np.nonzero(y != 255)
    entries = hs.Observed.from_triplets(i, j, y[i, j].astype(float), shape=(4000, 30))
    full = np.full((4000, 30), 255, np.uint8)
    full[:600] = y
    sparse = answer_table(entries, ["2pl"] * 30)
    assert sparse.responses.answers is None
    fits = [fit_rows(table, "1pl") for table in (entries, full)]
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-8)
    np.testing.assert_allclose(fits[0].free, fits[1].free, atol=1e-8)


@pytest.mark.fast_cases("2")
@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_threads_gives_the_same_bits(workers):
    y, *_ = two_choice(30_000, 24, missing=0.2, seed=7)
    fits = []
    for engine, count in (("serial", None), ("threads", workers)):
        with hs.engine(engine, workers=count):
            fits.append(fit_rows(y, "1pl"))
    assert fits[0].log_likelihood == fits[1].log_likelihood
    assert fits[0].free.tobytes() == fits[1].free.tobytes()
    assert fits[0].covariance.matrix.tobytes() == fits[1].covariance.matrix.tobytes()


def test_a_weight_counts_as_so_many_rows():
    y, *_ = two_choice(120, 6, seed=8)
    w = np.random.default_rng(0).integers(0, 4, 120)
    one, many = fit_rows(y, "2pl", weights=w), fit_rows(np.repeat(y, w, axis=0), "2pl")
    assert one.log_likelihood == pytest.approx(many.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(one.free, many.free, atol=1e-4)


def test_finer_nodes_change_nothing_where_the_rule_is_kept():
    y, *_ = two_choice(300, 60, missing=0.0, seed=9)
    fit = fit_rows(y, "2pl")
    assert fit.grid.step <= 1.2 * fit.least_sd
    problem = fit.problem(answer_table(y, ["2pl"] * 60))
    finer = replace(problem, grid=Grid(fit.grid.low, fit.grid.high, 8 * 60))
    assert finer.value(fit.free) == pytest.approx(problem.value(fit.free), abs=1e-3)


def test_nodes_that_are_too_coarse_are_refined_after_the_fit():
    # slopes far above the usual ones: posteriors narrower than the first nodes are made for
    y, *_ = two_choice(1500, 20, missing=0.0, seed=10, slope=np.full(20, 6.0), intercept=np.linspace(-6, 6, 20))
    fit = fit_rows(y, "2pl")
    assert fit.grid.size > grid_for(1.6 / np.sqrt(20)).size
    assert fit.grid.step <= 1.2 * fit.least_sd * 1.05 or fit.warnings


def test_a_large_table_is_fitted_in_stages_to_the_same_optimum():
    y, *_ = two_choice(24_000, 6, missing=0.2, seed=11)
    fit = fit_rows(y + 0, "2pl")
    problem = fit.problem(answer_table(y, ["2pl"] * 6))
    whole = climb(problem, start_of(problem), Patience(1e-4), np.random.default_rng(0))
    assert whole.value == pytest.approx(-fit.log_likelihood, abs=1e-2)
