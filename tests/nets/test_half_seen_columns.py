"""Layers that touch seen entries only agree with dense ones, forth and back."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.data import Observed
from halfseen.nets import at_entries, columns_of, times

torch = pytest.importorskip("torch")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 5))
    table[rng.random(table.shape) < 0.5] = np.nan
    table[:, 3] = np.nan
    return table


@pytest.fixture
def columns(table):
    return columns_of(Observed.from_dense(table).by_cols, torch.float64, "cpu")


def test_the_input_layer_is_the_zero_filled_product(table, columns):
    weights = torch.randn(7, 3, dtype=torch.float64)
    np.testing.assert_allclose(times(columns, columns.values, weights), np.nan_to_num(table).T @ weights.numpy())


def test_outputs_are_the_seen_entries_of_the_product_column_by_column(table, columns):
    codes, weights = torch.randn(5, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)
    dense = (codes @ weights.T).numpy()
    np.testing.assert_allclose(at_entries(columns, codes, weights), dense[~np.isnan(table.T)])


def test_gradients_are_those_of_finite_differences(columns):
    weights = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    codes = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: times(columns, columns.values, w), weights)
    assert torch.autograd.gradcheck(lambda c, w: at_entries(columns, c, w), (codes, weights))


def test_other_values_take_the_places_of_the_seen_ones(table, columns):
    doubled = times(columns, 2.0 * columns.values, torch.eye(7, dtype=torch.float64))
    np.testing.assert_allclose(doubled, 2.0 * np.nan_to_num(table).T)


def test_a_wide_table_never_is_dense():
    n, p = 200_000, 300_000  # n x p in single precision: 240 GB
    seen = Observed.from_triplets([0, n - 1], [0, p - 1], [1.0, 2.0], shape=(n, p))
    columns = columns_of(seen.by_cols, torch.float32, "cpu")
    assert float(times(columns, columns.values, torch.ones(n, 1)).sum()) == 3.0
    assert at_entries(columns, torch.ones(p, 2), torch.ones(n, 2)).tolist() == [2.0, 2.0]
