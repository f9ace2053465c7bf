"""One sweep of the Bayesian model: columns, rows, scale, and now and then a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.methods.heterogeneous.posterior.cells import packed, triangle
from halfseen.methods.heterogeneous.posterior.columns import SPARSE_FROM, Misfit, RowMoments, column_step, shrunk_noise
from halfseen.methods.heterogeneous.posterior.families import Given, Working
from halfseen.methods.heterogeneous.posterior.rotation import turned_to_few
from halfseen.methods.heterogeneous.posterior.rows import row_step, unit_scores
from halfseen.methods.heterogeneous.posterior.settings import PosteriorSettings
from halfseen.methods.heterogeneous.posterior.state import PosteriorState, SourceLoadings
from halfseen.solvers.loop import SweepResult

# Blocks are dropped from this sweep on: before it, factors are still sorting themselves out.
DROP_FROM = 20
# A factor whose variance in a source is below this share of what one column can see of it is none.
DROP_SHARE = 0.01
# Turns are looked for every so many sweeps, up to a last one.
TURN_EVERY, TURN_UNTIL = 5, 150
LEAST_SWEEPS = 25
# Changes of predictions, in units of a source's scale: rounding at seen cells, and of Gram matrices over all cells.
ROUNDING, GRAM_ROUNDING = 1e-14, 1e-7
# Free factors of tables without noise settle slowly: a millionth of the data's standard deviation is near enough.
FREE_ROUNDING = 1e-6


def cell_variance(given: Given, rows: RowMoments, loadings: SourceLoadings) -> FloatArray:
    r"""Posterior variance of the predictor at every seen cell.

    .. math:: v_j^\top C_i v_j + x_i^\top C_j x_i + \langle C_i, C_j\rangle
    """
    k = rows.mean.shape[1]
    doubled, inner = triangle(1 + k)[2], triangle(k)[2]
    V = loadings.mean[:, 1:]
    left = np.hstack([packed(rows.design), packed(rows.cov)])
    second = packed(V) + packed(loadings.cov[:, 1:, 1:])
    return given.cells.products(left, np.hstack([packed(loadings.cov) * doubled, second * inner]))


@dataclass
class PosteriorSweep:
    """Sweep: every source's columns, noise and ridges given the rows; then all rows; then their scale.

    Parameters
    ----------
    given : sequence of Given
    settings : PosteriorSettings
    factors, powers : sequences
        Precision of the rows and power of the likelihood of every source, before row noise.
    is_free : bool
        Common factors may leave sources, and are turned to do so.
    engine : Engine

    Notes
    -----
    O(entries k^2 + (n + p) k^3) per source and sweep; memory O(entries + (n + p) k^2). Source: variational Bayes for
    group factor analysis (Virtanen, Klami, Khan, Kaski, 2012), with a noise variance per column.
    """

    given: Sequence[Given]
    settings: PosteriorSettings
    factors: Sequence[FloatArray]
    powers: Sequence[float]
    is_free: bool
    engine: Engine

    def __call__(self, state: PosteriorState) -> SweepResult:
        before = state
        state, misfits = self.columns_moved(state)
        if self.settings.row_noise:
            state = replace(state, loadings=tuple(self.engine.map(self._row_noise, self._items(state, misfits))))
        if state.sweep > DROP_FROM:
            state = self.dropped(state)
        state = self.rows_moved(state)
        if any(source.family.moves for source in self.given):
            state = replace(state, working=tuple(self.engine.map(self._working, self._items(state, misfits))))
        is_single = self.settings.sparse_loadings is not None and state.sweep >= SPARSE_FROM
        is_due = state.sweep % TURN_EVERY == TURN_EVERY - 1 and state.sweep < TURN_UNTIL
        if is_due and (self.is_free or is_single):
            state = turned_to_few(state, is_single)
        state = replace(state, sweep=state.sweep + 1, linear=tuple(misfit.linear for misfit in misfits))
        reason = "change" if self.is_settled(before, state) else None
        return SweepResult(state, sum(misfit.value for misfit in misfits), work=3.0, reason=reason)

    def columns_moved(self, state: PosteriorState) -> tuple[PosteriorState, list[Misfit]]:
        """Loadings, noise and ridges of all sources."""

        def step(place: int) -> tuple[SourceLoadings, Misfit]:
            loadings, rows = state.loadings[place], self.rows(state, place)
            given, working = self.given[place], state.working[place]
            return column_step(given, working, rows, loadings, self.settings, state.sweep)

        done = list(self.engine.map(step, range(len(self.given))))
        return replace(state, loadings=tuple(columns for columns, _ in done)), [misfit for _, misfit in done]

    def rows_moved(self, state: PosteriorState) -> PosteriorState:
        """Scores, and their scale."""
        factors = [
            power * factor / columns.row_noise
            for power, factor, columns in zip(self.powers, self.factors, state.loadings, strict=True)
        ]
        R = state.scores.mean.shape[1]
        scores = row_step(self.given, state.working, state.loadings, factors, R, self.engine)
        scores, loadings = unit_scores(scores, state.loadings)
        return replace(state, scores=scores, loadings=loadings)

    def rows(self, state: PosteriorState, place: int) -> RowMoments:
        """Moments of the scores that a source takes part in."""
        loadings = state.loadings[place]
        mean, cov = state.scores.of(place, loadings.active)
        return RowMoments(mean, cov, self.factors[place] / loadings.row_noise, self.powers[place])

    def dropped(self, state: PosteriorState) -> PosteriorState:
        """Without the factors that a source's columns cannot see, and those that no source is left with."""
        loadings, scores = [], state.scores
        for place, columns in enumerate(state.loadings):
            weight = state.working[place].weight
            told = float(self.given[place].cells.col_sums(weight).mean())
            least = DROP_SHARE * float(np.median(columns.noise)) / max(told, 1e-300)
            kept = np.flatnonzero(1.0 / columns.precision >= least)
            a = len(columns.active)
            if len(kept) - np.count_nonzero(kept < a) < columns.own_rank:
                scores = scores.keep_own(place, kept[kept >= a] - a)
            loadings.append(columns if len(kept) == len(columns.precision) else columns.keep(kept))
        return without_empty(replace(state, scores=scores, loadings=tuple(loadings)))

    def is_settled(self, before: PosteriorState, now: PosteriorState) -> bool:
        """Whether no source's predictions move any more, at its cells and elsewhere."""
        is_turning = now.is_turning and now.sweep < TURN_UNTIL  # after the last look nobody turns any more
        if now.sweep < LEAST_SWEEPS or is_turning or not before.linear:
            return False
        least = FREE_ROUNDING if self.is_free else ROUNDING
        for place, given in enumerate(self.given):
            noise = float(np.sqrt(np.mean(now.loadings[place].noise)))
            count = max(float(given.cells.counts.sum()), 1.0)
            moved = np.sqrt(float(np.sum(np.square(now.linear[place] - before.linear[place]))) / count)
            if moved > max(self.settings.tol * noise, least):
                return False
            if change(before, now, place) > max(self.settings.tol * noise, GRAM_ROUNDING, least):
                return False
        return True

    def _items(self, state: PosteriorState, misfits: list[Misfit]) -> list[tuple[int, PosteriorState, Misfit]]:
        return [(place, state, misfit) for place, misfit in enumerate(misfits)]

    def _working(self, item: tuple[int, PosteriorState, Misfit]) -> Working:
        place, state, _ = item
        given, loadings = self.given[place], state.loadings[place]
        if not given.family.moves:
            return state.working[place]
        rows = self.rows(state, place)
        linear = given.cells.products(rows.design, loadings.mean)
        return given.working(linear, cell_variance(given, rows, loadings), loadings.noise)

    def _row_noise(self, item: tuple[int, PosteriorState, Misfit]) -> SourceLoadings:
        """The source with factors of the noise variance of its rows, of geometric mean 1."""
        place, state, misfit = item
        given, loadings, working = self.given[place], state.loadings[place], state.working[place]
        if not given.family.has_noise:
            return loadings
        weight = working.weight if working.damp is None else working.weight * working.damp
        squares = np.square(misfit.residual) + cell_variance(given, self.rows(state, place), loadings)
        q = given.cells.row_sums(weight * squares * given.cells.of_cols(1.0 / loadings.noise)) * self.factors[place]
        noise, (_, centre) = shrunk_noise(q, given.cells.row_counts)
        return replace(loadings, row_noise=np.where(given.cells.row_counts > 0, noise / centre, 1.0))


