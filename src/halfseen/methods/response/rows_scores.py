"""Abilities of rows: posterior means, modes, weighted likelihood, plausible values; errors of the items inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed
from halfseen.data.checks import cell
from halfseen.engines.blas import on_one_blas_thread
from halfseen.errors import shown
from halfseen.kernels import Responses, response_expectations
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable, _as_codes, _counted
from halfseen.methods.response.rows_fit import RowsFit
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

ITEM_DRAWS = 20
SCORE_METHODS = ("eap", "map", "wle")
NEWTON_SWEEPS, NEWTON_TOL, LONGEST_STEP = 30, 1e-9, 1.0
# Modes and weighted likelihood estimates are looked for between the ends of the nodes.
POINTS_AT_ONCE = 1_000_000
DIFFERENCE = 1e-4


@dataclass(frozen=True)
class RowScores:
    """Abilities of the rows of a table.

    Attributes
    ----------
    ability : ndarray (n,)
    sd : ndarray (n,)
        Posterior standard deviation (wle: standard error), errors of the items inside where they were asked for.
    plug_in_sd : ndarray (n,)
        The same, taking the items as known.
    n_answers : int ndarray (n,)
    method : str
    """

    ability: FloatArray
    sd: FloatArray
    plug_in_sd: FloatArray
    n_answers: IntArray
    method: str


def new_table(fit: RowsFit, answers: Any, col_labels: Any = None) -> AnswerTable:
    """Answers of new rows to the items of a fit, in the classes that the fit knows.

    Parameters
    ----------
    fit : RowsFit
    answers : Observed, or array (n, p)
        With the columns of the table that was fitted.
    col_labels : array, optional
        For errors.

    Raises
    ------
    ValueError
        For another number of columns, or an answer that no row gave when the model was fitted.
    """
    codes, indptr, cols, values = _as_codes(answers)
    n, p = answers.shape if isinstance(answers, Observed) else codes.shape
    if p != fit.shape[1]:
        raise ValueError(f"answers has {p} columns; needed: the {fit.shape[1]} columns that were fitted.")
    starts = fit.layout.first_line
    if codes is not None:
        out = np.ascontiguousarray(codes[:, fit.columns])
        for j, known in enumerate(fit.categories):
            to = np.full(256, NOT_SEEN - 1, dtype=np.uint8)
            to[known.astype(int)], to[NOT_SEEN] = np.arange(len(known)), NOT_SEEN
            own = to[out[:, j]]
            if (own == NOT_SEEN - 1).any():
                i = int((own == NOT_SEEN - 1).argmax())
                place = cell("answers", i, int(fit.columns[j]), None, col_labels)
                raise ValueError(f"{place} = {out[i, j]}, an answer that nobody gave when the model was fitted.")
            out[:, j] = own
        responses = Responses(out, starts, None, None, len(starts))
    else:
        responses = _new_lines(fit, indptr, cols, values)
    empty = np.zeros(len(starts), dtype=np.int64)
    return _counted(AnswerTable(responses, fit.layout.classes, fit.categories, fit.columns, (n, p), empty, ()))


def _new_lines(fit: RowsFit, indptr: Any, cols: Any, values: Any) -> Responses:
    line = np.full((fit.shape[1], 256), -2, dtype=np.int32)
    line[np.setdiff1d(np.arange(fit.shape[1]), fit.columns)] = -1
    for j, known in enumerate(fit.categories):
        line[fit.columns[j], known.astype(int)] = fit.layout.first_line[j] + np.arange(len(known))
    lines = line[cols, np.asarray(values, dtype=np.int64)]
    if (lines == -2).any():
        e = int((lines == -2).argmax())
        raise ValueError(
            f"column {int(cols[e])} has the answer {shown(values[e])}, which nobody gave when the model was fitted."
        )
    is_in = np.append(lines >= 0, False)
    sizes = np.add.reduceat(is_in, indptr[:-1]) * (np.diff(indptr) > 0)
    pointer = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Responses(None, None, pointer, np.ascontiguousarray(lines[is_in[:-1]]), int(sizes.max(initial=0)))


def answers_per_row(table: AnswerTable) -> IntArray:
    """Seen answers of each row."""
    r = table.responses
    if r.answers is None:
        return np.diff(r.indptr)
    return np.asarray((r.answers != NOT_SEEN).sum(axis=1))


def posterior_moments(problem: RowsLikelihood, full: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Posterior means and variances (n,) of the abilities under given parameters."""
    items, population = problem.split(full)
    log = problem.layout.table(items, problem.grid.nodes)
    weights = problem.population.log_weights(population, problem.grid)
    out = np.empty((problem.table.n_rows, 2))
    for block in problem.table.blocks():
        given, _ = problem._given(slice(*block), population)
        given.pop("frequency")
        outputs = {"moments": out[block[0] : block[1]]}
        response_expectations(problem.table.rows(*block), log, weights, outputs=outputs, **given)
    return out[:, 0].copy(), np.maximum(out[:, 1] - out[:, 0] ** 2, 0.0)


