"""Intervals of a factor model whose rows stay in the blocks of a prepared table: columns at once, rows where asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.data.prepared import StoredBlock, open_block
from halfseen.engines import EntryPasses
from halfseen.engines.placement import place
from halfseen.errors import shown
from halfseen.inference import Intervals
from halfseen.inference.covariance import invert_blocks, packed, packed_blocks, second_order, unpacked
from halfseen.inference.intervals import normal_quantile
from halfseen.inference.table import LEVEL
from halfseen.losses import Loss
from halfseen.losses.derived import information, slope
from halfseen.methods.factor.intervals.checks import BAYESIAN
from halfseen.parameters import BadArgument
from halfseen.solvers.block_profile import ProfileVisit

Array = NDArray[Any]


@dataclass(frozen=True)
class InformationVisit:
    r"""What a block knows of the columns, and what the errors of its rows take from that.

    .. math:: \sum_i w_{ij}\tilde x_i\tilde x_i^\top,\qquad \sum_i w_{ij} V_i,\qquad
              \sum_i w_{ij}^2 (y_j^\top V_i y_j)\,\tilde x_i\tilde x_i^\top
    """

    visit: ProfileVisit
    loss: Loss
    dispersion: float

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        """Three packed sums by column, in float64."""
        at = RowsAt(self, block.rows, C)
        X = np.concatenate([np.ones((len(at.X), 1)), at.X], axis=1)
        q = at.passes.quadratic(0, at.V, at.cols) if at.cols.shape[1] else np.zeros_like(at.w)
        sums = ((at.w, packed(X)), (at.w, packed_blocks(at.V)), (np.square(at.w) * q, packed(X)))
        return [at.passes.to_cols(weights, features) for weights, features in sums]


class RowsAt:
    """Rows of a block at the fitted columns: factors, curvatures of their entries, inverse information."""

    def __init__(self, given: InformationVisit, view: Any, C: Array) -> None:
        solved, _ = given.visit.rows(view, C)
        self.X, self.cols = solved[:, :-1].astype(float), np.ascontiguousarray(C[:, :-1], dtype=float)
        self.passes = EntryPasses(Observed(view).astype(np.float64), given.loss, "serial")
        linear = self.passes.at(self.X, self.cols, col_offset=C[:, -1].astype(float))
        weights = 1.0 if view.weights is None else view.weights
        self.w = weights * information(given.loss, linear) / given.dispersion
        r = self.cols.shape[1]
        self.H = unpacked(self.passes.to_rows(self.w, packed(self.cols)), r)
        self.H += np.eye(r) * (given.visit.ridge / given.dispersion)
        self.V = invert_blocks(self.H)[0]


class StoredFactorInference:
    r"""Uncertainty of a factor model that was fitted to a prepared table.

    Parameters
    ----------
    model : GeneralizedFactorModel
    level : float
    variance : {"second_order", "plug_in"}
        Whether the errors of the other side are counted, as :meth:`GeneralizedFactorModel.inference` says.

    Attributes
    ----------
    level : float
    claim : str

    Notes
    -----
    Columns take one reading of the blocks, when they are first asked for; rows are computed from their own entries.
    The gauge counts as known: its own noise, which :class:`FactorInference` adds, falls with the number of rows.
    """

    def __init__(self, model: Any, level: float = 0.95, variance: str = "second_order") -> None:
        LEVEL.check("level", level)
        if variance not in ("second_order", "plug_in"):
            raise BadArgument("variance", variance, "'second_order' or 'plug_in' for a prepared table")
        if not model.run_.converged:
            raise ValueError(f"the fit ended for the reason {model.run_.reason!r}, no stationary point: raise max_iter")
        self.level, self.claim, self.variance, self._model = float(level), BAYESIAN, variance, model
        at, here = model.row_factors_, model.placement_
        self._visit = InformationVisit(at.visit.visit, model.loss_, float(model.dispersion_))
        self._C, self._turn, self._mean = at.C, np.asarray(here.turn, float), np.asarray(here.mean, float)
        phi, pen = self._visit.dispersion, model.penalty_
        self._prior = np.diag([pen.intercept_ridge / phi] + [pen.ridge / phi] * (at.C.shape[1] - 1))

    def __repr__(self) -> str:
        return f"StoredFactorInference({self._model!r}, level={self.level:g})"

    @cached_property
    def _columns(self) -> tuple[Array, Array]:
        """Plug-in and used covariances of ``(zeta_j, y_j)`` in the solver's coordinates."""
        places, k = place(self._model.stored_rows_.table, self._model.engine), len(self._prior)
        H, C_own, Q = places.round(self._visit, self._C)
        H, Q, C = unpacked(H, k) + self._prior, unpacked(Q, k), np.zeros((len(H), k, k))
        C[:, 1:, 1:] = unpacked(C_own, k - 1)
        V = invert_blocks(H)[0]
        return V, second_order(H, V, C, Q, True)[0] if self.variance == "second_order" else V

    def _turned_columns(self, V: Array) -> Array:
        r = len(self._turn)
        joint = np.zeros((r + 1, r + 1))
        joint[0, 0], joint[1:, 0], joint[1:, 1:] = 1.0, self._mean, np.linalg.inv(self._turn).T
        return np.asarray(joint.T @ V @ joint)

    def _intervals(self, name: str, estimate: Array, variance: Array, labels: dict[str, Any]) -> Intervals:
        se = np.sqrt(np.maximum(variance, 0.0))
        more = {"claim": self.claim, "library": self._model.library_}
        return Intervals.symmetric(name, np.asarray(estimate, float), se, self.level, labels, **more)

    def columns(self, cols: Any = None) -> Intervals:
        """Intercepts and factors of columns (default: all), shape (m, r + 1)."""
        which = self._model._positions(cols, "column")
        V = self._turned_columns(self._columns[1][which])
        estimate = np.concatenate([self._model.intercept_[which, None], self._model.col_factors_[which]], axis=1)
        names = np.array(["intercept", *(f"factor {k}" for k in range(len(self._turn)))])
        labels = {"col": self._model.col_labels_[which][:, None], "parameter": names[None, :]}
        return self._intervals("column", estimate, np.einsum("mkk->mk", V), labels)

    def rows(self, rows: Any) -> Intervals:
        """Factors of the rows with these labels, shape (m, r)."""
        labels = np.atleast_1d(np.asarray(rows))
        X, V = self._rows(self._model._positions(rows, "row"))
        V = self._turn.T @ V @ self._turn
        place_of = {"row": labels[:, None], "component": np.arange(X.shape[1])[None, :]}
        return self._intervals("row factor", (X - self._mean) @ self._turn, np.einsum("mkk->mk", V), place_of)

    def _rows(self, positions: Array) -> tuple[Array, Array]:
        """Factors and covariances of rows in the solver's coordinates."""
        table, r = self._model.stored_rows_.table, len(self._turn)
        X, V = np.empty((len(positions), r)), np.empty((len(positions), r, r))
        blocks = np.searchsorted(np.array(table.facts.bounds), positions, side="right") - 1
        for number in np.unique(blocks):
            own = blocks == number
            block = open_block(table.recipe(int(number)))
            asked, places = np.unique(positions[own] - block.first_row, return_inverse=True)
            at = RowsAt(self._visit, block.rows.take_major(asked), self._C)
            X[own], V[own] = at.X[places], self._row_covariances(at)[places]
        return X, V

    def _row_covariances(self, at: RowsAt) -> Array:
        if self.variance == "plug_in":
            return at.V
        V_cols, r = self._columns[0], at.cols.shape[1]
        X = np.concatenate([np.ones((len(at.X), 1)), at.X], axis=1)
        C = unpacked(at.passes.to_rows(at.w, packed_blocks(V_cols[:, 1:, 1:])), r)
        q = at.passes.quadratic(1, V_cols, X)
        Q = unpacked(at.passes.to_rows(np.square(at.w) * q, packed(at.cols)), r)
        return np.asarray(second_order(at.H, at.V, C, Q, True)[0])

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Expected responses (or linear predictors) of cells, elementwise pairs of labels.

        .. math:: \mathrm{var}(\hat m_{kl}) = y_l^\top V_k y_l + \tilde x_k^\top \tilde V_l \tilde x_k
        """
        if kind not in ("mean", "linear"):
            raise BadArgument("kind", kind, "'mean' or 'linear'")
        given = np.broadcast_arrays(np.atleast_1d(np.asarray(rows)), np.atleast_1d(np.asarray(cols)))
        i, j = self._model._positions(given[0], "row"), self._model._positions(given[1], "column")
        X, V = self._rows(i)
        y, x = self._C[j, :-1].astype(float), np.concatenate([np.ones((len(X), 1)), X], axis=1)
        m = self._C[j, -1] + np.einsum("ek,ek->e", X, y)
        v = np.einsum("ek,ekl,el->e", y, V, y) + np.einsum("ek,ekl,el->e", x, self._columns[1][j], x)
        labels = {"row": given[0], "col": given[1]}
        linear = self._intervals("linear predictor", m, v, labels)
        if kind == "linear":
            return linear
        loss: Any = self._model.loss_
        z, se = normal_quantile(self.level), linear.se
        low, high = loss.mean(m - z * se), loss.mean(m + z * se)
        return Intervals(
            "expected response", loss.mean(m), slope(loss, m) * se, low, high, self.level, labels, self.claim,
            "interval", library=self._model.library_,
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{shown(name)} needs all rows at once; of a prepared table there are columns(), rows(labels) and "
            "entries(rows, cols). Fit table.load() if it fits into memory"
        )
