r"""Information of the free numbers: observed, by Louis' identity, and what is derived from it.

.. math::

    I = \sum_i \mathrm{E}_{q_i}[-\nabla^2 \log p(y_i, x)] - \sum_i \mathrm{Cov}_{q_i}(u_i),
    \qquad u_i(x) = \nabla \log p(y_i, x),

the information if the abilities were known less the covariance of the complete-data scores under the rows'
posteriors. A slope's score is the ability times a sum of scores of the item's other numbers, so that one product of
matrices per node gives all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import resolve
from halfseen.kernels import response_scores
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_yes_no import is_yes_no, yes_no_covariance

DIFFERENCE = 1e-4
# Posteriors and scores of a block of rows stay in the second cache: 1 MB (with 8 MB, 1.6 times as long).
CACHED = 125_000
# Beyond so many rows times columns times parameters the observed information gives way to the cross-product.
MOST_WORK = 1e9
# An information whose least eigenvalue is below this share of the largest counts as indefinite.
LEAST_SHARE = 1e-10


def slope_sums(problem: RowsLikelihood) -> FloatArray:
    """Matrix (reduced, p): which other numbers' scores add up to a slope's score over the ability."""
    layout = problem.layout
    out = np.zeros((layout.n_params - layout.n_items, layout.n_items))
    for family in layout.families:
        first = reduced_places(problem)[family.items]
        wide = rows_kinds.n_rest(family.formula, family.n_classes) if family.formula == "gpcm" else 1
        out[first[:, None] + np.arange(wide), family.items[:, None]] = 1.0
    return out


def reduced_places(problem: RowsLikelihood) -> Any:
    """Where each item's numbers after the slope begin, slopes taken out."""
    return problem.layout.first_param - np.arange(problem.layout.n_items)


@dataclass(frozen=True)
class NodeScores:
    """Complete-data scores of a block of rows at one node after the other, slopes taken out.

    Attributes
    ----------
    indicators : list of ndarrays (K, rows, J)
        Per family: which rows gave which class.
    rest : list of ndarrays (J, K, q, G)
        Per family: derivatives of the log-probabilities.
    columns : list of int ndarrays (J, q)
    n_items_columns : int
    """

    indicators: list[FloatArray]
    rest: list[FloatArray]
    columns: list[Any]
    width: int

    def at(self, nodes: slice, out: FloatArray) -> None:
        """Write the scores (nodes, rows, width) at some nodes."""
        for gave, rest, cols in zip(self.indicators, self.rest, self.columns, strict=True):
            is_run = cols.shape[1] == 1 and bool((np.diff(cols[:, 0]) == 1).all())
            for q in range(rest.shape[2]):
                derivative = rest[:, :, q, nodes].transpose(1, 2, 0)[:, :, None, :]  # (K, nodes, 1, J)
                to = out[:, :, cols[0, 0] : cols[-1, 0] + 1] if is_run else np.empty((*out.shape[:2], len(cols)))
                np.multiply(gave[0], derivative[0], out=to)
                for k in range(1, len(gave)):
                    to += gave[k] * derivative[k]
                if not is_run:
                    out[:, :, cols[:, q]] = to


def rest_tables(problem: RowsLikelihood, items: FloatArray) -> list[FloatArray]:
    """Per family, the derivatives (J, K, q, G) with respect to the numbers after the slopes."""
    layout, nodes, out = problem.layout, problem.grid.nodes, []
    for family in layout.families:
        a, rest = layout.split(family, items)
        out.append(rows_kinds.curves(family.formula, family.n_classes, a @ nodes.T, rest).rest)
    return out


def node_scores(problem: RowsLikelihood, rest: list[FloatArray], rows: slice) -> NodeScores:
    """Of a block of rows."""
    layout = problem.layout
    answers = problem.table.dense(rows.start, rows.stop)
    first = reduced_places(problem)
    indicators, columns = [], []
    for family, own in zip(layout.families, rest, strict=True):
        mine = answers[:, family.items]
        indicators.append(np.stack([(mine == k).astype(float) for k in range(family.n_classes)]))
        columns.append(first[family.items][:, None] + np.arange(own.shape[2]))
    return NodeScores(indicators, rest, columns, layout.n_params - layout.n_items)


