"""Alternating least squares over the blocks of a prepared table: out of core, on threads, on Dask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import as_generator
from halfseen.data import Observed, PreparedTable
from halfseen.data.prepared import open_block
from halfseen.engines.placement import place
from halfseen.methods.completion.penalty_choice import ENTRIES, FURTHER_ITERATIONS, SHARE_EXPONENT
from halfseen.parameters import BadArgument
from halfseen.solvers.alternating import Penalty, powers
from halfseen.solvers.block_ridge import BlockPoint, BlockRidge, RidgeVisit, row_starts
from halfseen.solvers.loop import loop

# As for a table in memory.
START_SCALE = 0.1 / 1.117**0.5
PENALTY_PER_SPREAD = 0.985


def fit_blocks(model: Any, table: PreparedTable, settings: SimpleNamespace, start: Any) -> Any:
    """The iterations of `AlternatingLeastSquares`, each one reading of the blocks; sets the learned attributes.

    Raises
    ------
    BadArgument
        For what needs the table in memory.
    """
    _refuse(settings, start)
    model._begin_blocks(table, settings.clip, settings.precision)
    rng, k = as_generator(settings.random_state), min(settings.rank, *table.shape)
    model.rank_, model.rank_search_, model.penalty_choice_ = k, None, None
    _choose_penalty(model, table, settings, rng)
    scale = START_SCALE * table.spread**0.5 if k else 0.0
    starts = row_starts(table, k, scale, rng.spawn(1)[0])
    sweep = _sweep(table, settings, model.mean_, k, model.penalty_)
    point = _down_the_path(model, sweep, starts, settings)
    run = model._run(sweep, point, settings, None)
    model.__dict__.update(model._learned_from_blocks(table, sweep.visit, run.params.C))
    model.start_col_biases_ = model.col_bias_[None, :]
    model.run_, model.n_iter_ = run.record(), run.n_iter
    return model


def _refuse(settings: SimpleNamespace, start: Any) -> None:
    way_out = "fit table.load() if it fits into memory"
    if isinstance(settings.rank, str):
        raise BadArgument("rank", settings.rank, "a whole number for a prepared table", way_out)
    if settings.n_starts != 1:
        raise BadArgument("n_starts", settings.n_starts, "1 for a prepared table", way_out)
    if settings.solver == "cg":
        raise BadArgument("solver", "cg", "'auto' or 'cholesky' for a prepared table", way_out)
    if start is not None:
        raise BadArgument("start", type(start).__name__, "None for a prepared table", way_out)


def _sweep(table: PreparedTable, settings: SimpleNamespace, mean: float, rank: int, penalty: float) -> BlockRidge:
    rows, cols = _penalties(table, settings, rank, penalty)
    return BlockRidge(place(table, settings.engine), RidgeVisit(rows, float(settings.alpha), mean), cols)


def _penalties(table: PreparedTable, settings: SimpleNamespace, rank: int, penalty: float) -> tuple[Any, Penalty]:
    ridge = np.append(np.full(rank, penalty), float(settings.bias_penalty))
    return ridge, Penalty(ridge, powers(table.column_weights, settings.alpha))


def _down_the_path(model: Any, sweep: BlockRidge, starts: list[Any], settings: SimpleNamespace) -> BlockPoint:
    """From random rows, through the larger penalties where the penalty was chosen: a small one alone ends worse."""
    choice, k, table = model.penalty_choice_, model.rank_, sweep.placement.table
    if choice is None:
        return sweep.start(starts, k + 1)
    above = choice.penalties[(choice.penalties > model.penalty_) & (choice.penalties <= choice.first)]
    point = None
    for penalty in above:
        step = sweep.at(*_penalties(table, settings, k, float(penalty)))
        point = loop(step, step.start(starts, k + 1) if point is None else point, max_iter=FURTHER_ITERATIONS).params
    return sweep.start(starts, k + 1) if point is None else point


def _choose_penalty(model: Any, table: PreparedTable, settings: SimpleNamespace, rng: np.random.Generator) -> None:
    """As given, or chosen on a random part of the rows and of the columns, as for any large table in memory."""
    spread = table.spread
    model.penalty_ = PENALTY_PER_SPREAD * spread
    if not isinstance(settings.penalty, str):
        model.penalty_ = float(settings.penalty)
    elif model.rank_ > 0:
        part, share = part_of_blocks(table, rng)
        model.penalty_choice_ = model._choose_penalty(part, spread, settings, rng.spawn(1)[0])
        if model.penalty_choice_ is not None:
            model.penalty_ = model.penalty_choice_.penalty * share**SHARE_EXPONENT


def part_of_blocks(table: PreparedTable, rng: np.random.Generator) -> tuple[Observed, float]:
    """The entries in a random part of the rows and of the columns, and the share of either side kept; one reading."""
    share = min(1.0, float(np.sqrt(ENTRIES / table.n_entries)))
    in_cols = rng.random(table.shape[1]) < share
    rows, cols, values, weights, n_rows = [], [], [], [], 0
    for number in range(table.n_blocks):
        view = open_block(table.recipe(number)).rows
        part = view.take_major(np.flatnonzero(rng.random(view.n_major) < share))
        kept = in_cols[part.indices]
        rows.append(part.expand()[kept] + n_rows)
        cols.append(part.indices[kept])
        values.append(part.values[kept])
        weights.append(None if part.weights is None else part.weights[kept])
        n_rows += part.n_major
    own = None if weights[0] is None else np.concatenate([part for part in weights if part is not None])
    i, j, y = np.concatenate(rows), np.concatenate(cols), np.concatenate(values)
    return Observed.from_triplets(i, j, y, weights=own, shape=(n_rows, table.shape[1])), share
