"""A random-looking number for every entry that depends on its row, its column and a seed, never on its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import RandomState, as_generator

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

Keys = NDArray[np.uint64]

ENTRIES_AT_ONCE = 1 << 20
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators": the finaliser of SplitMix64.
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
BASE = np.uint64(0x100000001B3)


def mixed(keys: Keys) -> Keys:
    """Numbers in which every bit depends on every bit of the given ones."""
    with np.errstate(over="ignore"):
        keys = (keys ^ (keys >> np.uint64(30))) * FIRST
        keys = (keys ^ (keys >> np.uint64(27))) * SECOND
    return keys ^ (keys >> np.uint64(31))


def label_keys(labels: Any, size: int) -> Keys:
    """One number for every label (without labels: for every position); equal labels have equal ones everywhere.

    Examples
    --------
    >>> one, other = label_keys(np.array(["a", "b"]), 2), label_keys(np.array(["b", "cc", "a"]), 3)
    >>> bool(one[0] == other[2] and one[1] == other[0] and one[0] != one[1])
    True
    """
    if labels is None:
        return mixed(np.arange(size, dtype=np.uint64) + GOLDEN)
    array = np.asarray(labels)
    if array.dtype.kind in "iumMb":
        return mixed(array.astype(np.int64, copy=False).view(np.uint64) + GOLDEN if array.dtype.kind != "u"
                     else array.astype(np.uint64) + GOLDEN)  # fmt: skip
    if array.dtype.kind == "f":
        return mixed(array.astype(np.float64).view(np.uint64) + GOLDEN)
    if array.dtype.kind != "U":
        array = np.array([str(label) for label in array.tolist()])
    return _text_keys(array)


def _text_keys(array: np.ndarray) -> Keys:
    """A polynomial in the characters' codes; padding adds nothing, so the width of the array does not matter."""
    width = array.dtype.itemsize // 4
    codes = np.ascontiguousarray(array).view(np.uint32).reshape(len(array), width)
    keys, power = np.full(len(array), GOLDEN, dtype=np.uint64), np.uint64(1)
    with np.errstate(over="ignore"):
        for place in range(width):
            power = power * BASE
            keys = keys + (codes[:, place].astype(np.uint64) + np.uint64(1)) * power * (codes[:, place] > 0)
    return mixed(keys)


def seed_of(random_state: RandomState) -> np.uint64:
    """A number drawn once."""
    return np.uint64(as_generator(random_state).integers(2**63))


def row_keys(observed: Observed, random_state: RandomState) -> Keys:
    """One number for every row."""
    with np.errstate(over="ignore"):
        return mixed(label_keys(observed.row_labels, observed.shape[0]) + seed_of(random_state) * GOLDEN)


def entry_keys(observed: Observed, random_state: RandomState) -> Keys:
    """One number for every entry, by row, then column.

    Notes
    -----
    O(E) time, in blocks; 8 bytes per entry. A side without labels may be of any length.
    """
    rows = row_keys(observed, random_state)
    p, of_cols = observed.shape[1], None
    if observed.col_labels is not None or p <= observed.n_entries:
        of_cols = label_keys(observed.col_labels, p)
    keys = np.empty(observed.n_entries, dtype=np.uint64)
    own = observed.rows
    with np.errstate(over="ignore"):
        for start in range(0, len(keys), ENTRIES_AT_ONCE):
            part = slice(start, start + ENTRIES_AT_ONCE)
            row, at = rows[own[part]], observed.cols[part]
            col = mixed(at.astype(np.uint64) + GOLDEN) if of_cols is None else of_cols[at]
            keys[part] = mixed(row * (col | np.uint64(1)) + row)
    return keys
