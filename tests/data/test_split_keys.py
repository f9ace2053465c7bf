"""What is held out depends on labels and the seed, not on the order of rows or on entries that count nothing."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.data.keys import entry_keys, label_keys


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n, p = 60, 25
    seen = rng.random((n, p)) < 0.5
    i, j = np.nonzero(seen)
    rows, cols = np.array([f"person {k}" for k in range(n)]), np.arange(100, 100 + p)
    return i, j, rng.normal(size=len(i)), rows, cols


def cells(part):
    return {(str(part.row_labels[i]), int(part.col_labels[j])) for i, j in zip(part.rows, part.cols, strict=True)}


def observed(i, j, values, rows, cols, weights=None):
    shape = (len(rows), len(cols))
    return hs.Observed.from_triplets(i, j, values, weights=weights, shape=shape, row_labels=rows, col_labels=cols)


@pytest.mark.parametrize("keep_covered", [False, True])
@pytest.mark.parametrize("by", ["entries", "rows"])
def test_another_order_of_rows_and_columns_holds_out_the_same_entries(table, by, keep_covered):
    i, j, values, rows, cols = table
    rng = np.random.default_rng(1)
    p, q = rng.permutation(len(rows)), rng.permutation(len(cols))
    moved = observed(np.argsort(p)[i], np.argsort(q)[j], values, rows[p], cols[q])
    one = observed(i, j, values, rows, cols).split(0.2, 7, by, keep_covered)
    other = moved.split(0.2, 7, by, keep_covered)
    assert cells(one[1]) == cells(other[1])
    assert cells(one[0]) == cells(other[0])


def test_another_order_of_rows_gives_the_same_folds(table):
    i, j, values, rows, cols = table
    p = np.random.default_rng(1).permutation(len(rows))
    moved = observed(np.argsort(p)[i], j, values, rows[p], cols)
    for one, other in zip(observed(i, j, values, rows, cols).folds(4, 3), moved.folds(4, 3), strict=True):
        assert cells(one[1]) == cells(other[1])


def test_entries_of_weight_zero_change_nothing(table):
    i, j, values, rows, cols = table
    full = np.argwhere(~np.isin(np.arange(60 * 25), i * 25 + j).reshape(60, 25))[:100]
    more = observed(
        np.append(i, full[:, 0]), np.append(j, full[:, 1]), np.append(values, np.full(100, 9.0)), rows, cols,
        np.append(np.ones(len(i)), np.zeros(100)),
    )  # fmt: skip
    plain = observed(i, j, values, rows, cols).split(0.2, 0)[1]
    assert cells(plain) == cells(more.split(0.2, 0)[1])


def test_other_seeds_hold_out_other_entries_and_every_cell_is_equally_likely(table):
    R = observed(*table)
    held = np.zeros(R.n_entries)
    for seed in range(200):
        test = R.split(0.25, seed)[1]
        places = np.searchsorted(R.rows * R.shape[1] + R.cols, test.rows * R.shape[1] + test.cols)
        held[places] += 1
    # a share of 200 draws: standard deviation 200 * .25 * .75 = 6.1^2; the largest of 750 stays within 4.5 of them
    assert abs(held - 50).max() < 4.5 * np.sqrt(200 * 0.25 * 0.75)
    assert 0.8 < held.var() / (200 * 0.25 * 0.75) < 1.2


def test_equal_labels_have_equal_numbers_whatever_array_holds_them():
    text = np.array(["a", "bb", "ccc"])
    np.testing.assert_array_equal(label_keys(text, 3), label_keys(text.astype("U20"), 3))
    np.testing.assert_array_equal(label_keys(text, 3), label_keys(text.astype(object), 3))
    numbers = np.array([1, 5, 9], dtype=np.int32)
    np.testing.assert_array_equal(label_keys(numbers, 3), label_keys(numbers.astype(np.int64), 3))
    np.testing.assert_array_equal(label_keys(numbers, 3), label_keys(numbers.astype(np.uint64), 3))


@pytest.mark.slow
def test_no_two_entries_of_a_large_table_share_a_number():
    i, j = np.divmod(np.arange(1_000_000), 1000)
    R = hs.Observed.from_triplets(i, j, np.ones(len(i)))
    assert len(np.unique(entry_keys(R, 0))) == len(i)
