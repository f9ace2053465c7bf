"""The steps of the Bayesian model against slow twins, and what a fit must not depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import halfseen as hs
from halfseen.data import Sources
from halfseen.datasets import SourcesDesign, make_sources_data
from halfseen.engines import Serial
from halfseen.methods.heterogeneous.posterior import PosteriorSettings, cells, fit_posterior
from halfseen.methods.heterogeneous.posterior.columns import misfit_of, solve_columns
from halfseen.methods.heterogeneous.posterior.families import family_of, given
from halfseen.methods.heterogeneous.posterior.rotation import turned_by
from halfseen.methods.heterogeneous.posterior.rows import row_step
from halfseen.methods.heterogeneous.posterior.start import starting_state
from halfseen.methods.heterogeneous.posterior.sweeps import TURN_UNTIL, PosteriorSweep, cell_variance


def nan_table(table):
    found = np.full(table.shape, np.nan)
    found[table.rows, table.cols] = table.values
    return found


def hidden_error(predict, data):
    """Root mean squared error of hidden cells over the truth's standard deviation, worst source."""
    found = []
    for name, table in data.sources.items():
        hidden, truth = np.isnan(nan_table(table)), data.shared[name] + data.unique[name]
        found.append(np.sqrt(np.mean((predict(name) - truth)[hidden] ** 2)) / truth.std())
    return max(found)


@pytest.fixture(scope="module")
def data():
    return make_sources_data(3, 14, [9, 11, 8], 2, 1, 0.7, SourcesDesign(noise=0.5), 0)


@pytest.fixture(scope="module")
def moved(data):
    """A state after three sweeps, with the sweep that made it."""
    tables = [given(name, table, family_of("gaussian"), True) for name, table in data.sources.items()]
    start = starting_state(data.sources, tables, (2, (1, 1, 1)), True, Serial(), np.random.default_rng(0))
    ones = [np.ones(14)] * 3
    sweep = PosteriorSweep(tables, PosteriorSettings(), ones, [1.0] * 3, False, Serial())
    state = start
    for _ in range(3):
        state = sweep(state).params
    return sweep, state


