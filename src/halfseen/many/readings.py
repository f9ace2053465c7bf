"""Ways to read the shared part of a source out of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.stops import RelativeChange

# Residuals below this share of the median one count as 0: weights of reweighted least squares stay bounded.
# A tenth of the residual's size is the half grey level that video wants.
FLOOR = 0.1
L1_ROUNDS = 25


def completed(observed: Observed, fit: FloatArray) -> FloatArray:
    """The fit with what was observed put in its places."""
    table = np.array(fit, dtype=float)
    table[observed.rows, observed.cols] = observed.values
    return table


@dataclass(frozen=True)
class LeastAbsolute:
    """Sweep: one round of reweighted least squares for ``argmin_v ||m_j - U v||_1`` in every column j."""

    U: FloatArray
    table: FloatArray
    floor: float

    def __call__(self, V: FloatArray) -> SweepResult:
        weights = 1.0 / np.maximum(np.abs(self.table - self.U @ V.T), self.floor)
        k = self.U.shape[1]
        pairs = (self.U[:, :, None] * self.U[:, None, :]).reshape(len(self.U), -1)
        gram = (weights.T @ pairs).reshape(-1, k, k)
        right = (weights * self.table).T @ self.U
        V = np.linalg.solve(gram, right[..., None])[..., 0]
        return SweepResult(V, float(np.abs(self.table - self.U @ V.T).sum()))


def least_absolute(U: FloatArray, table: FloatArray) -> FloatArray:
    """Coefficients (p, r) of the columns of a complete table (n, p) on ``U`` by least absolute deviations.

    Examples
    --------
    >>> table = np.array([[1.0], [1.0], [1.0], [1.0], [9.0]])
    >>> least_absolute(np.ones((5, 1)), table).round(1).tolist()
    [[1.0]]
    """
    start = np.linalg.lstsq(U, table, rcond=None)[0].T
    size = float(np.median(np.abs(table - U @ start.T)))
    floor = max(FLOOR * size, 1e-12 * float(np.abs(table).max(initial=0.0)), 1e-300)
    return loop(LeastAbsolute(U, table, floor), start, [RelativeChange(1e-9)], max_iter=L1_ROUNDS).params


def column_medians(table: FloatArray) -> FloatArray:
    """The median of each column, in every row."""
    return np.broadcast_to(np.median(table, axis=0), table.shape).copy()
