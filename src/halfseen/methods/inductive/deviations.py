"""How rows and columns differ from what their features say: spreads of the fit, and what entries tell of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.losses import is_quadratic
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.solvers import RelativeChange, SweepResult, loop

# Sweeps of expectation and maximisation, and the change of the noise at which they end.
SWEEPS, FREE_SWEEPS, TOL = 50, 30, 1e-4
# Directions beside the factors of the other side: at most so many, and one per so many lines of the shorter side.
FREE, PER_DIRECTION = 6, 10
# None beside more factors than that, which take too long; they hold most tastes.
MOST_FACTORS = 24
# Nor where features leave this share of the values' variance: that is rounding, or a fit that has not come to rest.
EXACT = 1e-6
# Rows from which spreads are learned: as many as have Gram matrices of this many numbers, or entries, together.
MOST_NUMBERS, MOST_ENTRIES = 20_000_000, 500_000
# Share of the mean spread that is added to that of every direction, so that none is taken for impossible.
FLOOR = 1e-3


@storable
@dataclass(frozen=True)
class Deviations:
    r"""How rows (columns) differ from what their features say, :math:`b_i \sim N(0, \Sigma)`.

    .. math:: y_{ij} = \hat m_{ij} + b_{i0} + \langle b_i, (w_j, v_j)\rangle + e_{ij},\qquad e_{ij} \sim N(0, \sigma^2)

    with what features say, :math:`\hat m`, the factors :math:`w` of the other side, and directions :math:`v` that no
    feature tells and entries do.

    Attributes
    ----------
    covariance : ndarray (1 + k + q, 1 + k + q)
    noise : float
        :math:`\sigma^2`.
    free : ndarray (p, q)
        Means of :math:`v_j`.
    errors : ndarray (p, q, q)
        Their covariances.
    """

    covariance: FloatArray
    noise: float
    free: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    errors: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))

    def along(self, directions: FloatArray) -> FloatArray:
        """All directions (p, 1 + k + q)."""
        return np.concatenate([directions, self.free], axis=1) if self.free.shape[1] else directions


@dataclass(frozen=True)
class DirectionSums:
    """Of every row: Gram matrix of its directions, their sums with residuals, squares of residuals, entries."""

    gram: FloatArray
    right: FloatArray
    squares: FloatArray
    counts: FloatArray

    @classmethod
    def of(
        cls, table: Observed, residuals: FloatArray, directions: FloatArray, errors: FloatArray | None = None
    ) -> DirectionSums:
        """Sums over the entries of every row; O(E k^2) time, memory (n + p) k^2.

        ``errors`` are covariances (p, q, q) of the last q directions, which are uncertain.
        """
        from scipy import sparse

        view, (n, _), K = table.by_rows, table.shape, directions.shape[1]
        weights = np.ones(len(residuals)) if view.weights is None else view.weights.astype(float)

        def summed(values: FloatArray, what: FloatArray) -> FloatArray:
            matrix = sparse.csr_array((values, view.indices, view.indptr), shape=table.shape)
            return np.asarray(matrix @ what)

        squared = directions[:, :, None] * directions[:, None, :]
        if errors is not None and errors.size:
            q = errors.shape[1]
            squared[:, -q:, -q:] += errors
        pairs = squared.reshape(len(directions), K * K)
        ones = np.ones((len(directions), 1))
        squares = summed(weights * residuals**2, ones)[:, 0]
        gram = summed(weights, pairs).reshape(n, K, K)
        return cls(gram, summed(weights * residuals, directions), squares, view.counts.astype(float))

    def where_seen(self) -> DirectionSums:
        """Those of rows with entries."""
        used = self.counts > 0
        return DirectionSums(self.gram[used], self.right[used], self.squares[used], self.counts[used])

    def noise(self, b: FloatArray, V: FloatArray) -> float:
        """Mean expected square of what deviations (n, K) with covariances (n, K, K) leave."""
        fitted = np.einsum("ikl,ik,il->i", self.gram, b, b) + np.einsum("ikl,ikl->i", self.gram, V)
        left = self.squares - 2.0 * np.einsum("ik,ik->i", b, self.right) + fitted
        return float(np.sum(left) / self.counts.sum())

    def given(self, spread: Deviations) -> tuple[FloatArray, FloatArray]:
        """Conditional means (n, K) and covariances (n, K, K) of the rows' deviations."""
        precision = np.linalg.inv(spread.covariance)
        covariances = np.linalg.inv(self.gram / spread.noise + precision)
        return np.einsum("ikl,il->ik", covariances, self.right) / spread.noise, covariances


