"""The plain path: passes for a loss without a fused kernel, through its elementwise methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen.data import Compressed
from halfseen.kernels import at, to_cols, to_rows
from halfseen.losses import Loss
from halfseen.losses.derived import information as expected_curvature
from halfseen.losses.protocol import Array


@dataclass(frozen=True)
class PlainRows:
    """The entries of a view, with what the loss says of each at the given parameters."""

    view: Compressed

    @property
    def row_of(self) -> Array:
        """Major index of each entry."""
        return np.repeat(np.arange(self.view.n_major), self.view.counts)

    @property
    def weights(self) -> Array | float:
        return 1.0 if self.view.weights is None else self.view.weights

    def predictor(
        self, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None, offset: Array | None
    ) -> Array:
        return at(self.view, A, B, row_offset=row_offset, col_offset=col_offset, offset=offset)

    def row_sums(self, g: Array) -> Array:
        return np.bincount(self.row_of, weights=g, minlength=self.view.n_major)

    def col_sums(self, g: Array) -> Array:
        return np.bincount(self.view.indices, weights=g, minlength=self.view.n_minor)

    def to_rows(self, g: Array, B: Array) -> Array:
        out = np.zeros((self.view.n_major, B.shape[1]), dtype=B.dtype)
        to_rows(self.view, np.asarray(g, dtype=B.dtype), B, out=out)
        return out

    def to_cols(self, g: Array, A: Array) -> Array:
        out = np.zeros((self.view.n_minor, A.shape[1]), dtype=A.dtype)
        to_cols(self.view, np.asarray(g, dtype=A.dtype), A, out=out)
        return out


def information(block: PlainRows, loss: Loss, B: Array, m: Array, is_expected: bool = False) -> Array:
    """``H_i = sum_e w_e curvature(y_e, m_e) B_j B_j'`` for the rows of the block, or its expectation."""
    y = block.view.values
    h = block.weights * (expected_curvature(loss, m) if is_expected else loss.curvature(y, m))
    k = B.shape[1]
    gathered = B[block.view.indices]
    out = np.empty((block.view.n_major, k, k), dtype=B.dtype)
    for column in range(k):
        out[:, column, :] = block.to_rows(h * gathered[:, column], B)
    return out


def newton_rows(
    block: PlainRows,
    loss: Loss,
    X: Array,
    B: Array,
    offsets: tuple[Array | None, Array | None],
    ridge: Array,
    max_halvings: int,
    steps: int = 1,
) -> tuple[Array, float]:
    """Damped Newton steps of every row; a row whose objective would not fall stays.

    Minimises ``sum_e w_e loss(y_e, <x_i, B_j> + c_j + o_e) + sum_k ridge_ik x_ik^2 / 2`` row by row.
    """
    y, w, rows, (col_offset, offset) = block.view.values, block.weights, block.row_of, offsets

    def objective(candidate: Array) -> tuple[Array, Array]:
        m = block.predictor(np.ascontiguousarray(candidate, dtype=X.dtype), B, None, col_offset, offset)
        fit = np.bincount(rows, weights=w * loss.value(y, m), minlength=len(candidate))
        return fit + 0.5 * np.sum(ridge * candidate**2, axis=1), m

    here = X
    value, m = objective(here)
    gradient = block.to_rows(w * loss.gradient(y, m), B) + ridge * here
    hessian = information(block, loss, B, m)
    diagonal = np.einsum("ikk->ik", hessian)
    # a relative jitter keeps rows with fewer entries than unknowns solvable
    diagonal += ridge + 1e-10 * (diagonal.sum(axis=1, keepdims=True) + 1e-300)
    step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    best, best_value, open_rows = here.copy(), value.copy(), np.ones(len(here), dtype=bool)
    for halving in range(max_halvings + 1):
        trial = np.where(open_rows[:, None], here - step * 0.5**halving, best)
        trial_value, _ = objective(trial)
        better = open_rows & (trial_value <= value)
        best[better], best_value[better] = trial[better], trial_value[better]
        open_rows &= ~better
        if not open_rows.any():
            break
    # rows that no longer move by more than rounding are done
    is_done = np.max(np.abs(best - here), initial=0.0) <= 1e-10 * (1.0 + np.max(np.abs(here), initial=0.0))
    if steps > 1 and not is_done:
        return newton_rows(block, loss, best, B, offsets, ridge, max_halvings, steps - 1)
    return best, float(best_value.sum())
