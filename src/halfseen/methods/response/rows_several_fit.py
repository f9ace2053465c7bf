r"""Fit statistics where the ability has several dimensions: score tests, residuals, person fit.

A score test adds one number, whose value is 0 in the model, with complete-data scores :math:`h` and row scores
:math:`u_i = \mathrm{E}_{q_i} h_i`; with the rows' scores :math:`N_i` of the free numbers it is

.. math:: z = \sum_i u_i \Big/ \sqrt{u^\top u - u^\top N (N^\top N)^{-1} N^\top u} .

Nothing here depends on how the axes are turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.engines.blas import on_one_blas_thread
from halfseen.inference.multiple import benjamini_hochberg
from halfseen.kernels import Responses
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_own import OwnNodesLikelihood, placed
from halfseen.methods.response.rows_residuals import PERSON_DRAWS, MeanSquares, PersonFit
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_score_tests import LEAST_REST, ScoreTests
from halfseen.methods.response.rows_scores import answers_per_row
from halfseen.methods.response.rows_several import several_problem

# Rows times nodes times items that are worked out at once: 8 MB a table.
NUMBERS_AT_ONCE = 1_000_000
# Newton steps towards the modes of drawn patterns, from those of the real ones.
MODE_STEPS = 4


@dataclass(frozen=True)
class OwnPart:
    """Some rows at their own nodes.

    Attributes
    ----------
    rows : slice
    answers : uint8 ndarray (m, p)
    seen : bool ndarray (m, p)
    frequency : ndarray (m,)
    nodes : ndarray (m, S, D)
    posterior : ndarray (m, S)
    expected, variance, chance : ndarray (m, S, p)
        Of the answer: mean, variance, and the chance of the one that was given (1 where none was).
    """

    rows: slice
    answers: Any
    seen: Any
    frequency: FloatArray
    nodes: FloatArray
    posterior: FloatArray
    expected: FloatArray
    variance: FloatArray
    chance: FloatArray

    def residual(self) -> FloatArray:
        """Answers (m, S, p) less their expectations; 0 where there are none."""
        y = np.where(self.seen, self.answers, 0).astype(float)[:, None, :]
        return np.where(self.seen[:, None, :], y - self.expected, 0.0)


def at_abilities(layout: ItemLayout, items: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means and variances (places, p) of answers at abilities ``x`` (places, D), and log-chances (lines, places)."""
    log = layout.table(items, x)
    k = np.concatenate([np.arange(c) for c in layout.classes])[:, None]
    chance = np.exp(log)
    mean = np.add.reduceat(k * chance, layout.first_line, axis=0)
    square = np.add.reduceat(k**2 * chance, layout.first_line, axis=0)
    return mean.T, np.maximum(square - mean**2, 0.0).T, log


