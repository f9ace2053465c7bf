"""What lists of unseen columns are compared with: linear weights between columns, and columns like those a row has."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator
from halfseen.data import Observed
from halfseen.losses import get_loss
from halfseen.parameters import Number, Table, Whole

# Both hold an array of columns x columns.
MOST_COLUMNS = 20_000


class ColumnWeights(CompletionEstimator):
    """Scores of a row are what it has times weights between columns; unseen cells count as 0.

    Subclasses give ``_weights(A)``: an array (p, p), given the table as a sparse matrix.
    """

    _is_for_ones = True

    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to what rows have (purchases, clicks): NaN array, sparse, data frame or `Observed`."""
        self._checked()
        observed = self._observe(R, reset=True)
        if observed.shape[1] > MOST_COLUMNS:
            raise ValueError(
                f"R has {observed.shape[1]} columns; {type(self).__name__} holds all pairs of columns, at most "
                f"{MOST_COLUMNS}"
            )
        self.loss_ = get_loss("gaussian")
        self.entries_ = observed.rows, observed.cols, observed.values
        self.weights_ = self._weights(self._table).astype(observed.dtype)
        return self

    def _weights(self, A: Any) -> FloatArray:
        raise NotImplementedError

    @property
    def _table(self) -> Any:
        return _sparse(self.entries_, self.observed_shape_)

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        lines = self._table[rows].tocsr()
        return np.asarray(lines.multiply(self.weights_[:, cols].T).sum(axis=1)).ravel().astype(self.weights_.dtype)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return np.asarray(self._table[rows] @ self.weights_[:, cols])

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return np.asarray(
            _sparse((observed.rows, observed.cols, observed.values), observed.shape).astype(self.weights_.dtype)
            @ self.weights_
        )


class EASE(ColumnWeights):
    r"""Linear weights between columns: least :math:`\|A - AB\|^2 + \lambda\|B\|^2` with :math:`B_{jj} = 0`.

    .. math:: B = I - P\,\mathrm{diag}(1 / P_{jj}),\qquad P = (A^\top A + \lambda I)^{-1}

    Parameters
    ----------
    penalty : float

    Attributes
    ----------
    weights_ : ndarray (p, p)

    Notes
    -----
    O(p^3) time, O(p^2) memory. Source: Steck (2019), "Embarrassingly shallow autoencoders for sparse data".

    Examples
    --------
    >>> table = np.array([[1.0, 1.0, np.nan], [1.0, 1.0, 1.0], [np.nan, 1.0, 1.0], [1.0, np.nan, np.nan]])
    >>> EASE(1.0).fit(table).predict_table().round(2)[3].tolist()
    [0.0, 0.36, 0.0]
    """

    _parameters: ClassVar[Table] = {"penalty": Number(0, above=True)}

    def __init__(self, penalty: float = 200.0) -> None:
        self.penalty = penalty

    def _weights(self, A: Any) -> FloatArray:
        gram = np.asarray((A.T @ A).toarray(), dtype=float)
        gram[np.diag_indices(len(gram))] += float(self.penalty)
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return weights


class ItemNeighbours(ColumnWeights):
    r"""Columns like those a row has: cosines :math:`\frac{a_j^\top a_k}{\|a_j\|\,\|a_k\| + s}` of the nearest columns.

    Parameters
    ----------
    n_neighbours : int
        For every column, so many others count.
    shrinkage : float
        :math:`s`: takes weight from cosines of few rows.

    Attributes
    ----------
    weights_ : ndarray (p, p)

    Examples
    --------
    >>> table = np.array([[1.0, 1.0, np.nan], [1.0, 1.0, 1.0], [np.nan, 1.0, 1.0], [1.0, np.nan, np.nan]])
    >>> ItemNeighbours(2, shrinkage=0.0).fit(table).predict_table().round(2)[3].tolist()
    [0.0, 0.67, 0.41]
    """

    _parameters: ClassVar[Table] = {"n_neighbours": Whole(1), "shrinkage": Number(0)}

    def __init__(self, n_neighbours: int = 100, shrinkage: float = 10.0) -> None:
        self.n_neighbours = n_neighbours
        self.shrinkage = shrinkage

    def _weights(self, A: Any) -> FloatArray:
        gram = np.asarray((A.T @ A).toarray(), dtype=float)
        length = np.sqrt(np.diag(gram))
        weights = gram / np.maximum(np.outer(length, length) + float(self.shrinkage), 1e-300)
        np.fill_diagonal(weights, 0.0)
        kept = int(self.n_neighbours)
        if kept < len(weights):
            least = np.partition(weights, len(weights) - kept, axis=0)[len(weights) - kept]
            weights[weights < least] = 0.0
        return weights


def _sparse(entries: tuple[IntArray, IntArray, FloatArray], shape: tuple[int, int]) -> Any:
    """A table as a sparse matrix, unseen cells 0."""
    from scipy import sparse

    rows, cols, values = entries
    return sparse.csr_array((values, (rows, cols)), shape=shape)
