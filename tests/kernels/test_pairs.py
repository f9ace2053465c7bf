"""The pair pass against a double loop, for every backend and every way to cut the work."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.kernels import add_pair_moments, merge_pairs, pair_moments
from halfseen.kernels.pairs import packed_size


def table(n=60, d=25, share=0.25, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((n, d)) < share, rng.normal(size=(n, d)), np.nan)
    dense[3], dense[:, 7] = np.nan, np.nan
    dense[5, :4], dense[6, :4] = 0.0, -1.0  # zeros that were seen
    return hs.Observed.from_dense(dense.astype(dtype)).by_rows


def naive(view):
    """Counts, sums, squares by loops over rows and pairs: dense d x d, upper triangle."""
    d = view.n_minor
    out = np.zeros((3, d, d))
    for t in range(view.n_major):
        part = slice(view.indptr[t], view.indptr[t + 1])
        for i, x in zip(view.indices[part], view.values[part], strict=True):
            for j, y in zip(view.indices[part], view.values[part], strict=True):
                if i <= j:
                    product = float(x) * float(y)
                    out[:, i, j] += 1.0, product, product**2
    return out


def dense(found, first=0, d=25):
    out = np.zeros((3, d, d))
    rows = np.repeat(np.arange(len(found.indptr) - 1), np.diff(found.indptr)) + first
    for layer, numbers in zip(out, found[2:], strict=True):
        layer[rows, found.indices] = numbers
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.02, 0.25, 1.0])
def test_it_counts_and_adds_every_pair(backend, dtype, share):
    view = table(share=share, dtype=dtype)
    found = pair_moments(view)
    np.testing.assert_allclose(dense(found), naive(view), rtol=1e-13)
    assert found.counts.dtype == found.indices.dtype == np.int32
    assert found.sums.dtype == np.float64
    assert all(np.all(np.diff(found.indices[a:b]) > 0) for a, b in zip(found.indptr, found.indptr[1:], strict=False))


def test_a_pair_of_zeros_was_seen(backend):
    found = dense(pair_moments(table(share=0.0)))
    assert found[0, 0, 1] == 2
    assert found[1, 0, 1] == 1.0  # 0 * 0 and (-1) * (-1)


@pytest.mark.parametrize(("first", "last"), [(0, 25), (0, 9), (9, 20), (7, 8), (5, 5), (20, 25)])
@pytest.mark.parametrize(("start", "stop"), [(0, 60), (10, 35), (3, 4), (59, 60)])
def test_ranges_of_columns_and_rows_are_parts_of_the_whole(backend, first, last, start, stop):
    view = table()
    rows = hs.Observed(view).take_rows(np.arange(start, stop)).by_rows
    found = pair_moments(view, first, last, start=start, stop=stop)
    wanted = naive(rows)
    wanted[:, :first], wanted[:, last:] = 0.0, 0.0
    np.testing.assert_allclose(dense(found, first), wanted, rtol=1e-13)


def test_many_columns_with_few_partners_are_sorted_too(backend):
    rng = np.random.default_rng(1)
    cells = np.unique(rng.integers(0, 1000, size=(60, 4)) + 1000 * np.arange(60)[:, None])
    R = hs.Observed.from_triplets(cells // 1000, cells % 1000, rng.normal(size=len(cells)), shape=(60, 1000))
    np.testing.assert_allclose(dense(pair_moments(R.by_rows), d=1000), naive(R.by_rows), rtol=1e-13)


def test_packed_triangles_hold_the_same(backend):
    view, d = table(), 25
    packed = np.zeros(packed_size(d), np.int32), np.zeros(packed_size(d)), np.zeros(packed_size(d))
    for first, last in ((0, 11), (11, 25)):
        add_pair_moments(view, first, last, packed, stop=30)
        add_pair_moments(view, first, last, packed, start=30)
    i, j = np.triu_indices(d)
    for found, wanted in zip(packed, naive(view), strict=True):
        np.testing.assert_allclose(found, wanted[i, j], rtol=1e-13)


def test_tables_add_and_subtract(backend):
    view = table()
    one, two, whole = pair_moments(view, stop=20), pair_moments(view, start=20), pair_moments(view)
    np.testing.assert_allclose(dense(merge_pairs(one, two)), dense(whole), rtol=1e-13)
    left = merge_pairs(whole, two, -1)
    np.testing.assert_allclose(dense(left), dense(one), atol=1e-12)
    np.testing.assert_array_equal(left.indices, one.indices)  # pairs that are gone are gone


def test_the_order_of_sums_does_not_depend_on_the_ranges(backend):
    view = table(n=300, share=0.6)
    whole = pair_moments(view)
    parts = [pair_moments(view, a, b) for a, b in ((0, 3), (3, 17), (17, 25))]
    for k in (1, 2, 3, 4):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])


def test_packed_triangles_of_another_size_are_refused():
    from halfseen.kernels.backend import backend

    if not hasattr(backend(), "add_pair_moments_f64"):
        pytest.skip("no compiled kernels")
    with pytest.raises(ValueError, match="do not fit the columns"):
        add_pair_moments(table(), 0, 25, (np.zeros(3, np.int32), np.zeros(3), np.zeros(3)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda starts: np.r_[starts[:3], 10**9, starts[4:]], "right.indptr must never fall; it does at column 3"),
        (lambda starts: starts + 1, "right.indptr must run from 0 to the number of pairs"),
        (lambda starts: starts[:-1], "right.indptr must run from 0 to the number of pairs"),
        (lambda starts: starts[:0], "right.indptr must run from 0 to the number of pairs"),
    ],
)
def test_pair_tables_whose_ranges_are_none_are_not_merged(change, text, backend):
    sound = pair_moments(table())
    with pytest.raises(ValueError, match=text):
        merge_pairs(sound, sound._replace(indptr=change(sound.indptr)))
