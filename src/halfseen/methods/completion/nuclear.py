"""Nuclear-norm completion: two sweeps for one convex objective, how its rank grows and shrinks, and its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import EntryPasses
from halfseen.linalg.align import balance
from halfseen.solvers.alternating import AlternatingRidge, Coefficients, Penalty, SmallFall, weighted_counts
from halfseen.solvers.loop import SweepResult, loop

# Directions that one search in the residual may add at most, and how many more it looks at.
GROWTH, OVERSAMPLING = 16, 8
# A bias that is not wanted is held at zero by a ridge that no number of entries can move.
NO_BIAS = 1e20
# Rank from which three passes over the entries cost less than forming and solving all normal equations.
LARGE_RANK = 40


class PathProblem(Protocol):
    """What a path asks of a problem; the first of its parameters has a column for every factor and one more."""

    @property
    def largest_rank(self) -> int: ...

    @property
    def tol(self) -> float: ...

    @property
    def max_iter(self) -> int: ...

    def sweep(self, penalty: float, rank: int, /) -> Callable[[Any], SweepResult]: ...

    def grown(self, params: Any, penalty: float, rng: np.random.Generator, /) -> Any: ...

    def thresholded(self, params: Any, penalty: float, /) -> Any: ...


@dataclass(frozen=True)
class NuclearProblem:
    r"""The objective, and its steps.

    .. math::

        \tfrac12\sum_e w_e(r_e - \mu - b_i - d_j - (A B^\top)_{ij})^2 + \tfrac\lambda2(\|A\|^2 + \|B\|^2)
        + \tfrac\kappa2(\|b\|^2 + \|d\|^2)

    whose minimum over factors of sufficient rank is the one with :math:`\lambda\|Z\|_*`, :math:`Z = A B^\top`.

    Attributes
    ----------
    passes : EntryPasses
        Over the table, with the gaussian loss.
    mean : float
    bias_penalty : float or None
        :math:`\kappa`; None leaves the biases out.
    largest_rank : int
    solver : {"auto", "ridge", "low_rank"}
    tol : float
        Stop a solution when the objective falls by less than this share of what it was after its first sweep.
    max_iter : int
        Sweeps per penalty.
    """

    passes: EntryPasses
    mean: float
    bias_penalty: float | None
    largest_rank: int
    solver: str
    tol: float
    max_iter: int

    def start(self) -> Coefficients:
        """The model of rank 0."""
        (n, p), dtype = self.passes.shape, self.passes.dtype
        return np.zeros((n, 1), dtype), np.zeros((p, 1), dtype)

    def residual(self, params: Coefficients) -> FloatArray:
        """Weighted residual of every entry, in canonical order: minus the derivative of half the sum of squares."""
        rows, cols = params
        fitted = self.passes.at(rows[:, :-1], cols[:, :-1], rows[:, -1] + rows.dtype.type(self.mean), cols[:, -1])
        gap = self.passes.observed.values - fitted
        weights = self.passes.observed.weights
        return gap if weights is None else gap * weights

    def sweep(self, penalty: float, rank: int) -> Callable[[Coefficients], SweepResult]:
        """The sweep that lowers the objective at a rank."""
        bias = NO_BIAS if self.bias_penalty is None else self.bias_penalty
        if self.solver == "ridge" or (self.solver == "auto" and rank < LARGE_RANK):
            ridge = np.append(np.full(rank, penalty), bias)
            n, p = self.passes.shape
            return AlternatingRidge(
                self.passes, self.mean, Penalty(ridge, np.ones(n)), Penalty(ridge, np.ones(p)), method="cholesky"
            )
        counts = (weighted_counts(self.passes.observed, 0), weighted_counts(self.passes.observed, 1))
        return SparsePlusLowRank(self, penalty, bias, counts)

    def spectral_norm(self, params: Coefficients, rng: np.random.Generator) -> float:
        """Largest singular value of the residual, to about a per cent: from this penalty on the rank is 0."""
        _, s, _ = self._leading(params, rng)
        return float(s[0]) if len(s) else 0.0

    def grown(self, params: Coefficients, penalty: float, rng: np.random.Generator) -> Coefficients:
        r"""Add the directions in which the objective falls: singular values of the residual above :math:`\lambda`.

        Directions of the factors themselves are left out. One with singular value s starts at s - lambda, where a step
        of soft-impute would put it.
        """
        room = min(GROWTH, self.largest_rank - (params[0].shape[1] - 1))
        if room <= 0:
            return params
        U, s, V = self._leading(params, rng)
        new = s[:room] > penalty
        root = np.sqrt(s[:room][new] - penalty)
        sides = []
        for side, vectors in zip(params, (U, V), strict=True):
            added = (vectors[:, :room][:, new] * root).astype(side.dtype)
            sides.append(np.column_stack([side[:, :-1], added, side[:, -1:]]))
        return sides[0], sides[1]

    def thresholded(self, params: Coefficients, penalty: float) -> Coefficients:
        """One exact step of soft-impute within the columns' space: balanced factors, and no direction that died."""
        rows, cols = params
        k = rows.shape[1] - 1
        if k == 0:
            return params
        V = np.linalg.qr(cols[:, :-1].astype(float))[0]
        within = self.passes.to_rows(self.residual(params), V).astype(float)
        within += rows[:, :-1].astype(float) @ (cols[:, :-1].T.astype(float) @ V)
        U, s, Rt = np.linalg.svd(within, full_matrices=False)
        kept = s > penalty
        root = np.sqrt(s[kept] - penalty)
        A, B = U[:, kept] * root, (V @ Rt.T)[:, kept] * root
        return (
            np.column_stack([A, rows[:, -1]]).astype(rows.dtype),
            np.column_stack([B, cols[:, -1]]).astype(cols.dtype),
        )

    def _leading(self, params: Coefficients, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Leading singular triplets of the residual outside the factors' spaces, by two rounds of a random block."""
        g = self.residual(params)
        spaces = [np.linalg.qr(side[:, :-1].astype(float))[0] for side in params]
        wide = min(GROWTH + OVERSAMPLING, min(self.passes.shape))

        def forward(block: FloatArray) -> FloatArray:
            image = self.passes.to_rows(g, block).astype(float)
            return np.linalg.qr(image - spaces[0] @ (spaces[0].T @ image))[0]

        def back(block: FloatArray) -> FloatArray:
            image = self.passes.to_cols(g, block).astype(float)
            return image - spaces[1] @ (spaces[1].T @ image)

        block = rng.standard_normal((self.passes.shape[1], wide))
        block = np.linalg.qr(back(forward(block)))[0]
        block = np.linalg.qr(back(forward(block)))[0]
        left = forward(block)
        V, s, Wt = np.linalg.svd(back(left), full_matrices=False)
        return left @ Wt.T, s, V


@dataclass(frozen=True)
class SparsePlusLowRank:
    r"""Sweep of soft-impute ALS: a ridge regression of the completed table on one side's factors, then on the other's.

    The completed table is never formed: with the residual G (sparse) it is :math:`G + A B^\top`, and
    :math:`B \leftarrow (G^\top A + B A^\top A)(A^\top A + \lambda I)^{-1}`. Biases move to their own minimum first.

    Notes
    -----
    O(E k + (n + p) k^2) time. Source: Hastie, Mazumder, Lee and Zadeh (2015), Algorithm 3.1.
    """

    problem: NuclearProblem
    penalty: float
    bias: float
    counts: tuple[FloatArray, FloatArray]

    def __call__(self, params: Coefficients) -> SweepResult:
        rows, cols = params
        cols = self._side(1, cols, rows, self.problem.residual((rows, cols)))
        rows = self._side(0, rows, cols, self.problem.residual((rows, cols)))
        gap = self.problem.residual((rows, cols))
        weights = self.problem.passes.observed.weights
        if weights is not None:
            gap = np.divide(gap, np.sqrt(weights), out=np.zeros_like(gap), where=weights > 0)
        squares = float(np.dot(gap, gap))
        ridge = sum(float(np.square(side[:, :-1], dtype=float).sum()) for side in (rows, cols))
        biases = sum(float(np.square(side[:, -1], dtype=float).sum()) for side in (rows, cols))
        return SweepResult((rows, cols), squares + self.penalty * ridge + self.bias * biases, work=3.0)

    def _side(self, axis: int, own: FloatArray, other: FloatArray, gap: FloatArray) -> FloatArray:
        passes, table = self.problem.passes, self.problem.passes.observed
        moved = passes.to_cols if axis else passes.to_rows
        ones = np.ones((len(other), 1), own.dtype)
        shift = (moved(gap, ones)[:, 0] - self.bias * own[:, -1]) / (self.counts[axis] + self.bias)
        shift = shift.astype(own.dtype)
        step = shift[table.cols] if axis else np.repeat(shift, table.by_rows.counts)
        gap = gap - (step if table.weights is None else step * table.weights)
        A, B = other[:, :-1], own[:, :-1]
        gram = (A.T @ A).astype(float)
        right = moved(gap, A).astype(float) + B.astype(float) @ gram
        solved = np.linalg.solve(gram + self.penalty * np.eye(len(gram)), right.T).T
        return np.column_stack([solved, own[:, -1] + shift]).astype(own.dtype)


@dataclass(frozen=True)
class PathPoint:
    """A solution on the path.

    Attributes
    ----------
    place : int
        In the list of penalties; -1 before the first.
    penalty : float
    params : (ndarray (n, k + 1), ndarray (p, k + 1))
        Over blocks that of the columns, and their equations.
    n_iter : int
        Sweeps that it took.
    """

    place: int
    penalty: float
    params: Any
    n_iter: int = 0


@dataclass(frozen=True)
class PenaltyPath:
    """Sweep: the solution at the next penalty, from that at the last one.

    Attributes
    ----------
    problem : NuclearProblem
    penalties : ndarray
        Falling.
    rng : Generator
    """

    problem: PathProblem
    penalties: FloatArray
    rng: np.random.Generator

    def __call__(self, point: PathPoint) -> SweepResult:
        penalty = float(self.penalties[point.place + 1])
        start = PathPoint(point.place + 1, penalty, point.params)
        # as long as all that was added lives, there may be more
        run = loop(RankGrowth(self.problem, self.rng), start, max_iter=1 + self.problem.largest_rank // GROWTH)
        return SweepResult(run.params, run.value, work=run.work)


@dataclass(frozen=True)
class RankGrowth:
    """Sweep: add the directions that are missing, solve, drop those that died; ends when none was missing."""

    problem: PathProblem
    rng: np.random.Generator

    def __call__(self, point: PathPoint) -> SweepResult:
        problem, penalty = self.problem, point.penalty
        params = problem.grown(point.params, penalty, self.rng)
        before, rank = point.params[0].shape[1] - 1, params[0].shape[1] - 1
        run = loop(problem.sweep(penalty, rank), params, [SmallFall(problem.tol)], max_iter=problem.max_iter)
        solved = problem.thresholded(run.params, penalty)
        is_last = rank < before + GROWTH or solved[0].shape[1] - 1 < rank or rank == problem.largest_rank
        grown = replace(point, params=solved, n_iter=point.n_iter + run.n_iter)
        return SweepResult(grown, run.value, work=run.work, reason="exact" if is_last else None)


def unshrunk(problem: NuclearProblem, params: Coefficients) -> FloatArray:
    r"""Singular values that fit best, the singular vectors and biases being kept: what the penalty took is given back.

    .. math:: \min_s \sum_e w_e(r_e - \mu - b_i - d_j - \sum_k s_k u_{ik} v_{jk})^2

    Returns
    -------
    factors : ndarray (k,)
        By which the singular values of the balanced factors grow; at least 0.

    Notes
    -----
    O(E k^2) time, a part of the entries at a time. Source: Mazumder, Hastie and Tibshirani (2010), section 5.
    """
    rows, cols = params
    A, B, table = rows[:, :-1].astype(float), cols[:, :-1].astype(float), problem.passes.observed
    k = A.shape[1]
    left, right = np.zeros((k, k)), np.zeros(k)
    target = problem.residual((rows[:, -1:], cols[:, -1:]))
    i, j = table.rows, table.cols
    at_once = max(1, (1 << 20) // max(k, 1))
    for begin in range(0, table.n_entries, at_once):
        part = slice(begin, begin + at_once)
        features = A[i[part]] * B[j[part]]
        weighted = features if table.weights is None else features * table.weights[part, None]
        left += features.T @ weighted
        right += features.T @ target[part]
    return np.maximum(np.linalg.lstsq(left, right, rcond=None)[0], 0.0)


def with_factors(params: Coefficients, growth: FloatArray) -> Coefficients:
    """The same with singular values multiplied."""
    rows = params[0].copy()
    rows[:, :-1] *= growth.astype(rows.dtype)
    return rows, params[1]


def in_order(params: Coefficients) -> tuple[Coefficients, FloatArray]:
    """Balanced factors with falling singular values, and these."""
    rows, cols = params
    if rows.shape[1] == 1:
        return params, np.zeros(0)
    A, B, s = balance(rows[:, :-1], cols[:, :-1])
    return (np.column_stack([A, rows[:, -1]]), np.column_stack([B, cols[:, -1]])), s
