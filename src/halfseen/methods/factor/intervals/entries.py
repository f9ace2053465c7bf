"""Intervals of cells: expected responses, linear predictors, and responses not yet seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.inference import Intervals, Statement
from halfseen.inference.draws import Errors, batch_sizes
from halfseen.losses import Loss, at_columns
from halfseen.losses.derived import slope
from halfseen.methods.factor.intervals.view import FactorView
from halfseen.parameters import BadArgument

Array = NDArray[Any]
KINDS = ("mean", "linear")


@dataclass(frozen=True)
class EntryErrors:
    r"""Errors of the linear predictor of chosen cells over the standard errors they would have shown.

    The product :math:`\delta_k^\top \tilde\delta_l` is kept, and the standard error is that at the drawn factors:
    products have heavier tails than sums, and come with small standard errors just when factors are drawn small.

    Attributes
    ----------
    view : FactorView
    i, j : int arrays (m,)
    """

    view: FactorView
    i: IntArray
    j: IntArray
    is_linear: bool = False

    @cached_property
    def _rows(self) -> tuple[IntArray, IntArray]:
        return np.unique(self.i, return_inverse=True)

    @cached_property
    def _cols(self) -> tuple[IntArray, IntArray]:
        return np.unique(self.j, return_inverse=True)

    @property
    def rows(self) -> IntArray:
        return self._rows[0]

    @property
    def cols(self) -> IntArray:
        return self._cols[0]

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`halfseen.methods.factor.intervals.draws.FactorErrors`."""
        uncertainty, (of_rows, of_cols), start = self.view.uncertainty, errors, 0
        y, x = uncertainty.factors.cols[self.j], uncertainty.features[self.i]
        V, V_cols = getattr(uncertainty.rows, size)[self.i], getattr(uncertainty.cols, size)[self.j]
        is_known = uncertainty.rows.is_resolved[self.i] & uncertainty.cols.is_resolved[self.j]
        out = np.zeros((len(of_rows), len(self.i)))
        for b in batch_sizes(len(of_rows), 4 * len(self.i) * x.shape[1]):
            part, start = slice(start, start + b), start + b
            dx, dy = of_rows[part][:, self._rows[1]], of_cols[part][:, self._cols[1]]
            moved, features = y + dy[:, :, 1:], np.broadcast_to(x, dy.shape).copy()
            features[:, :, 1:] += dx
            away = np.einsum("bek,ek->be", dy, x) + np.einsum("bek,bek->be", dx, moved)
            v = np.einsum("bek,bek->be", moved, np.einsum("ekl,bel->bek", V, moved))
            v += np.einsum("bek,bek->be", features, np.einsum("ekl,bel->bek", V_cols, features))
            np.divide(away, np.sqrt(v), out=out[part], where=(v > 0) & is_known)
        return out


def entries(view: FactorView, i: IntArray, j: IntArray, kind: str) -> Intervals:
    """Intervals of cells; on the mean scale the ends of the linear interval, transformed."""
    if kind not in KINDS:
        raise BadArgument("kind", kind, "'mean' or 'linear'")
    m, se = view.linear(i, j), np.sqrt(view.linear_variance(i, j))
    reliable, labels = view.reliable_cells(i, j), view.names.cells(i, j)
    errors = EntryErrors(view, i, j)
    if kind == "linear":
        return view.intervals("linear predictor", m, se, labels, reliable, errors)
    loss: Any = at_columns(view.passes.loss, j)
    scale = slope(loss, m)
    if view.uncertainty.cuts is not None:
        se = np.sqrt(mean_variance(view, i, j, loss, m)) / np.maximum(scale, 1e-300)

    def ends(q: float) -> tuple[Array, Array]:
        return loss.mean(m - q * se), loss.mean(m + q * se)

    mean_se = np.where(np.isfinite(se), scale * np.where(np.isfinite(se), se, 1.0), np.inf)
    return Intervals(
        "expected response", loss.mean(m), mean_se, *ends(view.z), view.level, labels, view.claim, "interval",
        reliable, library=view.library, statement=Statement(view, errors, ends),
    )  # fmt: skip


def mean_variance(view: FactorView, i: IntArray, j: IntArray, loss: Loss, m: Array) -> Array:
    """Variance of expected responses of chosen cells where cuts were estimated too."""
    uncertainty, cuts = view.uncertainty, view.uncertainty.cuts
    assert cuts is not None
    w, d = slope(loss, m), loss.mean_slopes(m)  # type: ignore[attr-defined]
    y, x = w[:, None] * uncertainty.factors.cols[j], w[:, None] * uncertainty.features[i]
    x = x + np.einsum("es,esk->ek", d, cuts.follow[j])
    v = np.einsum("ek,ekl,el->e", y, uncertainty.rows.covariance[i], y)
    v += np.einsum("ek,ekl,el->e", x, uncertainty.cols.covariance[j], x)
    v += np.einsum("es,est,et->e", d, cuts.covariance[j], d)
    return np.where(uncertainty.rows.is_resolved[i] & uncertainty.cols.is_resolved[j], v, np.inf)


def responses(view: FactorView, i: IntArray, j: IntArray) -> Intervals:
    r"""Prediction intervals of single responses; their own variance :math:`\phi\,\psi'(m)` joins the estimate's."""
    m, v, phi = view.linear(i, j), view.linear_variance(i, j), view.uncertainty.dispersion
    loss: Any = at_columns(view.passes.loss, j)
    low, high = loss.quantiles(m, v, phi, 0.5 * (1.0 - view.level))
    scale = np.square(slope(loss, m))
    own = np.where(np.isfinite(v), scale * np.where(np.isfinite(v), v, 0.0), np.inf)
    se = np.sqrt(own + phi * loss.variance(m))
    reliable = view.reliable_cells(i, j)
    return Intervals(
        "response", loss.mean(m), se, low, high, view.level, view.names.cells(i, j), view.claim, "prediction",
        reliable, library=view.library,
    )  # fmt: skip
