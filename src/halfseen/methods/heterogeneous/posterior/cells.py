"""The seen cells of a source, as a table with zeros or as a list: the same products either way.

A *cell array* holds one number per seen cell: an (n, p) array with zeros elsewhere, or a vector in row-major order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.linalg.pairs import pair_products

# From this share seen a table with zeros takes at most five times the entries, and its products go through BLAS.
DENSE_SHARE = 0.2


class SourceCells(Protocol):
    """Products over the seen cells of one source."""

    shape: tuple[int, int]
    counts: FloatArray
    row_counts: FloatArray
    values: FloatArray
    seen: FloatArray

    def to_cols(self, E: FloatArray, X: FloatArray) -> FloatArray:
        """``sum_i E_ij X_i`` (p, k)."""
        ...

    def to_rows(self, E: FloatArray, X: FloatArray) -> FloatArray:
        """``sum_j E_ij X_j`` (n, k)."""
        ...

    def products(self, A: FloatArray, B: FloatArray) -> FloatArray:
        """Cell array of ``<A_i, B_j>``."""
        ...

    def of_rows(self, a: FloatArray) -> FloatArray:
        """Cell array of ``a_i``."""
        ...

    def of_cols(self, b: FloatArray) -> FloatArray:
        """Cell array of ``b_j``."""
        ...

    def col_sums(self, E: FloatArray) -> FloatArray:
        """``sum_i E_ij`` (p,)."""
        ...

    def row_sums(self, E: FloatArray) -> FloatArray:
        """``sum_j E_ij`` (n,)."""
        ...

    def from_list(self, table: Observed, numbers: FloatArray) -> FloatArray:
        """A cell array from numbers in the order of the table's entries."""
        ...

    def matrix(self, E: FloatArray) -> Any:
        """A cell array as a matrix (n, p), sparse where the cells are listed."""
        ...


def make_cells(table: Observed) -> SourceCells:
    """The cells of a table: with zeros between them where enough were seen, else as a list."""
    kind: type[Any] = DenseCells if table.density >= DENSE_SHARE else ListedCells
    cells: SourceCells = kind(table)
    return cells


class DenseCells:
    """A table with zeros for what was not seen.

    Notes
    -----
    Memory n p, at most five times the number of entries.
    """

    def __init__(self, table: Observed) -> None:
        self.shape = table.shape
        self.values, self.seen = np.zeros(table.shape), np.zeros(table.shape)
        self.values[table.rows, table.cols] = table.values
        self.seen[table.rows, table.cols] = 1.0
        self.counts, self.row_counts = self.seen.sum(axis=0), self.seen.sum(axis=1)

    def matrix(self, E: FloatArray) -> Any:
        """A cell array as it is."""
        return E

    def to_cols(self, E: FloatArray, X: FloatArray) -> FloatArray:
        return E.T @ X

    def to_rows(self, E: FloatArray, X: FloatArray) -> FloatArray:
        return E @ X

    def products(self, A: FloatArray, B: FloatArray) -> FloatArray:
        product = A @ B.T
        product *= self.seen
        return product

    def of_rows(self, a: FloatArray) -> FloatArray:
        return self.seen * a[:, None]

    def of_cols(self, b: FloatArray) -> FloatArray:
        return self.seen * b

    def col_sums(self, E: FloatArray) -> FloatArray:
        return E.sum(axis=0)

    def row_sums(self, E: FloatArray) -> FloatArray:
        return E.sum(axis=1)

    def from_list(self, table: Observed, numbers: FloatArray) -> FloatArray:
        """A cell array from numbers in the order of the table's entries."""
        cells = np.zeros(self.shape)
        cells[table.rows, table.cols] = numbers
        return cells


