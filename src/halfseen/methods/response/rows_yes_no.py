r"""Covariance of the complete-data scores where all items have two classes and a logistic curve.

With answers :math:`t_{ij}`, places :math:`s_{ij}` that were seen and chances :math:`P_j(x)`, the score of an intercept
is :math:`u_{ij}(x) = t_{ij} - s_{ij} P_j(x)`, and only its last term depends on both the row and the ability:

.. math::

    \sum_i f_i \mathrm{E}_{q_i}[x^r u_{ij} u_{il}] = \sum_i f_i \big(m_{ri} t_{ij} t_{il} - t_{ij} a_{ril}
    - a_{rij} t_{il}\big) + \sum_g x_g^r P_{jg} P_{lg} N_{jlg},
    \qquad N_{jlg} = \sum_i f_i s_{ij} s_{il} q_{ig},

:math:`m_{ri} = \mathrm{E}_{q_i}[x^r]`, :math:`a_{rij} = s_{ij} \mathrm{E}_{q_i}[x^r P_j]`. The counts :math:`N` of
pairs need no scores at every node, and where all was seen they are the same number for all pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import resolve
from halfseen.kernels import response_pairs
from halfseen.kernels.responses import NOT_SEEN
from halfseen.methods.response.rows_likelihood import RowsLikelihood

# Rows times nodes of a block: posteriors and answers of it stay in the second cache.
CACHED = 40_000
POWERS = 3


def is_yes_no(problem: RowsLikelihood) -> bool:
    """Whether all items have two classes and a logistic curve, and the population is fixed."""
    layout = problem.layout
    moves = bool((problem.index.free[layout.n_params :] >= 0).any())
    return not moves and bool((layout.classes == 2).all()) and set(layout.formulas) == {"2pl"}


class PairSums:
    """Sums over the rows of one block of rows.

    Attributes
    ----------
    moments : ndarray (3, p, p)
        Of products of two intercepts' scores with weights 1, x and x^2, without the pairs' term.
    pairs : ndarray (p, p, G)
        :math:`N`, above the diagonal and on it; (G,) where every row answered everything.
    outer : ndarray (2 p, 2 p)
        Of products of the rows' marginal scores: intercepts, then slopes.
    """

    def __init__(self, p: int, n_nodes: int, is_whole: bool) -> None:
        self.moments = np.zeros((POWERS, p, p))
        self.pairs = np.zeros(n_nodes if is_whole else (p, p, n_nodes))
        self.outer = np.zeros((2 * p, 2 * p))

    def add(self, answers: Any, q: FloatArray, frequency: FloatArray, powers: FloatArray, chances: FloatArray) -> None:
        """Rows with answers (m, p) and posteriors ``q`` (m, G)."""
        m, p = answers.shape
        seen = answers != NOT_SEEN
        t = (answers == 1).astype(float)
        weighted = (
            q @ (powers[:, :, None] * chances.T).transpose(1, 0, 2).reshape(len(chances.T), POWERS * p)
        ).reshape(m, POWERS, p)
        means = q @ powers.T
        if self.pairs.ndim > 1:
            weighted *= seen[:, None, :]
        scores = np.empty((m, 2 * p))
        for r in range(2):
            np.subtract(means[:, r : r + 1] * t, weighted[:, r], out=scores[:, r * p : (r + 1) * p])
        scores *= np.sqrt(frequency)[:, None]
        self.outer += scores.T @ scores
        t *= frequency[:, None]
        for r in range(POWERS):
            # the answer's term and half of what is symmetric: t'(m t / 2 - a), which is then added to its transpose
            half = t.T @ ((0.5 * means[:, r : r + 1]) * (answers == 1) - weighted[:, r])
            self.moments[r] += half + half.T

    def merge(self, other: PairSums) -> None:
        """Add the sums of another block."""
        self.moments += other.moments
        self.pairs += other.pairs
        self.outer += other.outer

    def totals(self, powers: FloatArray, chances: FloatArray) -> FloatArray:
        """Moments (3, p, p) with the pairs' term."""
        out = self.moments.copy()
        p = len(chances)
        if self.pairs.ndim == 1:
            for r in range(POWERS):
                out[r] += (chances * (powers[r] * self.pairs)) @ chances.T
            return out
        for j in range(p):
            own = (self.pairs[j, j:] * chances[j] * chances[j:]) @ powers.T
            out[:, j, j:] += own.T
            out[:, j + 1 :, j] += own[1:].T
        return out


def yes_no_covariance(problem: RowsLikelihood, full: FloatArray) -> FloatArray:
    r"""Sum of the covariances (n_full, n_full) of the rows' complete-data scores.

    Notes
    -----
    O(rows nodes columns^2 / 2) multiply-adds with missing answers, O(rows columns (nodes + columns)) without.
    """
    items, _ = problem.split(full)
    layout, x = problem.layout, problem.grid.positions
    log = layout.table(items, problem.grid.nodes)
    chances = np.exp(log[layout.first_line + 1])
    powers = np.stack([np.ones_like(x), x, x**2])
    p, size = layout.n_items, len(x)
    item_of_line = np.repeat(np.arange(p, dtype=np.int32), layout.classes)
    is_whole = bool(problem.table.seen.min(initial=problem.table.n_rows) == problem.table.n_rows)

    def block_sums(block: tuple[int, int]) -> PairSums:
        out, part_of = PairSums(p, size, is_whole), problem.part(block)
        for part in part_of.parts(full, log, limit=CACHED):
            answers = part_of.table.dense(part.rows.start, part.rows.stop)
            out.add(answers, part.posterior, part.frequency, powers, chances)
            weights = part.posterior * part.frequency[:, None]
            if is_whole:
                out.pairs += weights.sum(axis=0)
            else:
                response_pairs(part_of.table.rows(part.rows.start, part.rows.stop), weights, item_of_line, out.pairs)
        return out

    sums = PairSums(p, size, is_whole)
    for part_sums in resolve(problem.engine).map(block_sums, problem.table.blocks()):
        sums.merge(part_sums)
    moments = sums.totals(powers, chances)
    out = np.zeros((problem.n_full, problem.n_full))
    intercepts, slopes = layout.first_param + 1, layout.first_param
    for row, own in enumerate((intercepts, slopes)):
        for col, other in enumerate((intercepts, slopes)):
            marginal = sums.outer[row * p : (row + 1) * p, col * p : (col + 1) * p]
            out[np.ix_(own, other)] = moments[row + col] - marginal
    return out
