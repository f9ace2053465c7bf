"""Entries grouped along one axis, and the counting sort that groups them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray, FloatArray, IntArray

INT32_LIMIT = 2**31
# An axis longer than 2^31 positions costs more than 16 GiB of offsets; refuse it where entries do not justify it.
LONGEST_AXIS = 2**31
BLOCK = 1 << 16


# Entries handled at once where a temporary per entry is needed.
PIECE = 1 << 20


def index_dtype(n: int) -> type[np.signedinteger[Any]]:
    """Return int32 when the positions 0..n-1 fit, else int64."""
    return np.int32 if n < INT32_LIMIT else np.int64


def frozen(array: np.ndarray) -> np.ndarray:
    """Return a contiguous read-only view of an array; the array itself keeps its flags."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True, eq=False)
class Compressed:
    """Entries grouped by a major axis: CSR when the rows are major, CSC when the columns are.

    Entry positions ``indptr[i]:indptr[i + 1]`` belong to major index i; inside them `indices` increases strictly.

    Parameters
    ----------
    indptr : int64 array of shape (n_major + 1,)
    indices : int32 array of shape (n_entries,), int64 if ``n_minor >= 2**31``
    values : float array of shape (n_entries,)
    weights : float array of shape (n_entries,) or None
    n_minor : int
        Length of the other axis.

    Raises
    ------
    ValueError
        Naming the argument and the first bad place: `indptr` that does not start at 0, falls, or does not end at the
        number of entries; `indices` outside the axis or not increasing inside a row; other lengths.

    Notes
    -----
    Arrays are kept as read-only views, without a copy. Memory: 8 (n_major + 1) + (4 or 8) E + itemsize E bytes.
    Checked once, O(E) time; the library's own tables come from `trusted`, which does not look again.

    Examples
    --------
    >>> rows = Compressed(np.array([0, 2, 3]), np.array([0, 2, 1], np.int32), np.array([1.0, 2.0, 3.0]), None, 3)
    >>> rows.n_major, rows.counts.tolist()
    (2, [2, 1])
    """

    indptr: NDArray[np.int64]
    indices: IntArray
    values: FloatArray
    weights: FloatArray | None
    n_minor: int

    def __post_init__(self) -> None:
        check_parts(self.indptr, self.indices, self.values, self.weights, self.n_minor)
        self._freeze()

    def _freeze(self) -> None:
        put = object.__setattr__
        put(self, "indptr", frozen(np.asarray(self.indptr, dtype=np.int64)))
        put(self, "indices", frozen(np.asarray(self.indices, dtype=index_dtype(self.n_minor))))
        put(self, "values", frozen(self.values))
        if self.weights is not None:
            put(self, "weights", frozen(self.weights))
        put(self, "n_minor", int(self.n_minor))

    @classmethod
    def trusted(
        cls, indptr: IntArray, indices: IntArray, values: FloatArray, weights: FloatArray | None, n_minor: int
    ) -> Compressed:
        """Return a table of parts that are right by construction, without looking at them.

        Only for parts that the library made itself: kernels index memory with them.
        """
        table = object.__new__(cls)
        parts = {"indptr": indptr, "indices": indices, "values": values, "weights": weights, "n_minor": n_minor}
        for name, part in parts.items():
            object.__setattr__(table, name, part)
        table._freeze()
        return table

    def __reduce__(self) -> tuple[Any, ...]:
        return Compressed.trusted, (self.indptr, self.indices, self.values, self.weights, self.n_minor)

    @property
    def n_major(self) -> int:
        """Length of the axis the entries are grouped by."""
        return len(self.indptr) - 1

    @property
    def counts(self) -> IntArray:
        """Number of entries of each major index, shape (n_major,)."""
        return np.diff(self.indptr)

    def with_values(self, values: FloatArray, weights: FloatArray | str | None = "keep") -> Compressed:
        """Return the same places with other values (and weights, unless ``"keep"``)."""
        kept = self.weights if isinstance(weights, str) else weights
        for name, array in (("values", values), ("weights", kept)):
            if array is not None and np.shape(array) != self.indices.shape:
                raise ValueError(f"{name} must have shape {self.indices.shape}, one per entry; got {np.shape(array)}")
        return Compressed.trusted(self.indptr, self.indices, values, kept, self.n_minor)

    def expand(self) -> IntArray:
        """Return the major index of every entry, shape (n_entries,)."""
        return np.repeat(np.arange(self.n_major, dtype=index_dtype(self.n_major)), self.counts)

    def minor_sums(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """Sum one number per entry (count them, if None) over each minor index, shape (n_minor,).

        In pieces: `numpy.bincount` alone would copy the indices as int64 and the numbers as float64.
        """
        out = np.zeros(self.n_minor, dtype=np.int64 if numbers is None else np.float64)
        for begin in range(0, len(self.indices), PIECE):
            part = slice(begin, begin + PIECE)
            weights = None if numbers is None else numbers[part]
            out += np.bincount(self.indices[part], weights=weights, minlength=self.n_minor)
        return out

    def select(self, mask: BoolArray) -> Compressed:
        """Return the entries where `mask` is true; the shape stays. O(E) time, no memory but the result's."""
        indptr = np.zeros(len(self.indptr), dtype=np.int64)
        filled = np.flatnonzero(self.counts)
        if len(filled):  # reduceat adds from one start to the next: empty slices must not take part
            indptr[filled + 1] = np.add.reduceat(mask, self.indptr[filled], dtype=np.int64)
        np.cumsum(indptr, out=indptr)
        weights = None if self.weights is None else self.weights[mask]
        return Compressed.trusted(indptr, self.indices[mask], self.values[mask], weights, self.n_minor)

    def take_major(self, order: IntArray) -> Compressed:
        """Return the major slices in the given order; -1 gives an empty slice. O(E taken)."""
        starts = self.indptr[order]  # -1 wraps to the end of the data; its count is set to 0
        counts = np.where(order < 0, 0, self.indptr[order + 1] - starts)
        indptr = np.zeros(len(order) + 1, dtype=np.int64)
        np.cumsum(counts, out=indptr[1:])
        positions = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], counts)
        weights = None if self.weights is None else self.weights[positions]
        return Compressed.trusted(indptr, self.indices[positions], self.values[positions], weights, self.n_minor)


