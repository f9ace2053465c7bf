"""Splits and folds: seeded, disjoint, with weights and labels kept."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.data import Observed


@pytest.fixture
def table() -> Observed:
    rng = np.random.default_rng(3)
    keys = rng.choice(40 * 25, 300, replace=False)
    values = rng.normal(size=300)
    labels = [f"u{k}" for k in range(40)]
    return Observed.from_triplets(keys // 25, keys % 25, values, rng.random(300), (40, 25), row_labels=labels)


def test_a_seed_decides_the_split_and_another_seed_decides_otherwise(table):
    first, again, other = (table.split(0.2, random_state=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(table.split(0.2, random_state=generator)[1].values, first.values)


def test_the_parts_of_a_split_make_up_the_table(table):
    train, test = table.split(0.2, random_state=0)
    assert (train.n_entries, test.n_entries) == (240, 60)
    filled = np.where(np.isnan(train.to_dense()), test.to_dense(), train.to_dense())
    np.testing.assert_array_equal(filled, table.to_dense())
    assert test.shape == train.shape == table.shape
    assert test.row_labels is table.row_labels
    dense_weights = table.with_values(table.weights, weights=None).to_dense()
    np.testing.assert_array_equal(test.weights, dense_weights[test.rows, test.cols])


def test_whole_rows_are_held_out_together(table):
    train, test = table.split(0.25, random_state=0, by="rows")
    assert not set(train.rows) & set(test.rows)
    assert len(set(test.rows)) == round(0.25 * len(set(table.rows)))


@pytest.mark.parametrize("seed", range(20))
def test_covered_rows_and_columns_stay_covered_when_asked(seed):
    rng = np.random.default_rng(seed)
    keys = rng.choice(12 * 9, 30, replace=False)
    table = Observed.from_triplets(keys // 9, keys % 9, np.ones(30), shape=(12, 9))
    train, test = table.split(0.3, random_state=seed, keep_covered=True)
    assert set(train.rows) == set(table.rows)
    assert set(train.cols) == set(table.cols)
    assert 0 < test.n_entries <= 9


def test_columns_stay_covered_when_whole_rows_are_held_out(table):
    train, test = table.split(0.2, random_state=0, by="rows", keep_covered=True)
    assert set(train.cols) == set(table.cols)
    assert not set(train.rows) & set(test.rows)


def test_folds_have_nearly_equal_size(table):
    sizes = [test.n_entries for _, test in table.folds(7, random_state=0)]
    assert sum(sizes) == 300
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.split(0.0), "fraction must lie between 0 and 1, got 0.0"),
        (lambda t: t.split(1.5), "fraction must lie between 0 and 1"),
        (lambda t: t.split(0.2, by="cols"), "by must be 'entries' or 'rows', got 'cols'"),
        (lambda t: t.split(0.001), "one of the two parts would be empty"),
        (lambda t: t.folds(1), "n_folds must lie between 2 and the number of entries"),
        (lambda t: t.folds(41, by="rows"), "number of rows"),
        (
            lambda t: Observed.from_dense(np.eye(3) / np.eye(3)).split(0.5, keep_covered=True),
            "keep every row and column",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_impossible_splits_are_refused(table, call, text):
    with pytest.raises(ValueError, match=text):
        call(table)
