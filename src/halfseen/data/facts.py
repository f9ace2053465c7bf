"""Plain facts about what was observed, and where it is thin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

SHOWN = 5
FEW_VALUES = 20
GRID = (60, 120)
ENTRIES_AT_ONCE = 4_000_000
QUANTILES = 101


@dataclass(frozen=True)
class SeenShares:
    """Where a table was seen, in a size that does not grow with the table.

    Attributes
    ----------
    shape : (int, int)
        Of the table.
    grid : ndarray (at most 60, at most 120)
        Share of the cells seen in a block of neighbouring rows and columns.
    row_counts, col_counts : ndarray (at most 101,)
        Quantiles of the entries per row and per column, smallest first.
    """

    shape: tuple[int, int]
    grid: FloatArray
    row_counts: IntArray
    col_counts: IntArray

    @classmethod
    def of(cls, observed: Observed, grid: tuple[int, int] = GRID) -> SeenShares:
        """Count the entries of a table in blocks. O(entries); nothing of the table's size is made.

        Examples
        --------
        >>> from halfseen.data import Observed
        >>> table = Observed.from_triplets([0, 0, 9], [0, 1, 9], [1.0, 2.0, 3.0], shape=(10, 10))
        >>> SeenShares.of(table, grid=(2, 2)).grid.tolist()
        [[0.08, 0.0], [0.0, 0.04]]
        """
        (n, p), entries = observed.shape, observed.n_entries
        high, wide = min(n, grid[0]), min(p, grid[1])
        counts, rows, cols = np.zeros(high * wide), observed.rows, observed.cols
        for start in range(0, entries, ENTRIES_AT_ONCE):
            part = slice(start, start + ENTRIES_AT_ONCE)
            i = rows[part].astype(np.int64) * high // n
            j = cols[part].astype(np.int64) * wide // p
            counts += np.bincount(i * wide + j, minlength=high * wide)
        sizes = np.outer(_block_sizes(n, high), _block_sizes(p, wide))
        by_col = np.bincount(cols, minlength=p)
        shares = counts.reshape(high, wide) / sizes
        return cls((n, p), shares, quantiles(observed.by_rows.counts), quantiles(by_col))

    def as_dict(self) -> dict[str, Any]:
        """The same as lists, ready for JSON."""
        return {
            "shape": list(self.shape),
            "grid": self.grid.round(4).tolist(),
            "row_counts": self.row_counts.tolist(),
            "col_counts": self.col_counts.tolist(),
        }

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> SeenShares:
        """What `as_dict` gave, back."""
        n, p = facts["shape"]
        return cls((n, p), *(np.asarray(facts[name]) for name in ("grid", "row_counts", "col_counts")))


def _block_sizes(length: int, blocks: int) -> IntArray:
    """How many of ``range(length)`` fall into block ``i * blocks // length``."""
    ends = -(-np.arange(blocks + 1) * length // blocks)
    return np.diff(ends)


def quantiles(counts: IntArray) -> IntArray:
    """All of a few counts in order, evenly spaced ones of many.

    >>> quantiles(np.array([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    counts = np.sort(counts)
    return counts[_places(len(counts))]


def quantiles_of(frequencies: IntArray) -> IntArray:
    """The same of counts of which only the frequencies are known: ``frequencies[k]`` rows have ``k`` entries.

    >>> quantiles_of(np.array([0, 2, 1])).tolist()
    [1, 1, 2]
    """
    last = np.cumsum(frequencies)
    return np.searchsorted(last, _places(int(last[-1])), side="right")


def _places(length: int) -> IntArray:
    return np.unique(np.linspace(0, length - 1, QUANTILES).round().astype(int))


def describe(observed: Observed) -> dict[str, Any]:
    """Return facts as plain Python values (ready for JSON).

    Returns
    -------
    dict
        n_rows, n_cols, n_entries, density, dtype, has_weights, nbytes; ``values`` (min, mean, max, sd, kind, and the
        counts of each value if there are few); ``rows`` and ``cols`` (labelled, entries per row or column as
        min/median/max, number that are empty and the first of them); ``notes`` of the reader; ``hints``, what the
        values suggest (`halfseen.data.suggest.hints`): kind, text and value of each.
    """
    from halfseen.data.suggest import as_dicts, hints

    row_counts = observed.by_rows.counts
    if observed.shape[1] <= 10_000_000 + 16 * observed.n_entries:
        col_counts = np.bincount(observed.cols, minlength=observed.shape[1])
    else:  # an axis too long to count one by one: only the columns that occur
        col_counts = np.unique(observed.cols, return_counts=True)[1]
    return {
        "n_rows": observed.shape[0],
        "n_cols": observed.shape[1],
        "n_entries": observed.n_entries,
        "density": observed.density,
        "dtype": str(observed.dtype),
        "has_weights": observed.weights is not None,
        "nbytes": observed.nbytes,
        "values": _values(observed),
        "rows": _axis(row_counts, observed.shape[0], observed.row_labels),
        "cols": _axis(col_counts, observed.shape[1], observed.col_labels),
        "notes": list(observed.notes),
        "hints": as_dicts(hints(observed)),
    }


def _values(observed: Observed) -> dict[str, Any]:
    values = observed.values
    if not values.size:
        return {"kind": "none"}
    facts: dict[str, Any] = {
        "min": float(values.min()),
        "mean": float(values.mean(dtype=np.float64)),
        "max": float(values.max()),
        "sd": float(values.std(dtype=np.float64)),
    }
    distinct, counts = np.unique(values, return_counts=True)
    whole = bool((distinct == np.trunc(distinct)).all())
    if np.isin(distinct, (0.0, 1.0)).all():
        facts["kind"] = "binary"
    elif whole:
        facts["kind"] = "counts" if distinct[0] >= 0 else "integers"
    else:
        facts["kind"] = "real"
    if distinct.size <= FEW_VALUES:
        facts["counts"] = {f"{value:g}": int(count) for value, count in zip(distinct, counts, strict=True)}
    return facts


def _axis(counts: IntArray, length: int, labels: Labels | None) -> dict[str, Any]:
    n_empty = length - int(np.count_nonzero(counts))
    complete = len(counts) == length
    empty = np.flatnonzero(counts == 0)[:SHOWN] if complete else np.empty(0, dtype=np.int64)
    return {
        "labelled": labels is not None,
        "entries": {
            "min": int(counts.min()) if complete else 0,
            "median": float(np.median(counts)) if complete else 0.0,
            "max": int(counts.max()),
        },
        "n_empty": n_empty,
        "first_empty": (empty if labels is None else labels[empty]).tolist(),
    }