def test_rows_are_the_dense_posterior_of_all_factors_at_once(moved):
    sweep, state = moved
    found = row_step(sweep.given, state.working, state.loadings, [np.ones(14)] * 3, 2, Serial())
    for row in (0, 5):
        precision, right = np.eye(5), np.zeros(5)
        for place, (one, loadings) in enumerate(zip(sweep.given, state.loadings, strict=True)):
            take = [0, 1, 2 + place]
            for col in np.flatnonzero(one.cells.seen[row]):
                v, C, tau = loadings.mean[col], loadings.cov[col], 1.0 / loadings.noise[col]
                second = np.outer(v, v) + C
                precision[np.ix_(take, take)] += tau * second[1:, 1:]
                right[take] += tau * (one.values[row, col] * v[1:] - second[0, 1:])
        cov = np.linalg.inv(precision)
        mean = cov @ right
        for place in range(3):
            take = [0, 1, 2 + place]
            means, covs = found.of(place, np.arange(2))
            np.testing.assert_allclose(means[row], mean[take], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(covs[row], cov[np.ix_(take, take)], rtol=1e-9, atol=1e-12)


def test_columns_are_the_posterior_of_a_regression_on_uncertain_scores(moved):
    sweep, state = moved
    one, now = sweep.given[0], state.loadings[0]
    rows = sweep.rows(state, 0)
    fresh, _, _ = solve_columns(one, state.working[0], rows, now)
    col = 4
    A, b = np.diag(np.concatenate([[1.0 / now.spread], now.precision])), np.zeros(4)
    for row in np.flatnonzero(one.cells.seen[:, col]):
        x = np.concatenate([[1.0], rows.mean[row]])
        second = np.outer(x, x)
        second[1:, 1:] += rows.cov[row]
        A += second / now.noise[col]
        b += x * one.values[row, col] / now.noise[col]
    np.testing.assert_allclose(fresh.mean[col], np.linalg.solve(A, b), rtol=1e-9)
    np.testing.assert_allclose(fresh.cov[col], np.linalg.inv(A), rtol=1e-9)


def test_expected_squares_are_those_of_draws(moved):
    sweep, state = moved
    one, rng = sweep.given[1], np.random.default_rng(0)
    rows = sweep.rows(state, 1)
    now, sums, spread = solve_columns(one, state.working[1], rows, state.loadings[1])
    col, n_draws = 3, 40_000
    seen = np.flatnonzero(one.cells.seen[:, col])
    w = rng.multivariate_normal(now.mean[col], now.cov[col], n_draws)
    total, variance = np.zeros(n_draws), []
    for row in seen:
        u = rng.multivariate_normal(rows.mean[row], rows.cov[row], n_draws)
        linear = w[:, 0] + np.sum(u * w[:, 1:], axis=1)
        variance.append(linear.var())
        total += (one.values[row, col] - linear) ** 2
    found = misfit_of(one, state.working[1], rows, now, sums, spread).cols[col]
    assert abs(found - total.mean()) < 5.0 * total.std() / np.sqrt(n_draws)
    # a variance from 40 000 draws is known to about one in 140; five of these
    np.testing.assert_allclose(cell_variance(one, rows, now)[seen, col], variance, rtol=5 / 140 * 1.5)


def test_axes_that_turned_at_the_last_look_do_not_keep_a_fit_from_its_end(moved):
    sweep, state = moved
    for at, is_settled in ((TURN_UNTIL - 10, False), (TURN_UNTIL + 1, True)):
        now = replace(state, sweep=at, is_turning=True)
        assert sweep.is_settled(now, now) is is_settled


def test_a_turn_of_the_axes_leaves_predictions_and_their_variances_alone(moved):
    sweep, state = moved
    c, s = np.cos(0.7), np.sin(0.7)
    other = turned_by(state, np.array([[c, -s], [s, c]]))
    for place, one in enumerate(sweep.given):
        before, after = sweep.rows(state, place), sweep.rows(other, place)
        for moment in ("linear", "variance"):
            if moment == "linear":
                a = one.cells.products(before.design, state.loadings[place].mean)
                b = one.cells.products(after.design, other.loadings[place].mean)
            else:
                a, b = (
                    cell_variance(one, before, state.loadings[place]),
                    cell_variance(one, after, other.loadings[place]),
                )
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_listed_cells_give_the_fit_of_a_dense_table(monkeypatch):
    data = make_sources_data(3, 40, [20, 25, 18], 1, 1, 0.6, SourcesDesign(noise=0.3), 1)
    dense, _ = fit_posterior(data.sources, random_state=0)
    monkeypatch.setattr(cells, "DENSE_SHARE", 2.0)
    listed, _ = fit_posterior(data.sources, random_state=0)
    for name in dense.names:
        np.testing.assert_allclose(listed.linear(name), dense.linear(name), atol=2e-3)


@pytest.mark.slow
def test_the_same_bits_come_from_two_workers():
    data = make_sources_data(4, 30, 20, 1, 1, 0.7, SourcesDesign(noise=0.3), 1)
    one, two = (
        hs.HeterogeneousFactorization(random_state=0, engine=engine).fit(data.sources)
        for engine in ("serial", hs.engines.Threads(2))
    )
    np.testing.assert_array_equal(one.scores_, two.scores_)


# free factors turn on the way, which rounding may put off by a sweep: a hundredth of the noise
@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "tolerance"), [(("auto", "auto"), 3e-3), ((2, 1), 1e-5)])
def test_levels_and_units_do_not_matter(ranks, tolerance):
    data = make_sources_data(3, 40, [20, 25, 18], 2, 1, 0.7, SourcesDesign(noise=0.3), 1)
    tables = {name: nan_table(table) for name, table in data.sources.items()}
    plain = hs.HeterogeneousFactorization(*ranks, random_state=0).fit(tables)
    for level, unit in ((300.0, 1.0), (1e5, 1.0), (-3.0, 1e4), (0.0, 1e-4)):
        given_tables = {name: level + unit * table for name, table in tables.items()}
        other = hs.HeterogeneousFactorization(*ranks, random_state=0).fit(given_tables)
        for name in tables:
            back = (other.predict_table(name) - level) / unit
            np.testing.assert_allclose(back, plain.predict_table(name), atol=tolerance)


