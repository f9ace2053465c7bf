"""Where new rows lie against the fitted columns."""

from __future__ import annotations

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import Loss, is_quadratic
from halfseen.methods.descent.fitting import Descended
from halfseen.methods.descent.table import ROW_ENTRIES, Centre, DescentTable

# Relative to the largest component: what keeps the regressions solvable where nothing else does.
LEAST_PENALTY = 1e-8


def placing_penalty(table: DescentTable, descended: Descended) -> FloatArray:
    r"""Penalty of each column of ``right_`` under which rows are placed.

    In a complete table :math:`s_k - f_k`: a row of the table then is placed where descent had it. With missing
    entries the prior of the fit, :math:`\hat\sigma^2 n / f_k`: rows of ``left_`` have the mean square :math:`f_k/n`.
    """
    size = np.maximum(descended.reading.size.astype(float), 0.0)
    top = max(float(size.max(initial=0.0)), 1e-300)
    if table.matrix is not None:
        return np.maximum(descended.reading.lack.astype(float), LEAST_PENALTY * top)
    noise = 1.0 if not is_quadratic(table.loss) else _variance(table, descended)
    return noise * table.shape[0] / np.maximum(size, LEAST_PENALTY * top) + LEAST_PENALTY * top


def _variance(table: DescentTable, descended: Descended) -> float:
    """Variance of an entry around its prediction: held out where entries were, else that of the residuals."""
    if descended.curve is not None:
        return descended.curve.best_error**2
    return float(descended.path.training_errors[-1] ** 2) / (table.shape[0] * table.shape[1])


def place(
    observed: Observed, right: FloatArray, penalty: FloatArray, centre: Centre, loss: Loss, engine: str | Engine | None
) -> tuple[FloatArray, FloatArray]:
    """Rows of ``left_`` (n_new, q) and biases (n_new,) of new rows."""
    observed = observed.astype(right.dtype)
    bias = _row_bias(observed, centre)
    offset = bias[observed.rows]
    passes = EntryPasses(observed, loss, engine, offset)
    start = np.zeros((observed.shape[0], right.shape[1]), right.dtype)
    base = centre.cols + right.dtype.type(centre.mean)
    steps = 1 if is_quadratic(loss) else 20
    rows, _ = passes.newton(0, start, right, minor_offset=base, ridge=penalty, method="cholesky", steps=steps)
    rows[observed.by_rows.counts == 0] = 0.0
    return rows, bias


def _row_bias(observed: Observed, centre: Centre) -> FloatArray:
    """Shrunk means of new rows, where the fit took means of rows out."""
    n = observed.shape[0]
    if not centre.rows.any():
        return np.zeros(n, observed.dtype)
    weights = np.ones(observed.n_entries) if observed.weights is None else observed.weights
    left = weights * (observed.values - centre.mean - centre.cols[observed.cols])
    total = np.bincount(observed.rows, left, minlength=n)
    return (total / (np.bincount(observed.rows, weights, minlength=n) + ROW_ENTRIES)).astype(observed.dtype)