def learned_deviations(model: Any, observed: Observed, axis: int) -> Deviations | None:
    """How the rows (``axis=0``) or columns (1) of a fit differ from what their features say; None without features.

    Expectation and maximisation along the factors of the other side, O(E k^2) once and O(n k^3) a sweep; then together
    with free directions, whose loadings have a normal prior each (variational), O(E (k + q)^2) a sweep.
    """
    if (model.row_code_, model.col_code_)[axis] is None or model.family == ONE_CLASS or not is_quadratic(model.loss_):
        return None
    table = observed.T if axis else observed
    directions = directions_of(model, axis)
    K = directions.shape[1] + FREE
    step = max(1, -(-table.shape[0] * K * K // MOST_NUMBERS), -(-table.n_entries // MOST_ENTRIES))
    if step > 1:
        table = table.take_rows(np.arange(0, table.shape[0], step))
    said = base_of(model, fitted_units(model, axis)[::step], axis)
    residuals = table.values.astype(float) - said.at(table.rows, table.cols)
    spread = _along_factors(table, residuals, directions)
    is_exact = spread.noise <= EXACT * max(float(np.var(table.values.astype(float))), 1e-200)
    q = 0 if is_exact or K > MOST_FACTORS else min(FREE, (min(table.shape) - 1) // PER_DIRECTION)
    return _with_free(table, residuals, directions, spread, q) if q > 0 else spread


def _along_factors(table: Observed, residuals: FloatArray, directions: FloatArray) -> Deviations:
    """Spreads along given directions."""
    K = directions.shape[1]
    sums = DirectionSums.of(table, residuals, directions).where_seen()
    total = float(sums.counts.sum())
    variance = max(float(sums.squares.sum()) / total, 1e-200)
    size = np.maximum(np.mean(directions**2, axis=0), 1e-60)
    start = Deviations(np.diag(0.1 * variance / size / K), 0.9 * variance)

    def sweep(spread: Deviations) -> SweepResult:
        b, V = sums.given(spread)
        after = Deviations(_spread_of(b, V, size), max(sums.noise(b, V), 1e-12 * variance))
        return SweepResult(after, after.noise)

    spread: Deviations = loop(sweep, start, [RelativeChange(TOL, 3)], max_iter=SWEEPS).params
    return spread


def _spread_of(b: FloatArray, V: FloatArray, size: FloatArray) -> FloatArray:
    """Covariance of deviations from their conditional means and covariances."""
    K = b.shape[1]
    covariance = (np.einsum("ik,il->kl", b, b) + V.sum(axis=0)) / len(b)
    covariance[np.diag_indices(K)] += FLOOR * np.trace(covariance * np.diag(size)) / K / size
    return np.asarray(covariance)


def _with_free(table: Observed, residuals: FloatArray, fixed: FloatArray, spread: Deviations, q: int) -> Deviations:
    """The same with q further directions, found from the entries."""
    from scipy import sparse

    view, (n, p), K = table.by_rows, table.shape, fixed.shape[1] + q
    weights = np.ones(len(residuals)) if view.weights is None else view.weights.astype(float)
    pattern = sparse.csr_array((weights, view.indices, view.indptr), shape=(n, p)).T.tocsr()
    valued = sparse.csr_array((weights * residuals, view.indices, view.indptr), shape=(n, p)).T.tocsr()
    variance = max(float(np.average(residuals**2, weights=weights)), 1e-200)
    free = _first_free(table, residuals, fixed, spread, q)
    wide = np.zeros((K, K))
    wide[:-q, :-q] = spread.covariance
    # the first loadings hold the size: one entry's part of a direction is about a tenth of the noise
    wide[-q:, -q:] = np.eye(q) * 0.1 * spread.noise / np.maximum(np.mean(free**2), 1e-300)
    start = Deviations(wide, spread.noise, free, np.zeros((p, q, q)))

    def sweep(spread: Deviations) -> SweepResult:
        Z = spread.along(fixed)
        sums = DirectionSums.of(table, residuals, Z, spread.errors)
        b, V = sums.given(spread)
        used = sums.counts > 0
        noise = max(sums.where_seen().noise(b[used], V[used]), 1e-12 * variance)
        covariance = _spread_of(b[used], V[used], np.maximum(np.mean(Z**2, axis=0), 1e-300))
        squares = (b[:, :, None] * b[:, None, :] + V)[:, -q:, :].reshape(n, q * K)
        gram = (pattern @ squares).reshape(p, q, K)
        right = valued @ b[:, -q:] - np.einsum("jqk,jk->jq", gram[:, :, :-q], fixed)
        errors = np.linalg.inv(gram[:, :, -q:] / noise + np.eye(q))
        free = np.einsum("jkl,jl->jk", errors, right) / noise
        # loadings have unit mean squares, so that a direction that fades does so in the rows' spread alone
        scale = np.sqrt((np.einsum("jq,jq->q", free, free) + np.einsum("jqq->q", errors)) / p)
        covariance[-q:] *= scale[:, None]
        covariance[:, -q:] *= scale
        return SweepResult(Deviations(covariance, noise, free / scale, errors / np.outer(scale, scale)), noise)

    found: Deviations = loop(sweep, start, [RelativeChange(TOL, 3)], max_iter=FREE_SWEEPS).params
    return found


def _first_free(table: Observed, residuals: FloatArray, fixed: FloatArray, spread: Deviations, q: int) -> FloatArray:
    """Right singular vectors (p, q) of what is left of the residuals beside the factors, times the root of p."""
    from scipy import sparse
    from scipy.sparse.linalg import svds

    b, _ = DirectionSums.of(table, residuals, fixed).given(spread)
    left = residuals - np.einsum("ek,ek->e", b[table.rows], fixed[table.cols])
    counts = [np.sqrt(np.maximum(np.bincount(own, minlength=n), 1)) for own, n in
              zip((table.rows, table.cols), table.shape, strict=True)]  # fmt: skip
    cells = left / counts[0][table.rows] / counts[1][table.cols]
    matrix = sparse.csr_array((cells, (table.rows, table.cols)), shape=table.shape)
    right = svds(matrix, q, v0=np.ones(min(table.shape)), return_singular_vectors="vh")[2]
    return np.asarray(right.T * np.sqrt(table.shape[1]))


@dataclass(frozen=True)
class Base:
    """What features say of a row: factors and offsets of both sides."""

    own: FloatArray
    other: FloatArray
    offset: FloatArray

    def at(self, i: IntArray, j: IntArray) -> FloatArray:
        return np.asarray(np.einsum("ek,ek->e", self.own[i], self.other[j]) + self.offset[j])

    def table(self) -> FloatArray:
        return np.asarray(self.own @ self.other.T + self.offset)


def directions_of(model: Any, axis: int) -> FloatArray:
    """What a row (column) may differ by: a constant, and the factors of the other side."""
    other = (model.col_factors_, model.row_factors_)[axis].astype(float)
    return np.concatenate([np.ones((len(other), 1)), other], axis=1)


def fitted_units(model: Any, axis: int) -> FloatArray:
    """Activations of the fitted rows (columns), without what is free of their features."""
    own, k = (model.row_factors_, model.col_factors_)[axis].astype(float), model.row_weights_.shape[1]
    return own[:, :k]


def base_of(model: Any, units: FloatArray, axis: int) -> Base:
    """What features say, from the units of the own side."""
    k = model.row_weights_.shape[1]
    other = (model.col_factors_, model.row_factors_)[axis][:, :k].astype(float)
    effects = (model.col_effects_, model.row_effects_)[axis].astype(float)
    return Base(units.astype(float), other, effects + float(model.offset_))
