"""Row-clustered influences of one-sided completion: scores of groups of rows, solved with the Gauss-Newton Hessian."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.engines import Engine, EntryPasses
from halfseen.inference.grouped import GroupedInfluence
from halfseen.losses import get_loss
from halfseen.methods.moment.problem import PairProblem
from halfseen.solvers import conjugate_gradient

# Up to this many parameters the Hessian is held (288 MB) and factorised, which takes a third of the time of conjugate
# gradients for 200 groups; beyond, conjugate gradients with its row blocks.
DENSE_PARAMETERS = 6_000
# Entries whose small products are held at once, times rank squared.
NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class ObjectiveScores:
    r"""Scores of the objective, row by row of the table, at a fitted X.

    With separable weights :math:`w_{ij} = K_{ij} a_i a_j` and :math:`v_i = K_{ii} a_i^2/2` the objective is a sum
    over rows t, and the score of column i is

    .. math:: s_{ti} = a_i \sum_{j \in O_t, j \ne i} a_j (x_{ti} x_{tj} - X_i^\top X_j) X_j
              + a_i^2 (x_{ti}^2 - \|X_i\|^2 - \psi) X_i,

    the second term only where the diagonal counts.

    Attributes
    ----------
    X : ndarray (d, r)
    psi : float
    scale : ndarray (d,)
        :math:`a`.
    has_diagonal : bool
    """

    X: FloatArray
    psi: float
    scale: FloatArray
    has_diagonal: bool

    def of_groups(
        self, blocks: Iterable[Observed], n_groups: int, engine: str | Engine | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Summed scores of X, (G, d, r), and of psi, (G,); row number t of all blocks is in group t mod G."""
        d, r = self.X.shape
        total, of_psi, begun = np.zeros((n_groups, d, r)), np.zeros(n_groups), 0
        for block in blocks:
            group = (begun + np.arange(block.shape[0])) % n_groups
            for part in _parts(block, max(NUMBERS_AT_ONCE // max(r * r, 1), 1)):
                self._add(block.take_rows(part), group[part], total, of_psi, engine)
            begun += block.shape[0]
        return total, of_psi

    def _add(
        self, rows: Observed, group: IntArray, total: FloatArray, of_psi: FloatArray, engine: str | Engine | None
    ) -> None:
        scores, squares = self.of_entries(rows, engine)
        n_groups, d, r = total.shape
        row, col = rows.rows, rows.cols
        place = group[row] * d + col
        for k in range(r):
            total[:, :, k] += np.bincount(place, weights=scores[:, k], minlength=n_groups * d).reshape(n_groups, d)
        of_psi += np.bincount(group[row], weights=squares, minlength=n_groups)

    def of_entries(self, rows: Observed, engine: str | Engine | None = None) -> tuple[FloatArray, FloatArray]:
        """Scores of X by entry (t, i), shape (E, r), and the entries' parts of the score of psi, (E,)."""
        x, row, col = rows.values.astype(float), rows.rows, rows.cols
        a, X = self.scale[col], self.X
        weighted = rows.astype(np.float64).with_values(x, weights=np.ascontiguousarray(a))
        passes = EntryPasses(weighted, get_loss("gaussian"), engine)
        blank = np.zeros((rows.shape[0], X.shape[1]))
        # sum_j a_j x_j X_j and sum_j a_j X_j X_j' of every row
        pulled, seen = passes.to_rows(a * x, X), passes.information(0, blank, X)
        own = X[col]
        scores = x[:, None] * pulled[row] - np.einsum("ekl,el->ek", seen[row], own)
        rest = x**2 - np.einsum("ek,ek->e", own, own)
        # both sums hold the term j = i: on the diagonal it is wanted but for psi, else it is taken out
        scores -= (a * self.psi if self.has_diagonal else a * rest)[:, None] * own
        squares = 0.5 * a**2 * (rest - self.psi) if self.has_diagonal else np.zeros(len(x))
        return a[:, None] * scores, squares


def influence(
    problem: PairProblem,
    X: FloatArray,
    scores: tuple[FloatArray, FloatArray],
    tol: float = 1e-5,
    max_products: int = 500,
) -> GroupedInfluence:
    r"""Influences :math:`H^{-1} s_g` of groups with the full Gauss-Newton Hessian.

    Rotations of X change nothing that is observed; influences along them are zero. Where psi is estimated its part is
    eliminated first.

    Notes
    -----
    O((d r)^3) for a small Hessian; else conjugate gradients, preconditioned by row blocks, one pass over the pairs
    four times per product and group.
    """
    of_X, of_psi = scores
    if problem.psi_moves(X):
        slope = 2.0 * problem.fixed_weights[:, None] * X / problem.total
        of_X = of_X - of_psi[:, None, None] * slope
    of_X = of_X - of_X.mean(axis=0)
    if X.size <= DENSE_PARAMETERS:
        return GroupedInfluence(solve_dense(problem, X, of_X))
    precondition, shape = problem.block_solver(X), X.shape

    def product(v: FloatArray) -> FloatArray:
        return problem.curvature_product(X, v.reshape(shape)).ravel()

    solved = [conjugate_gradient(product, part.ravel(), precondition, tol, max_products)[0] for part in of_X]
    return GroupedInfluence(np.array(solved).reshape(of_X.shape))


def solve_dense(problem: PairProblem, X: FloatArray, right: FloatArray) -> FloatArray:
    """Solve with the whole Gauss-Newton Hessian; ``right`` is (G, d, r)."""
    from scipy.linalg import cho_factor, cho_solve

    hessian, size = dense_curvature(problem, X), X.size
    typical = float(np.trace(hessian)) / size or 1.0
    null = rotations(X)
    # rotations and columns without pairs have no curvature; neither has a score
    hessian += typical * (null @ null.T)
    bare = np.diag(hessian) < 1e-9 * typical
    hessian[np.diag_indices(size)] += np.where(bare, typical, 1e-10 * typical)
    factor = cho_factor(hessian.T, lower=True, overwrite_a=True)
    return cho_solve(factor, right.reshape(len(right), size).T).T.reshape(right.shape)


def dense_curvature(problem: PairProblem, X: FloatArray) -> FloatArray:
    """The Gauss-Newton Hessian as an array (d r, d r)."""
    d, r = X.shape
    table = problem.targets.table
    assert table.weights is not None
    hessian = np.zeros((d, r, d, r))
    i, j = table.rows, table.cols
    cross = table.weights[:, None, None] * X[j][:, :, None] * X[i][:, None, :]
    hessian[i, :, j, :] = cross
    hessian[j, :, i, :] = np.swapaxes(cross, 1, 2)
    every = np.arange(d)
    hessian[every, :, every, :] = problem.blocks(X)
    flat = hessian.reshape(d * r, d * r)
    if problem.psi_moves(X):
        slope = (2.0 * problem.fixed_weights[:, None] * X).ravel()
        flat -= np.outer(slope, slope) / problem.total
    return flat


def rotations(X: FloatArray) -> FloatArray:
    """Orthonormal basis (d r, r (r - 1)/2) of the directions in which XX' does not move."""
    d, r = X.shape
    first, second = np.triu_indices(r, k=1)
    turns = np.zeros((len(first), d, r))
    turns[np.arange(len(first)), :, first] = X[:, second].T
    turns[np.arange(len(first)), :, second] = -X[:, first].T
    return np.linalg.qr(turns.reshape(len(first), d * r).T)[0]


def _parts(block: Observed, entries: int) -> Iterable[IntArray]:
    """Rows with two entries or one, in parts of so many entries."""
    filled = np.flatnonzero(block.by_rows.counts)
    ends = np.cumsum(block.by_rows.counts[filled])
    cuts = np.searchsorted(ends, np.arange(entries, int(ends[-1]) if len(ends) else 0, entries), side="right")
    return [part for part in np.split(filled, np.unique(cuts)) if len(part)]
