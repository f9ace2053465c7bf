"""Pair moments add up, come apart, and keep."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.moment import moments as room


def sparse_rows(n=200, d=300, m=3, seed=0, labels=None):
    rng = np.random.default_rng(seed)
    cols = np.array([rng.choice(d, m, replace=False) for _ in range(n)])
    rows = np.repeat(np.arange(n), m)
    return hs.Observed.from_triplets(
        rows, cols.ravel(), rng.normal(size=n * m), shape=(n, d), row_labels=None, col_labels=labels
    )


def same(one, two, exact=False):
    a, b = one.pairs(), two.pairs()
    np.testing.assert_array_equal(a, b)
    for x, y in zip(vars(one.at_pairs()).values(), vars(two.at_pairs()).values(), strict=True):
        if exact:
            np.testing.assert_array_equal(x, y)
        else:
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)
    assert (one.n_rows, one.n_entries, one.n_pairs) == (two.n_rows, two.n_entries, two.n_pairs)


@pytest.mark.parametrize("d", [20, 300])  # packed, and listed
def test_blocks_in_any_order_give_the_same_moments(d):
    R = sparse_rows(d=d)
    whole = hs.PairMoments.from_rows(R)
    assert whole.is_packed == (d == 20)
    order = np.random.default_rng(1).permutation(200)
    parts = [R.take_rows(part) for part in np.array_split(order, 7)]
    grown = hs.PairMoments.empty(d)
    for part in parts:
        grown.partial_fit(part)
    same(whole, grown)
    same(whole, hs.PairMoments.merge([hs.PairMoments.from_rows(part) for part in parts]))
    same(whole, hs.PairMoments.from_rows(parts[0]) + hs.PairMoments.from_rows(R.take_rows(np.concatenate(
        np.array_split(order, 7)[1:]))))  # fmt: skip


@pytest.mark.parametrize("d", [20, 300])
def test_rows_can_be_taken_out_again(d):
    R = sparse_rows(d=d)
    whole, part = hs.PairMoments.from_rows(R), hs.PairMoments.from_rows(R.take_rows(slice(0, 60)))
    same(whole - part, hs.PairMoments.from_rows(R.take_rows(slice(60, 200))))
    with pytest.raises(ValueError, match="not among these"):
        part - whole


@pytest.mark.parametrize("d", [20, 300])
def test_threads_give_the_same_bits(d):
    R = sparse_rows(n=3000, d=d)
    one = hs.PairMoments.from_rows(R, "serial")
    with hs.engine("threads", workers=3):
        same(one, hs.PairMoments.from_rows(R), exact=True)


def test_blocks_of_rows_are_cut_by_entries(monkeypatch):
    R = sparse_rows()
    whole = hs.PairMoments.from_rows(R)
    monkeypatch.setattr(room, "BLOCK_ENTRIES", 50)
    same(whole, hs.PairMoments.from_rows(R))


@pytest.mark.parametrize("d", [20, 300])
def test_files_keep_them(d, tmp_path):
    moments = hs.PairMoments.from_rows(sparse_rows(d=d))
    moments.save(tmp_path / "moments.safetensors")
    found = hs.PairMoments.load(tmp_path / "moments.safetensors")
    same(moments, found, exact=True)
    same(moments + moments, found.partial_fit(sparse_rows(d=d)))
    hs.save(hs.ColumnMean(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds a ColumnMean"):
        hs.PairMoments.load(tmp_path / "other.safetensors")


def test_columns_are_found_by_label():
    labels = np.array([f"c{k:03}" for k in range(300)])
    R = sparse_rows(labels=labels)
    order = np.random.default_rng(2).permutation(300)
    turned = hs.Observed.from_triplets(
        R.rows, np.argsort(order)[R.cols], R.values, shape=R.shape, col_labels=labels[order]
    )
    whole = hs.PairMoments.from_rows(R)
    same(whole, hs.PairMoments.empty(300, labels).partial_fit(turned), exact=True)
    added = whole + hs.PairMoments.from_rows(turned)
    same(added, whole + whole, exact=True)


def test_looked_up_pairs_are_those_of_the_list_in_either_order():
    moments = hs.PairMoments.from_rows(sparse_rows())
    i, j = moments.pairs()
    for one, two in ((i, j), (j, i)):
        np.testing.assert_array_equal(moments.at(one, two).sums, moments.at_pairs().sums)
    never = moments.at([0, 1], [1, 0])
    assert never.counts[0] == never.counts[1]
    with pytest.raises(ValueError, match="between 0 and 299"):
        moments.at([0], [300])


def test_nothing_of_the_size_of_the_table_is_made():
    n, d = 3_000_000, 2_000_000  # 6e12 cells, 2e12 pairs
    rng = np.random.default_rng(0)
    R = hs.Observed.from_triplets(
        np.repeat(np.arange(0, n, 3000), 3), rng.integers(0, d, 3000), rng.normal(size=3000), shape=(n, d),
        duplicates="first",
    )  # fmt: skip
    moments = hs.PairMoments.from_rows(R)
    assert not moments.is_packed
    assert moments.n_pairs <= 6000
    assert moments.nbytes < 50 * d


def test_weights_and_other_columns_are_refused():
    R = sparse_rows(d=20)
    with pytest.raises(ValueError, match="a pair of entries has no weight"):
        hs.PairMoments.from_rows(R.with_values(R.values, weights=np.ones(R.n_entries)))
    with pytest.raises(ValueError, match="R has 20 columns; needed: the 19"):
        hs.PairMoments.empty(19).partial_fit(R)
    with pytest.raises(ValueError, match="do not fit moments over 20"):
        hs.PairMoments.from_rows(R).add(hs.PairMoments.empty(21))
    with pytest.raises(ValueError, match="parts is empty"):
        hs.PairMoments.merge([])


def test_single_precision_is_added_up_in_double():
    R = sparse_rows(d=20).astype(np.float32)
    found = hs.PairMoments.from_rows(R)
    np.testing.assert_allclose(found.sums, hs.PairMoments.from_rows(R.astype(np.float64)).sums, rtol=1e-15)
