"""Parts and readings of fitted sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed, as_sources
from halfseen.linalg.pairs import pair_products
from halfseen.many.parts import Placed
from halfseen.many.predictions import SourcePredictions
from halfseen.many.remembered import Remembered

READINGS = ("orthogonal", "l1", "median")


class SourceParts(SourcePredictions):
    """What can be asked of fitted sources, by name."""

    shared_basis_: FloatArray
    shared_loadings_: dict[str, FloatArray]
    unique_basis_: dict[str, FloatArray]
    unique_loadings_: dict[str, FloatArray]
    intercepts_: dict[str, FloatArray]
    _seen: Remembered

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

        filled = completed(self._data(name, table), self._linear(name)) - self.intercepts_[name]
        if reading == "median":
            return column_medians(filled).astype(self.shared_basis_.dtype)
        U = self.shared_basis_.astype(float)
        return (U @ least_absolute(U, filled).T).astype(self.shared_basis_.dtype)

    def unique_part(self, name: str, reading: str = "orthogonal", table: Any = None) -> FloatArray:
        """The unique part of a source as a table (n, p): the fit minus intercepts and :meth:`shared_part`."""
        name = self._source(name)
        if reading == "orthogonal":
            return self.unique_basis_[name] @ self.unique_loadings_[name].T
        return self._linear(name) - self.intercepts_[name] - self.shared_part(name, reading, table)

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
        index = {}
        for name, V in self.unique_loadings_.items():
            pieces = np.array_split(V, max(1, len(V) // 512))  # a wide source never is a table of its own size
            index[name] = np.concatenate([np.abs(self.unique_basis_[name] @ piece.T).sum(axis=0) for piece in pieces])
        return index

    # ---- inside ------------------------------------------------------------------------------------------------

    def _parts(self, name: str) -> Placed:
        return Placed(self.shared_loadings_[name], self.unique_basis_[name], self.unique_loadings_[name])

    def _linear(self, name: str) -> FloatArray:
        placed = self._parts(name)
        parts = self.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
        return parts + self.intercepts_[name]

    def _at(self, name: str, rows: IntArray, cols: IntArray) -> FloatArray:
        parts = self._pairs(name, rows, cols, "shared") + self._pairs(name, rows, cols, "unique")
        return parts + self.intercepts_[name][cols]

    def _n_columns(self, name: str) -> int:
        return len(self.shared_loadings_[name])

    def _pairs(self, name: str, rows: IntArray, cols: IntArray, part: str) -> FloatArray:
        placed = self._parts(name)
        if part == "shared":
            return pair_products(self.shared_basis_, placed.shared_loadings, rows, cols)
        return pair_products(placed.unique_basis, placed.unique_loadings, rows, cols)

    def _data(self, name: str, table: Any) -> Observed:
        if table is not None:
            return as_sources({name: table})[name]
        sources = self._seen.sources()
        if sources is None:
            raise ValueError(
                f"this reading needs the data of {name!r}, which a loaded or copied model leaves out; give table="
            )
        return sources[name]