def check_parts(indptr: Any, indices: Any, values: Any, weights: Any, n_minor: Any) -> None:
    """Refuse parts that are no table: kernels read memory at these places without another look."""
    if isinstance(n_minor, bool) or not isinstance(n_minor, int | np.integer) or n_minor < 0:
        raise ValueError(f"n_minor must be a whole number of at least 0; got {n_minor!r}")
    for name, part in (("indptr", indptr), ("indices", indices)):
        array = np.asarray(part)
        if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
            raise ValueError(
                f"{name} must be a one-dimensional array of whole numbers; got {array.dtype} {array.shape}"
            )
    for name, part in (("values", values), ("weights", weights)):
        if part is None and name == "weights":
            continue
        array = np.asarray(part)
        if array.shape != np.shape(indices) or array.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{name} must hold one float32 or float64 per index, shape {np.shape(indices)}; "
                f"got {array.dtype} {array.shape}"
            )
    starts, places = np.asarray(indptr), np.asarray(indices)
    if not len(starts) or starts[0] != 0 or starts[-1] != len(places):
        ends = f"from {starts[0]} to {starts[-1]}" if len(starts) else "nowhere"
        raise ValueError(f"indptr must run from 0 to the number of indices ({len(places)}); it runs {ends}")
    falls = starts[1:] < starts[:-1]
    if falls.any():
        first = int(falls.argmax())
        raise ValueError(f"indptr must never fall; indptr[{first + 1}] = {starts[first + 1]} < {starts[first]}")
    _check_places(starts, places, int(n_minor))


