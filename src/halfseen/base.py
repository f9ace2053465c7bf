"""What every estimator of a half-seen table shares: input at the edge, predictions by pairs and blocks, tags."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_n_features, check_is_fitted, validate_data

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed, as_observed, check_support
from halfseen.data.align import with_columns
from halfseen.data.frames import library_of
from halfseen.data.labels import find_labels, find_positions
from halfseen.losses import Loss, at_columns
from halfseen.parameters import Parametrised

KINDS = ("mean", "linear", "probabilities")


class CompletionEstimator(Parametrised, BaseEstimator):
    """An estimator that learns from the seen entries of a table and predicts the others.

    Subclasses give ``fit``, the attribute ``loss_`` and three methods, all on the linear
    predictor: ``_linear_pairs(i, j)`` (elementwise), ``_linear_block(i, j)`` (all rows ``i``
    against all columns ``j``) and ``_linear_rows(observed)`` (whole new rows)."""

    loss_: Loss
    observed_shape_: tuple[int, int]
    row_labels_: Labels | None
    col_labels_: Labels | None
    n_features_in_: int
    library_: str

    def predict(self, rows: Any, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict entries, elementwise pairs ``(rows[t], cols[t])``, or complete a table.

        Parameters
        ----------
        rows : sequence of n labels (positions where the training rows had none), or a table
            A table (NaN array, sparse, data frame, `Observed`; without ``cols``) is a table of new
            rows over the fitted columns (found by label, where there are labels): each row is placed by
            what was seen of it.
        cols : sequence of n labels (or positions), or one for all rows; optional
        kind : {"mean", "linear", "probabilities"}
            Expected response, linear predictor, or the chance of every class (ordinal families; one axis more).

        Returns
        -------
        ndarray, shape (n,) for pairs, (n_rows, n_cols) for a table

        Raises
        ------
        ValueError
            For an unknown label (close ones are named) and for rows and cols of different lengths.
        """
        check_is_fitted(self)
        if cols is None:
            return self._response(self._linear_rows(self._observe(rows, reset=False)), kind)
        i, j = self._positions(rows, "row"), self._positions(cols, "column")
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(
                f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given; "
                "give one col per row, or use predict_table(rows, cols) for a block"
            )
        i, j = np.broadcast_arrays(i, j)
        return self._response(self._linear_pairs(i, j), kind, j)

    def predict_table(self, rows: Any = None, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict the block of all given rows against all given columns (default: the whole training table)."""
        check_is_fitted(self)
        i, j = self._positions(rows, "row"), self._positions(cols, "column")
        return self._response(self._linear_block(i, j), kind, j)

    def score(self, R: Any, y: None = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of the entries of ``R``; higher is better.

        ``R`` holds further entries of the training rows: found by label where both tables have row
        labels, else it must have the training table's rows in the same order. Values that the loss cannot
        judge are a ValueError.
        """
        check_is_fitted(self)
        observed = self._observe(R, reset=False)
        check_support(observed, self.loss_, "family")
        loss = self._loss_at(observed).value(observed.values, self._linear_entries(observed))
        return -float(np.average(loss, weights=observed.weights))

    def _linear_entries(self, observed: Observed) -> FloatArray:
        """The (bounded) linear predictor at entries of training rows."""
        rows: IntArray = observed.rows
        if self.row_labels_ is not None and observed.row_labels is not None:
            rows = find_labels(self.row_labels_, observed.row_labels)[rows]
        elif observed.shape[0] != self.observed_shape_[0]:
            raise ValueError(
                f"R has {observed.shape[0]} rows; needed: other entries of the {self.observed_shape_[0]} training "
                "rows. Hold entries out, not rows: R.split() or halfseen.select.cross_validate"
            )
        return self._bounded(self._linear_pairs(rows, self._columns_of(observed)))

    def _observe(self, R: Any, reset: bool) -> Observed:
        """Validate a table at the edge and remember its columns, or bring them into the order of fit."""
        observed = as_observed(R)
        if not reset and self.col_labels_ is not None and observed.col_labels is not None:
            return with_columns(observed, self.col_labels_)
        if reset or not isinstance(R, Observed):
            validate_data(self, R, reset=reset, skip_check_array=True)
        else:  # an Observed has labels, not feature names: only their number is scikit-learn's business
            _check_n_features(self, R, reset=False)
        if reset:
            self.observed_shape_ = observed.shape
            self.row_labels_, self.col_labels_ = observed.row_labels, observed.col_labels
            self.library_ = library_of(R)
        return observed

    def _positions(self, wanted: Any, axis: str) -> IntArray:
        labels = self.row_labels_ if axis == "row" else self.col_labels_
        length = self.observed_shape_[axis == "column"]
        if wanted is None:
            return np.arange(length)
        return find_positions(length, wanted, axis) if labels is None else find_labels(labels, wanted, axis)

    def _response(self, linear: FloatArray, kind: str, cols: IntArray | None = None) -> FloatArray:
        loss = at_columns(self.loss_, np.arange(linear.shape[-1]) if cols is None else cols)
        kinds = tuple(name for name in KINDS if name == "linear" or hasattr(loss, name))
        if kind not in kinds:
            raise ValueError(f"kind must be one of {kinds}, got {kind!r}")
        return linear if kind == "linear" else getattr(loss, kind)(self._bounded(linear))

    def _loss_at(self, observed: Observed) -> Loss:
        return at_columns(self.loss_, self._columns_of(observed))

    def _columns_of(self, observed: Observed) -> IntArray:
        if self.col_labels_ is None or observed.col_labels is None:
            return observed.cols
        return find_labels(self.col_labels_, observed.col_labels, "column")[observed.cols]

    def _bounded(self, linear: FloatArray) -> FloatArray:
        return linear  # what the model allows: everything, unless overridden

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        return tags


class PlacesRows(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Mixin for estimators whose ``transform`` gives coordinates of rows; their number is ``_n_features_out``."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
