"""What intervals of rows need of a fit: abilities and scores, what is a row's own error and what items share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.data.storable import storable
from halfseen.engines.blas import on_one_blas_thread
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_predict import Abilities, Answering
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_rotation import Rotated, score_several
from halfseen.methods.response.rows_scores import (
    ITEM_DRAWS,
    ability_scale,
    answers_per_row,
    parameter_draws,
    posterior_moments,
)
from halfseen.methods.response.rows_several import several_problem

# Beyond so many multiply-adds the errors of the items are left out of the rows' intervals: such tables have thousands
# of answers per item, and those errors are below a hundredth of the rows' own.
MOST_WORK = 2e10
CACHED = 500_000
# Normal points around each row's mean where the ability has several dimensions.
POINTS, ROWS_OF_POINTS = 64, 128


@storable
@dataclass(frozen=True)
class RowStatement:
    """Estimates of the rows, their own errors and those that they share.

    Attributes
    ----------
    estimate : ndarray (n,)
    own : ndarray (n,)
        Standard deviations of the errors of each row for itself.
    shared : ndarray (n, k)
        Loadings on k standard normal numbers that all rows share: draws of the items' parameters.
    """

    estimate: FloatArray
    own: FloatArray
    shared: FloatArray

    @property
    def se(self) -> FloatArray:
        """Standard errors (n,)."""
        return np.sqrt(self.own**2 + np.sum(self.shared**2, axis=1))

    def pair_se(self, rows: Any) -> FloatArray:
        """Standard errors (m, n) of the differences between some rows and all."""
        total = np.sum(self.shared**2, axis=1)
        cross = self.shared[rows] @ self.shared.T
        variance = (self.own**2 + total)[rows][:, None] + (self.own**2 + total)[None, :] - 2.0 * cross
        variance[np.arange(len(variance)), np.arange(len(self.own))[rows]] = 0.0
        return np.sqrt(np.maximum(variance, 0.0))

    def errors(self, z: FloatArray, own: FloatArray) -> FloatArray:
        """Errors (b, n) from standard normal numbers (b, k) and (b, n)."""
        return np.asarray(z @ self.shared.T + own * self.own)


@storable
@dataclass(frozen=True)
class RowsBoard:
    """Rows of a fit with integrated rows.

    Attributes
    ----------
    abilities : tuple of RowStatement
        One per dimension, as shown (rotated where the fit is).
    expected, realised : RowStatement or None
        Mean expected answer over all columns, and over the complete table, seen answers as they are.
    answered : int ndarray (n,)
    raw : ndarray (n,)
        Mean seen answer; nan without answers.
    item_draws : int
        Draws behind the shared errors; 0: items taken as known.
    spread : ndarray (n,)
        Standard deviation of the completed row over columns.
    """

    abilities: tuple[RowStatement, ...]
    expected: RowStatement
    realised: RowStatement
    answered: IntArray
    raw: FloatArray
    item_draws: int
    spread: FloatArray


@dataclass(frozen=True)
class Moments:
    """Posterior means and variances of the rows under one set of parameters.

    Attributes
    ----------
    ability, ability_variance : ndarray (n, D)
    expected, expected_variance, realised, realised_variance : ndarray (n,)
        Sums over columns.
    squares : ndarray (n,)
        Of the completed rows, summed over columns.
    """

    ability: FloatArray
    ability_variance: FloatArray
    expected: FloatArray
    expected_variance: FloatArray
    realised: FloatArray
    realised_variance: FloatArray
    squares: FloatArray


@dataclass(frozen=True)
class Scored:
    """The answers of a table as scores: expectations and variances of items at nodes.

    Attributes
    ----------
    expected, variance : ndarray (p, G)
    """

    expected: FloatArray
    variance: FloatArray

    @classmethod
    def of(cls, fit: RowsFit, log: FloatArray) -> Scored:
        """From log-probabilities (n_lines, G)."""
        values = np.concatenate(fit.categories)[:, None]
        chance, first = np.exp(log), fit.layout.first_line
        mean = np.add.reduceat(values * chance, first, axis=0)
        square = np.add.reduceat(values**2 * chance, first, axis=0)
        return cls(mean, np.maximum(square - mean**2, 0.0))


def seen_parts(fit: RowsFit, table: AnswerTable, rows: slice) -> tuple[FloatArray, FloatArray]:
    """Whether answers are seen (rows, p), and their values (0 where not)."""
    answers = table.dense(rows.start, rows.stop)
    seen = answers != NOT_SEEN
    values = np.concatenate(fit.categories)
    lines = np.where(seen, answers, 0) + fit.layout.first_line
    return seen.astype(float), np.where(seen, values[lines], 0.0)


def _summed(
    posterior: FloatArray, scored: Scored, seen: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Sums over columns for rows with posterior masses at common nodes."""
    T = scored.expected.sum(axis=0)
    expected = posterior @ T
    variance = posterior @ T**2 - expected**2
    left = T - seen @ scored.expected  # (rows, G): what is expected of the answers not seen
    realised = np.sum(posterior * left, axis=1)
    noise = np.sum(posterior * (scored.variance.sum(axis=0) - seen @ scored.variance), axis=1)
    spread = np.sum(posterior * left**2, axis=1) - realised**2
    mean = posterior @ scored.expected.T
    squares = np.sum(values**2 + (1.0 - seen) * mean**2, axis=1)
    return expected, variance, realised + values.sum(axis=1), spread + noise, squares


