"""What every estimator of a half-seen table shares: input at the edge, predictions by pairs and blocks, tags."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_n_features, check_is_fitted, validate_data

from halfseen._typing import FloatArray, IntArray, Labels, RandomState, as_generator
from halfseen.data import Observed, as_observed, check_support
from halfseen.data.align import with_columns
from halfseen.data.checks import check_scale, holds_only_ones
from halfseen.data.frames import library_of
from halfseen.data.labels import find_labels, find_positions
from halfseen.data.outgoing import check_size, filled, fingerprint, missing_cells
from halfseen.data.prepared import PreparedTable
from halfseen.losses import Loss, at_columns
from halfseen.parameters import Parametrised, Whole

KINDS = ("mean", "linear", "probabilities")


class CompletionEstimator(Parametrised, BaseEstimator):
    """An estimator that learns from the seen entries of a table and predicts the others.

    Subclasses give ``fit``, the attribute ``loss_`` and three methods, all on the linear
    predictor: ``_linear_pairs(i, j)`` (elementwise), ``_linear_block(i, j)`` (all rows ``i``
    against all columns ``j``) and ``_linear_rows(observed)`` (whole new rows)."""

    loss_: Loss
    # whether fit works in units of the data's spread throughout; other models square values as they are
    _takes_any_scale: ClassVar[bool] = False
    observed_shape_: tuple[int, int]
    row_labels_: Labels | None
    col_labels_: Labels | None
    n_features_in_: int
    library_: str
    fingerprint_: int
    # of a fit to a prepared table: the rows, which stay in its blocks
    stored_rows_: Any
    # whether a table of ones and unseen cells is what the model is made for
    _is_for_ones: bool = False

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

    def complete(self, X: Any) -> Any:
        """Fill the missing cells of a table; every seen cell stays as it is.

        Parameters
        ----------
        X : table over the fitted columns
            Array, masked array, pandas, polars or pyarrow table, xarray DataArray, AnnData, `Observed`, scipy.sparse.
            The table of the fit takes the fitted rows; rows of any other table are placed by what was seen of them.

        Returns
        -------
        table
            In the type, with the labels and the dtype of X, expected responses in what were its missing cells. A column
            of integers with missing cells becomes floats; a sparse matrix becomes an array.

        Raises
        ------
        ValueError
            For other columns than those of the fit, and for an `Observed` or a sparse matrix of more than 100 million
            cells.

        Examples
        --------
        >>> import numpy as np, halfseen as hs
        >>> table = np.array([[1.0, 2.0, 3.0], [2.0, np.nan, 6.0], [3.0, 6.0, 9.0], [4.0, 8.0, np.nan]])
        >>> model = hs.AlternatingLeastSquares(rank=1, penalty=0.01, max_iter=200, random_state=0).fit(table)
        >>> model.complete(table).round(0)
        array([[ 1.,  2.,  3.],
               [ 2.,  4.,  6.],
               [ 3.,  6.,  9.],
               [ 4.,  8., 12.]])
        """
        given, observed, cols = self._to_complete(X)
        missing = missing_cells(given)
        if not missing.any():
            return filled(X, given, missing, np.zeros(0))
        table = self._response(self._linear_table(observed), "mean")[:, cols]
        return filled(X, given, missing, table[missing])

    def complete_draws(self, X: Any, n_draws: int = 5, random_state: RandomState = None) -> list[Any]:
        """Complete a table several times, missing cells drawn from what the model thinks of single values.

        The spread between the tables is what is not known: do an analysis on each, then pool the results
        (:func:`halfseen.imputer.pooled`).

        Parameters
        ----------
        X : table, as in :meth:`complete`
        n_draws : int
        random_state : int, Generator or None

        Returns
        -------
        list of tables
            Each as :meth:`complete` gives it.

        Raises
        ------
        ValueError
            For models without a posterior and without intervals of entries.

        Notes
        -----
        A model with a posterior draws whole tables from it, cells of one row together. Others draw each cell from its
        own interval and its noise, one by one, and complete the table of the fit only.
        """
        Whole(1).check("n_draws", n_draws)
        given, observed, cols = self._to_complete(X)
        missing = missing_cells(given)
        i, j = np.nonzero(missing)
        if not len(i):
            return [filled(X, given, missing, np.zeros(0)) for _ in range(n_draws)]
        draws = self._drawn(observed, i, cols[j], int(n_draws), as_generator(random_state))
        return [filled(X, given, missing, values) for values in draws]

    def predict_table(self, rows: Any = None, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict the block of all given rows against all given columns (default: the whole training table)."""
        check_is_fitted(self)
        i, j = self._positions(rows, "row"), self._positions(cols, "column")
        return self._response(self._linear_block(i, j), kind, j)

    def write_table(self, folder: Any, cols: Any = None, keep_seen: bool = False) -> list[Any]:
        """Predictions for all rows of a prepared table, a Parquet file a block, written where the blocks are.

        Parameters
        ----------
        folder : path
            New, or empty.
        cols : labels, optional
            All columns where not given.
        keep_seen : bool
            Complete the table: seen cells keep their values.

        Returns
        -------
        list of Path
            Files with the columns ``row``, ``col`` and ``predicted`` (``keep_seen``: ``value`` and ``seen``).

        Raises
        ------
        ValueError
            For a model of a table in memory (`predict_table`), and a folder that holds something.
        """
        check_is_fitted(self)
        from halfseen.stored_predictions import write_table

        return list(write_table(self, folder, cols, keep_seen))

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
        if getattr(self, "stored_rows_", None) is not None and observed.row_labels is not None:
            rows = self.stored_rows_.table.find_rows(observed.row_labels)[rows]
        elif self.row_labels_ is not None and observed.row_labels is not None:
            rows = find_labels(self.row_labels_, observed.row_labels)[rows]
        elif observed.shape[0] != self.observed_shape_[0]:
            raise ValueError(
                f"R has {observed.shape[0]} rows; needed: other entries of the {self.observed_shape_[0]} training "
                "rows. Hold entries out, not rows: R.split() or halfseen.select.cross_validate"
            )
        return self._bounded(self._linear_pairs(rows, self._columns_of(observed)))

    def _to_complete(self, X: Any) -> tuple[Observed, Observed, IntArray]:
        """A table as it is and with the columns of the fit, and where the latter has the former's columns."""
        check_is_fitted(self)
        given = as_observed(X, name="X")
        check_size(X, given)
        observed = self._observe(X, reset=False)
        if self.col_labels_ is None or given.col_labels is None:
            return given, observed, np.arange(given.shape[1])
        return given, observed, find_labels(self.col_labels_, given.col_labels, "column")

    def _is_of_fit(self, observed: Observed) -> bool:
        """Whether this is the table of the fit."""
        return getattr(self, "fingerprint_", None) == fingerprint(observed)

    def _linear_table(self, observed: Observed) -> FloatArray:
        """Linear predictors of all cells of a table: fitted rows, or rows placed by what was seen of them."""
        if not self._is_of_fit(observed):
            return self._linear_rows(observed)
        return self._linear_block(self._positions(None, "row"), self._positions(None, "column"))

    def _drawn(
        self, observed: Observed, rows: IntArray, cols: IntArray, n_draws: int, rng: np.random.Generator
    ) -> FloatArray:
        """Draws (n_draws, cells) of single values at cells of a table with the columns of the fit."""
        from halfseen.inference.responses import drawn_responses

        return drawn_responses(self, rows if self._is_of_fit(observed) else None, cols, n_draws, rng)

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
            if not self._takes_any_scale:
                check_scale(observed.values)
            self.observed_shape_ = observed.shape
            self.row_labels_, self.col_labels_ = observed.row_labels, observed.col_labels
            self.fingerprint_ = fingerprint(observed)
            self.library_ = library_of(R)
            self.__dict__.pop("stored_rows_", None)  # of an earlier fit to a prepared table
            if not self._is_for_ones and holds_only_ones(observed):
                self._warn(
                    "every seen cell is 1: there is nothing to tell rows apart by but who has what. For clicks, "
                    "purchases and known links use InductiveCompletion(family='one_class'), which takes unseen cells "
                    "for weak zeros"
                )
        return observed

    def _observe_blocks(self, table: PreparedTable) -> None:
        """Remember the columns of a prepared table, whose rows are known by their blocks."""
        self.observed_shape_, self.n_features_in_ = table.shape, table.shape[1]
        self.row_labels_, self.col_labels_ = None, table.col_labels
        self.fingerprint_, self.library_ = zlib.crc32(repr(table.facts.checksums).encode()), "numpy"

    def _positions(self, wanted: Any, axis: str) -> IntArray:
        if axis == "row" and wanted is not None and getattr(self, "stored_rows_", None) is not None:
            return self.stored_rows_.table.find_rows(wanted)
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