def parameter_draws(fit: RowsFit, rng: np.random.Generator, size: int) -> list[FloatArray]:
    """All numbers (n_full,), drawn around the fit from the normal distribution of its errors."""
    return [fit.index.full(free) for free in fit.covariance.draws(fit.free, rng, size)]


@on_one_blas_thread
def score_rows(
    fit: RowsFit,
    table: AnswerTable,
    method: str = "eap",
    *,
    covariates: Any = None,
    item_draws: int = ITEM_DRAWS,
    random_state: RandomState = 0,
) -> RowScores:
    """Abilities of rows and their errors.

    Parameters
    ----------
    fit : RowsFit
    table : AnswerTable
        Of the fit, or of new rows (:func:`new_table`).
    method : {"eap", "map", "wle"}
        Posterior mean; posterior mode; weighted likelihood (Warm 1989), which takes no population for granted.
    covariates : array_like (n, q), optional
        Needed where the model has a latent regression.
    item_draws : int
        Draws of the items' parameters whose spread enters ``sd``; 0: the items are taken as known.
    random_state : RandomState

    Notes
    -----
    One pass over the answers, and one per draw: variance = mean of the variances + variance of the means. A row
    without answers has the population's mean and standard deviation (wle: nan and infinity).
    """
    if method not in SCORE_METHODS:
        raise ValueError(f"method={method!r} is not known; known: {', '.join(SCORE_METHODS)}.")
    problem = fit.problem(table, covariates)
    mean, variance = posterior_moments(problem, fit.params)
    ability, plug_in = mean, variance
    if method != "eap":
        ability, plug_in = modes(problem, fit.params, method)
    added = np.zeros_like(mean)
    if item_draws > 1:
        rng = as_generator(random_state)
        means, variances = np.zeros((2, len(mean))), np.zeros(len(mean))
        for full in parameter_draws(fit, rng, item_draws):
            m, v = posterior_moments(problem, full)
            means += m - mean, (m - mean) ** 2
            variances += v
        spread = (means[1] - means[0] ** 2 / item_draws) / (item_draws - 1)
        added = spread + (variances / item_draws - variance if method == "eap" else 0.0)
    sd = np.sqrt(np.maximum(plug_in + added, 0.0))
    scale = ability_scale(fit)
    back = table.back
    return RowScores(
        back(ability * scale), back(sd * scale), back(np.sqrt(plug_in) * scale),
        np.asarray(back(answers_per_row(table).astype(float)), dtype=np.int64), method,
    )  # fmt: skip


def ability_scale(fit: RowsFit) -> float:
    """By how much abilities are stretched when they are shown: the common slope for rasch, else 1."""
    return float(fit.params[fit.layout.slopes[0, 0]]) if fit.is_rasch else 1.0


@dataclass(frozen=True)
class AtPoints:
    """Derivatives of some rows' log-likelihoods, each at its own ability."""

    score: FloatArray
    information: FloatArray
    warm: FloatArray


def at_points(problem: RowsLikelihood, items: FloatArray, rows: slice, x: FloatArray) -> AtPoints:
    """Score, Fisher information and Warm's correction ``sum P' P'' / P`` of rows at abilities ``x``."""
    layout = problem.layout
    slope = np.repeat(items[layout.slopes[:, 0]], layout.classes)[:, None]
    log, own = layout.slopes_table(items, x[:, None])
    chance = np.exp(log)
    answers = problem.table.dense(rows.start, rows.stop)
    is_seen = answers != NOT_SEEN
    lines = np.where(is_seen, answers, 0) + layout.first_line
    first = slope * own  # d log P / dx
    score = np.where(is_seen, np.take_along_axis(first.T, lines, axis=1), 0.0).sum(axis=1)
    by_item = np.add.reduceat(chance * first**2, layout.first_line, axis=0).T
    ends = [layout.slopes_table(items, (x + s * DIFFERENCE)[:, None]) for s in (1.0, -1.0)]
    second = (np.exp(ends[0][0]) * ends[0][1] - np.exp(ends[1][0]) * ends[1][1]) * slope / (2.0 * DIFFERENCE)
    warm = np.add.reduceat(first * second, layout.first_line, axis=0).T
    return AtPoints(score, np.where(is_seen, by_item, 0.0).sum(axis=1), np.where(is_seen, warm, 0.0).sum(axis=1))


