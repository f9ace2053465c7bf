"""Predictions of fitted sources, whatever the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_n_features, check_is_fitted

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import as_sources, check_support
from halfseen.data.labels import find_labels, find_positions
from halfseen.errors import close_matches
from halfseen.losses import Loss

KINDS = ("mean", "linear")


class SourcePredictions:
    """Predictions by the name of a source.

    Subclasses give ``_at(name, rows, cols)`` and ``_linear(name)``, the linear predictor at positions and as a table,
    and ``_n_columns(name)``.
    """

    source_names_: list[str]
    row_labels_: Labels | None
    col_labels_: dict[str, Labels | None]
    loss_: Loss
    n_rows_: int
    n_features_in_: int

    def predict_entries(self, name: str, rows: Any, cols: Any, kind: str = "mean") -> FloatArray:
        """Predict entries of a source, elementwise pairs ``(rows[t], cols[t])`` of labels or positions."""
        name = self._source(name)
        i, j = np.broadcast_arrays(self._positions(rows), self._columns(name, cols))
        return self._response(self._at(name, i, j), kind, name)

    def predict_table(self, name: str, kind: str = "mean") -> FloatArray:
        """Predict all entries of a source, shape (n, p)."""
        name = self._source(name)
        return self._response(self._linear(name), kind, name)

    def complete(self, S: Any) -> Any:
        """Fill the missing cells of every source's table; every seen cell stays as it is.

        Parameters
        ----------
        S : as in ``fit``
            Tables over the rows and columns of the fit (found by label where both have labels), of some sources or all.

        Returns
        -------
        mapping from source name to table, list of tables, or one table: as ``S`` is
            In the type, with the labels and the dtype of each table, expected values in what were its missing cells
            (of a MuData a mapping to AnnData).

        Raises
        ------
        ValueError
            For sources, rows or columns that the fit does not have.

        Notes
        -----
        How far a filled cell may be off: ``inference().missing(table, source=name)``, for models that have it.

        Examples
        --------
        >>> import numpy as np, halfseen as hs
        >>> data = hs.datasets.make_sources_data(3, 40, 15, 2, 1, observed=0.8, random_state=0)
        >>> tables = {name: table.to_dense() for name, table in data.sources.items()}
        >>> whole = hs.TwoStepSVD(2, 1).fit(tables).complete(tables)
        >>> bool(np.isnan(tables["source 1"]).any()), bool(np.isnan(whole["source 1"]).any())
        (True, False)
        """
        from halfseen.many.filling import completed_sources

        check_is_fitted(self)
        return completed_sources(self, S)

    def score(self, S: Any, y: None = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of further entries of the sources."""
        total = weight = 0.0
        for _, losses, weights in self._judged(S):
            total, weight = total + float(weights @ losses), weight + float(weights.sum())
        return -total / weight

    def entry_losses(self, S: Any) -> tuple[FloatArray, IntArray]:
        """Loss of every further entry, times its weight over the mean weight, and the rows that the entries are in.

        Returns
        -------
        (ndarray (n_entries,), int array (n_entries,))
            In the order of the sources; the losses' mean is minus :meth:`score`.
        """
        rows, losses, weights = (np.concatenate(part) for part in zip(*self._judged(S), strict=True))
        return losses * (weights / weights.mean()), rows

    def _judged(self, S: Any) -> Iterator[tuple[IntArray, FloatArray, FloatArray]]:
        """Rows, losses and weights of the entries of each source."""
        check_is_fitted(self)
        given = as_sources(S)
        if len(given) == len(self.source_names_) == 1:
            _check_n_features(self, np.empty((1, next(iter(given.values())).shape[1])), reset=False)
        for name, table in given.items():
            name = self._source(name)
            loss = self._loss_of(name)
            check_support(table, loss)
            i = table.rows if table.row_labels is None else self._positions(table.row_labels)[table.rows]
            j = table.cols if table.col_labels is None else self._columns(name, table.col_labels)[table.cols]
            losses = loss.value(table.values, self._bounded(self._at(name, i, j)))
            yield i, losses, np.ones(table.n_entries) if table.weights is None else table.weights

    # ---- inside ------------------------------------------------------------------------------------------------

    def _at(self, name: str, rows: IntArray, cols: IntArray) -> FloatArray:
        raise NotImplementedError

    def _linear(self, name: str) -> FloatArray:
        raise NotImplementedError

    def _bounded(self, linear: FloatArray) -> FloatArray:
        return linear  # what the model allows: everything, unless overridden

    def _n_columns(self, name: str) -> int:
        raise NotImplementedError

    def _source(self, name: Any) -> str:
        check_is_fitted(self)
        if str(name) not in self.source_names_:
            raise ValueError(f"no source {name!r}; {close_matches(name, self.source_names_)}")
        return str(name)

    def _positions(self, rows: Any) -> IntArray:
        if self.row_labels_ is None:
            return find_positions(self.n_rows_, rows, "row")
        return find_labels(self.row_labels_, rows, "row")

    def _columns(self, name: str, cols: Any) -> IntArray:
        labels = self.col_labels_[name]
        if labels is None:
            return find_positions(self._n_columns(name), cols, "column")
        return find_labels(labels, cols, "column")

    def _loss_of(self, name: str) -> Loss:
        return self.loss_  # one for all, unless overridden

    def _response(self, linear: FloatArray, kind: str, name: str) -> FloatArray:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        return linear if kind == "linear" else self._loss_of(name).mean(self._bounded(linear))