def without_empty(state: PosteriorState) -> PosteriorState:
    """Without the common factors that no source takes part in."""
    R = state.scores.mean.shape[1]
    alive = np.zeros(R, dtype=bool)
    for columns in state.loadings:
        alive[columns.active] = True
    if alive.all():
        return state
    fresh = np.cumsum(alive) - 1
    loadings = tuple(replace(columns, active=fresh[columns.active]) for columns in state.loadings)
    return replace(state, scores=state.scores.keep(np.flatnonzero(alive)), loadings=loadings)


def change(before: PosteriorState, now: PosteriorState, place: int) -> float:
    """Root mean square by which a source's predictions moved, over all cells, from Gram matrices alone."""

    def parts(state: PosteriorState) -> tuple[FloatArray, FloatArray]:
        loadings, scores = state.loadings[place], state.scores
        mean = np.hstack([scores.mean[:, loadings.active], scores.own[place].mean])
        return np.hstack([np.ones((len(mean), 1)), mean]), loadings.mean

    (X, W), (Y, Z) = parts(before), parts(now)
    old, new = float(np.sum((X.T @ X) * (W.T @ W))), float(np.sum((Y.T @ Y) * (Z.T @ Z)))
    both = float(np.sum((X.T @ Y) * (W.T @ Z)))
    return float(np.sqrt(max(old + new - 2.0 * both, 0.0) / (len(X) * len(W))))
