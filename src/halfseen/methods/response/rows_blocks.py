"""How far rows stray from themselves between blocks of columns, where rows are integrated out."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.methods.response.leaveout import FEWEST_IN_BLOCK, BlockEffects, lopsided
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_board import Scored
from halfseen.methods.response.rows_result import RowsFit

CACHED = 1_000_000


def row_block_effects(
    fit: RowsFit, table: AnswerTable, codes: IntArray, names: Labels, covariates: Any = None
) -> BlockEffects:
    r"""Leave one block of columns out, predict its mean answer from the others, and compare.

    The estimate of :func:`halfseen.methods.response.leaveout.block_effects`, with the posterior of the ability at the
    nodes: without a block, it is the posterior over that block's likelihood, normalised.

    Parameters
    ----------
    fit : RowsFit
        One dimension.
    table : AnswerTable
    codes, names : ndarray (p,), (B,)
        Block of every column of the given table.
    covariates : array_like, optional

    Notes
    -----
    O(answers nodes) time.
    """
    problem = fit.problem(table, covariates)
    items, _ = problem.split(fit.params)
    log = problem.layout.table(items, problem.grid.nodes)
    scored = Scored.of(fit, log)
    own = [np.flatnonzero(codes[fit.columns] == b) for b in range(len(names))]
    B, n = len(names), table.n_rows
    seen, gain, weight = np.zeros((B, n)), np.full((B, n), np.nan), np.ones(n)
    for part in problem.parts(fit.params, log, (B + 2) * problem.grid.size, CACHED):
        weight[part.rows] = part.frequency
        seen[:, part.rows], gain[:, part.rows] = _of_part(fit, table, part, (log, scored, own))
    others = seen.sum(axis=0) - seen
    # shares of the other blocks among the answers outside one, squared and summed
    squares = (np.sum(seen**2, axis=0) - seen**2) / np.maximum(others, 1.0) ** 2
    ratio = gain / (1.0 + squares)
    has = (seen >= FEWEST_IN_BLOCK) & (others >= FEWEST_IN_BLOCK)
    weights = has * weight
    total = weights.sum()
    variance = max(float(np.sum(weights * np.where(has, ratio, 0.0)) / total), 0.0) if total else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        by_block = np.sqrt(np.maximum((weights * np.where(has, ratio, 0.0)).sum(axis=1) / weights.sum(axis=1), 0.0))
    sizes = np.array([[float(len(part))] for part in own])
    added = table.back(variance * lopsided(seen, sizes))
    return BlockEffects(names, float(np.sqrt(variance)), by_block, int(total), added)


def _of_part(fit: RowsFit, table: AnswerTable, part: Any, known: Any) -> tuple[FloatArray, FloatArray]:
    """Seen answers (B, rows), and squared errors of left-out block means beyond what the model expects."""
    log, scored, own = known
    answers = table.dense(part.rows.start, part.rows.stop)
    is_seen = answers != NOT_SEEN
    lines = np.where(is_seen, answers, 0) + fit.layout.first_line
    values = np.where(is_seen, np.concatenate(fit.categories)[lines], 0.0)
    whole = np.log(np.maximum(part.posterior, 1e-300))
    seen, gain = np.zeros((2, len(own), len(answers)))
    for b, items in enumerate(own):
        rest = whole.copy()
        for j in items:
            rest -= log[lines[:, j]] * is_seen[:, j, None]
        rest = np.exp(rest - rest.max(axis=1, keepdims=True))
        rest /= rest.sum(axis=1, keepdims=True)
        here = is_seen[:, items].astype(float)
        count = here.sum(axis=1)
        s = np.maximum(count, 1.0)
        predicted = here @ scored.expected[items] / s[:, None]
        mean = np.sum(rest * predicted, axis=1)
        variance = np.sum(rest * predicted**2, axis=1) - mean**2
        variance += np.sum(rest * (here @ scored.variance[items]), axis=1) / s**2
        seen[b], gain[b] = count, (values[:, items].sum(axis=1) / s - mean) ** 2 - variance
    return seen, gain
