r"""Factor models over the blocks of a prepared table: the columns move, every row is at its own minimum.

.. math:: \phi(C) = \min_X \sum_{ij\ \mathrm{seen}} w_{ij}\,\ell(r_{ij}, \zeta_j + \langle x_i, y_j\rangle)
          + \tfrac\lambda2\|X\|^2 + \mathrm{penalty}(C), \qquad C_j = (y_j, \zeta_j)

The rows follow from the columns, so a block keeps nothing between rounds: a lost worker, a resumed fit and a prediction
all compute the same rows again. What travels is as large as the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen._typing import FloatArray
from halfseen.data import Compressed, storable
from halfseen.data.prepared import StoredBlock
from halfseen.engines.placement import BlockPlacement
from halfseen.linalg.packed import solve_packed
from halfseen.solvers.block_ridge import column_equations
from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import inner, largest

Array = NDArray[Any]

# Newton steps with which a row starts from zero. A Gaussian one is exact after one; measured on rows of 5 to 200
# answers, logits up to 8 in size: after 8 steps (12 of counts) moves are below single precision.
ROW_STEPS = {"gaussian": 1, "bernoulli": 8, "poisson": 12}
ARMIJO, WOLFE, MOST_TRIALS = 1e-4, 0.9, 12
MEMORY = 8


@storable
@dataclass(frozen=True)
class ProfileVisit:
    """What is done in a block: rows go to their minimum, then say what the columns would gain by moving.

    Attributes
    ----------
    family : {"gaussian", "bernoulli", "poisson"}
    trials : float
    ridge : float
        Of the rows' factors.
    """

    family: str
    trials: float
    ridge: float

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        """Sums for the tree: packed matrices and gradients of the columns, value, second and first moments of rows."""
        X, value = self.rows(block.rows, C)
        # no product of BLAS: its bits depend on the number of its threads
        wide = X[:, :-1].astype(float)
        X[:, -1] = 1.0
        packed, gradient = column_equations(block.rows, X, C, None, self.family, self.trials)
        return [packed, gradient, value, np.einsum("ik,il->kl", wide, wide), wide.sum(axis=0)]

    def rows(self, view: Compressed, C: Array) -> tuple[Array, float]:
        """Factors of rows given the columns (and a last column of zeros), and their part of the objective."""
        k = C.shape[1] - 1
        out = np.zeros((view.n_major, k + 1), C.dtype)
        given: dict[str, Any] = {"family": self.family, "trials": self.trials, "col_offset": C[:, -1].copy()}
        if not k:  # intercepts alone
            return out, float(kernels.loss_and_gradient(view, out, np.zeros_like(C), **given))
        more: dict[str, Any] = {"ridge": np.full(k, self.ridge), "steps": ROW_STEPS[self.family], "method": "cholesky"}
        start = np.zeros((view.n_major, k), C.dtype)
        solved = kernels.row_newton(view, start, np.ascontiguousarray(C[:, :-1]), **given, **more)
        out[:, :-1] = solved.out
        return out, float(solved.value)


@storable
@dataclass(frozen=True)
class TurnedRows:
    """Rows of a visit in other coordinates: ``(x - mean) turn``."""

    visit: ProfileVisit
    mean: FloatArray
    turn: FloatArray

    def rows(self, view: Compressed, C: Array) -> tuple[Array, float]:
        """As of the visit, turned."""
        X, value = self.visit.rows(view, C)
        X[:, :-1] = (X[:, :-1] - self.mean) @ self.turn
        return X, value


@dataclass(frozen=True)
class ColumnPenalty:
    """Ridge of the columns: their factors, and their intercepts around a centre."""

    ridge: float
    intercept_ridge: float
    centre: float

    def weights(self, k: int) -> Array:
        return np.append(np.full(k - 1, self.ridge), self.intercept_ridge)

    def moves(self, C: Array) -> Array:
        """Columns measured from where the penalty is 0."""
        out = C.astype(float)
        out[:, -1] -= self.centre
        return out

    def value(self, C: Array) -> float:
        return 0.5 * float(np.sum(np.square(self.moves(C)) @ self.weights(C.shape[1])))

    def gradient(self, C: Array) -> Array:
        return self.moves(C) * self.weights(C.shape[1])


class ProfilePoint(NamedTuple):
    """All that an iteration needs: columns, what a round said of them, and the last steps of the quasi-Newton method.

    Attributes
    ----------
    C : ndarray (p, k)
    packed : ndarray (p, k (k + 1) / 2)
    gradient : ndarray (p, k)
        Of the objective, penalty included.
    value : ndarray ()
    gram, total : ndarray (k - 1, k - 1), (k - 1,)
        Second and first moments of the rows.
    moves, changes : ndarray (MEMORY, p, k)
        Last steps and changes of the gradient, newest first.
    n_kept : ndarray ()
    n_lost : ndarray ()
        Searches in a row that lowered nothing.
    """

    C: Array
    packed: Array
    gradient: Array
    value: Array
    gram: Array
    total: Array
    moves: Array
    changes: Array
    n_kept: Array
    n_lost: Array


@dataclass(frozen=True)
class BlockProfile:
    r"""Sweep: one step of L-BFGS on :math:`\phi` with the columns' own equations as metric; one round, seldom two.

    Attributes
    ----------
    placement : BlockPlacement
    visit : ProfileVisit
    penalty : ColumnPenalty

    Notes
    -----
    O(entries k^2) time a round; O(p k (k + MEMORY)) numbers here. Source: Nocedal and Wright, "Numerical Optimization",
    algorithm 7.4; weak Wolfe search by bisection, as in :class:`halfseen.solvers.quasi_newton.LimitedMemory`.
    """

    placement: BlockPlacement
    visit: ProfileVisit
    penalty: ColumnPenalty

    def start(self, C: Array) -> ProfilePoint:
        """The point at given columns: one round."""
        empty = np.zeros((MEMORY, *C.shape), C.dtype)
        return self._at(C, empty, empty.copy(), 0, 0)

    def _at(self, C: Array, moves: Array, changes: Array, n_kept: int, n_lost: int) -> ProfilePoint:
        packed, gradient, value, gram, total = self.placement.round(self.visit, C)
        full = gradient + self.penalty.gradient(C)
        counts = np.array(n_kept), np.array(n_lost)
        value = np.array(value + self.penalty.value(C))
        return ProfilePoint(C, packed, full, value, gram, total, moves, changes, *counts)

    def __call__(self, point: ProfilePoint) -> SweepResult:
        direction = self._direction(point)
        slope = inner(point.gradient, direction)
        if not slope < 0:
            point = point._replace(n_kept=np.array(0))
            direction = self._direction(point)
            slope = inner(point.gradient, direction)
        if slope == 0.0:
            return self._result(point, 0.0, "exact")
        best, n_rounds = self._search(point, direction, slope)
        if best is None:
            lost = int(point.n_lost) + 1
            kept = point._replace(n_kept=np.array(0), n_lost=np.array(lost))
            return self._result(kept, n_rounds, "precision" if lost > 1 or not int(point.n_kept) else None)
        return self._result(self._remembered(point, best), n_rounds)

    def _result(self, point: ProfilePoint, n_rounds: float, reason: str | None = None) -> SweepResult:
        return SweepResult(point, float(point.value), largest(point.gradient), 2.0 * n_rounds, reason)

    def solved(self, point: ProfilePoint, right: Array) -> Array:
        """The metric's answer: every column by its own equations."""
        p, k = right.shape
        return solve_packed(point.packed, np.broadcast_to(self.penalty.weights(k), (p, k)), right)

    def _direction(self, point: ProfilePoint) -> Array:
        q, shares, n = point.gradient.astype(float), [], int(point.n_kept)
        pairs = [(point.moves[i].astype(float), point.changes[i].astype(float)) for i in range(n)]
        weights = [1.0 / inner(s, y) for s, y in pairs]
        for (s, y), weight in zip(pairs, weights, strict=True):
            shares.append(weight * inner(s, q))
            q = q - shares[-1] * y
        q = self.solved(point, q)
        if n:
            s, y = pairs[0]
            q = q * (inner(s, y) / inner(y, self.solved(point, y)))
        for (s, y), weight, share in zip(pairs[::-1], weights[::-1], shares[::-1], strict=True):
            q = q + (share - weight * inner(y, q)) * s
        return -q

    def _search(self, point: ProfilePoint, direction: Array, slope: float) -> tuple[ProfilePoint | None, int]:
        """A point that is low enough and not too close; each trial is one round."""
        length, low, high, best = 1.0, 0.0, np.inf, None
        # the sum of the values is known to this many digits: what is lower by less is not lower
        value, slack = float(point.value), 4e-16 * abs(float(point.value))
        for trial in range(MOST_TRIALS):
            C = np.ascontiguousarray(point.C + length * direction, dtype=point.C.dtype)
            new = self._at(C, point.moves, point.changes, int(point.n_kept), 0)
            if not float(new.value) <= value + ARMIJO * length * slope + slack:
                high = length
            else:
                best = new
                if inner(new.gradient, direction) >= WOLFE * slope:
                    return best, trial + 1
                low = length
            length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * length
        return best, MOST_TRIALS

    def _remembered(self, old: ProfilePoint, new: ProfilePoint) -> ProfilePoint:
        s, y = new.C.astype(float) - old.C, new.gradient.astype(float) - old.gradient
        n = int(old.n_kept)
        if not inner(s, y) > 1e-12 * np.sqrt(inner(s, s) * inner(y, y)):
            return new
        moves, changes = (
            np.concatenate([first[None].astype(past.dtype), past[:-1]])
            for first, past in ((s, old.moves), (y, old.changes))
        )
        return new._replace(moves=moves, changes=changes, n_kept=np.array(min(n + 1, MEMORY)))
