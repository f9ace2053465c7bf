"""Pairs of columns seen together: counts, sums and sums of squares of their products, for columns ``i <= j``.

A pair table is five arrays: ``indptr`` (one range per column ``i``), ``indices`` (its partners ``j >= i``, increasing),
``counts`` (int32), ``sums`` and ``squares`` (float64).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen.data.compressed import Compressed
from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend

Array = NDArray[Any]


class PairTable(NamedTuple):
    """The upper triangle of pairs, diagonal included, grouped by the smaller column."""

    indptr: Array
    indices: Array
    counts: Array
    sums: Array
    squares: Array


def packed_size(n_cols: int) -> int:
    """Number of pairs ``i <= j`` of ``n_cols`` columns."""
    return n_cols * (n_cols + 1) // 2


def pair_moments(
    view: Compressed, first: int = 0, last: int | None = None, *, start: int = 0, stop: int | None = None
) -> PairTable:
    r"""Pairs ``(i, j >= i)`` with ``first <= i < last`` in the rows ``start .. stop``.

    .. math:: K_{ij} = \#\{t : i, j \in O_t\},\quad S_{ij} = \sum_t x_{ti} x_{tj},\quad
              Q_{ij} = \sum_t (x_{ti} x_{tj})^2

    Parameters
    ----------
    view : Compressed
        The table by rows, columns increasing inside each row; its weights are not looked at.
    first, last : int
        Columns ``i``.
    start, stop : int
        Rows to read.

    Returns
    -------
    PairTable

    Notes
    -----
    O(entries + pairs) time; memory of the result, O(n_cols), and 8 bytes per entry of the columns. Each pair's sums are
    taken in the order of the rows. Source: Gustavson (1978), "Two fast algorithms for sparse matrices", by columns.

    Examples
    --------
    >>> import numpy as np
    >>> table = Compressed(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.array([2.0, 3.0, 5.0]), None, 2)
    >>> found = pair_moments(table)
    >>> found.indices.tolist(), found.counts.tolist(), found.sums.tolist()
    ([0, 1, 1], [1, 1, 2], [4.0, 6.0, 34.0])
    """
    block = check.block(view, check.row_range(view, start, stop), None)
    last = view.n_minor if last is None else last
    run = getattr(backend(), f"pair_moments_f{8 * block.dtype.itemsize}", None)
    if run is None or block.indices.dtype != np.int32:
        return _by_products(block, first, last)
    return PairTable(*run(tuple(block), first, last))


def add_pair_moments(
    view: Compressed,
    first: int,
    last: int,
    packed: tuple[Array, Array, Array],
    *,
    start: int = 0,
    stop: int | None = None,
) -> None:
    """Add the same to packed upper triangles ``(counts, sums, squares)``, pair ``(i, j)`` at ``i d - i (i + 1)/2 + j``.

    Examples
    --------
    >>> import numpy as np
    >>> table = Compressed(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.array([2.0, 3.0, 5.0]), None, 2)
    >>> packed = np.zeros(3, np.int32), np.zeros(3), np.zeros(3)
    >>> add_pair_moments(table, 0, 2, packed)
    >>> packed[0].tolist(), packed[2].tolist()
    ([1, 1, 2], [16.0, 36.0, 706.0])
    """
    block = check.block(view, check.row_range(view, start, stop), None)
    run = getattr(backend(), f"add_pair_moments_f{8 * block.dtype.itemsize}", None)
    if run is not None and block.indices.dtype == np.int32:
        run(tuple(block), first, last, *packed)
        return
    moments = _by_products(block, first, last)
    rows = np.repeat(np.arange(first, last), np.diff(moments.indptr))
    places = rows * view.n_minor - rows * (rows + 1) // 2 + moments.indices
    for total, part in zip(packed, moments[2:], strict=True):
        total[places] += part


def merge_pairs(left: PairTable, right: PairTable, sign: int = 1) -> PairTable:
    """``left + sign * right``; pairs whose count becomes zero leave the table. O(pairs) time.

    Raises
    ------
    ValueError
        Naming the table whose ``indptr`` does not run from 0 to its pairs, or falls.

    Examples
    --------
    >>> import numpy as np
    >>> table = Compressed(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), np.array([2.0, 3.0, 5.0]), None, 2)
    >>> whole, part = pair_moments(table), pair_moments(table, stop=1)
    >>> merge_pairs(whole, part, -1).indices.tolist()
    [1]
    """
    for name, table in (("left", left), ("right", right)):
        _check_pairs(name, table)
    run = getattr(backend(), "merge_pairs", None)
    if run is not None:
        return PairTable(*run(tuple(left), tuple(right), sign))
    return _by_sorting(left, right, sign)


def _check_pairs(name: str, table: PairTable) -> None:
    """Refuse ranges that are none: the compiled merge reads memory at these places. O(columns) time."""
    starts = table.indptr
    if not len(starts) or starts[0] != 0 or starts[-1] != len(table.indices):
        raise ValueError(f"{name}.indptr must run from 0 to the number of pairs, {len(table.indices)}")
    falls = starts[1:] < starts[:-1]
    if falls.any():
        first = int(falls.argmax())
        raise ValueError(f"{name}.indptr must never fall; it does at column {first}")


def _by_products(block: check.Block, first: int, last: int) -> PairTable:
    """The SciPy twin: products of the transposed table with itself, upper triangle."""
    from scipy import sparse

    starts = block.indptr - block.indptr[0]
    shape = (block.n_rows, block.n_minor)

    def product(numbers: Array) -> Any:
        table = sparse.csr_array((numbers, block.indices, starts), shape=shape)
        products = sparse.csr_array(sparse.triu(table.T[first:last] @ table, k=first))
        products.sort_indices()
        return products

    values = block.values.astype(float)
    counts = product(np.ones(len(values)))
    # values below the smallest normal number still are seen: ask the counts where, not the sums
    at = counts.indptr, counts.indices
    sums, squares = (_at_pattern(product(numbers), at) for numbers in (values, values**2))
    return PairTable(
        counts.indptr.astype(np.int64), counts.indices.astype(np.int32), counts.data.astype(np.int32), sums, squares
    )


def _at_pattern(stored: Any, at: tuple[Array, Array]) -> Array:
    """Stored numbers at the places of a pattern; SciPy may have dropped sums that are zero."""
    if len(stored.data) == len(at[1]):
        return np.asarray(stored.data, dtype=float)
    width = stored.shape[1]

    def keys(indptr: Array, indices: Array) -> Array:
        return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) * width + indices

    wanted, there = keys(*at), keys(stored.indptr, stored.indices)
    out = np.zeros(len(wanted))
    out[np.searchsorted(wanted, there)] = stored.data
    return out


def _by_sorting(first: PairTable, second: PairTable, sign: int) -> PairTable:
    """The NumPy twin: a stable sort of both tables' places."""
    # of a range of columns partners lie beyond it
    n = len(first.indptr) - 1
    width = 1 + max((int(table.indices.max(initial=0)) for table in (first, second)), default=0)

    def keys(table: PairTable) -> Array:
        return np.repeat(np.arange(n, dtype=np.int64), np.diff(table.indptr)) * width + table.indices

    places, where = np.unique(np.concatenate([keys(first), keys(second)]), return_inverse=True)
    left, right = where[: len(first.indices)], where[len(first.indices) :]
    totals = []
    for a, b in zip(first[2:], second[2:], strict=True):
        total = np.zeros(len(places), a.dtype)
        total[left] += a
        total[right] += sign * b
        totals.append(total)
    kept = totals[0] != 0
    indptr = np.searchsorted(places[kept], np.arange(n + 1, dtype=np.int64) * width)
    return PairTable(indptr, (places[kept] % width).astype(np.int32), *(total[kept] for total in totals))
