"""Abilities of several dimensions: a likelihood on nodes of each row's own, placed around its posterior mode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from halfseen._typing import FloatArray, IntArray
from halfseen.engines import resolve
from halfseen.kernels import BoundedLines, own_expectations
from halfseen.kernels.reference_responses import lines_of
from halfseen.kernels.responses import NODE_MULTIPLE
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_prior import ItemPrior
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

# The nodes' covariance is so much larger than the curvature's inverse: weights then have no heavy tails.
WIDER = 1.1
NUMBERS_AT_ONCE = 400_000
MOST_PRODUCT, NO_SHARE = 3, -1e30
MODE_TOL, LONGEST_STEP = 1e-6, 2.0


@dataclass(frozen=True)
class Points:
    """Standard positions (D, S) of the nodes and the logarithms (S,) of their shares."""

    t: FloatArray
    shares: FloatArray

    @property
    def size(self) -> int:
        return len(self.shares)


def points_for(dimensions: int, size: int, seed: int) -> Points:
    """About ``size`` nodes: a Gauss-Hermite product for up to 3 dimensions, beyond them Sobol points.

    Around each row's mode 8 nodes an axis are near exact, and the error of points that all rows share does not average
    out: with 256 Sobol points on 16 items and 1500 rows the log-likelihood is off by 3, with 64 Gauss-Hermite ones by
    less than .1. Sobol points are scrambled by ``seed``, with mean 0 and covariance I exactly.
    """
    if dimensions <= MOST_PRODUCT:
        per_axis = max(3, round(size ** (1.0 / dimensions)))
        x, w = np.polynomial.hermite_e.hermegauss(per_axis)
        axes = np.meshgrid(*([x] * dimensions), indexing="ij")
        shares = sum(np.meshgrid(*([np.log(w / w.sum())] * dimensions), indexing="ij"))
        spare = -(per_axis**dimensions) % NODE_MULTIPLE
        t = np.pad(np.stack([a.ravel() for a in axes]), ((0, 0), (0, spare)))
        return Points(np.ascontiguousarray(t), np.pad(np.ravel(shares), (0, spare), constant_values=NO_SHARE))
    from scipy.stats import qmc

    u = qmc.Sobol(dimensions, seed=seed).random(size)
    t = ndtri(np.clip(u, 1e-12, 1.0 - 1e-12))
    t -= t.mean(axis=0)
    root = np.linalg.cholesky(t.T @ t / size)
    return Points(np.ascontiguousarray(np.linalg.solve(root, t.T)), np.full(size, -np.log(size)))


@dataclass(frozen=True)
class LineTables:
    """Bounds of the lines, and how their derivatives turn into those of the items' parameters.

    Attributes
    ----------
    lines : BoundedLines
    weights : ndarray (n_lines, q, 3)
        Derivatives of an item's numbers after its slopes from those of the upper bound, the lower bound, and 1.
    """

    lines: BoundedLines
    weights: FloatArray


def line_tables(layout: ItemLayout, items: FloatArray) -> LineTables:
    """Of 2pl and grm items, whose classes are intervals of a logistic variable."""
    D, n = layout.dimensions, layout.n_lines
    slopes, constant = np.empty((n, D)), np.zeros(n)
    upper, lower = np.full(n, np.inf), np.full(n, np.inf)
    weights = np.zeros((n, int(layout.sizes.max()) - D, 3))
    for j in range(layout.n_items):
        own = items[layout.first_param[j] : layout.first_param[j] + layout.sizes[j]]
        K, at, q = int(layout.classes[j]), int(layout.first_line[j]), int(layout.sizes[j]) - D
        d, J = rows_kinds.intercepts(layout.formulas[j], own[D:])
        slopes[at : at + K] = own[:D]
        upper[at + 1 : at + K], lower[at : at + K - 1] = d, d
        weights[at + 1 : at + K, :q, 0], weights[at : at + K - 1, :q, 1] = J, J
        if K > 2:
            gap = np.exp(own[D + 1 :])
            inner = np.arange(at + 1, at + K - 1)
            constant[inner] = np.log(-np.expm1(-gap))
            weights[inner, 1 + np.arange(K - 2), 2] = gap / np.expm1(gap)
    return LineTables(BoundedLines(slopes, upper, lower, constant), weights)


@dataclass(frozen=True)
class OwnNodesLikelihood:
    """Minus the log posterior at fixed nodes of the rows.

    Attributes
    ----------
    table, layout, index, prior
        As in the likelihood on shared nodes.
    points : Points
    modes : ndarray (n, D)
    roots : ndarray (n, D, D)
    """

    table: AnswerTable
    layout: ItemLayout
    index: IndexMap
    prior: ItemPrior
    points: Points
    modes: FloatArray
    roots: FloatArray
    engine: Any = None

    def _pass(self, free: FloatArray, wanted: str) -> tuple[float, FloatArray, LineTables]:
        items = self.index.full(free)[: self.layout.n_params]
        tables = line_tables(self.layout, items)
        shape = (self.layout.n_lines, self.layout.dimensions + 2)

        def block_sums(block: tuple[int, int]) -> tuple[float, FloatArray]:
            rows = slice(*block)
            sums = np.zeros(shape)
            outputs = {"sums": sums} if wanted == "gradient" else {}
            f = None if self.table.frequency is None else self.table.frequency[rows]
            value = own_expectations(
                self.table.rows(*block), self.points.t, self.points.shares, self.modes[rows], self.roots[rows],
                tables.lines, frequency=f, outputs=outputs,
            )  # fmt: skip
            return value, sums

        total, sums = 0.0, np.zeros(shape)
        for value, part in resolve(self.engine).map(block_sums, self.table.blocks()):
            total += value
            sums += part
        return total, sums, tables

    def value(self, free: FloatArray) -> float:
        """Minus the log-likelihood, less the log prior."""
        items = self.index.full(free)[: self.layout.n_params]
        return -self._pass(free, "value")[0] - self.prior.value(items)

    def value_and_gradient(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The same with its gradient at the fixed nodes."""
        full = self.index.full(free)
        items = full[: self.layout.n_params]
        value, sums, tables = self._pass(free, "gradient")
        counts = np.concatenate(self.table.class_counts)
        gradient = np.zeros(len(full))
        own = self.item_gradient(sums, counts, tables) + self.prior.gradient(items)
        gradient[: self.layout.n_params] = own
        return -value - self.prior.value(items), -self.index.back(gradient)

    def item_gradient(self, sums: FloatArray, counts: FloatArray, tables: LineTables) -> FloatArray:
        """From the lines' derivatives to the items'."""
        layout, D = self.layout, self.layout.dimensions
        by_line = np.einsum("lqb,lb->lq", tables.weights, np.column_stack([sums[:, D:], counts]))
        slopes = np.add.reduceat(sums[:, :D], layout.first_line, axis=0)
        rest = np.add.reduceat(by_line, layout.first_line, axis=0)
        out = np.empty(layout.n_params)
        out[layout.slopes] = slopes
        for family in layout.families:
            q = family.params.shape[1] - D
            out[family.params[:, D:]] = rest[family.items, :q]
        return out

    def cross_product(self, free: FloatArray) -> FloatArray:
        """Sum of the outer products of the rows' scores of the free numbers, the prior's information included."""
        D, p = self.layout.dimensions, self.table.n_items
        size = max(1, NUMBERS_AT_ONCE // (p * (D + 2) + self.layout.n_params))
        out = np.zeros((self.index.n_free, self.index.n_free))
        for first in range(0, self.table.n_rows, size):
            rows = slice(first, min(first + size, self.table.n_rows))
            own = self.row_scores(free, rows)
            if self.table.frequency is not None:
                own *= np.sqrt(self.table.frequency[rows])[:, None]
            out += own.T @ own
        precision = np.zeros(len(self.index.free))
        precision[: self.layout.n_params] = self.prior.precision
        out[np.diag_indices(len(out))] += self.index.back(precision)
        return out

    def row_scores(self, free: FloatArray, rows: slice) -> FloatArray:
        """Scores (rows, n_free) of some rows, of the free numbers."""
        layout, D = self.layout, self.layout.dimensions
        tables = line_tables(layout, self.index.full(free)[: layout.n_params])
        item_of = np.repeat(np.arange(layout.n_items), layout.classes)
        responses = self.table.rows(rows.start, rows.stop)
        row, line = lines_of(tuple(responses))
        scores = np.empty((len(row), D + 2))
        nodes = self.points.t, self.points.shares, self.modes[rows], self.roots[rows]
        own_expectations(responses, *nodes, tables.lines, outputs={"scores": scores})
        S = np.zeros((rows.stop - rows.start, layout.n_params))
        S[row[:, None], layout.slopes[item_of[line]]] = scores[:, :D]
        bounds = np.column_stack([scores[:, D:], np.ones(len(row))])
        rest = np.einsum("eqb,eb->eq", tables.weights[line], bounds)
        for q in range(rest.shape[1]):
            has = layout.sizes[item_of[line]] > D + q
            S[row[has], layout.first_param[item_of[line[has]]] + D + q] = rest[has, q]
        return np.asarray((self.index.matrix[: layout.n_params].T @ S.T).T)

    def posterior(self, free: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Posterior means (n, D) and covariances (n, D, D) of the abilities."""
        tables = line_tables(self.layout, self.index.full(free)[: self.layout.n_params])
        n, D = self.modes.shape
        mean, covariance = np.empty((n, D)), np.empty((n, D, D))
        for a, b in self.table.blocks():
            outputs = {"mean": mean[a:b], "covariance": covariance[a:b]}
            nodes = self.points.t, self.points.shares, self.modes[a:b], self.roots[a:b]
            own_expectations(self.table.rows(a, b), *nodes, tables.lines, outputs=outputs)
        return mean, covariance

    def renewed(self, free: FloatArray, steps: int = 2, points: Points | None = None) -> OwnNodesLikelihood:
        """With nodes around the rows' modes under other parameters, a few Newton steps from the present ones."""
        items = self.index.full(free)[: self.layout.n_params]
        modes, roots = placed(self.table, self.layout, items, self.modes, steps)
        return replace(self, modes=modes, roots=roots, points=self.points if points is None else points)


class ModeSteps:
    """A Newton step of each row of a block towards its posterior mode."""

    def __init__(self, lines: BoundedLines, seen: Any, line: IntArray) -> None:
        self.seen = seen
        self.slopes = lines.slopes[line]  # (rows, p, D); the items' own, whatever the class
        self.upper, self.lower = lines.upper[line], lines.lower[line]
        self.has = np.isfinite(self.upper) & seen, np.isfinite(self.lower) & seen
        self.upper, self.lower = (np.where(h, b, 0.0) for h, b in zip(self.has, (self.upper, self.lower), strict=True))

    def parts(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradients (rows, D) and curvatures (rows, D, D) of the log posteriors."""
        m = np.einsum("npd,nd->np", self.slopes, x)
        up, low = expit(m + self.upper), expit(m + self.lower)
        e = np.where(self.has[0], 1.0 - up, 0.0) - np.where(self.has[1], low, 0.0)
        w = np.where(self.has[0], up * (1.0 - up), 0.0) + np.where(self.has[1], low * (1.0 - low), 0.0)
        gradient = np.einsum("np,npd->nd", e, self.slopes) - x
        H = np.matmul((self.slopes * w[:, :, None]).transpose(0, 2, 1), self.slopes)
        return gradient, H + np.eye(x.shape[1])

    def __call__(self, x: FloatArray) -> SweepResult:
        gradient, H = self.parts(x)
        step = np.linalg.solve(H, gradient[:, :, None])[:, :, 0]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(length, 1e-12))
        return SweepResult(x + step, 0.0, largest(step))


def placed(
    table: AnswerTable, layout: ItemLayout, items: FloatArray, modes: FloatArray, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Modes and roots of the widened inverse curvatures."""
    lines = line_tables(layout, items).lines
    n, D = modes.shape
    out, roots = np.empty((n, D)), np.empty((n, D, D))
    size = max(1, NUMBERS_AT_ONCE // (layout.n_items * (D + 6)))
    for first in range(0, n, size):
        rows = slice(first, min(first + size, n))
        answers = table.dense(rows.start, rows.stop)
        seen = answers != NOT_SEEN
        step = ModeSteps(lines, seen, np.where(seen, answers, 0) + layout.first_line)
        out[rows] = loop(step, modes[rows], [GradientNorm(MODE_TOL)], max_iter=steps).params
        _, H = step.parts(out[rows])
        roots[rows] = np.linalg.cholesky(WIDER * np.linalg.inv(H))
    return out, roots