def score_covariance(problem: RowsLikelihood, full: FloatArray) -> FloatArray:
    r"""Sum of the covariances (n_full, n_full) of the rows' complete-data scores, :math:`\sum_i f_i Cov_{q_i}(u_i)`."""
    items, population = problem.split(full)
    log, derivatives = problem.layout.derivatives(items, problem.grid.nodes)
    places = problem.layout.derivative_places(derivatives)
    rest = rest_tables(problem, items)
    x = problem.grid.positions
    powers = np.stack([np.ones_like(x), x, x**2])
    p, width = problem.layout.n_items, problem.layout.n_params - problem.layout.n_items
    # a population that is fixed has no part in it
    moves = bool((problem.index.free[problem.layout.n_params :] >= 0).any())
    wide = width + (problem.population.n_params if moves else 0)

    def block_sums(block: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        moments, outer = np.zeros((3, wide, wide)), np.zeros((problem.n_full, problem.n_full))
        part_of = problem.part(block)
        for part in part_of.parts(full, log, wide, CACHED):
            scores = node_scores(part_of, rest, part.rows)
            groups = None if part_of.table.groups is None else part_of.table.groups[part.rows]
            Z = None if part_of.covariates is None else part_of.covariates[part.rows]
            root = np.sqrt(part.posterior * part.frequency[:, None]).T[:, :, None]
            m = root.shape[1]
            size = max(1, CACHED // (2 * m * wide))
            for start in range(0, len(x), size):
                nodes = slice(start, min(start + size, len(x)))
                u = np.empty((nodes.stop - start, m, wide))
                scores.at(nodes, u)
                if moves:
                    for g, to in enumerate(u[:, :, width:], start):
                        here = np.broadcast_to([x[g], x[g] ** 2], (m, 2))
                        to[:] = problem.population.row_scores(population, groups, Z, here)
                u *= root[nodes]
                products = np.matmul(u.transpose(0, 2, 1), u)
                moments += np.tensordot(powers[:, nodes], products, 1)
            own = np.empty((m, problem.layout.n_params))
            response_scores(part_of.table.rows(part.rows.start, part.rows.stop), part.posterior, places, own)
            total = np.hstack([own, problem.population.row_scores(population, groups, Z, part.moments)])
            total *= np.sqrt(part.frequency)[:, None]
            outer += total.T @ total
        return moments, outer

    moments, outer = np.zeros((3, wide, wide)), np.zeros((problem.n_full, problem.n_full))
    for own_moments, own_outer in resolve(problem.engine).map(block_sums, problem.table.blocks()):
        moments += own_moments
        outer += own_outer
    spare = width + problem.population.n_params - wide
    return expanded(problem, np.pad(moments, ((0, 0), (0, spare), (0, spare))), p, width) - outer


def expanded(problem: RowsLikelihood, moments: FloatArray, p: int, width: int) -> FloatArray:
    """From the reduced moments (weights 1, x, x^2) to all numbers."""
    layout, n = problem.layout, problem.n_full
    S = np.vstack([slope_sums(problem), np.zeros((moments.shape[1] - width, p))])
    slopes = layout.slopes[:, 0]
    others = np.setdiff1d(np.arange(n), slopes)
    out = np.empty((n, n))
    out[np.ix_(others, others)] = moments[0]
    cross = moments[1] @ S
    out[np.ix_(others, slopes)], out[np.ix_(slopes, others)] = cross, cross.T
    out[np.ix_(slopes, slopes)] = S.T @ moments[2] @ S
    return out


def complete_curvature(problem: RowsLikelihood, full: FloatArray) -> FloatArray:
    """Minus the second derivatives (n_full, n_full) of the expected complete-data log-likelihood, prior included."""
    items, _ = problem.split(full)
    layout, nodes = problem.layout, problem.grid.nodes
    log = layout.table(items, nodes)
    at = problem.expectation(full, log)
    out = np.zeros((problem.n_full, problem.n_full))
    for q in range(int(layout.sizes.max())):
        has = layout.sizes > q
        move = np.zeros(layout.n_params)
        move[layout.first_param[has] + q] = DIFFERENCE
        ends = [layout.gradient(at.counts, layout.derivatives(items + s * move, nodes)[1]) for s in (1.0, -1.0)]
        change = -(ends[0] - ends[1]) / (2.0 * DIFFERENCE)
        is_own = has[layout.item_of_param]
        rows = np.flatnonzero(is_own)
        out[rows, (layout.first_param + q)[layout.item_of_param[rows]]] = change[rows]
    out[: layout.n_params, : layout.n_params] *= 0.5
    out[: layout.n_params, : layout.n_params] += out[: layout.n_params, : layout.n_params].T.copy()
    P = layout.n_params
    out[P:, P:] = population_curvature(problem, full, log)
    out[np.diag_indices(problem.n_full)] += problem.prior_information()
    return out


def population_curvature(problem: RowsLikelihood, full: FloatArray, log: FloatArray) -> FloatArray:
    """The same of the population's numbers."""
    _, params = problem.split(full)
    mean, sd, B = problem.population.split(params)
    k, n = problem.population.n_groups, problem.population.n_params
    out = np.zeros((n, n))
    for part in problem.parts(full, log):
        g = np.zeros(len(part.frequency), dtype=int)
        if problem.table.groups is not None:
            g = problem.table.groups[part.rows]
        Z = np.zeros((len(g), 0)) if problem.covariates is None else problem.covariates[part.rows]
        centre = mean[g] + (Z @ B if Z.shape[1] else 0.0)
        first = part.moments[:, 0] - centre
        second = part.moments[:, 1] - 2.0 * centre * part.moments[:, 0] + centre**2
        A = np.zeros((len(g), n))
        A[np.arange(len(g)), g] = 1.0
        A[:, 2 * k :] = Z
        L = np.zeros_like(A)
        L[np.arange(len(g)), k + g] = 1.0
        w = (part.frequency / sd[g] ** 2)[:, None]
        mixed = A.T @ (L * w * 2.0 * first[:, None])
        out += A.T @ (A * w) + mixed + mixed.T + L.T @ (L * w * 2.0 * second[:, None])
    return out


def observed_information(problem: RowsLikelihood, free: FloatArray) -> FloatArray:
    """Observed information (n_free, n_free), the prior's included.

    Notes
    -----
    O(rows nodes parameters^2 / 2) multiply-adds, in products of matrices; checked against central differences of the
    gradient. Source: Louis (1982).
    """
    full = problem.index.full(free)
    covariance = yes_no_covariance if is_yes_no(problem) else score_covariance
    matrix = complete_curvature(problem, full) - covariance(problem, full)
    out = problem.index.squeeze(matrix)
    return 0.5 * (out + out.T)