def own_parts(problem: OwnNodesLikelihood, items: FloatArray) -> Iterator[OwnPart]:
    """All rows, a block at a time."""
    layout, table, points = problem.layout, problem.table, problem.points
    p, S, D = layout.n_items, points.size, layout.dimensions
    size = max(1, NUMBERS_AT_ONCE // (S * layout.n_lines))
    for first in range(0, table.n_rows, size):
        rows = slice(first, min(first + size, table.n_rows))
        m = rows.stop - first
        x = problem.modes[rows, None, :] + np.einsum("nde,es->nsd", problem.roots[rows], points.t)
        mean, variance, log = at_abilities(layout, items, x.reshape(-1, D))
        answers = table.dense(rows.start, rows.stop)
        seen = answers != NOT_SEEN
        lines = np.where(seen, answers, 0) + layout.first_line
        by_row = log.reshape(layout.n_lines, m, S)
        own = np.where(seen[:, :, None], by_row[lines, np.arange(m)[:, None]], 0.0)  # (m, p, S)
        joint = points.shares + 0.5 * (np.sum(points.t**2, axis=0) - np.sum(x**2, axis=2)) + own.sum(axis=1)
        q = np.exp(joint - joint.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        f = np.ones(m) if table.frequency is None else table.frequency[rows]
        shape = (m, S, p)
        yield OwnPart(
            rows, answers, seen, f, x, q, mean.reshape(shape), variance.reshape(shape), np.exp(own).transpose(0, 2, 1)
        )


@dataclass
class OuterSums:
    """Sums of the outer-product form over the rows, for m tests."""

    U: FloatArray  # (m,)
    hh: FloatArray  # (m,)
    hn: FloatArray  # (m, n_free)

    def add(self, h: FloatArray, scores: FloatArray, frequency: FloatArray) -> None:
        """Rows with scores ``h`` (rows, m) of the tests and of the model's free numbers."""
        weighted = frequency[:, None] * h
        self.U += weighted.sum(axis=0)
        self.hh += np.sum(weighted * h, axis=0)
        self.hn += weighted.T @ scores

    def tests(self, problem: OwnNodesLikelihood, free: FloatArray, items: IntArray) -> ScoreTests:
        """Statistics and p-values."""
        inverse = np.linalg.pinv(problem.cross_product(free), hermitian=True)
        rest = self.hh - np.einsum("mn,nk,mk->m", self.hn, inverse, self.hn, optimize=True)
        is_known = rest > LEAST_REST * np.maximum(self.hh, 1e-300)
        rest = np.where(is_known, rest, 1.0)
        z = np.where(is_known, self.U / np.sqrt(rest), 0.0)
        p = 2.0 * ndtr(-np.abs(z))
        effect = np.where(is_known, self.U / rest, 0.0)
        return ScoreTests(z, 1, p, benjamini_hochberg(p), effect[:, None], "outer", items)


def _problem(fit: RowsFit, table: AnswerTable) -> tuple[OwnNodesLikelihood, FloatArray]:
    return several_problem(fit, table), fit.item_params


@on_one_blas_thread
def local_dependence(fit: RowsFit, table: AnswerTable) -> ScoreTests:
    """Test of every pair of items for dependence beyond the abilities: ``h = (y_j - E_j) (y_k - E_k)``.

    Notes
    -----
    O(rows nodes p^2) time.
    """
    problem, items = _problem(fit, table)
    j, k = np.triu_indices(fit.layout.n_items, 1)
    sums = OuterSums(np.zeros(len(j)), np.zeros(len(j)), np.zeros((len(j), fit.index.n_free)))
    for part in own_parts(problem, items):
        e = part.residual()
        both = np.matmul((e * part.posterior[:, :, None]).transpose(0, 2, 1), e)
        sums.add(both[:, j, k], problem.row_scores(fit.free, part.rows), part.frequency)
    return sums.tests(problem, fit.free, fit.columns[np.stack([j, k], axis=1)])


@on_one_blas_thread
def item_shape(fit: RowsFit, table: AnswerTable) -> ScoreTests:
    """Test of every item for a curve that bends otherwise along its own slopes: ``h = (y_j - E_j) (w_j^2 - 1)``.

    ``w_j`` is the ability along the item's direction, of variance one.
    """
    problem, items = _problem(fit, table)
    p = fit.layout.n_items
    slopes = items[fit.layout.slopes]
    along = slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-300)
    sums = OuterSums(np.zeros(p), np.zeros(p), np.zeros((p, fit.index.n_free)))
    for part in own_parts(problem, items):
        h = np.einsum("ns,nsp,nsp->np", part.posterior, part.residual(), (part.nodes @ along.T) ** 2 - 1.0)
        sums.add(h, problem.row_scores(fit.free, part.rows), part.frequency)
    return sums.tests(problem, fit.free, fit.columns[:, None])


@on_one_blas_thread
def mean_squares(fit: RowsFit, table: AnswerTable) -> MeanSquares:
    """Left-out infit and outfit of items and rows: every answer against what the row's other answers say."""
    problem, items = _problem(fit, table)
    p, n = fit.layout.n_items, table.n_rows
    item, row = np.zeros((4, p)), np.empty((2, n))
    for part in own_parts(problem, items):
        weight = part.posterior[:, :, None] / np.maximum(part.chance, 1e-290)
        total = weight.sum(axis=1)
        mean = np.sum(weight * part.expected, axis=1) / total
        variance = np.sum(weight * (part.variance + part.expected**2), axis=1) / total - mean**2
        squares = np.where(part.seen, (part.answers - mean) ** 2, 0.0)
        variance = np.where(part.seen, variance, 1.0)
        f = part.frequency[:, None]
        item += np.sum(f * np.stack([squares / variance, part.seen, squares, variance * part.seen]), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            row[0, part.rows] = np.sum(squares / variance, axis=1) / part.seen.sum(axis=1)
            row[1, part.rows] = squares.sum(axis=1) / np.sum(variance * part.seen, axis=1)
    return MeanSquares(item[0] / item[1], item[2] / item[3], table.back(row[0]), table.back(row[1]))


@on_one_blas_thread
def residual_correlations(fit: RowsFit, table: AnswerTable) -> FloatArray:
    r"""Q3 (p, p): correlations of residuals at the posterior means, less what the abilities' errors make of them.

    Where the model is right, residuals of answers with variances ``V`` and slopes ``B`` of their means have covariance
    :math:`V - B C B^\top` with the posterior covariance ``C``: pairs of one dimension are below 0, others about 0.
    Pairs that nobody answered both are nan.
    """
    problem, items = _problem(fit, table)
    p, D = fit.layout.n_items, fit.layout.dimensions
    mean, covariance = problem.posterior(fit.free)
    expected, variance, _ = at_abilities(fit.layout, items, mean)
    B = slopes_of_means(fit.layout, items, mean)
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(D))
    answers = table.dense(0, table.n_rows)
    seen = (answers != NOT_SEEN).astype(float)
    f = (np.ones(table.n_rows) if table.frequency is None else table.frequency)[:, None]
    r = np.where(seen > 0, answers - expected, 0.0)
    n, a, ab, aa = ((f * left).T @ right for left, right in ((seen, seen), (r, seen), (r, r), (r**2, seen)))
    shared = np.zeros((p, p))
    for d in range(D):
        moved = seen * np.einsum("npe,ne->np", B, root[:, :, d])
        shared += (f * moved).T @ moved
    own = (f * variance * seen).sum(axis=0) - np.diag(shared)
    with np.errstate(invalid="ignore", divide="ignore"):
        V = aa / n - (a / n) ** 2
        out = (ab / n - (a / n) * (a.T / n)) / np.sqrt(V * V.T)
        scale = np.sqrt(np.maximum(own, 1e-300) / np.diag(n))
        out += shared / n / np.outer(scale, scale)
    np.fill_diagonal(out, 1.0)
    return out


def slopes_of_means(layout: ItemLayout, items: FloatArray, x: FloatArray) -> FloatArray:
    """Derivatives (places, p, D) of the expected answers with respect to the abilities."""
    log, slope = layout.slopes_table(items, x)
    k = np.concatenate([np.arange(c) for c in layout.classes])[:, None]
    along = np.add.reduceat(k * np.exp(log) * slope, layout.first_line, axis=0)
    return np.asarray(along.T[:, :, None] * items[layout.slopes])


@on_one_blas_thread
def person_fit(
    fit: RowsFit, table: AnswerTable, *, draws: int = PERSON_DRAWS, random_state: RandomState = 0
) -> PersonFit:
    """Person fit by simulation: patterns drawn at abilities of each row's posterior are scored as the real ones.

    Log-likelihoods are those at the posterior modes, which a few Newton steps find for every drawn pattern.
    """
    rng = as_generator(random_state)
    problem, items = _problem(fit, table)
    answers = table.dense(0, table.n_rows)
    mean, covariance = problem.posterior(fit.free)
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(mean.shape[1]))
    own = _log_chance(fit.layout, items, answers, problem.modes)
    below, sums = np.zeros(len(own)), np.zeros((2, len(own)))
    for _ in range(draws):
        theta = mean + np.einsum("nde,ne->nd", root, rng.standard_normal(mean.shape))
        drawn = drawn_answers(fit.layout, items, answers, theta, rng)
        responses = Responses(drawn, fit.layout.first_line.astype(np.int32), None, None, fit.layout.n_items)
        replicate = AnswerTable(**{**vars(table), "responses": responses, "frequency": None})
        modes, _ = placed(replicate, fit.layout, items, problem.modes, MODE_STEPS)
        value = _log_chance(fit.layout, items, drawn, modes)
        below += value <= own + 1e-9
        sums += value, value**2
    centre = sums[0] / draws
    z = (own - centre) / np.sqrt(np.maximum(sums[1] / draws - centre**2, 1e-300))
    p_value = (below + 1.0) / (draws + 1.0)
    is_empty = answers_per_row(table) == 0
    z[is_empty], p_value[is_empty] = np.nan, np.nan
    tail = table.back(p_value)
    return PersonFit(table.back(z), tail, benjamini_hochberg(tail))


def _log_chance(layout: ItemLayout, items: FloatArray, answers: Any, x: FloatArray) -> FloatArray:
    """Log-likelihood of rows of answers, each at its own abilities (n, D)."""
    seen = answers != NOT_SEEN
    lines = np.where(seen, answers, 0) + layout.first_line
    log = np.take_along_axis(layout.table(items, x).T, lines, axis=1)
    return np.asarray(np.where(seen, log, 0.0).sum(axis=1))


def drawn_answers(layout: ItemLayout, items: FloatArray, answers: Any, x: FloatArray, rng: Any) -> Any:
    """Answers drawn at each row's abilities, where the row has answers."""
    chance = np.exp(layout.table(items, x))
    out, u = np.full(answers.shape, NOT_SEEN, dtype=np.uint8), rng.random(answers.shape)
    for family in layout.families:
        below = np.cumsum(chance[family.lines], axis=1)[:, :-1]  # (J, K - 1, n)
        out[:, family.items] = np.sum(u[:, family.items][:, :, None] > below.transpose(2, 0, 1), axis=2)
    out[answers == NOT_SEEN] = NOT_SEEN
    return out
