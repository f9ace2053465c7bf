"""One sweep of alternating ridge regressions, the same for factors with biases and for biases alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.solvers.loop import Run, SweepResult, loop
from halfseen.solvers.watch import FitWatch

# Coefficients of both sides; the last column is the bias.
Coefficients = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Penalty:
    """Ridge of one side: ``sum_i scale_i (sum_k ridge_k w_ik^2)`` for the coefficients ``w`` of its rows."""

    ridge: FloatArray
    scale: FloatArray

    def value(self, coefficients: FloatArray) -> float:
        return float(self.scale @ (np.square(coefficients, dtype=float) @ self.ridge))


def weighted_counts(observed: Observed, axis: int) -> FloatArray:
    """Number of entries (sum of their weights) of every row (``axis=0``) or column (1)."""
    view = observed.by_rows
    if axis:
        return view.minor_sums(view.weights).astype(float)
    if view.weights is None:
        return view.counts.astype(float)
    total = np.zeros(len(view.weights) + 1)
    np.cumsum(view.weights, dtype=float, out=total[1:])
    return np.diff(total[view.indptr])


def powers(counts: FloatArray, exponent: float) -> FloatArray:
    """``counts ** exponent``, and 1 for rows without entries (whose coefficients are 0 anyway)."""
    return np.where(counts > 0, counts, 1.0) ** exponent


def regress(
    passes: EntryPasses,
    axis: int,
    start: FloatArray,
    other: FloatArray,
    mean: float,
    penalty: Penalty,
    method: str = "auto",
) -> tuple[FloatArray, float]:
    r"""Solve one side: row ``i`` regresses :math:`r_{ij} - \mu - d_j` on :math:`(y_j, 1)`, with its ridge.

    Parameters
    ----------
    passes : EntryPasses
        Over the table, with the gaussian loss.
    axis : {0, 1}
        Solve the rows (0) or the columns (1).
    start : ndarray (n_major, k + 1)
        Where conjugate gradients begin; without influence on a direct solution.
    other : ndarray (n_minor, k + 1)
        Factors and bias of the fixed side.

    Returns
    -------
    coefficients : ndarray (n_major, k + 1)
    value : float
        Sum of squares and this side's penalty there.
    """
    features = other.copy()
    features[:, -1] = 1.0
    # The kernels minimise half the sum of squares and half the ridge: the same coefficients, half the value.
    solved, half = passes.newton(
        axis,
        start,
        features,
        minor_offset=other[:, -1] + other.dtype.type(mean),
        ridge=penalty.ridge,
        ridge_scale=penalty.scale,
        method=method,
    )
    return solved, 2.0 * half


@dataclass
class SmallFall:
    """Stop when the objective falls by at most ``tol`` times what it was after the first sweep.

    The first value is the yardstick, not the last: tables that a model fits exactly would never stop.
    """

    tol: float
    _first: float | None = field(default=None, init=False, repr=False)
    _last: float = field(default=np.inf, init=False, repr=False)

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        self._first = result.value if self._first is None else self._first
        fall, self._last = self._last - result.value, result.value
        return "change" if fall <= self.tol * self._first else None


@dataclass(frozen=True)
class AlternatingRidge:
    """Sweep: all columns given the rows, then all rows given the columns; the value never rises.

    Rows come last so that the fitted rows are exactly what ``transform`` gives for the training table.
    """

    passes: EntryPasses
    mean: float
    rows: Penalty
    cols: Penalty
    method: str = "auto"

    def __call__(self, params: Coefficients) -> SweepResult:
        rows, cols = params
        cols, _ = regress(self.passes, 1, cols, rows, self.mean, self.cols, self.method)
        rows, value = regress(self.passes, 0, rows, cols, self.mean, self.rows, self.method)
        return SweepResult((rows, cols), value + self.cols.value(cols), work=2.0)


def fit_biases(
    passes: EntryPasses, mean: float, ridges: tuple[float, float], max_iter: int, tol: float,
    watch: FitWatch | None = None,
) -> Run:  # fmt: skip
    """Biases of rows and columns, each shrunk by a ridge counted in entries: the params are ``(rows, cols)``.

    Parameters
    ----------
    passes : EntryPasses
        Over the table, with the gaussian loss.
    mean : float
    ridges : (float, float)
        Of the rows and of the columns: with that many entries half of the row's mean is kept.
    max_iter : int
    tol : float
        Stop when the objective falls by less than this share of what it was after the first round.
    watch : FitWatch, optional

    Returns
    -------
    Run
        Its params are two arrays of shape (n, 1) and (p, 1).
    """
    (n, p), dtype = passes.observed.shape, passes.observed.dtype
    of_rows = Penalty(np.array([float(ridges[0])]), np.ones(n))
    of_cols = Penalty(np.array([float(ridges[1])]), np.ones(p))
    sweep = AlternatingRidge(passes, mean, of_rows, of_cols)
    stops = [SmallFall(tol)] + ([watch.stop] if watch else [])
    start = np.zeros((n, 1), dtype), np.zeros((p, 1), dtype)
    return loop(sweep, start, stops, max_iter=max_iter, watchers=[watch] if watch else [])
