"""Parts, readings and predictions of fitted sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_n_features, check_is_fitted

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed, as_sources, check_support
from halfseen.data.labels import find_labels, find_positions
from halfseen.errors import close_matches
from halfseen.linalg.pairs import pair_products
from halfseen.losses import Loss
from halfseen.many.parts import Placed
from halfseen.many.remembered import Remembered

KINDS = ("mean", "linear")
READINGS = ("orthogonal", "l1", "median")


class SourceParts:
    """What can be asked of fitted sources, by name."""

    shared_basis_: FloatArray
    shared_loadings_: dict[str, FloatArray]
    unique_basis_: dict[str, FloatArray]
    unique_loadings_: dict[str, FloatArray]
    source_names_: list[str]
    row_labels_: Labels | None
    col_labels_: dict[str, Labels | None]
    loss_: Loss
    n_rows_: int
    _seen: Remembered
    n_features_in_: int

    # ---- parts -------------------------------------------------------------------------------------------------

    def shared_part(self, name: str, reading: str = "orthogonal", table: Any = None) -> FloatArray:
        r"""The shared part of a source as a table.

        Parameters
        ----------
        name : str
            The source.
        reading : {"orthogonal", "l1", "median"}
            "orthogonal": :math:`U_g V_g^\top`, whose residual is orthogonal to :math:`U_g` (over a static background
            that is a mean). With the completed source :math:`m` (observed values, else the fit), "l1" takes
            :math:`v_j = \arg\min\|m_j - U_g v\|_1` in every column instead, which moving things do not pull at, and
            "median" the median of each column, for sources whose rows are exchangeable (frames of a static camera).
        table : the source's data, optional
            Needed by "l1" and "median" from a model that was loaded or copied: those leave the data out.

        Returns
        -------
        ndarray (n, p)

        Notes
        -----
        The fit does not depend on the reading. Under "l1" and "median" the unique part is fit minus shared, of rank up
        to r1 + r2 (one more under "median") and no longer orthogonal to the shared part.
        """
        name = self._source(name)
        if reading not in READINGS:
            raise ValueError(f"reading must be one of {READINGS}, got {reading!r}")
        if reading == "orthogonal":
            return self.shared_basis_ @ self.shared_loadings_[name].T
        from halfseen.many.readings import column_medians, completed, least_absolute

        filled = completed(self._data(name, table), self._linear(name))
        if reading == "median":
            return column_medians(filled).astype(self.shared_basis_.dtype)
        U = self.shared_basis_.astype(float)
        return (U @ least_absolute(U, filled).T).astype(self.shared_basis_.dtype)

    def unique_part(self, name: str, reading: str = "orthogonal", table: Any = None) -> FloatArray:
        """The unique part of a source as a table (n, p): the fit minus :meth:`shared_part`."""
        name = self._source(name)
        if reading == "orthogonal":
            return self.unique_basis_[name] @ self.unique_loadings_[name].T
        return self._linear(name) - self.shared_part(name, reading, table)

    def heterogeneity_index(self, norm: str = "l1") -> dict[str, FloatArray]:
        r"""How unique each column of each source is: :math:`\|U_{(i)} v_{(i)j}\|_1` (or its length, ``norm="l2"``).

        Returns
        -------
        dict from source name to ndarray (p,)

        Notes
        -----
        Source: section 6.3 of the paper (column-wise L1 norm of the unique part).
        """
        check_is_fitted(self)
        if norm not in ("l1", "l2"):
            raise ValueError(f"norm must be 'l1' or 'l2', got {norm!r}")
        if norm == "l2":
            return {name: np.linalg.norm(V, axis=1) for name, V in self.unique_loadings_.items()}
        found = {}
        for name, V in self.unique_loadings_.items():
            pieces = np.array_split(V, max(1, len(V) // 512))  # a wide source never is a table of its own size
            found[name] = np.concatenate([np.abs(self.unique_basis_[name] @ piece.T).sum(axis=0) for piece in pieces])
        return found

    # ---- predictions -------------------------------------------------------------------------------------------

    def predict_entries(self, name: str, rows: Any, cols: Any, kind: str = "mean") -> FloatArray:
        """Predict entries of a source, elementwise pairs ``(rows[t], cols[t])`` of labels or positions."""
        name = self._source(name)
        i, j = np.broadcast_arrays(self._positions(rows), self._columns(name, cols))
        return self._response(self._pairs(name, i, j, "shared") + self._pairs(name, i, j, "unique"), kind)

    def predict_table(self, name: str, kind: str = "mean") -> FloatArray:
        """Predict all entries of a source, shape (n, p)."""
        return self._response(self._linear(self._source(name)), kind)

    def score(self, S: Any, y: None = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of further entries of the sources."""
        check_is_fitted(self)
        total = weight = 0.0
        given = as_sources(S)
        if len(given) == len(self.source_names_) == 1:
            _check_n_features(self, np.empty((1, next(iter(given.values())).shape[1])), reset=False)
        for name, table in given.items():
            name = self._source(name)
            check_support(table, self.loss_)
            i = table.rows if table.row_labels is None else self._positions(table.row_labels)[table.rows]
            j = table.cols if table.col_labels is None else self._columns(name, table.col_labels)[table.cols]
            m = self._pairs(name, i, j, "shared") + self._pairs(name, i, j, "unique")
            w = np.ones(table.n_entries) if table.weights is None else table.weights
            total, weight = total + float(w @ self.loss_.value(table.values, m)), weight + float(w.sum())
        return -total / weight

    # ---- inside ------------------------------------------------------------------------------------------------

    def _parts(self, name: str) -> Placed:
        return Placed(self.shared_loadings_[name], self.unique_basis_[name], self.unique_loadings_[name])

    def _linear(self, name: str) -> FloatArray:
        one = self._parts(name)
        return self.shared_basis_ @ one.shared_loadings.T + one.unique_basis @ one.unique_loadings.T

    def _pairs(self, name: str, rows: IntArray, cols: IntArray, part: str) -> FloatArray:
        one = self._parts(name)
        if part == "shared":
            return pair_products(self.shared_basis_, one.shared_loadings, rows, cols)
        return pair_products(one.unique_basis, one.unique_loadings, rows, cols)

    def _source(self, name: Any) -> str:
        check_is_fitted(self)
        if str(name) not in self.shared_loadings_:
            raise ValueError(f"no source {name!r}; {close_matches(name, self.source_names_)}")
        return str(name)

    def _data(self, name: str, table: Any) -> Observed:
        if table is not None:
            return as_sources({name: table})[name]
        sources = self._seen.sources()
        if sources is None:
            raise ValueError(
                f"this reading needs the data of {name!r}, which a loaded or copied model leaves out; give table="
            )
        return sources[name]

    def _positions(self, rows: Any) -> IntArray:
        if self.row_labels_ is None:
            return find_positions(self.n_rows_, rows, "row")
        return find_labels(self.row_labels_, rows, "row")

    def _columns(self, name: str, cols: Any) -> IntArray:
        labels = self.col_labels_[name]
        if labels is None:
            return find_positions(len(self.shared_loadings_[name]), cols, "column")
        return find_labels(labels, cols, "column")

    def _response(self, linear: FloatArray, kind: str) -> FloatArray:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        return linear if kind == "linear" else self.loss_.mean(linear)