def _check_places(starts: IntArray, places: IntArray, n_minor: int) -> None:
    """Refuse indices outside the axis or in another than growing order; in pieces, to need little memory."""
    for begin in range(0, len(places), PIECE):
        part = places[begin : begin + PIECE]
        outside = (part < 0) | (part >= n_minor)
        if outside.any():
            first = int(outside.argmax())
            raise ValueError(f"indices[{begin + first}] = {part[first]} is outside 0..{n_minor - 1}")
        before = places[max(begin - 1, 0) : begin + PIECE]
        stuck = np.flatnonzero(before[1:] <= before[:-1]) + max(begin, 1)
        inside = stuck[starts[np.minimum(np.searchsorted(starts, stuck), len(starts) - 1)] != stuck]
        if len(inside):
            first = int(inside[0])
            raise ValueError(
                f"indices must increase inside each row; indices[{first}] = {places[first]} comes after "
                f"{places[first - 1]}"
            )


def check_axis(n_major: int, n_entries: int, axis: str) -> None:
    """Refuse offsets for an axis so long that they dwarf the entries."""
    if n_major >= LONGEST_AXIS and n_major > 16 * n_entries:
        raise ValueError(
            f"grouping {n_entries} entries by {axis} needs one offset for each of {n_major} {axis} "
            f"({8 * n_major / 2**30:.0f} GiB); give the {axis} labels (row_labels='infer' or col_labels='infer'), "
            f"so that only the {axis} that occur are counted"
        )


def group(major: IntArray, minor: IntArray, payload: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Sort triplets by (major, minor); duplicates stay, in no particular order.

    Returns
    -------
    indptr, indices, payload : fresh arrays
        Counting sort over the major axis, then a sort inside each slice: O(E log(longest slice)) time.
    """
    from scipy import sparse

    check_axis(shape[0], len(major), "rows")
    if _is_sorted(major, minor):
        wide = np.promote_types(major.dtype, index_dtype(shape[0] + 1))  # of equal kind: else major would be copied
        indptr = np.searchsorted(major, np.arange(shape[0] + 1, dtype=wide), side="left")
        return indptr, np.array(minor, dtype=index_dtype(shape[1])), np.array(payload)
    table = sparse.coo_array((payload, (major, minor)), shape=shape)
    table.has_canonical_format = True  # else tocsr would add duplicates up: they are merged only by a named rule
    grouped = table.tocsr()
    grouped.has_canonical_format = False
    grouped.has_sorted_indices = False
    grouped.sort_indices()
    return np.asarray(grouped.indptr, dtype=np.int64), grouped.indices, grouped.data


def _is_sorted(major: IntArray, minor: IntArray) -> bool:
    """Tell whether places increase strictly, as in many files and CSR matrices; stops at the first that do not."""
    return all(
        _increases(major[start : start + BLOCK + 1], minor[start : start + BLOCK + 1])
        for start in range(0, len(major), BLOCK)
    )


def _increases(major: IntArray, minor: IntArray) -> bool:
    further = (major[1:] > major[:-1]) | ((major[1:] == major[:-1]) & (minor[1:] > minor[:-1]))
    return bool(further.all())


def transposed(rows: Compressed, numbers: np.ndarray) -> tuple[NDArray[np.int64], IntArray, np.ndarray]:
    """Return indptr and indices of the other grouping, and ``numbers`` (one per entry) in its order.

    O(E) time; no memory but the result's: SciPy keeps the narrow indices only if the row starts are narrow too.
    """
    from scipy import sparse

    n_entries = len(rows.indices)
    check_axis(rows.n_minor, n_entries, "columns")
    narrow = index_dtype(max(n_entries, rows.n_major, rows.n_minor) + 1)
    starts = rows.indptr.astype(narrow)
    table = sparse.csr_array((numbers, rows.indices, starts), shape=(rows.n_major, rows.n_minor), copy=False)
    other = table.tocsc()
    return np.asarray(other.indptr, dtype=np.int64), other.indices, other.data


def repeats(indptr: IntArray, indices: IntArray) -> BoolArray:
    """Tell for each entry whether the one before it sits at the same place, shape (n_entries,)."""
    same = np.zeros(len(indices), dtype=bool)
    np.equal(indices[1:], indices[:-1], out=same[1:])
    starts = indptr[:-1]
    same[starts[starts < len(indices)]] = False
    return same
