"""The tables of the benchmarks: shapes of the performance goals, entries drawn uniformly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from halfseen.data import Compressed

SIZES = {"1M": (6040, 3706, 1_000_000), "10M": (100_000, 20_000, 10_000_000)}


@dataclass(frozen=True)
class Problem:
    """A table with factors of one rank and a column intercept, as the factor model has them."""

    view: Compressed
    A: np.ndarray
    B: np.ndarray
    col_offset: np.ndarray

    @property
    def n_entries(self) -> int:
        return len(self.view.values)


@cache
def places(size: str) -> tuple[np.ndarray, np.ndarray]:
    """(indptr, indices) of about the wanted number of entries, distinct, sorted."""
    n, p, wanted = SIZES[size]
    rng = np.random.default_rng(0)
    share = wanted / (n * p)
    gaps = rng.geometric(share, size=int(wanted * 1.01))  # the gaps of independent coin tosses along the cells
    cells = np.cumsum(gaps) - 1
    cells = cells[cells < n * p]
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(cells // p, minlength=n), out=indptr[1:])
    return indptr, (cells % p).astype(np.int32)


@cache
def ratings(size: str, dtype: str) -> Compressed:
    """Values 1 to 5."""
    indptr, indices = places(size)
    values = np.random.default_rng(1).integers(1, 6, len(indices)).astype(dtype)
    return Compressed(indptr, indices, values, None, SIZES[size][1])


def problem(size: str, rank: int, dtype: str) -> Problem:
    """Binary entries and random factors; linear predictors of order one."""
    n, p, _ = SIZES[size]
    rng = np.random.default_rng(2)
    indptr, indices = places(size)
    values = rng.integers(0, 2, len(indices)).astype(dtype)

    def normal(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / rank**0.25).astype(dtype)

    return Problem(Compressed(indptr, indices, values, None, p), normal(n, rank), normal(p, rank), normal(p))


def transposed(view: Compressed) -> Compressed:
    """The same entries by columns."""
    from scipy.sparse import csr_array

    table = csr_array((view.values.copy(), view.indices.copy(), view.indptr.copy()), shape=(view.n_major, view.n_minor))
    by_cols = table.tocsc()
    indices = by_cols.indices.astype(np.int32)
    return Compressed(by_cols.indptr.astype(np.int64), indices, by_cols.data, None, view.n_major)