@pytest.mark.parametrize("design", ["gaussian", "rotated"])
@pytest.mark.parametrize("observed", [1.0, 0.5])
def test_tables_without_noise_are_recovered_to_the_last_digits(design, observed):
    data = make_sources_data(6, 60, 50, 2, 2, observed, design, 1)
    model = hs.HeterogeneousFactorization(2, 2, random_state=0).fit(data.sources)
    for name in data.sources:
        truth = data.shared[name] + data.unique[name]
        assert np.sqrt(np.mean((model.predict_table(name) - truth) ** 2)) <= 1e-12 * truth.std()


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.slow
def test_ranks_that_are_too_large_cost_next_to_nothing(noise):
    data = make_sources_data(8, 50, 40, 2, 1, 0.6, SourcesDesign(noise=noise), 0)
    right, over, free = (
        hidden_error(hs.HeterogeneousFactorization(*ranks, random_state=0).fit(data.sources).predict_table, data)
        for ranks in ((2, 1), (3, 3), ("auto", "auto"))
    )
    ridged = min(
        hidden_error(
            hs.HeterogeneousFactorization(2, 1, penalty=ridge, random_state=0).fit(data.sources).predict_table, data
        )
        for ridge in (0.1, 1.0, 3.0, 10.0)
    )
    assert max(over, free) <= 1.1 * min(right, ridged)


@pytest.mark.slow
def test_the_pattern_of_factors_is_found():
    rng = np.random.default_rng(3)
    pattern = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    scores = rng.normal(size=(100, 5))
    tables = {}
    for place, width in enumerate((60, 40, 50)):
        loadings = rng.normal(size=(width, 5)) * pattern[:, place]
        table = scores @ loadings.T + np.exp(0.5 * rng.normal(size=width)) * rng.normal(size=(100, width))
        tables["abc"[place]] = np.where(rng.random(table.shape) < 0.9, table, np.nan)
    model = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    active = model.activity_[model.activity_.any(axis=1)]
    assert sorted(map(tuple, active.tolist())) == sorted(map(tuple, pattern.tolist()))
    assert model.factor_names_[:3] == ["shared 1", "shared 2", "a+b 1"]
    assert model.shared_rank_ == 2
    assert model.variance_explained_.shape == (3, len(model.factor_names_))
    assert np.all(model.variance_explained_[:, :2] > 0.05)


@pytest.mark.slow
def test_noise_is_learnt_column_by_column():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(size=40))
    table = rng.normal(size=(200, 1)) @ rng.normal(size=(1, 40)) + sizes * rng.normal(size=(200, 40))
    model = hs.HeterogeneousFactorization(random_state=0).fit({"a": table[:, :20], "b": table[:, 20:]})
    found = np.concatenate([model.noise_["a"], model.noise_["b"]])
    # a standard deviation from 200 values is known to 5 %; four of these (next to none cannot be told from the scores')
    is_plain = sizes > 0.2
    np.testing.assert_allclose(found[is_plain], sizes[is_plain], rtol=0.2)


@pytest.mark.slow
def test_memory_is_that_of_the_entries():
    rng = np.random.default_rng(0)
    shape, n_entries = (200_000, 100_000), 4000  # the whole table would take 160 GB
    tables = {}
    for name in "ab":
        places = np.unique(
            np.column_stack([rng.integers(shape[0], size=n_entries), rng.integers(50, size=n_entries)]), axis=0
        )
        tables[name] = hs.Observed.from_triplets(places[:, 0], places[:, 1], rng.normal(size=len(places)), shape=shape)
    settings = PosteriorSettings(max_iter=3)
    posterior, notes = fit_posterior(Sources(tables), 1, 0, settings=settings, random_state=0)
    assert len(posterior.scores) == shape[0]
    assert any("entries per unknown" in text for text, _ in notes)


def test_constant_columns_and_empty_rows_are_no_trouble():
    data = make_sources_data(2, 30, [15, 18], 1, 1, 0.8, SourcesDesign(noise=0.3), 1)
    tables = {name: nan_table(table) for name, table in data.sources.items()}
    tables["source 0"][:, 3] = 7.0
    tables["source 0"][:, 5] = np.nan
    tables["source 0"][4], tables["source 1"][4] = np.nan, np.nan
    model = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    np.testing.assert_allclose(model.predict_table("source 0")[:, 3], 7.0, atol=0.05)
    assert np.isfinite(model.predict_table("source 0")).all()
    np.testing.assert_allclose(model.scores_[4], 0.0, atol=1e-8)


