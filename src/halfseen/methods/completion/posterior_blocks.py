"""Kept draws of a chain over a prepared table: of the columns; rows are drawn given each of them where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.data import Compressed, PreparedTable, storable
from halfseen.data.prepared import opened_lately
from halfseen.engines.draws import GaussianPrior
from halfseen.engines.placement import place
from halfseen.linalg.align import procrustes
from halfseen.methods.completion.convergence import potential_scale_reduction, tell_of_chains
from halfseen.methods.completion.gibbs_blocks import BlockState, RowConditional, chain_of, row_normals
from halfseen.methods.completion.posterior import DrawnPredictors, PosteriorDraws, RowPosteriors
from halfseen.parameters import BadArgument
from halfseen.solvers.block_ridge import RowsInBlocks
from halfseen.solvers.loop import Run, SweepResult, loop

MEBIBYTE, AUTO_MEMORY = 1 << 20, 256.0
# Numbers of rows' draws that are held at once.
NUMBERS_AT_ONCE = 1 << 24


@storable
@dataclass(frozen=True)
class StoredDraws(DrawnPredictors):
    """As `PosteriorDraws`, of a prepared table: rows are drawn given the columns of a draw whenever they are asked for.

    Rows given the columns, the noise and the prior of a draw are a draw of the posterior together with these, so none
    has to be kept. The same row has the same draws whenever it is asked for.

    Attributes
    ----------
    folder : str
    fold : HashedFold or None
    seed : int
        Of the rows' normal numbers.
    mean : float
    cols, noise, prior_mean, prior_precision
        As of `PosteriorDraws`.
    """

    folder: str
    fold: Any
    seed: int
    mean: float
    cols: FloatArray
    noise: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray

    row_weights = None
    row_effects = ()
    freedom = None

    @property
    def table(self) -> PreparedTable:
        return PreparedTable(self.folder, fold=self.fold)

    @property
    def rows(self) -> RowsOfDraws:
        """Draws of rows, indexed by their positions."""
        return RowsOfDraws(self)

    @property
    def nbytes(self) -> int:
        """Bytes that the draws take."""
        return int(self.cols.nbytes)

    def with_rows(self, placed: RowPosteriors) -> PosteriorDraws:
        """The same draws with other rows, which are held in memory."""
        shared = self.cols, self.noise, self.prior_mean, self.prior_precision
        return PosteriorDraws(placed.coefficients, *shared, row_weights=placed.weights)

    def drawn(self, view: Compressed, positions: IntArray) -> FloatArray:
        """Draws (m, S, k + 1) of rows at rising positions, whose entries are given."""
        out = np.empty((view.n_major, len(self), self.cols.shape[2]), self.cols.dtype)
        for s in range(len(self)):
            prior = GaussianPrior(self.prior_mean[s], self.prior_precision[s])
            cols = np.ascontiguousarray(self.cols[:, s])
            noise = row_normals(self.seed, s, positions, cols.shape[1])
            out[:, s] = RowConditional(cols, self.mean, float(self.noise[s]), prior).drawn(view, noise)[0]
        return out

    def at(self, i: IntArray, j: IntArray) -> Iterator[tuple[Any, FloatArray]]:
        """Predictors without the mean of cells, a part of the cells at a time: those of some rows of one block."""
        table, order = self.table, np.argsort(i, kind="stable")
        rows, first_of = np.unique(i[order], return_index=True)
        ends = np.append(first_of, len(i))
        blocks = np.searchsorted(np.array(table.facts.bounds), rows, side="right") - 1
        at_once = max(1, NUMBERS_AT_ONCE // self.cols[0].size)
        for number in np.unique(blocks):
            block = opened_lately(table.recipe(int(number)))
            own = np.flatnonzero(blocks == number)
            for part in np.split(own, range(at_once, len(own), at_once)):
                drawn = self.drawn(block.rows.take_major(rows[part] - block.first_row), rows[part])
                cells = order[ends[part[0]] : ends[part[-1] + 1]]
                yield from self._predictors(drawn, np.searchsorted(rows[part], i[cells]), cells, j)

    def _predictors(
        self, drawn: FloatArray, of_row: IntArray, cells: IntArray, j: IntArray
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        at_once = max(1, NUMBERS_AT_ONCE // self.cols[0].size)
        for begin in range(0, len(cells), at_once):
            part = slice(begin, begin + at_once)
            x, y = drawn[of_row[part]], self.cols[j[cells[part]]]
            yield cells[part], np.einsum("esk,esk->es", x[:, :, :-1], y[:, :, :-1]) + x[:, :, -1] + y[:, :, -1]


class RowsOfDraws:
    """Draws of the rows of a prepared table, (n, S, k + 1): made for those that are asked for."""

    def __init__(self, draws: StoredDraws) -> None:
        self._draws = draws

    @property
    def shape(self) -> tuple[int, int, int]:
        draws = self._draws
        return draws.table.shape[0], len(draws), draws.cols.shape[2]

    @property
    def dtype(self) -> np.dtype:
        return self._draws.cols.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: Any) -> FloatArray:
        """Of rows at these positions (an index array, or the first index of several)."""
        rows, *rest = wanted if isinstance(wanted, tuple) else (wanted,)
        positions = np.arange(len(self))[rows]
        flat, back = np.unique(np.atleast_1d(positions), return_inverse=True)
        out, table = np.empty((len(flat), *self.shape[1:]), self.dtype), self._draws.table
        blocks = np.searchsorted(np.array(table.facts.bounds), flat, side="right") - 1
        for number in np.unique(blocks):
            own, block = blocks == number, opened_lately(table.recipe(int(number)))
            out[own] = self._draws.drawn(block.rows.take_major(flat[own] - block.first_row), flat[own])
        chosen = out[back].reshape(*positions.shape, *self.shape[1:])
        return chosen[(slice(None), *rest)] if rest else chosen


@storable
@dataclass(frozen=True)
class MeanOfDraws:
    """Posterior means of rows."""

    draws: StoredDraws

    def rows_at(self, view: Compressed, positions: IntArray) -> FloatArray:
        """As `RowsInBlocks` asks for them; the draws of a thousand rows at a time."""
        at_once = max(1, NUMBERS_AT_ONCE // self.draws.cols[0].size)
        parts = [slice(begin, begin + at_once) for begin in range(0, len(positions), at_once)]
        everywhere = np.arange(view.n_major)
        means = [self.draws.drawn(view.take_major(everywhere[part]), positions[part]).mean(axis=1) for part in parts]
        return np.concatenate(means) if means else np.zeros((0, self.draws.cols.shape[2]), self.draws.cols.dtype)


class ColumnCollector:
    """Watcher that keeps every ``thin``-th state after ``burn_in`` sweeps, turned so that columns match the first's."""

    def __init__(self, burn_in: int, max_iter: int, thin: int, n_chains: int) -> None:
        self.burn_in, self.thin, self.n_kept = burn_in, thin, n_chains * -(-max_iter // thin)
        self._cols: FloatArray = np.empty(0)
        self._states: list[Any] = []

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        since = iteration - self.burn_in - 1
        if since < 0 or since % self.thin or not np.isfinite(result.value):
            return
        state: BlockState = result.params
        if not self._states:
            self._cols = np.empty((len(state.C), self.n_kept, state.C.shape[1]), state.C.dtype)
        k, s = state.C.shape[1] - 1, len(self._states)
        turn = np.eye(k + 1)
        if s and k:
            turn[:k, :k] = procrustes(state.C[:, :k].astype(float), self._cols[:, 0, :k].astype(float))
        self._cols[:, s] = state.C @ turn.astype(state.C.dtype)
        precision = turn.T @ state.prior_precision @ turn
        self._states.append((float(state.precision), state.prior_mean @ turn, precision))

    def __len__(self) -> int:
        return len(self._states)

    def draws(self, table: PreparedTable, seed: int, mean: float) -> StoredDraws:
        """What was kept."""
        noise, means, precisions = (np.array(part) for part in zip(*self._states, strict=True))
        cols = self._cols[:, : len(self)]
        return StoredDraws(table.folder, table.fold, seed, mean, cols, noise, means, precisions)


def fit_blocks(model: Any, table: PreparedTable, settings: SimpleNamespace, features: tuple[Any, Any]) -> Any:
    """The chains of `BayesianFactorization` over blocks; sets the learned attributes.

    Raises
    ------
    BadArgument
        For what needs the table in memory.
    """
    _refuse(settings, features)
    model.__dict__.pop("draws_", None)
    model._begin_blocks(table, settings.clip, settings.precision)
    rng, places = as_generator(settings.random_state), place(table, settings.engine)
    usual = model._usual_rank(table.n_entries) if settings.rank is None else int(settings.rank)
    model.rank_, model.rank_search_ = min(usual, *table.shape), None
    model.implicit_, model.implicit_choice_ = "none", None
    model.row_code_ = model.col_code_ = model._usual = None
    thin = _thinning(model, table, settings)
    collector = ColumnCollector(settings.burn_in, settings.max_iter, thin, settings.n_chains)
    seed, runs = int(rng.integers(2**62)), []
    for stream in rng.spawn(settings.n_chains):
        sweep, start = chain_of(places, model.mean_, model.rank_, settings.start_iter, stream)
        runs.append(model._checked_run(_run(sweep, start, collector, settings), collector, start.C.dtype))
    model.__dict__.update(_learned(collector.draws(table, seed, model.mean_), table))
    model.run_, model.n_iter_ = runs[0].record(), runs[0].n_iter
    model.r_hat_ = potential_scale_reduction(model.draws_, settings.n_chains)
    tell_of_chains(model)
    return model


def _run(sweep: Any, start: BlockState, collector: ColumnCollector, settings: SimpleNamespace) -> Run:
    return loop(sweep, start, max_iter=settings.burn_in + settings.max_iter, watchers=[collector])


def _refuse(settings: SimpleNamespace, features: tuple[Any, Any]) -> None:
    way_out = "fit table.load() if it fits into memory"
    if settings.family != "gaussian":
        raise BadArgument("family", settings.family, "'gaussian' for a prepared table", way_out)
    if isinstance(settings.rank, str):
        raise BadArgument("rank", settings.rank, "a whole number for a prepared table", way_out)
    if settings.implicit not in ("auto", "none"):
        raise BadArgument("implicit", settings.implicit, "'auto' or 'none' (the same) for a prepared table", way_out)
    if settings.noise == "row":
        raise BadArgument("noise", "row", "'auto' or 'equal' (the same) for a prepared table", way_out)
    for name, given in zip(("row_features", "col_features"), features, strict=True):
        if given is not None:
            raise BadArgument(name, type(given).__name__, "None for a prepared table", way_out)


def _thinning(model: Any, table: PreparedTable, settings: SimpleNamespace) -> int:
    """Every how many sweeps a draw of the columns is kept, so that all fit into the budget."""
    of_one = table.shape[1] * (model.rank_ + 1) * table.dtype.itemsize
    memory = max(AUTO_MEMORY, 2 * settings.n_chains * of_one / MEBIBYTE)
    memory = memory if isinstance(settings.memory, str) else settings.memory
    fitting = int(memory * MEBIBYTE // of_one)
    if fitting < 2:
        needed = f"at least {np.ceil(2 * of_one / MEBIBYTE):g} (MiB), for two draws of the columns"
        raise BadArgument("memory", settings.memory, needed, "Or lower the rank.")
    return -(-settings.max_iter // min(max(fitting // settings.n_chains, 1), settings.max_iter))


def _learned(draws: StoredDraws, table: PreparedTable) -> dict[str, Any]:
    cols = draws.cols.mean(axis=1)
    visit = MeanOfDraws(draws)
    factors, bias = (RowsInBlocks.of(table, visit, cols, part) for part in ("factors", "bias"))
    return {
        "draws_": draws,
        "row_factors_": factors,
        "row_bias_": bias,
        "stored_rows_": factors,
        "col_factors_": np.ascontiguousarray(cols[:, :-1]),
        "col_bias_": cols[:, -1].copy(),
        "noise_sd_": float(np.sqrt(np.mean(1.0 / draws.noise))),
    }
