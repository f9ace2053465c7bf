"""Covariance of weights where entries of one row, and of one column, are not independent."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm, t

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.inductive.problem import InductiveProblem, Weights

# Fewer rows or columns say nothing about how these vary.
FEWEST = 5
# Leverages above this share would blow a residual up without bound.
LARGEST_LEVERAGE = 0.95


def clustered_covariance(
    problem: InductiveProblem, theta: FloatArray, inverse: FloatArray, level: float
) -> FloatArray | None:
    r"""Two-way covariance of the weights, rows and columns being clusters; None with too few of either.

    .. math:: V = H(A + B - W)H,\qquad A = \frac{G - 1}{G}\sum_g s_g s_g',\quad
              s_g = J_g'(I - J_g H J_g')^{-1} r_g,\quad W = \sum_e J_e J_e' r_e^2 / (1 - h_e)^2

    with g over rows in A, over columns in B, and negative eigenvalues left out (of the middle part, in units of the
    weights' errors). It is multiplied so that normal
    quantiles give the ends of t intervals with as many degrees of freedom as there are rows or columns, less one.

    Notes
    -----
    O(E weights^2) time; lines of one cluster are held at once. Source: Cameron, Gelbach and Miller (2011); leverages of
    whole clusters as in Bell and McCaffrey (2002).
    """
    observed = problem.passes.observed
    groups = [np.unique(part, return_inverse=True)[1] for part in (observed.rows, observed.cols)]
    numbers = [int(part.max()) + 1 for part in groups]
    if min(numbers) < FEWEST:
        return None
    values, vectors = np.linalg.eigh(inverse / problem.total)
    kept = values > 1e-12 * values[-1]
    root = vectors[:, kept] * np.sqrt(values[kept])  # H = root root'
    lines = Lines(problem, theta, root)
    middle = -lines.single_scores()
    for part, number in zip(groups, numbers, strict=True):
        scores = np.array([lines.score(own) for own in members(part)])
        middle += (number - 1) / number * (scores.T @ scores)
    sizes, axes = np.linalg.eigh(middle)
    wide = root @ (axes * np.sqrt(np.maximum(sizes, 0.0)))
    share = 0.5 + 0.5 * level
    return np.asarray(wide @ wide.T * (t.ppf(share, min(numbers) - 1) / norm.ppf(share)) ** 2)


def members(groups: IntArray) -> list[IntArray]:
    """Places of every group's entries."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups))[:-1])


class Lines:
    """Residuals and derivatives of entries, these multiplied by a root of H."""

    def __init__(self, problem: InductiveProblem, theta: FloatArray, root: FloatArray) -> None:
        at, observed = problem.unpack(theta), problem.passes.observed
        self.problem, self.root, self.observed = problem, root, observed
        self.at = Weights(*(np.asarray(part, dtype=float) for part in vars(at).values()))
        self.weights = np.ones(observed.n_entries) if observed.weights is None else observed.weights.astype(float)

    def of(self, places: IntArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives (entries, kept directions) and residuals, both times the root of the entries' weights."""
        x, y = (
            side.lines(part[places]).astype(float)
            for side, part in zip(
                (self.problem.rows, self.problem.cols), (self.observed.rows, self.observed.cols), strict=True
            )
        )
        size = np.sqrt(self.weights[places])
        residual = size * (self.observed.values[places].astype(float) - self.problem.predictor(self.at, x, y))
        return size[:, None] * self.problem.jacobian(self.at, x, y) @ self.root, residual

    def score(self, places: IntArray) -> FloatArray:
        """The score of one cluster, left out of the fit: its residuals are those of a fit without it."""
        Z, r = self.of(places)
        # (I - Z Z')^-1 r by the small system, and Z'(I - Z Z')^-1 r = (I - Z'Z)^-1 Z'r
        inner = np.eye(Z.shape[1]) - Z.T @ Z
        values, vectors = np.linalg.eigh(inner)
        values = np.maximum(values, 1.0 - LARGEST_LEVERAGE)
        return np.asarray(vectors @ ((vectors.T @ (Z.T @ r)) / values))

    def single_scores(self) -> Any:
        """Sum of outer products of single entries' scores."""
        total, size = np.zeros((self.root.shape[1],) * 2), 4096
        for begin in range(0, self.observed.n_entries, size):
            Z, r = self.of(np.arange(begin, min(begin + size, self.observed.n_entries)))
            leverage = np.minimum(np.sum(Z * Z, axis=1), LARGEST_LEVERAGE)
            own = Z * (r / (1.0 - leverage))[:, None]
            total += own.T @ own
        return total