def moments_of(problem: RowsLikelihood, fit: RowsFit, full: FloatArray) -> Moments:
    """One dimension: sums over the posterior at the nodes."""
    items, _ = problem.split(full)
    log = problem.layout.table(items, problem.grid.nodes)
    scored = Scored.of(fit, log)
    n = problem.table.n_rows
    ability, out = np.empty((n, 2)), np.empty((5, n))
    for part in problem.parts(full, log, 4 * problem.layout.n_items + 2 * problem.grid.size, CACHED):
        ability[part.rows] = part.moments
        seen, values = seen_parts(fit, problem.table, part.rows)
        out[:, part.rows] = _summed(part.posterior, scored, seen, values)
    variance = np.maximum(ability[:, 1] - ability[:, 0] ** 2, 0.0)
    return Moments(ability[:, :1], variance[:, None], *out)


def moments_of_several(problem: Any, fit: RowsFit, full: FloatArray, rotated: Rotated | None) -> Moments:
    """Several dimensions: sums over normal points around each row's posterior mean."""
    free = fit.index.pick(full)
    mean, covariance = problem.renewed(free).posterior(free)
    n, D = mean.shape
    T = np.eye(D) if rotated is None else rotated.transform
    points = np.random.default_rng(0).standard_normal((POINTS // 2, D))
    points = np.vstack([points, -points])
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(D))
    out = np.empty((5, n))
    for start in range(0, n, ROWS_OF_POINTS):
        rows = slice(start, min(start + ROWS_OF_POINTS, n))
        nodes = mean[rows, None, :] + np.einsum("sk,ndk->nsd", points, root[rows])
        log = fit.layout.table(full[: fit.layout.n_params], nodes.reshape(-1, D))
        out[:, rows] = _summed_at_own(Scored.of(fit, log), *seen_parts(fit, problem.table, rows))
    variance = np.einsum("ka,nkl,la->na", T, covariance, T)
    return Moments(mean @ T, variance, *out)


def _summed_at_own(scored: Scored, seen: FloatArray, values: FloatArray) -> FloatArray:
    """Sums over columns (5, rows) for rows with equally weighted points of their own."""
    shape = (len(scored.expected), len(seen), -1)
    E, V = scored.expected.reshape(shape), scored.variance.reshape(shape)
    total = E.sum(axis=0)
    left = total - np.einsum("np,pns->ns", seen, E)
    noise = V.sum(axis=(0, 2)) / E.shape[2] - np.einsum("np,pns->n", seen, V) / E.shape[2]
    squares = np.sum(values**2 + (1.0 - seen) * E.mean(axis=2).T ** 2, axis=1)
    realised = left.mean(axis=1) + values.sum(axis=1)
    return np.stack([total.mean(axis=1), total.var(axis=1), realised, left.var(axis=1) + noise, squares])


def posterior(fit: RowsFit, table: AnswerTable, covariates: Any = None) -> Abilities:
    """Posterior moments of rows, items taken as known."""
    if fit.layout.dimensions > 1:
        scores = score_several(fit, table)
        return Abilities(scores.ability, scores.covariance)
    mean, variance = posterior_moments(fit.problem(table, covariates), fit.params)
    return Abilities(table.back(mean)[:, None], table.back(variance)[:, None, None])


@on_one_blas_thread
def make_board(
    fit: RowsFit,
    table: AnswerTable,
    answering: Answering,
    outside: FloatArray,
    *,
    covariates: Any = None,
    rotated: Rotated | None = None,
    random_state: Any = 0,
) -> RowsBoard:
    """Abilities and scores of the rows of a fit.

    ``outside`` (n,) are the sums of the completed rows over the columns that are not in the model.

    Notes
    -----
    One pass over the answers and products of ``rows x columns x nodes``, and as much again for each of 20 draws of the
    items' parameters; the draws are left out where that is more than 2e10 multiply-adds.
    """
    D = fit.layout.dimensions
    problem: Any = fit.problem(table, covariates) if D == 1 else several_problem(fit, table)
    size = float(table.n_rows) * table.n_items * (fit.grid.size if D == 1 else 40 * POINTS)
    draws = ITEM_DRAWS if fit.n_free and size * ITEM_DRAWS <= MOST_WORK else 0

    def moments(full: FloatArray) -> Moments:
        return moments_of(problem, fit, full) if D == 1 else moments_of_several(problem, fit, full, rotated)

    at = moments(fit.params)
    names = ("ability", "expected", "realised")
    drawn: dict[str, list[FloatArray]] = {name: [] for name in names}
    for full in parameter_draws(fit, as_generator(random_state), draws) if draws else ():
        once = moments(full)
        for name in names:
            drawn[name].append(getattr(once, name))
    shared = {name: _loadings(np.array(parts), at.ability.shape[0]) for name, parts in drawn.items()}
    p, scale, back = fit.shape[1], ability_scale(fit) if D == 1 else 1.0, table.back
    constant = float(answering.constant[answering.item_of < 0].sum())
    abilities = tuple(
        RowStatement(
            back(at.ability[:, d] * scale), back(np.sqrt(at.ability_variance[:, d]) * scale),
            back((shared["ability"][:, :, d] if draws else np.zeros((len(at.ability), 0))) * scale),
        )
        for d in range(D)
    )  # fmt: skip
    answered = np.asarray(back(answers_per_row(table).astype(float)), dtype=np.int64)
    scores = [
        RowStatement((back(sums) + rest) / p, back(np.sqrt(np.maximum(variance, 0.0)) / p), back(own / p))
        for sums, variance, own, rest in (
            (at.expected, at.expected_variance, shared["expected"], constant),
            (at.realised, at.realised_variance, shared["realised"], outside),
        )
    ]
    square = back(at.squares) / p - scores[1].estimate ** 2
    raw = np.full(len(answered), np.nan)
    return RowsBoard(abilities, scores[0], scores[1], answered, raw, draws, np.sqrt(np.maximum(square, 0.0)))


def _loadings(drawn: FloatArray, n: int) -> FloatArray:
    """Deviations of the draws (S, n, ...) as loadings (n, S, ...) whose products are the covariance over draws."""
    if not len(drawn):
        return np.zeros((n, 0))
    away = (drawn - drawn.mean(axis=0)) / np.sqrt(len(drawn) - 1.0)
    return np.moveaxis(away, 0, 1)


def with_raw(board: RowsBoard, sums: FloatArray, counts: IntArray) -> RowsBoard:
    """The board with the rows' answers over all columns, those outside the model among them."""
    raw = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return replace(board, raw=raw, answered=np.asarray(counts, dtype=np.int64))


def with_blocks(board: RowsBoard, added: FloatArray) -> RowsBoard:
    """The board with the variance that rows' own effects of blocks of columns add to their scores."""

    def wider(part: RowStatement) -> RowStatement:
        return replace(part, own=np.sqrt(part.own**2 + added))

    return replace(board, expected=wider(board.expected), realised=wider(board.realised))
