"""Columns regrouped a few at a time are the columns of the whole table."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.engines import EntryPasses, Threads, cuts
from halfseen.kernels import gather_columns


def table(dtype, weighted, seed=0):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((50, 30)) < 0.4, rng.normal(size=(50, 30)), np.nan)
    dense[:, 7], dense[3] = np.nan, np.nan
    R = hs.Observed.from_dense(dense.astype(dtype))
    return R.with_values(R.values, weights=rng.uniform(1, 2, R.n_entries).astype(dtype)) if weighted else R


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("first", "last"), [(0, 30), (0, 9), (9, 22), (7, 8), (5, 5), (22, 30)])
def test_parts_are_parts_of_the_whole(backend, dtype, weighted, first, last):
    R = table(dtype, weighted)
    whole, counts = R.by_cols, R.by_rows.minor_sums()
    part = gather_columns(R.by_rows, first, last, counts[first:last])
    where = slice(whole.indptr[first], whole.indptr[last])
    np.testing.assert_array_equal(part.indptr, whole.indptr[first : last + 1] - whole.indptr[first])
    np.testing.assert_array_equal(part.indices, whole.indices[where])
    np.testing.assert_array_equal(part.values, whole.values[where])
    assert (part.weights is None) == (whole.weights is None)
    if weighted:
        np.testing.assert_array_equal(part.weights, whole.weights[where])


@pytest.mark.parametrize("engine", ["serial", Threads(2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_frugal_passes_give_the_same_bits(backend, engine, weighted, monkeypatch):
    R, rng = table(np.float64, weighted), np.random.default_rng(1)
    X, Y, ridge = rng.normal(size=(50, 3)), np.zeros((30, 3)), np.array([0.5, 1.0, 2.0])
    solved, offset = [], rng.normal(size=50)
    for frugal_from in (10**9, 0):
        monkeypatch.setattr(cuts, "FRUGAL_FROM", frugal_from)
        passes = EntryPasses(R, hs.losses.Gaussian(), engine)
        solved.append(passes.newton(1, Y, X, minor_offset=offset, ridge=ridge, ridge_scale=np.arange(1.0, 31.0)))
    np.testing.assert_array_equal(solved[0][0], solved[1][0])
    assert solved[0][1] == pytest.approx(solved[1][1], rel=1e-14)


def test_sums_over_the_minor_axis_in_pieces(monkeypatch):
    from halfseen.data import compressed

    monkeypatch.setattr(compressed, "PIECE", 7)
    R = table(np.float64, False)
    np.testing.assert_array_equal(R.by_rows.minor_sums(), R.by_cols.counts)
    np.testing.assert_allclose(R.by_rows.minor_sums(R.values), np.nansum(R.to_dense(), axis=0), atol=1e-12)


def test_wrong_starts_are_refused():
    from halfseen.kernels.backend import backend

    if not hasattr(backend(), "gather_columns"):
        pytest.skip("no compiled kernels")
    R = table(np.float64, False)
    with pytest.raises(ValueError, match="disagree"):
        backend().gather_columns(
            (R.by_rows.indptr, R.by_rows.indices, R.values, None, None, 30),
            0, 31, np.zeros(32, np.int64), np.zeros(0, np.int32), np.zeros(0), None,
        )  # fmt: skip
