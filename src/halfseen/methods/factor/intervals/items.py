"""The table of the columns of a fit: difficulty and discrimination with their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import Labels
from halfseen.inference import Listing, normal_quantile
from halfseen.losses import is_logistic, takes_totals
from halfseen.methods.factor.intervals.view import FactorView

Array = NDArray[Any]

# Below this share of the median discrimination a column has no place of even odds.
FAINT = 0.01
NOTES = (
    "difficulty: where a row must stand for an even chance (with several factors: along the column's own direction)",
    "discrimination: slope of the linear predictor along the row's factor (with several factors: their length)",
    "errors: first-order (delta method), of the column's own estimates and of the gauge",
)


def item_listing(view: FactorView) -> Listing:
    r"""Columns in their order, with :math:`-\zeta_j / y_j` (rank 1) or :math:`-\zeta_j / |y_j|`.

    .. math:: \mathrm{var}(d_j) = g^\top \tilde V_j g + \text{gauge},\qquad
              g = \Bigl(-\frac1{s_j},\; \frac{\zeta_j\,u_j}{s_j^2}\Bigr),\quad s_j = u_j^\top y_j

    with the direction :math:`u_j` of the column (1 for rank 1: a column against the order has a negative slope).
    """
    view.check_precision()
    uncertainty, passes, level = view.uncertainty, view.passes, view.level
    z, y, V = uncertainty.factors.intercept, uncertainty.factors.cols, uncertainty.cols.covariance
    length = np.linalg.norm(y, axis=1)
    u = np.ones_like(y) if y.shape[1] == 1 else y / np.maximum(length, 1e-300)[:, None]
    s = np.einsum("jk,jk->j", u, y)
    is_telling = length > FAINT * np.median(length)
    answered = passes.view(1).counts
    observed = passes.observed
    total = np.bincount(observed.cols, observed.values.astype(float), len(z))
    columns: dict[str, Labels] = {
        "col": view.names.labels(1), "answered": np.asarray(answered), "raw": _ratio(total, answered),
        "intercept": z, "intercept_se": _error(view, np.eye(1 + y.shape[1])[[0] * len(z)]),
    }  # fmt: skip
    if is_logistic(passes.loss) or takes_totals(passes.loss):
        safe = np.where(is_telling, s, np.nan)
        gradient = np.concatenate([-1.0 / safe[:, None], (z / safe**2)[:, None] * u], axis=1)
        columns |= {"difficulty": -z / safe, "difficulty_se": _error(view, gradient)}
    slope_se = _error(view, np.concatenate([np.zeros((len(z), 1)), u], axis=1))
    columns |= {"discrimination": s, "discrimination_se": slope_se}
    flag = np.full(len(z), "", dtype="<U16")
    flag[~view.reliable(1)] = "little known"
    flag[s + normal_quantile(level) * slope_se < 0] = "against order"
    flag[~uncertainty.cols.is_resolved | ~np.isfinite(V).all(axis=(1, 2))] = "separated"
    flag[answered == 0] = "unseen"
    columns["flag"] = flag
    return Listing("items", columns, level, NOTES, view.claim, view.library)


def _ratio(total: Array, count: Array) -> Array:
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _error(view: FactorView, gradient: Array) -> Array:
    """Standard errors (p,) of one number per column, from its gradients (p, r + 1) by intercept and factors."""
    uncertainty = view.uncertainty
    V = np.where(uncertainty.cols.is_resolved[:, None, None], uncertainty.cols.covariance, np.inf)
    is_known = np.asarray(np.isfinite(V).all(axis=(1, 2)))
    own = np.einsum("jk,jkl,jl->j", gradient, np.where(is_known[:, None, None], V, 0.0), gradient)
    if uncertainty.gauge is not None:
        own = own + uncertainty.gauge.of_columns(gradient, uncertainty.factors.cols)
    return np.where(is_known, np.sqrt(own), np.inf)
