"""What was observed of a table: entries, their weights, and the names of rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels, RandomState
from halfseen.data.compressed import Compressed, frozen, index_dtype, transposed
from halfseen.data.construct import Constructors
from halfseen.data.labels import find_labels, find_positions, unique_labels

DENSE_LIMIT = 100_000_000
Structure = tuple[NDArray[np.int64], IntArray, IntArray]  # indptr, indices, positions in canonical order


class Observed(Constructors):
    """The observed entries of a table with n rows and p columns; immutable.

    Entries are kept in canonical order, sorted by (row, column); everything per entry (values, weights,
    predictions, residuals) is in that order. What was not observed takes no memory.

    Build one with `from_triplets`, `from_dense`, `from_sparse`, `from_frame`, `from_wide` or
    `halfseen.read_table`; the constructor itself takes checked parts and is meant for the library.

    Parameters
    ----------
    by_rows : Compressed
        Entries grouped by rows (CSR), strictly increasing columns inside each row.
    row_labels, col_labels : array-like or None
        Distinct names of the rows and columns.
    notes : tuple of str
        See below.

    Attributes
    ----------
    by_rows : Compressed
        The entries in canonical order.
    row_labels, col_labels : array or None
    trials : float array (n_entries,) or None
        Where values count successes: out of how many, in canonical order. A model takes them as ``trials=R.trials``.
    notes : tuple of str
        What the reader noticed and decided, in plain sentences with a way out: a column of numbers taken as labels,
        positions so sparse that they became labels, columns that look like ages or identifiers.

    Raises
    ------
    ValueError
        If `by_rows` is not a `Compressed`, or labels repeat or are not one per row and column.

    Notes
    -----
    Memory: 12 E + 8 (n + 1) bytes (float64 values, int32 indices), as much again for `by_cols` once it is used
    and 4 E for `column_order`.

    Examples
    --------
    >>> import halfseen as hs
    >>> R = hs.Observed.from_triplets(["ann", "bob", "bob"], ["tea", "tea", "jam"], [5, 3, 4])
    >>> R
    Observed(2 x 2, 3 entries, 75.0 % seen, float64, labelled)
    >>> R.values.tolist(), R.col_labels.tolist()
    ([5.0, 4.0, 3.0], ['jam', 'tea'])
    """

    __slots__ = (
        "__weakref__", "_by_cols", "_columns", "_shape", "by_rows", "col_labels", "notes", "row_labels", "trials",
    )  # fmt: skip

    by_rows: Compressed
    row_labels: Labels | None
    col_labels: Labels | None
    trials: FloatArray | None
    notes: tuple[str, ...]
    _shape: tuple[int, int]
    _by_cols: Compressed | None
    _columns: dict[str, Structure]

    def __init__(
        self, by_rows: Compressed, row_labels: Any = None, col_labels: Any = None, notes: tuple[str, ...] = ()
    ) -> None:
        if not isinstance(by_rows, Compressed):
            raise ValueError(
                f"by_rows must be a Compressed, got {type(by_rows).__name__}; build a table with Observed.from_dense, "
                "from_triplets, from_sparse, from_frame or from_wide"
            )
        shape = (by_rows.n_major, by_rows.n_minor)
        rows = None if row_labels is None else unique_labels(row_labels, shape[0], "row_labels")
        cols = None if col_labels is None else unique_labels(col_labels, shape[1], "col_labels")
        self._fill(by_rows, rows, cols, None)
        object.__setattr__(self, "notes", tuple(notes))

    def _fill(self, by_rows: Compressed, rows: Labels | None, cols: Labels | None, columns: dict | None) -> None:
        put = object.__setattr__
        put(self, "by_rows", by_rows)
        put(self, "row_labels", rows)
        put(self, "col_labels", cols)
        put(self, "trials", None)
        put(self, "notes", ())
        put(self, "_shape", (by_rows.n_major, by_rows.n_minor))
        put(self, "_by_cols", None)
        # The column structure depends on the places only: tables with other values share it.
        put(self, "_columns", {} if columns is None else columns)

    def _same(self, by_rows: Compressed, columns: dict | None = None, trials: FloatArray | None = None) -> Observed:
        """Return a table with these entries and the labels of this one (which are not checked again)."""
        other = object.__new__(Observed)
        other._fill(by_rows, self.row_labels, self.col_labels, columns)
        return other._told(self.notes, trials)

    def _told(self, notes: tuple[str, ...] = (), trials: FloatArray | None = None) -> Self:
        """Give a new table its notes (further ones, if it has some) and trials; for tables nobody else has yet."""
        object.__setattr__(self, "notes", (*self.notes, *notes))
        if trials is not None:
            object.__setattr__(self, "trials", frozen(trials))
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Observed cannot be changed; make a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Observed cannot be changed; {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.by_rows, self.row_labels, self.col_labels, self.notes, self.trials)

    def __repr__(self) -> str:
        labelled = ", labelled" if self.row_labels is not None or self.col_labels is not None else ""
        weighted = ", weighted" if self.weights is not None else ""
        share = f"{100 * self.density:.3g}" if self.density < 0.01 else f"{100 * self.density:.1f}"
        size = f"{self.shape[0]} x {self.shape[1]}, {self.n_entries} entries, {share} % seen"
        return f"Observed({size}, {self.dtype}{weighted}{labelled})"

    def _repr_html_(self) -> str:
        from halfseen.data.html import table_html

        return table_html(self)

    # ---- facts -------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self._shape

    @property
    def n_entries(self) -> int:
        """Number of observed entries E."""
        return len(self.by_rows.indices)

    @property
    def dtype(self) -> np.dtype:
        """Type of the values: float32 or float64."""
        return self.by_rows.values.dtype

    @property
    def density(self) -> float:
        """Share of the cells that was observed."""
        return self.n_entries / max(self.shape[0] * self.shape[1], 1)

    @property
    def values(self) -> FloatArray:
        """Values in canonical order, shape (n_entries,)."""
        return self.by_rows.values

    @property
    def weights(self) -> FloatArray | None:
        """Weights in canonical order, or None."""
        return self.by_rows.weights

    @property
    def rows(self) -> IntArray:
        """Row of each entry in canonical order; expanded at each call."""
        return self.by_rows.expand()

    @property
    def cols(self) -> IntArray:
        """Column of each entry in canonical order."""
        return self.by_rows.indices

    @property
    def by_cols(self) -> Compressed:
        """The entries grouped by columns (CSC); built on first use and kept."""
        if self._by_cols is None:
            grouped = self._grouped()
            object.__setattr__(self, "_by_cols", grouped)
            return grouped
        return self._by_cols

    def _grouped(self) -> Compressed:
        if self.weights is None and "parts" not in self._columns:
            # Values move straight to their places: the order of the entries, half as large again, is not needed.
            indptr, indices, values = transposed(self.by_rows, self.values)
            return Compressed.trusted(indptr, indices, values, None, self.shape[0])
        starts, indices, order = self._structure()
        weights = None if self.weights is None else self.weights[order]
        return Compressed.trusted(starts, indices, self.values[order], weights, self.shape[0])

    @property
    def column_order(self) -> IntArray:
        """Canonical position of each entry of `by_cols`: ``by_cols.values == values[column_order]``."""
        return self._structure()[2]

    def _structure(self) -> tuple[NDArray[np.int64], IntArray, IntArray]:
        if "parts" not in self._columns:
            positions = np.arange(self.n_entries, dtype=index_dtype(self.n_entries))
            indptr, indices, order = transposed(self.by_rows, positions)
            if self._by_cols is not None:
                indptr, indices = self._by_cols.indptr, self._by_cols.indices
            self._columns["parts"] = (frozen(indptr), frozen(indices), frozen(order))
        return self._columns["parts"]

    @property
    def T(self) -> Observed:
        """The transposed table; shares all arrays with this one."""
        indptr, indices, order = self.by_rows.indptr, self.by_rows.indices, self.column_order
        inverse = np.empty(len(order), dtype=order.dtype)
        inverse[order] = np.arange(len(order), dtype=order.dtype)
        other = object.__new__(Observed)
        columns = {"parts": (indptr, indices, frozen(inverse))}
        other._fill(self.by_cols, self.col_labels, self.row_labels, columns)
        object.__setattr__(other, "_by_cols", self.by_rows)
        return other._told(self.notes, None if self.trials is None else self.trials[order])

    @property
    def nbytes(self) -> int:
        """Bytes held by all arrays, views built so far included."""
        held = {id(array): array.nbytes for group in (self.by_rows, self._by_cols) for array in _arrays(group)}
        held |= {id(part): part.nbytes for part in self._columns.get("parts", ())}
        held |= {id(part): part.nbytes for part in (self.row_labels, self.col_labels) if part is not None}
        return sum(held.values())

    def describe(self) -> dict[str, Any]:
        """Return plain facts: size, values, entries per row and column, empty ones, notes, and what they suggest."""
        from halfseen.data.facts import describe

        return describe(self)

    # ---- other tables made from this one ---------------------------------------------------------------------

    def with_values(self, values: Any, weights: Any = "keep") -> Observed:
        """Return the same places with other values; `weights` stay unless an array or None is given.

        Parameters
        ----------
        values : array of shape (n_entries,)
            In canonical order. Not checked for NaN: the caller made them.
        weights : array of shape (n_entries,), None or "keep"
        """
        new = _per_entry(values, self.n_entries, self.dtype, "values")
        kept = isinstance(weights, str) or weights is None
        new_weights = weights if kept else _per_entry(weights, self.n_entries, new.dtype, "weights")
        return self._same(self.by_rows.with_values(new, new_weights), self._columns, self.trials)

    def astype(self, dtype: Any) -> Observed:
        """Return the table with values (and weights) as float32 or float64; itself if they are already."""
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {dtype}")
        if dtype == self.dtype:
            return self
        weights = None if self.weights is None else self.weights.astype(dtype)
        return self._same(self.by_rows.with_values(self.values.astype(dtype), weights), self._columns, self.trials)

    def take_rows(self, rows: Any) -> Observed:
        """Return a table of the chosen rows, in the given order (positions, boolean mask or slice).

        Labels of rows follow; if a row is taken twice (a bootstrap sample) the new rows have no labels.
        """
        order = np.arange(self.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
        if order.dtype == bool:
            if len(order) != self.shape[0]:
                raise ValueError(f"a mask of rows needs {self.shape[0]} values, got {len(order)}")
            order = np.flatnonzero(order)
        order = find_positions(self.shape[0], order)
        labels = self.row_labels if self.row_labels is None else self.row_labels[order]
        if labels is not None and len(np.unique(order)) < len(order):
            labels = None
        other = object.__new__(Observed)
        taken = None if labels is None else frozen(labels)
        other._fill(self.by_rows.take_major(order), taken, self.col_labels, None)
        trials = None if self.trials is None else self.by_rows.with_values(self.trials, None).take_major(order).values
        return other._told(self.notes, trials)

    def select(self, entries: BoolArray | IntArray) -> Observed:
        """Return the chosen entries only (mask or positions in canonical order); same shape, same labels."""
        chosen: np.ndarray = np.asarray(entries)
        if chosen.dtype == bool:
            if len(chosen) != self.n_entries:
                raise ValueError(f"a mask of entries needs {self.n_entries} values, got {len(chosen)}")
            mask = chosen
        else:
            mask = np.zeros(self.n_entries, dtype=bool)
            mask[find_positions(self.n_entries, chosen, "entry")] = True
        return self._same(self.by_rows.select(mask), None, None if self.trials is None else self.trials[mask])

    def split(
        self, fraction: float, random_state: RandomState = None, by: str = "entries", keep_covered: bool = False
    ) -> tuple[Observed, Observed]:
        """Hold entries out at random: return (train, test), both with this shape and these labels.

        Parameters
        ----------
        fraction : float in (0, 1)
            Share of the entries (or of the non-empty rows) that goes into test.
        random_state : int, Generator or None
        by : {"entries", "rows"}
            Draw single entries, or whole rows.
        keep_covered : bool
            Never take the last entry of a row or column (by="rows": of a column) out of train. If too few entries
            can be spared, test is smaller than asked for.

        Examples
        --------
        >>> import halfseen as hs
        >>> train, test = hs.Observed.from_dense([[1, 2], [3, 4]]).split(0.25, random_state=0)
        >>> train.n_entries, test.n_entries
        (3, 1)
        """
        from halfseen.data.splits import split

        return split(self, fraction, random_state, by, keep_covered)

    def folds(
        self, n_folds: int, random_state: RandomState = None, by: str = "entries"
    ) -> Iterator[tuple[Observed, Observed]]:
        """Yield n_folds pairs (train, test); every entry (or row) is in exactly one test part."""
        from halfseen.data.splits import folds

        return folds(self, n_folds, random_state, by)

    # ---- places and labels -----------------------------------------------------------------------------------

    def row_index(self, rows: Any) -> IntArray:
        """Return positions of rows given by label (or by position, where the rows have no labels)."""
        if self.row_labels is None:
            return find_positions(self.shape[0], rows, "row")
        return find_labels(self.row_labels, rows, "row")

    def col_index(self, cols: Any) -> IntArray:
        """Return positions of columns given by label (or by position, where the columns have no labels)."""
        if self.col_labels is None:
            return find_positions(self.shape[1], cols, "column")
        return find_labels(self.col_labels, cols, "column")

    # ---- to other libraries ----------------------------------------------------------------------------------

    def to_coo(self) -> Any:
        """Return a scipy.sparse.coo_array; observed zeros stay stored."""
        from scipy import sparse

        parts = (self.values.copy(), (self.rows, self.cols.copy()))
        return sparse.coo_array(parts, shape=self.shape)

    def to_csr(self) -> Any:
        """Return a scipy.sparse.csr_array; observed zeros stay stored."""
        from scipy import sparse

        parts = (self.values.copy(), self.cols.copy(), self.by_rows.indptr.copy())
        return sparse.csr_array(parts, shape=self.shape)

    def to_dense(self) -> FloatArray:
        """Return an array of shape (n, p) with NaN where nothing was observed; refuses more than 1e8 cells."""
        if self.shape[0] * self.shape[1] > DENSE_LIMIT:
            raise ValueError(f"a table of {self.shape[0]} x {self.shape[1]} is too large to be made dense; use to_csr")
        table = np.full(self.shape, np.nan, dtype=self.dtype)
        table[self.rows, self.cols] = self.values
        return table

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """Return a long table with columns row, col, value (and weight); backend pyarrow, pandas or polars."""
        from halfseen.data.frames import to_frame

        return to_frame(self, backend)


def _rebuilt(by_rows: Compressed, rows: Any, cols: Any, notes: tuple[str, ...], trials: Any) -> Observed:
    return Observed(by_rows, rows, cols, notes)._told((), trials)


def _arrays(group: Compressed | None) -> list[np.ndarray]:
    if group is None:
        return []
    parts = [group.indptr, group.indices, group.values, group.weights]
    return [part for part in parts if part is not None]


def _per_entry(values: Any, n_entries: int, dtype: np.dtype, name: str) -> FloatArray:
    array = np.asarray(values)
    if array.shape != (n_entries,):
        raise ValueError(f"{name} must have shape ({n_entries},), one per entry; got {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(dtype)
    # A copy unless nobody can write to it: an Observed must not change under its users.
    return array.copy() if array.flags.writeable or array.base is not None else array
