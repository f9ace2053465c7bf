"""Biases and column means against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import halfseen as hs


def half_seen(seed=0, n=30, p=12, density=0.6):
    rng = np.random.default_rng(seed)
    table = 3 + rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=p) + 0.3 * rng.normal(size=(n, p))
    table[rng.random((n, p)) > density] = np.nan
    return table


def dummy_ridge(table, weights, row_penalty, col_penalty):
    """Biases by one dense ridge regression on row and column indicators."""
    i, j = np.nonzero(~np.isnan(table))
    n, p = table.shape
    w, y = weights[i, j], table[i, j]
    mean = np.average(y, weights=w)
    design = np.zeros((len(i), n + p))
    design[np.arange(len(i)), i] = design[np.arange(len(i)), n + j] = 1
    penalty = np.diag(np.repeat([row_penalty, col_penalty], [n, p]))
    both = np.linalg.solve(design.T @ (w[:, None] * design) + penalty, design.T @ (w * (y - mean)))
    return mean, both[:n], both[n:]


@pytest.mark.parametrize("weighted", [False, True])
def test_biases_are_a_ridge_regression_on_indicators(weighted):
    table = half_seen()
    weights = np.random.default_rng(1).uniform(0.2, 2, table.shape) if weighted else np.ones(table.shape)
    i, j = np.nonzero(~np.isnan(table))
    R = hs.Observed.from_triplets(i, j, table[i, j], weights=weights[i, j] if weighted else None, shape=table.shape)
    model = hs.BiasModel(3.0, 1.0, tol=1e-14, max_iter=1000).fit(R)
    mean, rows, cols = dummy_ridge(table, weights, 3.0, 1.0)
    assert model.mean_ == pytest.approx(mean)
    np.testing.assert_allclose(model.row_bias_, rows, atol=1e-6)
    np.testing.assert_allclose(model.col_bias_, cols, atol=1e-6)


def test_a_complete_table_without_penalty_gets_its_analysis_of_variance():
    table = half_seen(density=1.0)
    model = hs.BiasModel(0.0, 0.0).fit(table)
    np.testing.assert_allclose(model.row_bias_, table.mean(1) - table.mean(), atol=1e-12)
    np.testing.assert_allclose(model.col_bias_, table.mean(0) - table.mean(), atol=1e-12)


def test_exactly_additive_tables_stop_without_a_warning():
    table = np.add.outer(np.arange(5.0), np.arange(4.0))
    table[0, 0] = table[3, 2] = np.nan
    model = hs.BiasModel(0.0, 0.0, tol=1e-12, max_iter=1000).fit(table)
    assert model.run_.reason == "change"
    np.testing.assert_allclose(model.predict([0, 3], [0, 2]), [0.0, 5.0], atol=1e-4)


def test_row_biases_of_new_rows_come_from_the_fitted_columns():
    table = half_seen()
    model = hs.BiasModel().fit(table)
    np.testing.assert_allclose(model.transform(table)[:, 0], model.row_bias_, atol=1e-12)
    row = table[[2]]
    seen = ~np.isnan(row[0])
    by_hand = np.sum(row[0, seen] - model.mean_ - model.col_bias_[seen]) / (seen.sum() + model.row_penalty)
    assert model.transform(row)[0, 0] == pytest.approx(by_hand)
    np.testing.assert_allclose(model.predict(row)[0], model.mean_ + by_hand + model.col_bias_)


def test_rows_and_columns_without_entries_have_no_bias():
    table = half_seen()
    table[3], table[:, 5] = np.nan, np.nan
    model = hs.BiasModel(0.0, 0.0).fit(table)
    assert model.row_bias_[3] == model.col_bias_[5] == 0
    assert model.predict([3], [5])[0] == pytest.approx(model.mean_)


def test_too_few_rounds_are_a_warning_and_a_reason():
    with pytest.warns(ConvergenceWarning, match="1 rounds with reason 'max_iter'"):
        model = hs.BiasModel(max_iter=1).fit(half_seen())
    assert not model.run_.converged


def test_clipping_keeps_means_inside():
    model = hs.BiasModel(0.0, 0.0, clip=(2.5, 3.5)).fit(half_seen())
    assert model.predict_table().min() >= 2.5
    assert model.predict_table(kind="linear").min() < 2.5


@pytest.mark.parametrize("shrinkage", [0.0, 2.5])
def test_column_means_are_the_shrunken_means(shrinkage):
    table = half_seen()
    table[:, 5] = np.nan
    model = hs.ColumnMean(shrinkage).fit(table)
    total = np.nanmean(table)
    counts = (~np.isnan(table)).sum(0)
    expected = total + np.nansum(table - total, axis=0) / np.maximum(counts + shrinkage, 1)
    np.testing.assert_allclose(model.col_means_, expected)
    np.testing.assert_allclose(model.predict_table(), np.tile(expected, (len(table), 1)))
    assert model.col_means_[5] == pytest.approx(total)
    assert model.predict(table[:2]).shape == (2, 12)


def test_column_means_are_weighted():
    R = hs.Observed.from_triplets([0, 1, 0], [0, 0, 1], [1.0, 4.0, 2.0], weights=[2.0, 1.0, 1.0])
    np.testing.assert_allclose(hs.ColumnMean().fit(R).col_means_, [2.0, 2.0])


@pytest.mark.parametrize("model", [hs.BiasModel(), hs.ColumnMean(2.5)], ids=["bias", "means"])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_values_is_of_no_matter(model, scale):
    # Their penalties are numbers of entries: without unit.
    table = half_seen()
    one, other = clone(model).fit(table), clone(model).fit(scale * table)
    np.testing.assert_allclose(other.predict_table() / scale, one.predict_table(), rtol=1e-9)
    np.testing.assert_allclose(other.predict(scale * table[:3]) / scale, one.predict(table[:3]), rtol=1e-9)


def test_single_precision_is_kept():
    table = half_seen().astype(np.float32)
    for model in (hs.BiasModel(), hs.ColumnMean()):
        assert model.fit(table).predict_table().dtype == np.float32


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (hs.BiasModel(row_penalty=-1), "row_penalty=-1 is not allowed; needed: a finite number of at least 0"),
        (hs.BiasModel(col_penalty=None), "col_penalty=None is not allowed; needed: a finite number of at least 0"),
        (hs.BiasModel(max_iter=0), "max_iter=0 is not allowed; needed: a whole number of at least 1"),
        (hs.ColumnMean(shrinkage="much"), "shrinkage='much' is not allowed; needed: a finite number of at least 0"),
    ],
)
def test_bad_parameters_are_refused_with_the_way_out(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(np.ones((3, 3)))
