"""How answers depart from what the other answers of a row say: mean squares, residual correlations, person fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.engines.blas import on_one_blas_thread
from halfseen.inference.multiple import benjamini_hochberg
from halfseen.kernels import Responses, response_expectations
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_fit import RowsFit
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_score_tests import residuals
from halfseen.methods.response.rows_scores import answers_per_row

CACHED = 125_000
PERSON_DRAWS = 200


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of left-out residuals, 1 where the model is right; effect sizes, not tests.

    Attributes
    ----------
    item_outfit, item_infit : ndarray (p,)
        Mean of ``(y - E)^2 / V``, and sum of ``(y - E)^2`` over sum of ``V``.
    row_outfit, row_infit : ndarray (n,)
    """

    item_outfit: FloatArray
    item_infit: FloatArray
    row_outfit: FloatArray
    row_infit: FloatArray


def left_out_moments(
    problem: RowsLikelihood, items: FloatArray, part: Any
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Seen answers (rows, p), and the mean and variance of each given the row's other answers; nan where not seen.

    Notes
    -----
    The posterior without an answer is the posterior over that answer's chance, normalised.
    """
    layout, rows = problem.layout, part.rows
    known = residuals(problem, items)
    chance = np.exp(layout.table(items, problem.grid.nodes))
    answers = problem.table.dense(rows.start, rows.stop)
    seen = answers != NOT_SEEN
    lines = np.where(seen, answers, 0) + layout.first_line
    total, first, second = np.zeros((3, *answers.shape))
    for g in range(problem.grid.size):
        # chances of a far node underflow together with its posterior
        weight = part.posterior[:, g : g + 1] / np.maximum(chance[:, g][lines], 1e-290)
        total += weight
        first += weight * known.expected[:, g]
        second += weight * (known.variance[:, g] + known.expected[:, g] ** 2)
    mean = first / total
    variance = second / total - mean**2
    y = np.where(seen, answers, np.nan).astype(float)
    return y, mean, variance


@on_one_blas_thread
def mean_squares(fit: RowsFit, table: AnswerTable, covariates: Any = None) -> MeanSquares:
    """Left-out infit and outfit of items and rows.

    O(answers nodes) time. At ability estimates instead, mean squares of a right model fall below 1 and their tests
    reject 40 to 60 % of right items at the level of 5 %.
    """
    problem = fit.problem(table, covariates)
    items, _ = problem.split(fit.params)
    log = problem.layout.table(items, problem.grid.nodes)
    p, n = fit.layout.n_items, table.n_rows
    item = np.zeros((4, p))
    row = np.empty((2, n))
    for part in problem.parts(fit.params, log, 6 * p, CACHED):
        y, mean, variance = left_out_moments(problem, items, part)
        f = part.frequency[:, None]
        squares = (y - mean) ** 2
        is_seen = ~np.isnan(y)
        item[0] += np.nansum(f * squares / variance, axis=0)
        item[1] += np.sum(f * is_seen, axis=0)
        item[2] += np.nansum(f * squares, axis=0)
        item[3] += np.sum(f * variance * is_seen, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            row[0, part.rows] = np.nansum(squares / variance, axis=1) / is_seen.sum(axis=1)
            row[1, part.rows] = np.nansum(squares, axis=1) / np.sum(variance * is_seen, axis=1)
    back = table.back
    return MeanSquares(item[0] / item[1], item[2] / item[3], back(row[0]), back(row[1]))


@on_one_blas_thread
def residual_correlations(fit: RowsFit, table: AnswerTable, covariates: Any = None) -> FloatArray:
    """Yen's Q3 (p, p), corrected: correlations of residuals at the posterior means, plus ``1/(p - 1)``.

    Residuals share the ability's error, so that a right model has about ``-1/(p - 1)``; with the correction, about 0.
    Pairs that nobody answered both are nan.
    """
    problem = fit.problem(table, covariates)
    items, _ = problem.split(fit.params)
    p = fit.layout.n_items
    k = np.concatenate([np.arange(c) for c in fit.layout.classes])[:, None]
    log = problem.layout.table(items, problem.grid.nodes)
    sums = np.zeros((5, p, p))
    for part in problem.parts(fit.params, log, 2 * p, CACHED):
        chance = np.exp(problem.layout.table(items, part.moments[:, :1]))
        expected = np.add.reduceat(k * chance, fit.layout.first_line, axis=0).T
        answers = table.dense(part.rows.start, part.rows.stop)
        seen = (answers != NOT_SEEN).astype(float)
        r = np.where(seen > 0, answers - expected, 0.0)
        f = part.frequency[:, None]
        for place, (left, right) in enumerate(((seen, seen), (r, seen), (r, r), (r**2, seen))):
            sums[place] += (f * left).T @ right
    n, a, ab, aa = sums[:4]
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = ab / n - (a / n) * (a.T / n)
        variance = aa / n - (a / n) ** 2
        out = covariance / np.sqrt(variance * variance.T)
    out = out + 1.0 / max(p - 1, 1)
    np.fill_diagonal(out, 1.0)
    return out


@dataclass(frozen=True)
class PersonFit:
    """How likely each row's pattern is, against patterns that the model makes at the row's ability.

    Attributes
    ----------
    z : ndarray (n,)
        Log-likelihood at the posterior mean, standardised by simulation; low values are unlikely patterns.
    p_value, q_value : ndarray (n,)
        Chance of a pattern as unlikely or more so; nan for rows without answers.
    """

    z: FloatArray
    p_value: FloatArray
    q_value: FloatArray


def log_chance_at(problem: RowsLikelihood, items: FloatArray, answers: Any, x: FloatArray) -> FloatArray:
    """Log-likelihood of rows of answers, each at its own ability."""
    seen = answers != NOT_SEEN
    lines = np.where(seen, answers, 0) + problem.layout.first_line
    log = problem.layout.table(items, x[:, None])
    return np.asarray(np.where(seen, np.take_along_axis(log.T, lines, axis=1), 0.0).sum(axis=1))


@on_one_blas_thread
def person_fit(
    fit: RowsFit,
    table: AnswerTable,
    *,
    covariates: Any = None,
    draws: int = PERSON_DRAWS,
    random_state: RandomState = 0,
) -> PersonFit:
    """Person fit by simulation: the drawn rows are answered and scored just as the real ones.

    Notes
    -----
    ``draws`` passes over the answers. The usual lz takes the estimated ability for the true one: its standard
    deviation is .83, not 1. Abilities of the drawn patterns come from each row's posterior.
    """
    rng = as_generator(random_state)
    problem = fit.problem(table, covariates)
    items, population = problem.split(fit.params)
    log = problem.layout.table(items, problem.grid.nodes)
    weights = problem.population.log_weights(population, problem.grid)
    z, p_value = np.empty((2, table.n_rows))
    for part in problem.parts(fit.params, log, 6 * fit.layout.n_lines, 8 * CACHED):
        rows = part.rows
        answers = table.dense(rows.start, rows.stop)
        given, _ = problem._given(rows, population)
        given["frequency"] = None
        own = log_chance_at(problem, items, answers, part.moments[:, 0])
        total = np.cumsum(part.posterior, axis=1)
        below, sums = np.zeros(len(own)), np.zeros((2, len(own)))
        for _ in range(draws):
            node = (total < rng.random((len(own), 1))).sum(axis=1).clip(0, problem.grid.size - 1)
            drawn = drawn_answers(problem, log, answers, node, rng)
            moments = np.empty((len(own), 2))
            replicate = Responses(drawn, fit.layout.first_line, None, None, fit.layout.n_items)
            response_expectations(replicate, log, weights, outputs={"moments": moments}, **given)
            value = log_chance_at(problem, items, drawn, moments[:, 0])
            below += value <= own + 1e-9
            sums += value, value**2
        mean = sums[0] / draws
        spread = np.sqrt(np.maximum(sums[1] / draws - mean**2, 1e-300))
        z[rows], p_value[rows] = (own - mean) / spread, (below + 1.0) / (draws + 1.0)
    is_empty = answers_per_row(table) == 0
    z[is_empty], p_value[is_empty] = np.nan, np.nan
    tail = table.back(p_value)
    return PersonFit(table.back(z), tail, benjamini_hochberg(tail))


def drawn_answers(problem: RowsLikelihood, log: FloatArray, answers: Any, node: Any, rng: np.random.Generator) -> Any:
    """Answers drawn at each row's node, where the row has answers."""
    out = np.full(answers.shape, NOT_SEEN, dtype=np.uint8)
    layout = problem.layout
    u = rng.random(answers.shape)
    for family in layout.families:
        below = np.cumsum(np.exp(log[family.lines]), axis=1)[:, :-1]  # (J, K - 1, G)
        above = u[:, family.items][:, :, None] > below[:, :, node].transpose(2, 0, 1)
        out[:, family.items] = above.sum(axis=2)
    out[answers == NOT_SEEN] = NOT_SEEN
    return out
