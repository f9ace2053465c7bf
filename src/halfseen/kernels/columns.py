"""A few columns at a time of a table stored by rows, so that the whole table never is held twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.compressed import Compressed
from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend

Array = NDArray[Any]


def gather_columns(view: Compressed, first: int, last: int, counts: Array) -> Compressed:
    """Columns ``first .. last`` of a table stored by rows, regrouped by columns.

    Parameters
    ----------
    view : Compressed
        The table by rows, indices increasing inside each row.
    first, last : int
    counts : ndarray (last - first,)
        Number of entries of each of these columns; they must be right.

    Returns
    -------
    Compressed
        Its major axis are the columns, its minor axis the rows of ``view``.

    Notes
    -----
    O(rows log(entries per row) + entries found) time; no memory but the result's.

    Examples
    --------
    >>> import numpy as np
    >>> table = Compressed(np.array([0, 2, 3]), np.array([0, 2, 2], np.int32), np.array([1.0, 2.0, 3.0]), None, 3)
    >>> part = gather_columns(table, 1, 3, np.array([0, 2]))
    >>> part.indptr.tolist(), part.indices.tolist(), part.values.tolist()
    ([0, 0, 2], [0, 1], [2.0, 3.0])
    """
    starts = np.zeros(last - first + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    run = getattr(backend(), "gather_columns", None)
    if run is None or view.indices.dtype != np.int32 or view.n_major >= 2**31:
        return _by_sorting(view, first, last, starts)
    rows, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], view.values.dtype)
    weights = None if view.weights is None else np.empty_like(values)
    run(check.block(view, check.row_range(view, 0, None), None), first, last, starts, rows, values, weights)
    return Compressed.trusted(starts, rows, values, weights, view.n_major)


def _by_sorting(view: Compressed, first: int, last: int, starts: NDArray[np.int64]) -> Compressed:
    """The NumPy twin: a stable sort of the entries found."""
    places = np.flatnonzero((view.indices >= first) & (view.indices < last))
    places = places[np.argsort(view.indices[places], kind="stable")]
    rows = np.searchsorted(view.indptr, places, side="right") - 1
    weights = None if view.weights is None else view.weights[places]
    return Compressed.trusted(starts, rows, view.values[places], weights, view.n_major)
