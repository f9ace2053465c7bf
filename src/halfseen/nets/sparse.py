"""Half-seen columns as a network meets them: input layers and outputs that touch the seen entries only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.compressed import Compressed
from halfseen.nets.extra import load_torch


@dataclass(frozen=True, eq=False)
class Columns:
    r"""Columns of tables over the same rows, by seen entries: a matrix :math:`X` whose lines are those columns.

    Attributes
    ----------
    values : Tensor (n_entries,)
        Seen values, column by column.
    pattern : Tensor, sparse CSR (n_columns, n_rows)
        Ones at the seen entries.
    turned : Tensor, sparse CSR (n_rows, n_columns)
        The same, transposed.
    order : Tensor (n_entries,)
        Place in ``values`` of every entry of ``turned``.
    heft : Tensor (n_entries,) or None
        Weights of the entries.
    """

    values: Any
    pattern: Any
    turned: Any
    order: Any
    heft: Any = None

    def as_input(self, values: Any) -> tuple[Any, Any]:
        """The sparse matrix with these values, and its transpose."""
        return _filled(self.pattern, values), _filled(self.turned, values[self.order])

    def __len__(self) -> int:
        return int(self.pattern.shape[0])


def columns_of(group: Compressed, dtype: Any, device: Any) -> Columns:
    """Columns from entries grouped by column (``Observed.by_cols``), on a device.

    Examples
    --------
    >>> from halfseen.data import Observed
    >>> torch = load_torch()
    >>> seen = Observed.from_dense([[1.0, float("nan")], [2.0, 3.0]])
    >>> columns = columns_of(seen.by_cols, torch.float64, "cpu")
    >>> times(columns, columns.values, torch.eye(2, dtype=torch.float64)).tolist()
    [[1.0, 2.0], [0.0, 3.0]]
    """
    import scipy.sparse as sp

    torch, length, n_rows = load_torch("a network"), group.n_major, group.n_minor
    indptr, indices = group.indptr, group.indices
    places = np.arange(len(indices))
    turned = sp.csr_array((places, indices, indptr), shape=(length, n_rows)).tocsc()
    turned.sort_indices()

    def whole(numbers: IntArray) -> Any:
        return torch.from_numpy(np.array(numbers, dtype=np.int64)).to(device)

    def pattern(pointers: IntArray, minor: IntArray, shape: tuple[int, int]) -> Any:
        ones = torch.ones(len(minor), dtype=dtype, device=device)
        return _sparse(whole(pointers), whole(minor), ones, shape)

    def numbers(values: FloatArray) -> Any:
        return torch.from_numpy(np.array(values)).to(device, dtype)

    return Columns(
        numbers(group.values),
        pattern(indptr, indices, (length, n_rows)),
        pattern(turned.indptr, turned.indices, (n_rows, length)),
        whole(turned.data),
        None if group.weights is None else numbers(group.weights),
    )


def times(columns: Columns, values: Any, weights: Any) -> Any:
    """``X @ weights`` of the columns with these values, shape (n_columns, k); the gradient is the weights' alone."""
    return _operations()[0].apply(weights, *columns.as_input(values))


def at_entries(columns: Columns, codes: Any, weights: Any) -> Any:
    """Entries of ``codes @ weights.T`` where the columns were seen, shape (n_entries,)."""
    return _operations()[1].apply(codes, weights, columns)


def _filled(pattern: Any, values: Any) -> Any:
    return _sparse(pattern.crow_indices(), pattern.col_indices(), values, pattern.shape)


def _sparse(pointers: Any, minor: Any, values: Any, shape: Any) -> Any:
    torch = load_torch("a network")
    with warnings.catch_warnings():  # torch calls its sparse rows a beta in every program's first line
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(pointers, minor, values, shape, check_invariants=False)


@cache
def _operations() -> tuple[Any, Any]:
    """The two products as functions that autograd knows; O(entries k) time, forth and back."""
    torch = load_torch("a network")

    class Times(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(context: Any, weights: Any, matrix: Any, turned: Any) -> Any:
            context.turned = turned
            return matrix @ weights

        @staticmethod
        def backward(context: Any, slope: Any) -> tuple[Any, None, None]:
            return context.turned @ slope.contiguous(), None, None

    class AtEntries(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(context: Any, codes: Any, weights: Any, columns: Columns) -> Any:
            context.save_for_backward(codes, weights)
            context.columns = columns
            sampled = torch.sparse.sampled_addmm(columns.pattern, codes, weights.T, beta=0.0)
            return sampled.values()

        @staticmethod
        def backward(context: Any, slope: Any) -> tuple[Any, Any, None]:
            codes, weights = context.saved_tensors
            matrix, turned = context.columns.as_input(slope.contiguous())
            return matrix @ weights, turned @ codes, None

    return Times, AtEntries
