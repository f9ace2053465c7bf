"""How an Observed is made from triplets, dense and sparse arrays and data frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self, TypedDict, Unpack

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.checks import (
    as_numbers,
    cell,
    check_codes,
    check_finite,
    check_rule,
    check_shape,
    check_weights,
    value_dtype,
)
from halfseen.data.compress import check_not_empty, compress, compress_dense
from halfseen.data.compressed import Compressed
from halfseen.data.labels import as_label_array, factorise, find_labels, unique_labels
from halfseen.data.trials import successes

# Without shape= or labels, positions up to n make n rows. Where nearly all would be empty (this many rows, and this
# many per entry), they are identifiers in all likelihood: the rows that occur are kept, under the numbers as labels.
SPARSE_FROM = 10_000
SPARSE_PER_ENTRY = 20


class FrameReading(TypedDict, total=False):
    """How the values of a frame are meant; see `halfseen.read_table`."""

    values: Mapping[Any, float | None] | None
    trials: str | None


class Constructors:
    """Class methods of `Observed` that build one from what users have."""

    __slots__ = ()

    def __init__(
        self, by_rows: Compressed, row_labels: Any = None, col_labels: Any = None, notes: tuple[str, ...] = ()
    ) -> None:
        raise NotImplementedError

    def _told(self, notes: tuple[str, ...] = (), trials: FloatArray | None = None) -> Self:
        raise NotImplementedError

    @classmethod
    def from_triplets(
        cls,
        rows: Any,
        cols: Any,
        values: Any,
        weights: Any = None,
        shape: tuple[int | None, int | None] | None = None,
        *,
        row_labels: Any = None,
        col_labels: Any = None,
        duplicates: str = "error",
    ) -> Self:
        """Build from one (row, column, value) per observed entry.

        Parameters
        ----------
        rows, cols : array-like of shape (n_entries,)
            Integers are 0-based positions. Anything else (text, dates, hashable objects) is a label: looked up in
            `row_labels` / `col_labels` if they are given, else numbered in sorted order.
        values : array-like of shape (n_entries,)
            Finite numbers. float32 stays; other numbers become float64 (see `astype`).
        weights : array-like of shape (n_entries,) or None
            Non-negative.
        shape : (n_rows, n_cols) or None
            None, or None inside: as large as the labels or the largest position need. Positions so sparse that nearly
            all rows would be empty (10 000 rows and 20 per entry) become labels of the rows that occur, with a note;
            give the length to keep them positions.
        row_labels, col_labels : array-like, "infer" or None
            Names in order of position; "infer": take integers as labels (identifiers) as well.
        duplicates : {"error", "first", "last", "mean", "sum", "max", "min"}
            What to do with several entries at one place.

        Returns
        -------
        Observed

        Raises
        ------
        ValueError
            Naming the first bad entry: NaN or infinite value, position outside, unknown label, unequal lengths,
            duplicates without a rule, no entries.

        Notes
        -----
        Counting sort over rows, then a sort in each row: O(E log(longest row)) time, about twice the memory of the
        columns at the peak; never n x p.

        Examples
        --------
        >>> import halfseen as hs
        >>> R = hs.Observed.from_triplets([0, 2, 2], [1, 0, 0], [1.0, 2.0, 4.0], duplicates="mean")
        >>> R.shape, R.values.tolist()
        ((3, 2), [1.0, 3.0])
        """
        check_rule(duplicates)
        n_rows, n_cols = check_shape(shape)
        numbers = as_numbers(values, "values")
        _check_lengths(rows=rows, cols=cols, values=numbers)
        row_axis, col_axis = _axis(rows, row_labels, n_rows, "row"), _axis(cols, col_labels, n_cols, "col")
        axes = (row_axis.length, col_axis.length), row_axis.names, col_axis.names
        observed = cls._assemble(row_axis.codes, col_axis.codes, numbers, weights, *axes, duplicates)
        return observed._told((*row_axis.notes, *col_axis.notes))

    @classmethod
    def _assemble(
        cls,
        rows: IntArray,
        cols: IntArray,
        values: FloatArray,
        weights: Any,
        shape: tuple[int, int],
        row_labels: Labels | None,
        col_labels: Labels | None,
        duplicates: str,
        dtype: Any = None,
        trials: Any = None,
    ) -> Self:
        """Build from checked positions; values (numbers of any width), weights and trials are checked here."""

        def place(entry: int) -> str:
            return cell("R", int(rows[entry]), int(cols[entry]), row_labels, col_labels)

        if values.dtype.kind == "f":
            check_finite(values, place)
        if weights is not None:
            weights = check_weights(weights, len(values), value_dtype(values.dtype, dtype), place)
        totals = None
        notes: tuple[str, ...] = ()
        if trials is not None:
            values, totals, notes = successes(values, trials, weights, duplicates, place)
        by_rows = compress(rows, cols, values, weights, shape, duplicates, place, dtype)
        if totals is not None:
            totals = compress(rows, cols, totals, None, shape, duplicates, place, dtype).values
        return cls(by_rows, row_labels, col_labels)._told(notes, totals)

    @classmethod
    def from_dense(cls, array: Any, *, row_labels: Any = None, col_labels: Any = None, dtype: Any = None) -> Self:
        """Build from a two-dimensional array in which NaN (or the mask of a masked array) marks what is missing.

        Parameters
        ----------
        array : array-like of shape (n, p)
        row_labels, col_labels : array-like or None
        dtype : float32, float64 or None

        Raises
        ------
        ValueError
            If the array is not two-dimensional, holds infinite values or text, or nothing was observed.

        Examples
        --------
        >>> import numpy as np, halfseen as hs
        >>> hs.Observed.from_dense([[1.0, np.nan], [0.0, 2.0]]).n_entries
        3
        """
        by_rows = compress_dense(array, "array", dtype)
        return cls(by_rows, row_labels, col_labels)

    @classmethod
    def from_sparse(
        cls,
        matrix: Any,
        *,
        weights: Any = None,
        row_labels: Any = None,
        col_labels: Any = None,
        duplicates: str = "error",
        dtype: Any = None,
    ) -> Self:
        """Build from a scipy.sparse matrix or array: the stored entries, zeros included, are the observed ones.

        Parameters
        ----------
        matrix : scipy.sparse array or matrix of shape (n, p)
            Stored twice at one place counts as a duplicate (SciPy itself would add the two up).
        weights : scipy.sparse of the same structure, or None
            CSR with the same stored places.
        row_labels, col_labels : array-like or None
        duplicates : str
            As in `from_triplets`.
        dtype : float32, float64 or None

        Examples
        --------
        >>> from scipy import sparse
        >>> import halfseen as hs
        >>> hs.Observed.from_sparse(sparse.coo_array(([0.0, 3.0], ([0, 1], [1, 0])))).values.tolist()
        [0.0, 3.0]
        """
        return cls._of_sparse("matrix", matrix, weights, row_labels, col_labels, duplicates, dtype)

    @classmethod
    def _of_sparse(
        cls, name: str, matrix: Any, weights: Any, row_labels: Any, col_labels: Any, duplicates: str, dtype: Any
    ) -> Self:
        """Build from a sparse matrix that the user knows as `name`."""
        check_rule(duplicates)
        if getattr(matrix, "ndim", 2) != 2:
            raise ValueError(f"{name} must have two dimensions, got shape {matrix.shape}")
        check_not_empty(matrix.shape, matrix.nnz, name)
        try:
            coo = matrix.tocoo()
        except ValueError as error:
            raise ValueError(f"{name} is not a valid sparse matrix: {error}") from error
        values = as_numbers(coo.data, name, dtype)
        rows, cols = coo.coords if hasattr(coo, "coords") else (coo.row, coo.col)
        shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        check_codes(rows, shape[0], "rows", "row")
        check_codes(cols, shape[1], "cols", "col")
        row_names = None if row_labels is None else unique_labels(row_labels, shape[0], "row_labels")
        col_names = None if col_labels is None else unique_labels(col_labels, shape[1], "col_labels")
        entry_weights = None if weights is None else _sparse_weights(weights, shape, rows, cols)
        return cls._assemble(rows, cols, values, entry_weights, shape, row_names, col_names, duplicates)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        row: str,
        col: str,
        value: str,
        *,
        weight: str | None = None,
        duplicates: str = "error",
        dtype: Any = None,
        **reading: Unpack[FrameReading],
    ) -> Self:
        """Build from a long data frame: one line per observed entry.

        Parameters
        ----------
        frame : data frame
            pandas, polars, pyarrow, or any object with the Arrow stream interface (``__arrow_c_stream__``).
        row, col, value, weight : str
            Column names. The row and column identifiers become the labels, in sorted order.
        duplicates : str
            As in `from_triplets`.
        dtype : float32, float64 or None

        Other Parameters
        ----------------
        values : mapping or None
            Numbers that words stand for, such as ``{"no": 0, "yes": 1}``; a word that maps to None was not observed.
        trials : str or None
            Column of totals: the value counts successes out of so many (or is their share); see `Observed.trials`.

        Examples
        --------
        >>> import pyarrow as pa, halfseen as hs
        >>> table = pa.table({"user": ["b", "a"], "item": [7, 9], "rating": [4.0, 5.0]})
        >>> R = hs.Observed.from_frame(table, row="user", col="item", value="rating")
        >>> R.row_labels.tolist(), R.col_labels.tolist()
        (['a', 'b'], [7, 9])
        """
        from halfseen.data.frames import long_columns

        unknown = set(reading) - set(FrameReading.__annotations__)
        if unknown:
            raise TypeError(f"from_frame has no argument {sorted(unknown)[0]!r}")
        check_rule(duplicates)
        words, trials = reading.get("values"), reading.get("trials")
        names = {"row": row, "col": col, "value": value, "weight": weight, "trials": trials}
        columns = long_columns(frame, names, words)
        rows, row_names = factorise(columns["row"], "rows")
        cols, col_names = factorise(columns["col"], "cols")
        numbers = as_numbers(columns["value"], f"column {value!r}", dtype)
        shape = (len(row_names), len(col_names))
        more = {"dtype": dtype, "trials": columns.get("trials")}
        weights = columns.get("weight")
        return cls._assemble(rows, cols, numbers, weights, shape, row_names, col_names, duplicates, **more)

    @classmethod
    def from_wide(
        cls,
        frame: Any,
        *,
        columns: Any = None,
        drop: Any = None,
        row: str | None = None,
        values: Mapping[Any, float | None] | None = None,
        dtype: Any = None,
    ) -> Self:
        """Build from a wide data frame: its columns are the columns, missing cells are NaN or null.

        Parameters
        ----------
        frame : data frame with n lines
            pandas, polars, pyarrow, or any object with the Arrow stream interface.
        columns : str, list or None
            The columns of the table: names, positions, or ranges of neighbours: ``"A1:O5"``, ``"x1:x9,y2"``,
            ``["x1:x9", "y2"]``. None: all.
        drop : str, list or None
            Columns to leave out, given likewise.
        row : str or None
            Column that holds the row labels. None: the index of a pandas frame, if it is not just 0..n-1.
        values : mapping or None
            Numbers that words stand for; a word that maps to None was not observed.
        dtype : float32, float64 or None

        Raises
        ------
        ValueError
            If columns hold text; all of them are named, with the ways out.

        Notes
        -----
        Columns of numbers that look like identifiers, ages or dates stay, and are named in `Observed.notes`.

        Examples
        --------
        >>> import pyarrow as pa, halfseen as hs
        >>> frame = pa.table({"id": ["x", "y"], "age": [31, 57], "tea": [1.0, None], "jam": [2.0, 3.0]})
        >>> R = hs.Observed.from_wide(frame, row="id", columns="tea:jam")
        >>> R.shape, R.n_entries, R.col_labels.tolist()
        ((2, 2), 3, ['tea', 'jam'])
        """
        from halfseen.data.frames import WideChoice, wide_table

        table, row_labels, col_labels, notes = wide_table(frame, WideChoice(columns, drop, row, values, dtype))
        return cls.from_dense(table, row_labels=row_labels, col_labels=col_labels, dtype=dtype)._told(notes)


class _Axis(NamedTuple):
    """Positions, labels and length of one axis, and what is to be said of it."""

    codes: IntArray
    names: Labels | None
    length: int
    notes: tuple[str, ...] = ()


def _check_lengths(**columns: Any) -> None:
    lengths = {}
    for name, column in columns.items():
        if not isinstance(column, list | tuple) and np.ndim(column) != 1:
            raise ValueError(f"{name} must be one-dimensional, got shape {np.shape(column)}")
        lengths[name] = len(column)
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"rows, cols and values must have one item per entry, got lengths {text}")
    if not lengths["values"]:
        raise ValueError("0 entries were given; nothing was observed")


def _axis(given: Any, labels: Any, length: int | None, axis: str) -> _Axis:
    """Return positions, labels and length of one axis."""
    name = "rows" if axis == "row" else "cols"
    infer = isinstance(labels, str)
    if infer and labels != "infer":
        raise ValueError(f"{axis}_labels must be labels, None or 'infer', got {labels!r}")
    array = np.asarray(given) if hasattr(given, "__array__") else given
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
        array = as_label_array(given, name)
    if infer or (labels is None and array.dtype.kind not in "iu"):
        codes, names = factorise(array, name)
        if length is not None and length != len(names):
            raise ValueError(f"shape says {length} {name}, but there are {len(names)} different labels")
        return _Axis(codes, names, len(names))
    known = None
    if labels is not None:
        known = unique_labels(labels, len(labels) if length is None else length, f"{axis}_labels")
        length = len(known)
    if known is not None and array.dtype.kind not in "iu":
        unique_codes, names = factorise(array, name)
        places = find_labels(known, names, "row" if axis == "row" else "column")
        return _Axis(places[unique_codes], known, len(known))
    if array.dtype == np.uint64:
        array = array.astype(np.int64) if int(array.max()) < 2**63 else array
    n = check_codes(array, length, name, axis)
    if length is None and n >= SPARSE_FROM and n > SPARSE_PER_ENTRY * len(array):
        codes, names = factorise(array, name)
        return _Axis(codes, names, len(names), (_sparse_note(name, axis, n, len(array), len(names)),))
    return _Axis(array, known, n)


def _sparse_note(name: str, axis: str, n: int, n_entries: int, kept: int) -> str:
    return (
        f"{name} are whole numbers up to {n - 1}, but there are only {n_entries} entries: the {kept} numbers that "
        "occur "
        f"were taken as labels, instead of {n} {name} of which nearly all are empty. If they are positions, say how "
        "many "
        f"{name} there are (shape=); if they are identifiers, {axis}_labels='infer' says so"
    )


def _sparse_weights(weights: Any, shape: tuple[int, int], rows: IntArray, cols: IntArray) -> FloatArray:
    """Return the weight of every entry from a sparse matrix with the same stored places in the same order."""
    other = weights.tocoo() if hasattr(weights, "tocoo") else None
    if other is None:
        return np.asarray(weights)
    other_rows, other_cols = other.coords if hasattr(other, "coords") else (other.row, other.col)
    same = other.shape == shape and np.array_equal(rows, other_rows) and np.array_equal(cols, other_cols)
    if not same:
        raise ValueError("weights must store the same places as matrix, in the same order and format")
    return other.data
