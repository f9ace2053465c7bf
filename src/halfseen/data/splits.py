"""Random parts of the observed entries: one held-out part, or folds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from halfseen._typing import BoolArray, IntArray, RandomState, as_generator
from halfseen.data.compressed import index_dtype

if TYPE_CHECKING:
    from halfseen.data.observed import Observed


def split(
    observed: Observed, fraction: float, random_state: RandomState, by: str, keep_covered: bool
) -> tuple[Observed, Observed]:
    """Return (train, test); see `Observed.split`. O(E) time, 5 E bytes besides the result."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    order = _shuffled(observed, by, random_state)
    n_units = len(order)
    if keep_covered:
        order = order[~_protected(observed, order, by)[order]]
    chosen = order[: round(fraction * n_units)]
    if not 0 < len(chosen) < n_units:
        raise ValueError(
            f"cannot hold out {fraction} of {n_units} {by}"
            f"{' and keep every row and column covered' if keep_covered else ''}: "
            "one of the two parts would be empty; use another fraction, or more data"
        )
    return _parts(observed, chosen, by)


def folds(observed: Observed, n_folds: int, random_state: RandomState, by: str) -> Iterator[tuple[Observed, Observed]]:
    """Return an iterator over (train, test) pairs; see `Observed.folds`."""
    order = _shuffled(observed, by, random_state)
    if not 2 <= n_folds <= len(order):
        raise ValueError(f"n_folds must lie between 2 and the number of {by} ({len(order)}), got {n_folds}")
    return (_parts(observed, order[k::n_folds], by) for k in range(n_folds))


def _shuffled(observed: Observed, by: str, random_state: RandomState) -> IntArray:
    """Return what is drawn in random order: entry positions, or the rows that have entries."""
    if by == "entries":
        units: IntArray = np.arange(observed.n_entries, dtype=index_dtype(observed.n_entries))
    elif by == "rows":
        units = np.flatnonzero(observed.by_rows.counts)
    else:
        raise ValueError(f"by must be 'entries' or 'rows', got {by!r}")
    as_generator(random_state).shuffle(units)
    return units


def _parts(observed: Observed, chosen: IntArray, by: str) -> tuple[Observed, Observed]:
    test: BoolArray
    if by == "entries":
        test = np.zeros(observed.n_entries, dtype=bool)
        test[chosen] = True
    else:
        in_test = np.zeros(observed.shape[0], dtype=bool)
        in_test[chosen] = True
        test = np.repeat(in_test, observed.by_rows.counts)
    return observed.select(~test), observed.select(test)


def _protected(observed: Observed, order: IntArray, by: str) -> BoolArray:
    """Mark the units that must stay in train: for each row and column, its entry that comes last in `order`."""
    length = observed.n_entries if by == "entries" else observed.shape[0]
    turn = np.zeros(length, dtype=np.int64)
    turn[order] = np.arange(len(order))
    protected = np.zeros(length, dtype=bool)
    if by == "entries":
        starts = observed.by_rows.indptr[:-1][observed.by_rows.counts > 0]
        protected[order[np.maximum.reduceat(turn, starts)]] = True
    per_entry = turn if by == "entries" else turn[observed.rows]
    last = np.full(observed.shape[1], -1, dtype=np.int64)
    np.maximum.at(last, observed.cols, per_entry)
    protected[order[last[last >= 0]]] = True
    return protected