def two_factor_tables(seed=1, noise=0.5):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(60, 2))
    truth = {name: scores @ rng.normal(size=(2, width)) for name, width in {"a": 15, "b": 20}.items()}
    noisy = {name: table + noise * rng.normal(size=table.shape) for name, table in truth.items()}
    return truth, {name: np.where(rng.random(table.shape) < 0.8, table, np.nan) for name, table in noisy.items()}


def column_errors(model, tables, truth):
    """Errors of hidden cells over the standard deviation of the truth, by column of all sources."""
    found = []
    for name, table in tables.items():
        off = np.where(np.isnan(table), model.predict_table(name) - truth[name], np.nan)
        found.append(np.sqrt(np.nanmean(off**2, axis=0)) / truth[name].std(axis=0))
    return np.concatenate(found)


def test_columns_of_one_source_may_have_very_unlike_units():
    truth, tables = two_factor_tables()
    plain = column_errors(hs.HeterogeneousFactorization(random_state=0).fit(tables), tables, truth)
    far = {}
    for spread in (2.0, 5.0):
        units = {name: 10.0 ** np.linspace(-spread, spread, table.shape[1]) for name, table in tables.items()}
        given_tables = {name: (table + 4.0) * units[name] for name, table in tables.items()}
        given_truth = {name: (table + 4.0) * units[name] for name, table in truth.items()}
        model = hs.HeterogeneousFactorization(random_state=0).fit(given_tables)
        assert model.factor_names_[:2] == ["shared 1", "shared 2"]
        far[spread] = column_errors(model, given_tables, given_truth)
        assert np.median(far[spread]) < 1.3 * np.median(plain)
        placed = model.transform(given_tables["b"][:, :3], "b")
        fit = model.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
        new = (fit + placed.intercepts) / units["b"][:3]
        np.testing.assert_allclose(new, model.predict_table("b")[:, :3] / units["b"][:3], atol=0.1)
        samples = model.place_samples({"a": given_tables["a"][:5]})
        np.testing.assert_allclose(samples.predict_table("a") / units["a"], model.predict_table("a")[:5] / units["a"],
                                   atol=1.0)  # fmt: skip
    np.testing.assert_allclose(far[2.0], far[5.0], rtol=0.02)


def test_a_constant_source_explains_nothing_and_leaves_the_others_alone():
    truth, tables = two_factor_tables()
    with_it = hs.HeterogeneousFactorization(random_state=0).fit({**tables, "flat": np.full((60, 4), 7.0)})
    without = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    assert not with_it.activity_[:, 2].any()
    assert [name for name in with_it.factor_names_ if "faint" not in name] == ["a+b 1", "a+b 2"]
    np.testing.assert_allclose(with_it.predict_table("flat"), 7.0, atol=1e-6)
    errors = [column_errors(model, tables, truth) for model in (with_it, without)]
    assert np.median(errors[0]) < 1.05 * np.median(errors[1])


def test_what_cannot_be_told_is_said():
    _, tables = two_factor_tables()
    apart = {name: table.copy() for name, table in tables.items()}
    apart["a"][30:], apart["b"][:28] = np.nan, np.nan
    with pytest.warns(
        UserWarning, match="2 of 2 sources have fewer than 5 rows in common with the others, first 'a' with 2"
    ):
        hs.HeterogeneousFactorization(random_state=0).fit(apart)
    rng = np.random.default_rng(0)
    noise = {name: np.where(rng.random((60, 15)) < 0.06, rng.normal(size=(60, 15)), np.nan) for name in "ab"}
    with pytest.warns(UserWarning, match="no source takes part in any factor"):
        hs.HeterogeneousFactorization(random_state=0).fit(noise)
    wild = {name: table.copy() for name, table in tables.items()}
    place = tuple(np.argwhere(~np.isnan(wild["a"]))[4])
    wild["a"][place] = 1e6
    with pytest.warns(UserWarning, match=rf"1 cells .* first row {place[0]}, column {place[1]} of 'a' = 1e\+06"):
        hs.HeterogeneousFactorization(random_state=0).fit(wild)
