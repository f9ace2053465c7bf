"""New rows and columns placed by their features and by whatever was seen of them, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray
from halfseen.data import Observed, as_observed
from halfseen.data.align import with_columns
from halfseen.data.features import as_side_features
from halfseen.data.labels import find_labels, find_positions
from halfseen.inference import Intervals
from halfseen.inference.table import LEVEL
from halfseen.methods.inductive.deviations import Deviations, DirectionSums, base_of, directions_of


class Newcomers:
    """New rows (columns), by features and entries; made by ``new_rows`` and ``new_cols`` of an `InductiveCompletion`.

    Attributes
    ----------
    predicted : ndarray (n_new, p), or (n, n_new) for columns
        Expected values.
    level : float
    """

    def __init__(self, model: Any, axis: int, table: Observed | None, features: Any, level: float) -> None:
        side = ("row", "col")[axis]
        spread: Deviations | None = getattr(model, f"{side}_deviations_")
        if spread is None:
            raise ValueError(
                f"new_{side}s places by features and entries where the family is gaussian and the fit had "
                f"{side}_features; this model has family={model.family!r}"
                + ("" if (model.row_code_, model.col_code_)[axis] is not None else f" and no {side}_features")
            )
        self.level, self._axis, self._model = level, axis, model
        given = as_side_features(features, f"{side}_features", may_miss=True)
        labels = None if table is None else table.row_labels
        self._labels = given.labels if labels is None else labels
        if table is not None:
            given = given.aligned(table.shape[0], labels, f"{side}_features")
        base = base_of(model, model._activated(given, axis), axis)
        Z, K = spread.along(directions_of(model, axis)), spread.covariance.shape[0]
        n = len(base.own)
        means: FloatArray = np.zeros((n, K))
        covariances: FloatArray = np.broadcast_to(spread.covariance, (n, K, K))
        if table is not None:
            residuals = table.values.astype(float) - base.at(table.rows, table.cols)
            means, covariances = DirectionSums.of(table, residuals, Z, spread.errors).given(spread)
        self._noise = spread.noise
        self._mean = base.table() + means @ Z.T
        self._variance = np.einsum("jk,ikl,jl->ij", Z, covariances, Z, optimize=True)
        q = spread.free.shape[1]
        if q:  # the free directions are known up to errors of their own
            squares = np.einsum("ik,il->ikl", means[:, -q:], means[:, -q:]) + covariances[:, -q:, -q:]
            self._variance += squares.reshape(n, q * q) @ spread.errors.reshape(-1, q * q).T

    @property
    def predicted(self) -> FloatArray:
        return self._mean.T if self._axis else self._mean

    def entries(self, rows: Any, cols: Any) -> Intervals:
        """Intervals of expected values of pairs: new ones by label or position, those of the fit as there."""
        return self._intervals("entries", rows, cols, 0.0, "interval")

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Predictive intervals of single values of pairs, likewise."""
        return self._intervals("responses", rows, cols, self._noise, "prediction")

    def _intervals(self, name: str, rows: Any, cols: Any, noise: float, kind: str) -> Intervals:
        own, other = (cols, rows) if self._axis else (rows, cols)
        side = ("row", "column")[self._axis]
        i = find_positions(len(self._mean), own, side) if self._labels is None else find_labels(self._labels, own, side)
        j = self._model._positions(other, ("column", "row")[self._axis])
        i, j = np.broadcast_arrays(i, j)
        names = {("row", "col")[self._axis]: np.asarray(own), ("col", "row")[self._axis]: np.asarray(other)}
        return Intervals.symmetric(
            name, self._mean[i, j], np.sqrt(self._variance[i, j] + noise), self.level,
            {key: np.broadcast_to(label, i.shape) for key, label in names.items()}, claim="prediction", kind=kind,
            library=self._model.library_,
        )  # fmt: skip


class PlacesNewcomers:
    """The methods of a model that place new rows and columns by both."""

    def new_rows(self, R: Any = None, row_features: Any = None, level: float = 0.95) -> Newcomers:
        r"""New rows, placed by their features and by what was seen of them, with intervals.

        Features give the prior mean, entries update it: a row differs from what its features say by
        :math:`b \sim N(0, \Sigma)` along a constant and the factors of the columns, with :math:`\Sigma` and the noise
        as the rows of the fit show them (``row_deviations_``).

        Parameters
        ----------
        R : table over the fitted columns, or None
            A few entries of each new row; None: only features are known.
        row_features : as in :meth:`fit`
            A line for each new row.
        level : float
            Of the intervals, which leave out how well the weights of the features are known.

        Returns
        -------
        Newcomers
            ``predicted`` (n_new, p), ``entries(rows, cols)``, ``responses(rows, cols)``.

        Raises
        ------
        ValueError
            For models of other families, or fitted without features of the rows.

        Examples
        --------
        >>> import numpy as np, halfseen as hs
        >>> rng = np.random.default_rng(0)
        >>> F, taste = rng.normal(size=(220, 2)), rng.normal(size=(220, 2))
        >>> truth = F @ rng.normal(size=(2, 20)) + taste[:, :1]  # a row's level is not in its features
        >>> table = np.where(rng.random((200, 20)) < 0.4, truth[:200] + 0.3 * rng.normal(size=(200, 20)), np.nan)
        >>> model = hs.InductiveCompletion(2, "linear", random_state=0).fit(table, row_features=F[:200])
        >>> few = np.full((20, 20), np.nan)
        >>> few[:, :3] = truth[200:, :3]
        >>> error = [np.abs(model.new_rows(R, F[200:]).predicted - truth[200:]).mean() for R in (None, few)]
        >>> bool(error[1] < 0.5 * error[0])
        True
        """
        return self._newcomers(R, row_features, 0, level)

    def new_cols(self, R: Any = None, col_features: Any = None, level: float = 0.95) -> Newcomers:
        """New columns, placed by their features and by what was seen of them; as :meth:`new_rows`.

        Parameters
        ----------
        R : table of the fitted rows against the new columns, or None
        col_features : as in :meth:`fit`
        level : float
        """
        return self._newcomers(R, col_features, 1, level)

    def _newcomers(self, R: Any, features: Any, axis: int, level: float) -> Newcomers:
        check_is_fitted(self)
        LEVEL.check("level", level)
        side = ("row", "col")[axis]
        if features is None:
            raise ValueError(f"{side}_features: give a line of features for each new {('row', 'column')[axis]}")
        model: Any = self
        table = None
        if R is not None:
            table = as_observed(R, name="R")
            table = table.T if axis else table
            known = (model.col_labels_, model.row_labels_)[axis]
            if known is not None and table.col_labels is not None:
                table = with_columns(table, known)
            wanted = model.observed_shape_[1 - axis]
            if table.shape[1] != wanted:
                other = ("columns", "rows")[axis]
                raise ValueError(f"R has {table.shape[1]} {other}; needed: the {wanted} {other} of the fit")
        return Newcomers(model, axis, table, features, level)
