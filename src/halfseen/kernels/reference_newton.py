"""NumPy twin of the row-wise Newton kernel: one small penalised problem per row."""

from __future__ import annotations

import numpy as np

from halfseen.kernels.arguments import Block
from halfseen.kernels.reference import GAUSSIAN, Array, curvature, loss, mean


class Row:
    """One row's problem: ``f(x) = sum_e w_e loss(<x, B_j> + o_e, y_e) + ridge.x^2 / 2 - pull.x``."""

    def __init__(
        self, B: Array, y: Array, w: Array, offset: Array, family: int, trials: float, ridge: Array, pull: Array
    ) -> None:
        self.B, self.y, self.w, self.offset = B, y, w, offset
        self.family, self.trials, self.ridge, self.pull = family, trials, ridge, pull

    def value(self, x: Array) -> float:
        """Objective at ``x``."""
        entries = self.w * loss(self.family, self.trials, self.y, self.B @ x + self.offset)
        return float(entries.sum() + 0.5 * self.ridge @ (x * x) - self.pull @ x)

    def gradient(self, x: Array) -> Array:
        """Gradient at ``x``."""
        residual = self.w * (mean(self.family, self.trials, self.B @ x + self.offset) - self.y)
        return self.B.T @ residual + self.ridge * x - self.pull

    def hessian(self, x: Array) -> Array:
        """Normal matrix at ``x``, ridge included."""
        weights = self.w * curvature(self.family, self.trials, self.B @ x + self.offset)
        return (self.B * weights[:, None]).T @ self.B + np.diag(self.ridge)


def solve_spd(H: Array, rhs: Array, eps: float) -> tuple[Array, bool]:
    """Solve by Cholesky; a (near-)singular matrix gets the jitter sqrt(eps) * mean diagonal and counts as failed.

    sqrt(eps) balances the two errors on the directions that the data do not determine: the pull towards zero
    (jitter) and the noise of the right-hand side (eps / jitter). Near-singular: a pivot below
    max(8 k eps, eps^(3/4)) of its diagonal, where rounding has taken over.
    """
    k = len(rhs)
    if k == 0:
        return rhs, False
    mean_diagonal = float(np.trace(H)) / k
    if not np.isfinite(mean_diagonal) or mean_diagonal <= 0:
        return np.zeros_like(rhs), True
    for jitter in (0.0, np.sqrt(eps) * mean_diagonal):
        try:
            L = np.linalg.cholesky(H + jitter * np.eye(k))
        except np.linalg.LinAlgError:
            continue
        if jitter > 0 or np.all(np.diag(L) ** 2 > max(8 * k * eps, eps**0.75) * np.diag(H)):
            return np.linalg.solve(L.T, np.linalg.solve(L, rhs)), jitter > 0
    return np.zeros_like(rhs), True


def conjugate_gradients(H: Array, rhs: Array, x: Array, n_steps: int) -> Array:
    """A few conjugate-gradient steps, preconditioned by the diagonal, from ``x``."""
    diagonal = np.diag(H)
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    residual = rhs - H @ x
    z = inverse * residual
    p, rho = z, residual @ z
    for _ in range(n_steps):
        if rho <= 0:
            break
        Hp = H @ p
        step = rho / (p @ Hp)
        x = x + step * p
        residual = residual - step * Hp
        z = inverse * residual
        rho, previous = residual @ z, rho
        p = z + rho / previous * p
    return x


def newton_row(
    row: Row, x: Array, eps: float, steps: int, max_halvings: int, cg_steps: int
) -> tuple[Array, float, bool]:
    """Damped Newton on one row; ``cg_steps = 0`` means Cholesky. Returns (x, objective, had a singular matrix)."""
    if row.family == GAUSSIAN:
        H, rhs = row.hessian(x), row.pull + row.B.T @ (row.w * (row.y - row.offset))
        if cg_steps:
            x = conjugate_gradients(H, rhs, x, cg_steps)
            return x, row.value(x), False
        solution, failed = solve_spd(H, rhs, eps)
        x = x if failed and not solution.any() else solution
        return x, row.value(x), failed
    value, failed_once = row.value(x), False
    for _ in range(steps):
        gradient, H = row.gradient(x), row.hessian(x)
        if cg_steps:
            direction, failed = conjugate_gradients(H, -gradient, np.zeros_like(x), cg_steps), False
        else:
            direction, failed = solve_spd(H, -gradient, eps)
        failed_once |= failed
        # Rounding of the objective must not refuse the last digits of a converged row.
        limit = value + 8 * eps * (1.0 + abs(value))
        for halving in range(max_halvings + 1):
            trial = x + 0.5**halving * direction
            trial_value = row.value(trial)
            if trial_value <= limit:
                x, value = trial, trial_value
                break
        else:
            break
    return x, value, failed_once


def row_newton(
    b: Block,
    X: Array,
    B: Array,
    family: int,
    trials: float,
    col_offset: Array | None,
    ridge: Array | None,
    ridge_scale: Array | None,
    prior_rhs: Array | None,
    steps: int,
    max_halvings: int,
    cg_steps: int,
    out: Array,
) -> tuple[float, int]:
    """Minimise every row's objective; see :func:`halfseen.kernels.row_newton`."""
    k, eps = B.shape[1], float(np.finfo(b.dtype).eps)
    pointer, total, n_failed = b.indptr - b.indptr[0], 0.0, 0
    for i in range(b.n_rows):
        own = slice(pointer[i], pointer[i + 1])
        cols = b.indices[own]
        scale = 1.0 if ridge_scale is None else float(ridge_scale[i])
        penalty = np.zeros(k) if ridge is None else scale * (ridge[i] if ridge.ndim == 2 else ridge).astype(np.float64)
        pull = np.zeros(k) if prior_rhs is None else scale * prior_rhs.astype(np.float64)
        x = X[i].astype(np.float64)
        if len(cols) == 0:
            x = np.where(penalty > 0, pull / np.where(penalty > 0, penalty, 1.0), x)
            total += float(0.5 * penalty @ (x * x) - pull @ x)
        else:
            offset = np.zeros(len(cols)) if col_offset is None else col_offset[cols].astype(np.float64)
            if b.offset is not None:
                offset = offset + b.offset[own]
            w = np.ones(len(cols)) if b.weights is None else b.weights[own].astype(np.float64)
            y = b.values[own].astype(np.float64)
            row = Row(B[cols].astype(np.float64), y, w, offset, family, trials, penalty, pull)
            x, value, failed = newton_row(row, x, eps, steps, max_halvings, cg_steps)
            total, n_failed = total + value, n_failed + failed
        out[i] = x
    return total, int(n_failed)
