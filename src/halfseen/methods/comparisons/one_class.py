"""What one-class completion is compared with: popularity, neighbours, kernel ridge regression of rows and of cells."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from halfseen._typing import FloatArray
from halfseen.data import Observed, as_observed
from halfseen.parameters import Nothing, Parametrised, Table, Whole

# These closed forms hold the whole table: rows x columns numbers, several times.
MOST_CELLS = 50_000_000


class OneClassBaseline(Parametrised, BaseEstimator):
    """Scores of columns for rows known by their similarity to the training rows; unseen cells count as 0.

    Subclasses give ``_learn(table, row_kernel, col_kernel)`` and ``_scores(similarity)``.
    """

    needs_rows, needs_cols = True, False

    def fit(self, R: Any, y: None = None, *, row_kernel: Any = None, col_kernel: Any = None) -> Self:
        """Fit to seen associations and similarities of the rows (n, n) and columns (p, p)."""
        self._checked()
        observed = as_observed(R)
        validate_data(self, R, reset=True, skip_check_array=True)
        n, p = observed.shape
        if n * p > MOST_CELLS:
            raise ValueError(f"R has {n} x {p} cells; {type(self).__name__} holds all of them, at most {MOST_CELLS}")
        rows = _kernel(row_kernel, n, "row_kernel", self.needs_rows)
        cols = _kernel(col_kernel, p, "col_kernel", self.needs_cols)
        self.observed_shape_, self._similarity, self._col_similarity = observed.shape, rows, cols
        self._learn(_table(observed), rows, cols)
        return self

    def predict_table(self, row_kernel: Any = None) -> FloatArray:
        """Scores (m, p) of all columns for new rows, given their similarity (m, n) to the training rows."""
        check_is_fitted(self)
        similarity: Any
        if row_kernel is None:
            similarity = self._similarity if self.needs_rows else np.zeros(self.observed_shape_)
        else:
            similarity = np.asarray(row_kernel, dtype=float)
        if self.needs_rows and (similarity.ndim != 2 or similarity.shape[1] != self.observed_shape_[0]):
            raise ValueError(
                f"row_kernel has shape {similarity.shape}; needed: similarities of new rows to the "
                f"{self.observed_shape_[0]} training rows"
            )
        return self._scores(similarity)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        return tags

    def _learn(self, table: FloatArray, rows: Any, cols: Any) -> None:
        raise NotImplementedError

    def _scores(self, similarity: FloatArray) -> FloatArray:
        raise NotImplementedError


class Popularity(OneClassBaseline):
    """The share of rows that have a column, for every row the same.

    Examples
    --------
    >>> Popularity().fit(np.array([[1.0, np.nan], [1.0, 1.0]])).predict_table().tolist()
    [[1.0, 0.5], [1.0, 0.5]]
    """

    needs_rows = False

    def _learn(self, table: FloatArray, rows: Any, cols: Any) -> None:
        self.shares_ = table.mean(axis=0)

    def _scores(self, similarity: FloatArray) -> FloatArray:
        return np.tile(self.shares_, (len(similarity), 1))


class NeighbourProfile(OneClassBaseline):
    r"""What similar rows have: :math:`\sum_{i'} s(i, i')\,a_{i'j} / \sum_{i'} s(i, i')` over the nearest training rows.

    Parameters
    ----------
    n_neighbours : int or None
        None takes all training rows.

    Examples
    --------
    >>> table = np.array([[1.0, np.nan], [np.nan, 1.0]])
    >>> NeighbourProfile().fit(table, row_kernel=np.eye(2)).predict_table([[0.75, 0.25]]).tolist()
    [[0.75, 0.25]]
    """

    _parameters: ClassVar[Table] = {"n_neighbours": Nothing() | Whole(1)}

    def __init__(self, n_neighbours: int | None = None) -> None:
        self.n_neighbours = n_neighbours

    def _learn(self, table: FloatArray, rows: Any, cols: Any) -> None:
        self.profiles_ = table

    def _scores(self, similarity: FloatArray) -> FloatArray:
        weights = np.maximum(similarity, 0.0)
        if self.n_neighbours is not None and self.n_neighbours < weights.shape[1]:
            place = weights.shape[1] - int(self.n_neighbours)
            weights = np.where(weights >= np.partition(weights, place, axis=1)[:, place, None], weights, 0.0)
        return weights @ self.profiles_ / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)


def _kernel(given: Any, length: int, name: str, is_needed: bool) -> FloatArray | None:
    """A symmetric kernel, or a refusal that names it."""
    if given is None:
        if is_needed:
            raise ValueError(f"give {name}: similarities of shape {(length, length)}")
        return None
    kernel = np.asarray(given, dtype=float)
    if kernel.shape != (length, length) or not np.isfinite(kernel).all():
        raise ValueError(f"{name} has shape {kernel.shape}; needed: {(length, length)} finite similarities")
    return 0.5 * (kernel + kernel.T)


def _table(observed: Observed) -> FloatArray:
    """All cells, unseen ones 0."""
    table = np.zeros(observed.shape)
    table[observed.rows, observed.cols] = observed.values
    return table