class ListedCells:
    """The seen cells alone, by rows.

    Notes
    -----
    Memory O(entries); products through sparse matrices that share the pattern.
    """

    def __init__(self, table: Observed) -> None:
        self.shape = table.shape
        self.rows, self.cols = table.rows, table.cols
        self.indptr = table.by_rows.indptr
        self.values, self.seen = table.values.astype(float), np.ones(table.n_entries)
        self.counts = np.bincount(self.cols, minlength=self.shape[1]).astype(float)
        self.row_counts = np.diff(self.indptr).astype(float)

    def matrix(self, E: FloatArray) -> Any:
        """A cell array as a sparse matrix."""
        from scipy.sparse import csr_array

        return csr_array((E, self.cols, self.indptr), shape=self.shape)

    def to_cols(self, E: FloatArray, X: FloatArray) -> FloatArray:
        return np.asarray(self.matrix(E).T @ X)

    def to_rows(self, E: FloatArray, X: FloatArray) -> FloatArray:
        return np.asarray(self.matrix(E) @ X)

    def products(self, A: FloatArray, B: FloatArray) -> FloatArray:
        return pair_products(A, B, self.rows, self.cols)

    def of_rows(self, a: FloatArray) -> FloatArray:
        return a[self.rows]

    def of_cols(self, b: FloatArray) -> FloatArray:
        return b[self.cols]

    def col_sums(self, E: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.cols, weights=E, minlength=self.shape[1]), dtype=float)

    def row_sums(self, E: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.rows, weights=E, minlength=self.shape[0]), dtype=float)

    def from_list(self, table: Observed, numbers: FloatArray) -> FloatArray:
        """A cell array from numbers in the order of the table's entries."""
        return np.asarray(numbers, dtype=float)


@lru_cache(maxsize=256)
def triangle(k: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Places of an upper triangle, and how often each number stands in the whole matrix."""
    i, j = np.triu_indices(k)
    return i, j, np.where(i == j, 1.0, 2.0)


def packed(first: FloatArray) -> FloatArray:
    """Upper triangles of ``first first'`` (vectors, (m, k)) or of symmetric matrices (m, k, k), one per line.

    Examples
    --------
    >>> packed(np.array([[1.0, 2.0]])).tolist()
    [[1.0, 2.0, 4.0]]
    """
    k = first.shape[-1]
    i, j, _ = triangle(k)
    if first.ndim == 3:
        return np.ascontiguousarray(first).reshape(len(first), k * k).take(i * k + j, axis=1)
    lines = first.take(i, axis=1)
    lines *= first.take(j, axis=1)
    return lines


def submatrices(matrices: FloatArray, kept: IntArray) -> FloatArray:
    """Rows and columns ``kept`` of every matrix, (m, k, k) to (m, kept, kept); NumPy's own way takes twice the time."""
    k, size = matrices.shape[-1], len(kept)
    flat = np.ascontiguousarray(matrices).reshape(len(matrices), k * k)
    return flat.take((kept[:, None] * k + kept).ravel(), axis=1).reshape(len(matrices), size, size)


@lru_cache(maxsize=256)
def mirrored(k: int) -> IntArray:
    """For every cell of a symmetric matrix, row by row, its place in the upper triangle."""
    i, j, _ = triangle(k)
    places = np.empty((k, k), dtype=np.intp)
    places[i, j] = places[j, i] = np.arange(len(i))
    return places.ravel()


def unpacked(lines: FloatArray, k: int) -> FloatArray:
    """Symmetric matrices (m, k, k) from their upper triangles.

    Examples
    --------
    >>> unpacked(np.array([[1.0, 2.0, 4.0]]), 2).tolist()
    [[[1.0, 2.0], [2.0, 4.0]]]
    """
    return lines.take(mirrored(k), axis=1).reshape(len(lines), k, k)


def symmetric_inverse(A: FloatArray) -> FloatArray:
    """Inverses of symmetric positive matrices (m, k, k), symmetric to the last bit."""
    C = np.linalg.inv(A)
    C += C.transpose(0, 2, 1).copy()
    C *= 0.5
    return C


def contracted(lines: FloatArray, other: FloatArray, k: int) -> FloatArray:
    """``sum_ab S_ab T_ab`` of symmetric matrices given by their upper triangles, line by line.

    Examples
    --------
    >>> contracted(np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 1.0, 1.0]]), 2).tolist()
    [9.0]
    """
    return np.einsum("ml,ml->m", lines, other * triangle(k)[2])