class ModeStep:
    """One scoring step of every row towards its posterior mode or its weighted likelihood estimate."""

    def __init__(self, problem: RowsLikelihood, items: FloatArray, rows: slice, prior: Any, limits: Any) -> None:
        self.problem, self.items, self.rows, self.prior, self.limits = problem, items, rows, prior, limits
        self.curvature = np.zeros(rows.stop - rows.start)

    def __call__(self, x: FloatArray) -> SweepResult:
        at = at_points(self.problem, self.items, self.rows, x)
        if self.prior is None:
            self.curvature = at.information
            slope = at.score + 0.5 * at.warm / np.maximum(at.information, 1e-12)
        else:
            centre, precision = self.prior
            self.curvature = at.information + precision
            slope = at.score - precision * (x - centre)
        step = np.clip(slope / np.maximum(self.curvature, 1e-6), -LONGEST_STEP, LONGEST_STEP)
        new = np.clip(x + step, *self.limits)
        return SweepResult(new, 0.0, largest(new - x))


def modes(problem: RowsLikelihood, full: FloatArray, method: str) -> tuple[FloatArray, FloatArray]:
    """Posterior modes or weighted likelihood estimates, and the inverse curvatures there."""
    items, params = problem.split(full)
    mean, sd, B = problem.population.split(params)
    table, n = problem.table, problem.table.n_rows
    g = np.zeros(n, dtype=int) if table.groups is None else table.groups
    centre = mean[g] + (problem.covariates @ B if problem.covariates is not None else 0.0)
    start, _ = posterior_moments(problem, full)
    out, variance = np.empty(n), np.empty(n)
    size = max(1, POINTS_AT_ONCE // problem.layout.n_lines)
    limits = (problem.grid.low, problem.grid.high)
    for first in range(0, n, size):
        rows = slice(first, min(first + size, n))
        prior = (centre[rows], 1.0 / sd[g[rows]] ** 2) if method == "map" else None
        step = ModeStep(problem, items, rows, prior, limits)
        run = loop(step, start[rows], [GradientNorm(NEWTON_TOL)], max_iter=NEWTON_SWEEPS)
        out[rows] = run.params
        with np.errstate(divide="ignore"):
            variance[rows] = 1.0 / step.curvature
    if method == "wle":
        out[answers_per_row(table) == 0] = np.nan
    return out, variance


@on_one_blas_thread
def plausible_values(
    fit: RowsFit, table: AnswerTable, n_values: int = 10, *, covariates: Any = None, random_state: RandomState = 0
) -> FloatArray:
    """Draws (n, n_values) of the rows' abilities from their posteriors, for secondary analyses.

    Each value has its own draw of the items' and the population's parameters; the posterior is conditioned on the
    groups and covariates of the model, without which regressions on them would come out too flat.

    Notes
    -----
    A node is drawn, and then a place in its cell. Source: Mislevy (1991).
    """
    rng = as_generator(random_state)
    problem = fit.problem(table, covariates)
    row_of = np.arange(table.n_rows) if table.row_of is None else table.row_of
    order = np.argsort(row_of, kind="stable")
    starts = np.searchsorted(row_of[order], np.arange(table.n_rows + 1))
    out = np.empty((len(row_of), n_values))
    for v, full in enumerate(parameter_draws(fit, rng, n_values)):
        items, _ = problem.split(full)
        log = problem.layout.table(items, problem.grid.nodes)
        u = rng.random((len(row_of), 2))
        for part in problem.parts(full, log, problem.grid.size):
            people = order[starts[part.rows.start] : starts[part.rows.stop]]
            total = np.cumsum(part.posterior, axis=1)[row_of[people] - part.rows.start]
            node = (total < u[people, :1]).sum(axis=1).clip(0, problem.grid.size - 1)
            out[people, v] = problem.grid.positions[node] + (u[people, 1] - 0.5) * problem.grid.step
    return out * ability_scale(fit)
