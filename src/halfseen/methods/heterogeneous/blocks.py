"""What a source does with its own data; nothing else ever sees them."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.linalg.subspace import leading_left, sketched_left
from halfseen.losses import Loss, is_quadratic

# Below this share of the loss of predicting nothing, values are summed up entry by entry.
CANCELLED = 1e-6
# Under a robust loss, values beyond this many times the median size are cut off in the start.
OUTLIER = 4.0


class SourceBlock(Protocol):
    """One source: its loss at ``U V'`` (weighted), gradients, row systems and exact columns."""

    shape: tuple[int, int]
    dtype: np.dtype
    is_quadratic: bool

    @property
    def density(self) -> float:
        """Share of the cells that were seen."""
        ...

    def value(self, U: FloatArray, V: FloatArray) -> float:
        """Weighted loss."""
        ...

    def gradients(self, U: FloatArray, V: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value and gradients with respect to ``U`` and ``V``."""
        ...

    def row_systems(self, U: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradient (n, k) and curvature (n or 1, k, k) of every row."""
        ...

    def solve_columns(self, U: FloatArray, V: FloatArray, penalty: float) -> tuple[FloatArray, float]:
        """Best ``V`` (a damped Newton step towards it, for losses that are not quadratic) and the value there,
        with ``penalty |V|^2 / 2``."""
        ...

    def leading(
        self, rank: int, rng: np.random.Generator, fit: tuple[FloatArray, FloatArray] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Left singular vectors and values of the zero-filled table (less a fit ``U V'``) over the share seen."""
        ...


def make_block(table: Observed, loss: Loss, weight: float = 1.0) -> SourceBlock:
    """Products of matrices for a complete table under squared loss, passes over entries for all others."""
    is_complete = table.n_entries == table.shape[0] * table.shape[1] and table.weights is None
    if is_complete and is_quadratic(loss):
        return CompleteBlock(table, weight)
    return EntryBlock(table, loss, weight)


class EntryBlock:
    """A source of which only some entries were seen, or with a loss other than the squared one.

    Notes
    -----
    Memory O(entries + n k^2); never n x p.
    """

    def __init__(self, table: Observed, loss: Loss, weight: float = 1.0) -> None:
        self.shape, self.dtype, self.weight = table.shape, table.dtype, weight
        self.is_quadratic = is_quadratic(loss)
        reweighted = getattr(loss, "reweighted", None)
        self.is_robust = reweighted is not None
        loss = loss if reweighted is None else reweighted()
        # sources are what the engine spreads; inside one, blocks follow each other
        self.passes = EntryPasses(table, loss, "serial")
        self.null = float(np.sum(loss.value(table.values, np.zeros_like(table.values)), dtype=float))
        self.density = table.density

    def value(self, U: FloatArray, V: FloatArray) -> float:
        return self.weight * self.passes.value(U, V)

    def gradients(self, U: FloatArray, V: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        done = self.passes.loss_and_gradient(U, V, want="AB")
        assert done.A is not None
        assert done.B is not None
        return self.weight * done.value, self.weight * done.A, self.weight * done.B

    def row_systems(self, U: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
        gradient: FloatArray = np.empty(U.shape, self.dtype)
        curvature = self.passes.information(0, U, V, gradient=gradient)
        return self.weight * gradient.astype(float, copy=False), self.weight * curvature.astype(float, copy=False)

    def solve_columns(self, U: FloatArray, V: FloatArray, penalty: float) -> tuple[FloatArray, float]:
        penalties = np.full(U.shape[1], penalty / self.weight) if penalty else None
        V, value = self.passes.newton(1, V, U, ridge=penalties, method="cholesky")
        if self.is_quadratic and value < CANCELLED * self.null:
            # the kernel's value is a difference of sums of squares: near an exact fit only its rounding is left
            value = self.passes.value(U, V)
            value += 0.5 * (penalty / self.weight) * float(np.sum(np.square(V), dtype=float))
        return V, self.weight * value

    def leading(
        self, rank: int, rng: np.random.Generator, fit: tuple[FloatArray, FloatArray] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        table, loss = self.passes.observed, self.passes.loss
        now = np.zeros_like(table.values) if fit is None else self.passes.at(*fit)
        # one Newton step from there, entry by entry: the residuals themselves under squared loss
        working = -loss.gradient(table.values, now) / np.maximum(loss.curvature(table.values, now), 1e-6)
        if self.is_robust:
            most = OUTLIER * float(np.median(np.abs(working)))
            working = np.clip(working, -most, most)
        filled = (working / max(table.density, 1e-12)).astype(table.dtype, copy=False)
        forward, backward = partial(self.passes.to_rows, filled), partial(self.passes.to_cols, filled)
        return sketched_left(self.shape, forward, backward, rank, rng)


class CompleteBlock:
    """A complete source under squared loss: all rows have one and the same system."""

    is_quadratic = True
    density = 1.0

    def __init__(self, table: Observed, weight: float = 1.0) -> None:
        self.shape, self.dtype, self.weight = table.shape, table.dtype, weight
        self.table = table.values.reshape(table.shape)

    def value(self, U: FloatArray, V: FloatArray) -> float:
        return 0.5 * self.weight * float(np.sum(np.square(U @ V.T - self.table), dtype=float))

    def gradients(self, U: FloatArray, V: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        residual = U @ V.T - self.table
        value = 0.5 * self.weight * float(np.sum(np.square(residual), dtype=float))
        return value, self.weight * (residual @ V), self.weight * (residual.T @ U)

    def row_systems(self, U: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
        gram = V.T @ V
        return self.weight * (U @ gram - self.table @ V), self.weight * gram[None]

    def solve_columns(self, U: FloatArray, V: FloatArray, penalty: float) -> tuple[FloatArray, float]:
        gram, right = U.T @ U, U.T @ self.table
        jitter = penalty / self.weight + 1e-15 * np.trace(gram) / max(len(gram), 1) + 1e-300
        V = np.linalg.solve(gram + jitter * np.eye(len(gram)), right).T
        return V, self.value(U, V) + 0.5 * penalty * float(np.sum(np.square(V), dtype=float))

    def leading(
        self, rank: int, rng: np.random.Generator, fit: tuple[FloatArray, FloatArray] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        return leading_left(self.table if fit is None else self.table - fit[0] @ fit[1].T, rank, rng)


def largest_singular_value(block: SourceBlock, rng: np.random.Generator) -> float:
    """Largest singular value of the zero-filled table over the share seen."""
    s: Any = block.leading(1, rng)[1]
    return float(s[0]) if len(s) else 0.0
