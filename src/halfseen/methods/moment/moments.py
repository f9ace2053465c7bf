"""Counts, sums and sums of squares of all pairs of columns seen together: one pass, mergeable, subtractable."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Compressed, Observed, as_observed, load, save, storable
from halfseen.data.align import with_columns
from halfseen.engines import Engine, resolve
from halfseen.engines.cuts import cut
from halfseen.engines.local import Serial, shares_memory
from halfseen.kernels import PairTable, add_pair_moments, merge_pairs, pair_moments
from halfseen.kernels.pairs import packed_size

Array = NDArray[Any]

# Rows of about this many entries at a time: the pass holds eight bytes for each of them.
BLOCK_ENTRIES = 1 << 25
# A packed triangle costs 20 bytes for every pair, a list 24 for every pair seen; the triangle is quicker to add to.
PACKED_FROM = 0.25


@dataclass(frozen=True)
class PairValues:
    """Counts, sums and sums of squares of some pairs."""

    counts: Array
    sums: FloatArray
    squares: FloatArray


@storable
@dataclass(eq=False)
class PairMoments:
    r"""What rows say about pairs of columns.

    .. math:: K_{ij} = \#\{t : i, j \in O_t\},\quad S_{ij} = \sum_t x_{ti} x_{tj},\quad
              Q_{ij} = \sum_t (x_{ti} x_{tj})^2,\qquad i \le j,

    over rows :math:`t` with seen columns :math:`O_t`. Sums over rows: blocks of rows can be added in any order
    (workers, days), and taken out again (folds, rows to be forgotten). Make one with :meth:`from_rows` or
    :meth:`empty`; the constructor takes checked parts.

    Parameters
    ----------
    n_rows, n_cols : int
    indptr, indices : ndarray or None
        Partners ``j >= i`` of every column that were seen with it; None where all pairs are held, packed by rows of
        the upper triangle.
    counts, sums, squares : ndarray (n_pairs,)
    profile : ndarray (2, m + 1)
        Rows with 0, 1, ..., m entries, and the sums of their mean squares.
    col_labels : ndarray (n_cols,) or None

    Notes
    -----
    Memory: 24 bytes for every pair seen, or 20 for every pair there is once a quarter was seen; O(entries + pairs)
    time per block of rows. Nothing of the size of the table is made.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rows = np.array([[1.0, 2.0, np.nan], [np.nan, 3.0, 5.0], [2.0, 2.0, np.nan]])
    >>> moments = hs.PairMoments.from_rows(rows)
    >>> found = moments.at([0, 1, 0], [1, 2, 2])
    >>> found.counts.tolist(), found.sums.tolist()
    ([2, 1, 0], [6.0, 15.0, 0.0])
    >>> later = hs.PairMoments.from_rows(rows[:2]).partial_fit(rows[2:])
    >>> later.at([0], [1]).sums.tolist(), (later - moments).n_pairs
    ([6.0], 0)
    """

    n_rows: int
    n_cols: int
    indptr: Array | None
    indices: Array | None
    counts: Array
    sums: Array
    squares: Array
    profile: FloatArray = field(default_factory=lambda: np.zeros((2, 1)))
    col_labels: Labels | None = None

    # ---- making one ------------------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, n_cols: int, col_labels: Any = None) -> Self:
        """No rows yet, over ``n_cols`` columns."""
        table = _no_pairs(n_cols)
        return cls(0, n_cols, *table, col_labels=None if col_labels is None else np.asarray(col_labels))

    @classmethod
    def from_rows(cls, R: Any, engine: str | Engine | None = None) -> Self:
        """The moments of a table.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix (n, d)
        engine : str, Engine or None
            Threads share the columns; the bits do not depend on their number.

        Raises
        ------
        ValueError
            For entries with weights, which have no meaning for pairs.
        """
        observed = as_observed(R)
        moments = cls.empty(observed.shape[1], observed.col_labels)
        return moments.partial_fit(observed, engine)

    def partial_fit(self, R: Any, engine: str | Engine | None = None) -> Self:
        """Add further rows, in place; columns are found by label where both sides have labels. Returns itself."""
        observed = _matched(as_observed(R), self.col_labels, self.n_cols)
        chosen = resolve(engine)
        for start, stop in _row_blocks(observed):
            self._add_block(observed, start, stop, chosen)
        self.n_rows += observed.shape[0]
        if self.n_rows >= 2**31:
            raise ValueError(f"{self.n_rows} rows are more than the 2^31 - 1 that counts can hold; split the data")
        self.profile = sum_profiles(self.profile, profile_of(observed.by_rows))
        return self

    def _add_block(self, observed: Observed, start: int, stop: int, engine: Engine) -> None:
        view = observed.by_rows
        parts = _column_ranges(view, start, stop, engine.workers)
        if self.is_packed:
            packed = self.counts, self.sums, self.squares
            # every worker adds into its columns of one triangle, which only threads can reach
            engine = engine if shares_memory(engine) else Serial()
            list(engine.map(lambda c: add_pair_moments(view, *c, packed, start=start, stop=stop), parts))
            return
        tables = list(engine.map(lambda c: pair_moments(view, *c, start=start, stop=stop), parts))
        self._take(merge_pairs(self._table(), joined(tables)) if self.counts.size else joined(tables))

    def _take(self, table: PairTable) -> None:
        self.indptr, self.indices, self.counts, self.sums, self.squares = table
        self.pack_where_dense()

    def pack_where_dense(self) -> None:
        """Hold all pairs once a quarter of them was seen."""
        if not self.is_packed and self.n_pairs > PACKED_FROM * packed_size(self.n_cols):
            self._pack()

    def copy(self) -> Self:
        """The same moments in arrays of their own."""
        twin = replace(self, counts=self.counts.copy(), sums=self.sums.copy(), squares=self.squares.copy())
        twin.profile = self.profile.copy()
        return twin

    # ---- adding and taking away ------------------------------------------------------------------------------------

    def add(self, other: PairMoments) -> PairMoments:
        """The moments of both sets of rows."""
        return self._combined(other, 1)

    def subtract(self, other: PairMoments) -> PairMoments:
        """The moments without the rows of ``other``, which must be among this one's.

        Raises
        ------
        ValueError
            If ``other`` counts a pair more often than this one does.
        """
        return self._combined(other, -1)

    __add__ = add
    __sub__ = subtract

    @staticmethod
    def merge(parts: Iterable[PairMoments]) -> PairMoments:
        """The moments of all parts together, added as a tree; the order of rows never matters but to rounding."""
        held = list(parts)
        if not held:
            raise ValueError("parts is empty; give at least one PairMoments")
        if len(held) == 1:
            return held[0].copy()
        middle = len(held) // 2
        return PairMoments.merge(held[:middle]).add(PairMoments.merge(held[middle:]))

    def _combined(self, other: PairMoments, sign: int) -> PairMoments:
        other = other.reordered(self.col_labels, self.n_cols)
        profile = sum_profiles(self.profile, sign * other.profile)
        combined = replace(self, n_rows=self.n_rows + sign * other.n_rows, profile=profile)
        if self.is_packed or other.is_packed:
            left, right = self._packed(), other._packed()
            combined.indptr = combined.indices = None
            combined.counts, combined.sums, combined.squares = (a + sign * b for a, b in zip(left, right, strict=True))
            gone = combined.counts == 0
            combined.sums[gone], combined.squares[gone] = 0.0, 0.0
        else:
            combined._take(merge_pairs(self._table(), other._table(), sign))
        if combined.n_rows < 0 or np.any(combined.counts < 0):
            raise ValueError("other holds rows that are not among these; subtract only what was added before")
        return combined

    def reordered(self, col_labels: Any, n_cols: int | None = None) -> PairMoments:
        """The same pairs with the columns in the order of ``col_labels`` (and columns of theirs never seen here)."""
        if col_labels is None or self.col_labels is None or np.array_equal(col_labels, self.col_labels):
            if n_cols is not None and n_cols != self.n_cols:
                raise ValueError(f"moments over {self.n_cols} columns do not fit moments over {n_cols} columns")
            return self
        from halfseen.data.labels import find_labels

        to = find_labels(np.asarray(col_labels), self.col_labels, "column")
        i, j = self.pairs()
        low, high = np.minimum(to[i], to[j]), np.maximum(to[i], to[j])
        kept = self.at_pairs()
        order = np.lexsort((high, low))
        d = len(col_labels)
        indptr = np.searchsorted(low[order], np.arange(d + 1))
        table = (indptr, high[order].astype(np.int32), kept.counts[order], kept.sums[order], kept.squares[order])
        moments = PairMoments(self.n_rows, d, *table, profile=self.profile, col_labels=np.asarray(col_labels))
        moments._take(PairTable(*table))
        return moments

    # ---- looking at it ---------------------------------------------------------------------------------------------

    @property
    def is_packed(self) -> bool:
        """Whether all pairs are held, seen or not."""
        return self.indptr is None

    @property
    def n_pairs(self) -> int:
        """Number of pairs ``i <= j`` that were seen together."""
        return int(np.count_nonzero(self.counts)) if self.is_packed else len(self.counts)

    @property
    def n_entries(self) -> int:
        """Number of entries of all rows."""
        return int(self.profile[0] @ np.arange(self.profile.shape[1]))

    @property
    def entries_per_row(self) -> float:
        """Mean number of entries of a row."""
        return self.n_entries / max(self.n_rows, 1)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        held = (self.indptr, self.indices, self.counts, self.sums, self.squares, self.profile)
        return sum(array.nbytes for array in held if array is not None)

    def __repr__(self) -> str:
        share = 100 * self.n_pairs / max(packed_size(self.n_cols), 1)
        return (
            f"PairMoments({self.n_rows} rows, {self.n_cols} columns, {self.n_pairs} pairs seen ({share:.3g} %), "
            f"{self.entries_per_row:.3g} entries per row)"
        )

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Columns ``i <= j`` of the pairs that were seen, sorted by ``i``, then ``j``."""
        if self.indptr is not None and self.indices is not None:
            return np.repeat(np.arange(self.n_cols, dtype=np.int32), np.diff(self.indptr)), self.indices
        every = np.arange(self.n_cols, dtype=np.int32)
        seen = self.counts != 0
        i = np.repeat(every, self.n_cols - every)[seen]
        # not np.triu_indices: its int64 arrays would weigh as much as all three triangles
        return i, np.concatenate([every[k:] for k in every])[seen] if self.n_cols else every

    def at_pairs(self) -> PairValues:
        """Counts, sums and squares in the order of :meth:`pairs`."""
        if not self.is_packed:
            return PairValues(self.counts, self.sums, self.squares)
        seen = self.counts != 0
        return PairValues(self.counts[seen], self.sums[seen], self.squares[seen])

    def at(self, i: Any, j: Any) -> PairValues:
        """Counts, sums and squares of some pairs, in either order; zero for a pair never seen.

        Parameters
        ----------
        i, j : int arrays (n,)
            Positions of columns.
        """
        i, j = np.broadcast_arrays(np.atleast_1d(i), np.atleast_1d(j))
        low, high = np.minimum(i, j).astype(np.int64), np.maximum(i, j).astype(np.int64)
        if low.size and (low.min() < 0 or high.max() >= self.n_cols):
            raise ValueError(f"columns lie between 0 and {self.n_cols - 1}; got {low.min()} to {high.max()}")
        if self.indptr is None or self.indices is None:
            places = low * self.n_cols - low * (low + 1) // 2 + high
            return PairValues(self.counts[places], self.sums[places], self.squares[places])
        keys = np.repeat(np.arange(self.n_cols, dtype=np.int64) * self.n_cols, np.diff(self.indptr)) + self.indices
        places = np.minimum(np.searchsorted(keys, low * self.n_cols + high), max(len(keys) - 1, 0))
        if not len(keys):
            return PairValues(np.zeros(len(low), np.int32), np.zeros(len(low)), np.zeros(len(low)))
        there = keys[places] == low * self.n_cols + high
        counts, sums, squares = (np.where(there, array[places], 0) for array in (self.counts, self.sums, self.squares))
        return PairValues(counts.astype(np.int32), sums, squares)

    def diagonal(self) -> PairValues:
        """Counts, sums of squares and of fourth powers of the single columns, (d,) each."""
        every = np.arange(self.n_cols)
        return self.at(every, every)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file, as `halfseen.save` does."""
        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> PairMoments:
        """Read what :meth:`save` wrote."""
        moments = load(path)
        if not isinstance(moments, PairMoments):
            raise ValueError(f"{path} holds a {type(moments).__name__}, not PairMoments; read it with halfseen.load")
        return moments

    def _table(self) -> PairTable:
        if self.indptr is not None and self.indices is not None:
            return PairTable(self.indptr, self.indices, self.counts, self.sums, self.squares)
        i, j = self.pairs()
        kept = self.at_pairs()
        indptr = np.searchsorted(i, np.arange(self.n_cols + 1))
        return PairTable(indptr, j, kept.counts, kept.sums, kept.squares)

    def _packed(self) -> tuple[Array, FloatArray, FloatArray]:
        if self.is_packed:
            return self.counts, self.sums, self.squares
        i, j = (part.astype(np.int64) for part in self.pairs())
        places = i * self.n_cols - i * (i + 1) // 2 + j
        triangles = []
        for array in (self.counts, self.sums, self.squares):
            full = np.zeros(packed_size(self.n_cols), array.dtype)
            full[places] = array
            triangles.append(full)
        return triangles[0], triangles[1], triangles[2]

    def _pack(self) -> None:
        self.counts, self.sums, self.squares = self._packed()
        self.indptr = self.indices = None


def _no_pairs(n_cols: int) -> PairTable:
    empty = np.zeros(0)
    return PairTable(np.zeros(n_cols + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), empty, empty)


def _matched(observed: Observed, col_labels: Labels | None, n_cols: int) -> Observed:
    if observed.weights is not None:
        raise ValueError(
            "R has weights, and a pair of entries has no weight of its own; leave them out (R.with_values(R.values, "
            "weights=None)), or drop the entries that should not count"
        )
    if col_labels is not None and observed.col_labels is not None:
        return with_columns(observed, col_labels)
    if observed.shape[1] != n_cols:
        raise ValueError(f"R has {observed.shape[1]} columns; needed: the {n_cols} columns of these moments")
    return observed


def _row_blocks(observed: Observed) -> list[tuple[int, int]]:
    return cut(observed.by_rows.indptr, max(1, -(-observed.n_entries // BLOCK_ENTRIES)))


def _column_ranges(view: Any, start: int, stop: int, workers: int) -> list[tuple[int, int]]:
    """Columns in ranges of about equal numbers of pairs, a few for every worker."""
    if workers == 1:
        return [(0, view.n_minor)]
    ends = view.indptr[start + 1 : stop + 1]
    place = np.arange(view.indptr[start], view.indptr[stop])
    tails = np.repeat(ends, np.diff(view.indptr[start : stop + 1])) - place
    work = (
        np.bincount(view.indices[place[0] : place[-1] + 1], weights=tails, minlength=view.n_minor) if len(place) else 0
    )
    return cut(np.concatenate([[0], np.cumsum(work + np.ones(view.n_minor))]).astype(np.int64), 4 * workers)


def joined(parts: list[PairTable]) -> PairTable:
    """Tables of ranges of columns that follow each other as one."""
    if len(parts) == 1:
        return parts[0]
    sizes = np.cumsum([0, *(len(part.indices) for part in parts)])
    shifted = [part.indptr[1:] + size for part, size in zip(parts, sizes, strict=False)]
    rest = (np.concatenate([part[k] for part in parts]) for k in range(1, 5))
    return PairTable(np.concatenate([[0], *shifted]), *rest)


def profile_of(view: Compressed) -> FloatArray:
    """Rows with 0, 1, ... entries, and the sums of their mean squares."""
    counts = view.counts
    out = np.zeros((2, int(counts.max(initial=0)) + 1))
    out[0] = np.bincount(counts, minlength=out.shape[1])
    filled = np.flatnonzero(counts)
    if len(filled):
        squares = np.add.reduceat(np.square(view.values, dtype=float), view.indptr[filled])
        out[1] = np.bincount(counts[filled], weights=squares / counts[filled], minlength=out.shape[1])
    return out


def sum_profiles(left: FloatArray, right: FloatArray) -> FloatArray:
    """Of two sets of rows, the longer range of entries."""
    out = np.zeros((2, max(left.shape[1], right.shape[1])))
    out[:, : left.shape[1]] += left
    out[:, : right.shape[1]] += right
    return out
