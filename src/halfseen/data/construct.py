"""How an Observed is made from triplets, dense and sparse arrays and data frames."""

from __future__ import annotations

from typing import Any, Self

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


class Constructors:
    """Class methods of `Observed` that build one from what users have."""

    __slots__ = ()

    def __init__(self, by_rows: Compressed, row_labels: Any = None, col_labels: Any = None) -> None:
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
            None, or None inside: as large as the labels or the largest position need.
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
        row_codes, row_names, n_rows = _axis(rows, row_labels, n_rows, "row")
        col_codes, col_names, n_cols = _axis(cols, col_labels, n_cols, "col")
        return cls._assemble(row_codes, col_codes, numbers, weights, (n_rows, n_cols), row_names, col_names, duplicates)

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
    ) -> Self:
        """Build from checked positions; values (numbers of any width) and weights are checked here."""

        def place(entry: int) -> str:
            return cell("R", int(rows[entry]), int(cols[entry]), row_labels, col_labels)

        if values.dtype.kind == "f":
            check_finite(values, place)
        if weights is not None:
            weights = check_weights(weights, len(values), value_dtype(values.dtype, dtype), place)
        by_rows = compress(rows, cols, values, weights, shape, duplicates, place, dtype)
        return cls(by_rows, row_labels, col_labels)

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
    ) -> Self:
        """Build from a long data frame (pandas, polars, pyarrow): one line per observed entry.

        Parameters
        ----------
        frame : data frame
        row, col, value, weight : str
            Column names. The row and column identifiers become the labels, in sorted order.
        duplicates : str
            As in `from_triplets`.
        dtype : float32, float64 or None

        Examples
        --------
        >>> import pyarrow as pa, halfseen as hs
        >>> table = pa.table({"user": ["b", "a"], "item": [7, 9], "rating": [4.0, 5.0]})
        >>> R = hs.Observed.from_frame(table, row="user", col="item", value="rating")
        >>> R.row_labels.tolist(), R.col_labels.tolist()
        (['a', 'b'], [7, 9])
        """
        from halfseen.data.frames import long_columns

        columns = long_columns(frame, {"row": row, "col": col, "value": value, "weight": weight})
        return cls.from_triplets(
            columns["row"],
            columns["col"],
            as_numbers(columns["value"], f"column {value!r}", dtype),
            columns.get("weight"),
            row_labels="infer",
            col_labels="infer",
            duplicates=duplicates,
        )

    @classmethod
    def from_wide(cls, frame: Any, *, row: str | None = None, dtype: Any = None) -> Self:
        """Build from a wide data frame: its columns are the columns, missing cells are NaN or null.

        Parameters
        ----------
        frame : data frame (pandas, polars, pyarrow) with n lines
        row : str or None
            Column that holds the row labels. None: the index of a pandas frame, if it is not just 0..n-1.
        dtype : float32, float64 or None

        Examples
        --------
        >>> import pyarrow as pa, halfseen as hs
        >>> R = hs.Observed.from_wide(pa.table({"id": ["x", "y"], "tea": [1.0, None], "jam": [2.0, 3.0]}), row="id")
        >>> R.shape, R.n_entries, R.col_labels.tolist()
        ((2, 2), 3, ['tea', 'jam'])
        """
        from halfseen.data.frames import wide_table

        table, row_labels, col_labels = wide_table(frame, row, dtype)
        return cls.from_dense(table, row_labels=row_labels, col_labels=col_labels, dtype=dtype)


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


def _axis(given: Any, labels: Any, length: int | None, axis: str) -> tuple[IntArray, Labels | None, int]:
    """Return positions, labels and length of one axis."""
    name = "rows" if axis == "row" else "cols"
    infer = isinstance(labels, str)
    if infer and labels != "infer":
        raise ValueError(f"{axis}_labels must be labels, None or 'infer', got {labels!r}")
    array = np.asarray(given) if hasattr(given, "__array__") else given
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
        array = as_label_array(array, name)
    if infer or (labels is None and array.dtype.kind not in "iu"):
        codes, names = factorise(array, name)
        if length is not None and length != len(names):
            raise ValueError(f"shape says {length} {name}, but there are {len(names)} different labels")
        return codes, names, len(names)
    known = None
    if labels is not None:
        known = unique_labels(labels, len(labels) if length is None else length, f"{axis}_labels")
        length = len(known)
    if known is not None and array.dtype.kind not in "iu":
        unique_codes, names = factorise(array, name)
        return find_labels(known, names, "row" if axis == "row" else "column")[unique_codes], known, len(known)
    if array.dtype == np.uint64:
        array = array.astype(np.int64) if int(array.max()) < 2**63 else array
    return array, known, check_codes(array, length, name, axis)


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
