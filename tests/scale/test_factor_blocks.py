"""The factor model on blocks: a stationary point of the objective in memory, its intervals, and what it refuses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.problem import FactorProblem

N, P, RANK = 400, 30, 2
FAMILIES = ("gaussian", "bernoulli", "poisson")


def responses(family, rng):
    M = 0.8 * rng.normal(size=(N, RANK)) @ rng.normal(size=(RANK, P)) + 0.3 * rng.normal(size=P)
    if family == "gaussian":
        return M + 0.4 * rng.normal(size=M.shape)
    if family == "bernoulli":
        return (rng.random(M.shape) < 1 / (1 + np.exp(-M))).astype(float)
    return rng.poisson(np.exp(np.minimum(M, 3.0))).astype(float)


@pytest.fixture(scope="module", params=FAMILIES)
def fitted(request, tmp_path_factory):
    """A family, its prepared table, and the model fitted to it."""
    folder, rng = tmp_path_factory.mktemp(request.param), np.random.default_rng(1)
    i, j = np.nonzero(rng.random((N, P)) < 0.5)
    values = responses(request.param, rng)[i, j]
    names = [f"person {number}" for number in i]
    pq.write_table(pa.table({"row": names, "col": j, "value": values}), folder / "raw.parquet")
    table = hs.prepare(folder / "raw.parquet", folder / "table", blocks=4, dtype="float64")
    return request.param, table, hs.GeneralizedFactorModel(RANK, request.param, random_state=0).fit(table)


def solved_point(model):
    """The fit in the coordinates in which its prior is a plain ridge."""
    here = model.placement_
    rows = np.asarray(model.row_factors_) @ np.linalg.inv(here.turn) + here.mean
    return FactorPoint(here.intercept, rows, here.cols)


def test_blocks_end_at_a_stationary_point_of_the_objective_in_memory(fitted):
    family, table, model = fitted
    problem = FactorProblem(EntryPasses(table.load(), model.loss_), RANK, model.penalty_)
    value, gradient = problem.value_and_gradient(problem.pack(solved_point(model)))
    assert model.run_.converged
    assert np.abs(gradient).max() < 1e-4
    assert value == pytest.approx(model.run_.value, rel=1e-12)
    here = hs.GeneralizedFactorModel(RANK, family, penalty="map", start="linear", random_state=0).fit(table.load())
    assert model.penalty_.ridge == pytest.approx(here.penalty_.ridge, rel=0.01)
    rows, cols = table.load().row_labels[::7], table.col_labels[np.arange(len(table.load().row_labels[::7])) % P]
    there = model.predict(rows, cols, kind="linear")
    assert np.std(there - here.predict(rows, cols, kind="linear")) < 0.03 * np.std(there)


def test_factors_are_in_the_gauge_and_rows_can_be_placed_again(fitted):
    _, table, model = fitted
    X, Y = np.asarray(model.row_factors_), model.col_factors_
    np.testing.assert_allclose(X.sum(axis=0), 0.0, atol=1e-8)
    np.testing.assert_allclose(X.T @ X, Y.T @ Y, rtol=1e-8, atol=1e-8 * np.trace(Y.T @ Y))
    np.testing.assert_allclose(model.transform(table.load().take_rows(np.arange(20))), X[:20], atol=1e-5)


def test_intervals_of_columns_rows_and_cells_are_those_of_the_table_in_memory(fitted):
    family, table, model = fitted
    whole, stored = table.load(), model.inference()
    # the same point, its rows in memory: plain covariances in the same gauge
    here = hs.GeneralizedFactorModel(RANK, family, penalty="map", start="linear", random_state=0).fit(whole)
    there = here.inference(gauge="plain")
    rows, cols = whole.row_labels[[3, 250, 99]], table.col_labels[[1, 0, 5]]
    own, other = stored.entries(rows, cols, "linear"), there.entries(rows, cols, "linear")
    np.testing.assert_allclose(own.se, other.se, rtol=0.05)
    # the intercepts' errors hold no noise of the gauge in either
    np.testing.assert_allclose(stored.columns().se[:, 0], there.intercepts().se, rtol=0.1)
    assert stored.columns().se.shape == (P, RANK + 1)
    assert stored.rows(rows).estimate == pytest.approx(np.asarray(model.row_factors_.rows(rows)), abs=1e-8)
    means = stored.entries(rows, cols)
    assert np.all((means.low < means.estimate) & (means.estimate < means.high))
    with pytest.raises(AttributeError, match="needs all rows at once"):
        stored.ranks()


def test_the_model_is_stored_with_its_columns_and_told(fitted, tmp_path):
    _, table, model = fitted
    hs.save(model, tmp_path / "model.hsm")
    again, rows = hs.load(tmp_path / "model.hsm"), table.load().row_labels[[2, 50]]
    np.testing.assert_array_equal(again.predict(rows, table.col_labels[:2]), model.predict(rows, table.col_labels[:2]))
    assert "rank 2" in str(model.summary())


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"rank": "auto"}, "whole number for a prepared table"),
        ({"family": "ordinal"}, "family"),
        ({"penalty": "none"}, "number above 0"),
        ({"bias": "firth"}, "bias"),
        ({"solver": "gd"}, "newton-cg"),
    ],
)
def test_what_needs_the_table_in_memory_is_refused_with_the_way_out(fitted, given, match):
    with pytest.raises(ValueError, match=rf"{match}.*|.*table\.load"):
        hs.GeneralizedFactorModel(**{"rank": 1, **given}).fit(fitted[1])


@pytest.mark.filterwarnings("ignore:the descent ended")
def test_a_value_outside_the_family_is_named(fitted):
    family, table, _ = fitted
    if family == "bernoulli":
        assert hs.GeneralizedFactorModel(1, "binomial(1)", max_iter=1).fit(table).loss_.name.startswith("bin")
        return
    with pytest.raises(ValueError, match=r"needs 0 or 1; .* first that of row \d+ and column"):
        hs.GeneralizedFactorModel(1, "bernoulli").fit(table)


@pytest.mark.filterwarnings("ignore:counts spread")
def test_intercepts_alone_are_a_model(fitted):
    family, table, _ = fitted
    model = hs.GeneralizedFactorModel(0, family).fit(table)
    here = hs.GeneralizedFactorModel(0, family, penalty="map").fit(table.load())
    np.testing.assert_allclose(model.intercept_, here.intercept_, atol=2e-3)
    assert model.penalty_.intercept_ridge == pytest.approx(here.penalty_.intercept_ridge, rel=1e-3)
