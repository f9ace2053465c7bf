"""The objective of a low-rank second moment: weighted pairs off the diagonal, the diagonal with its own variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halfseen._typing import BoolArray, FloatArray
from halfseen.data import Compressed, Observed
from halfseen.engines import Engine, EntryPasses
from halfseen.inference.covariance import packed, unpacked
from halfseen.losses import get_loss
from halfseen.solvers.problem import inner


@dataclass(frozen=True)
class PairTargets:
    r"""What X is fitted to: weighted second moments of the pairs seen.

    Attributes
    ----------
    table : Observed (d, d)
        Pairs :math:`i < j` with :math:`\bar T_{ij}` as values and :math:`w_{ij}` as weights.
    diagonal, diagonal_weights : ndarray (d,)
        :math:`\bar T_{ii}` and :math:`v_i`; weight 0 where a column was not seen.
    psi : "common", "columns" or float
    bounded : bool array (d,) or None
        Columns whose :math:`\|X_i\|^2` must not exceed :math:`\bar T_{ii}`, but may fall short of it.
    """

    table: Observed
    diagonal: FloatArray
    diagonal_weights: FloatArray
    psi: str | float
    bounded: BoolArray | None = None

    @property
    def n_cols(self) -> int:
        """Number of columns d."""
        return len(self.diagonal)

    @property
    def share(self) -> float:
        """Share of the pairs ``i < j`` that were seen."""
        d = self.n_cols
        return self.table.n_entries / max(d * (d - 1) // 2, 1)


def table_of_pairs(indptr: np.ndarray, indices: np.ndarray, values: FloatArray, weights: FloatArray) -> Observed:
    """Pairs ``i < j`` as a square table."""
    return Observed(Compressed(indptr, indices, values, weights, len(indptr) - 1))


@dataclass(frozen=True)
class RowNorms:
    r"""Regulariser :math:`\frac{\lambda}{d}\sum_i (\|X_i\| - \alpha)_+^4` and penalty :math:`\frac{\rho}{2}\|X\|^2`."""

    incoherence: float = 0.0
    bound: float = np.inf
    penalty: float = 0.0

    def value_and_gradient(self, X: FloatArray) -> tuple[float, FloatArray]:
        """At X; zero where no row is longer than the bound."""
        lengths = np.sqrt(np.sum(X**2, axis=1))
        over = np.maximum(lengths - self.bound, 0.0)
        scale = self.incoherence / max(len(X), 1)
        slope = np.divide(4.0 * scale * over**3, lengths, out=np.zeros_like(lengths), where=over > 0)
        value = scale * float(np.sum(over**4)) + 0.5 * self.penalty * float(np.sum(X**2))
        return value, (slope + self.penalty)[:, None] * X


class PairProblem:
    r"""Value, gradient and Gauss-Newton curvature of

    .. math:: \tfrac12\sum_{i<j} w_{ij}(X_i^\top X_j - \bar T_{ij})^2
              + \tfrac12\sum_i v_i(\|X_i\|^2 + \psi - \bar T_{ii})^2 + R(X)

    with :math:`\psi` at its best value for every X (one for all columns), known, or free in every column (then the
    second sum is zero).

    Parameters
    ----------
    targets : PairTargets
    rank : int
    norms : RowNorms
    engine : str, Engine or None

    Notes
    -----
    A gradient costs one pass over the pairs, O(pairs * rank). Parameters are X flattened by rows.
    """

    def __init__(
        self, targets: PairTargets, rank: int, norms: RowNorms | None = None, engine: str | Engine | None = None
    ) -> None:
        self.targets, self.rank, self.norms = targets, rank, norms or RowNorms()
        self.passes = EntryPasses(targets.table, get_loss("gaussian"), engine)
        self.bounded = np.zeros(targets.n_cols, dtype=bool) if targets.bounded is None else targets.bounded
        free = self.bounded if targets.psi != "columns" else np.ones(targets.n_cols, dtype=bool)
        self.fixed_weights = np.where(free, 0.0, targets.diagonal_weights)
        self.total = float(np.where(self.bounded, 0.0, targets.diagonal_weights).sum())

    @property
    def has_diagonal(self) -> bool:
        """Whether the diagonal says anything about X."""
        return self.targets.psi != "columns" and self.total > 0

    def shaped(self, theta: FloatArray) -> FloatArray:
        """Parameters as X (d, rank)."""
        return theta.reshape(self.targets.n_cols, self.rank)

    def psi(self, X: FloatArray) -> float:
        """The variance left, at X: the weighted mean of what is missing on the diagonal, at least 0."""
        if not isinstance(self.targets.psi, str):
            return float(self.targets.psi)
        missing = self.targets.diagonal - np.sum(X**2, axis=1)
        weights = np.where(self.bounded, 0.0, self.targets.diagonal_weights)
        return max(float(weights @ missing) / self.total, 0.0) if self.total > 0 else 0.0

    def value(self, theta: FloatArray) -> float:
        """The objective."""
        X = self.shaped(theta)
        value = self.passes.value(X, X) + self.norms.value_and_gradient(X)[0]
        rest, weights = self._diagonal(X)
        return value + 0.5 * inner(weights, rest**2)

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """The objective and its gradient; that of the best psi is zero, or psi is at its bound."""
        X = self.shaped(theta)
        pairs = self.passes.loss_and_gradient(X, X, want="AB")
        value, gradient = self.norms.value_and_gradient(X)
        assert pairs.A is not None
        assert pairs.B is not None
        gradient += pairs.A + pairs.B
        rest, weights = self._diagonal(X)
        gradient += (2.0 * weights * rest)[:, None] * X
        return value + pairs.value + 0.5 * inner(weights, rest**2), gradient.ravel()

    def _diagonal(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals of the diagonal and their weights; of a bounded column only what is too much."""
        lengths = np.sum(X**2, axis=1)
        over = self.bounded & (lengths > self.targets.diagonal)
        rest = lengths - self.targets.diagonal + np.where(self.bounded, 0.0, self.psi(X))
        return rest, np.where(over, self.targets.diagonal_weights, self.fixed_weights)

    def curvature_product(self, X: FloatArray, direction: FloatArray) -> FloatArray:
        """Gauss-Newton Hessian (of psi at its best) times a direction (d, rank)."""
        moves = self.passes.at(direction, X) + self.passes.at(X, direction)
        weights = self.targets.table.weights
        assert weights is not None
        out = self.passes.to_rows(weights * moves, X) + self.passes.to_cols(weights * moves, X)
        along, v = 2.0 * np.sum(X * direction, axis=1), self._diagonal(X)[1]
        if self.psi_moves(X):
            along = along - np.where(self.bounded, 0.0, float(self.fixed_weights @ along) / self.total)
        out += (2.0 * v * along)[:, None] * X
        return out + self.norms.penalty * direction

    def psi_moves(self, X: FloatArray) -> bool:
        """Whether psi follows X: it is estimated, and not at its bound."""
        return self.targets.psi == "common" and self.psi(X) > 0

    def blocks(self, X: FloatArray) -> FloatArray:
        r"""Row blocks :math:`A_i = \sum_j w_{ij} X_j X_j^\top + 4 v_i X_i X_i^\top` of that Hessian, (d, r, r)."""
        weights = self.targets.table.weights
        assert weights is not None
        squares = packed(X)
        blocks = self.passes.to_rows(weights, squares) + self.passes.to_cols(weights, squares)
        blocks += (4.0 * self._diagonal(X)[1])[:, None] * squares
        return unpacked(blocks, self.rank) + self.norms.penalty * np.eye(self.rank)

    def block_solver(self, X: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Solve with the row blocks; thin rows are held by a share of the mean curvature."""
        blocks = self.blocks(X)
        curvature = np.einsum("ikk->i", blocks) / max(self.rank, 1)
        hold = 1e-6 * curvature + 1e-3 * (curvature.mean() or 1.0) * (curvature < 1e-3 * curvature.mean())
        inverse = np.linalg.inv(blocks + (hold + 1e-300)[:, None, None] * np.eye(self.rank))
        shape = X.shape
        return lambda v: np.einsum("ikl,il->ik", inverse, v.reshape(shape)).reshape(v.shape)

    def preconditioner(self, theta: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Row-block preconditioner for L-BFGS."""
        return self.block_solver(self.shaped(theta))
