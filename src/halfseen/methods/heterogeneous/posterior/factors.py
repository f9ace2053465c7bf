"""Finished sweeps as a description: which source takes part in which factor, and how much it explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.data import Sources
from halfseen.methods.heterogeneous.posterior.families import Given
from halfseen.methods.heterogeneous.posterior.result import SourceFit, SourcesPosterior
from halfseen.methods.heterogeneous.posterior.rotation import principal_axes
from halfseen.methods.heterogeneous.posterior.state import PosteriorState, SourceLoadings
from halfseen.methods.heterogeneous.posterior.sweeps import PosteriorSweep
from halfseen.methods.heterogeneous.posterior.widening import row_widening, widened
from halfseen.solvers.loop import Run

# A source takes part in a factor that explains at least this share of its variance about the column means.
LEAST_SHARE = 0.01


def described(
    sources: Sources, given: Sequence[Given], state: PosteriorState, sweep: PosteriorSweep, run: Run
) -> SourcesPosterior:
    """The posterior in principal axes, factors in the order shared, partly shared, unique."""
    if sweep.settings.sparse_loadings is None:  # else the shrinkage of single loadings has chosen the axes
        first = common_activity(explained(given, state, sweep), state)
        state = principal_axes(state, groups_of(first))
    shares = explained(given, state, sweep)
    order = common_order(common_activity(shares, state), shares, state.scores.mean.shape[1])
    state = reordered(state, order)
    shares = explained(given, state, sweep)
    activity = takes_part(shares, state)
    state = with_widening(given, state, sweep)
    fits = tuple(
        SourceFit(source.level, source.scale, source.family, loadings, source.cells.counts, source.offset, source.unit)
        for source, loadings in zip(given, state.loadings, strict=True)
    )
    state = replace(state, loadings=())
    return SourcesPosterior(
        tuple(sources.names), fits, state.scores, activity, shares, tuple(names_of(activity, sources.names)),
        run.record(), tuple(float(power) for power in sweep.powers),
    )  # fmt: skip


def with_widening(given: Sequence[Given], state: PosteriorState, sweep: PosteriorSweep) -> PosteriorState:
    """The state with the factors by which its intervals are widened."""
    loadings, parts = [], []
    for place, source in enumerate(given):
        fresh, part = widened(source, state.working[place], sweep.rows(state, place), state.loadings[place])
        loadings.append(fresh)
        parts.append(part)
    return replace(state, scores=replace(state.scores, widening=row_widening(parts)), loadings=tuple(loadings))


def explained(given: Sequence[Given], state: PosteriorState, sweep: PosteriorSweep) -> FloatArray:
    """R^2 of every factor (lines: sources; columns: common factors, then own ones of each source), noise-weighted."""
    R = state.scores.mean.shape[1]
    own = [columns.own_rank for columns in state.loadings]
    starts = R + np.concatenate([[0], np.cumsum(own)]).astype(int)
    shares = np.zeros((len(given), int(starts[-1])))
    for place, (source, loadings) in enumerate(zip(given, state.loadings, strict=True)):
        explained_shares = source_shares(source, loadings, state, sweep, place)
        a = len(loadings.active)
        shares[place, loadings.active] = explained_shares[:a]
        shares[place, starts[place] : starts[place + 1]] = explained_shares[a:]
    return shares


def source_shares(
    given: Given, loadings: SourceLoadings, state: PosteriorState, sweep: PosteriorSweep, place: int
) -> FloatArray:
    r""":math:`1 - \sum w (y - \mu - u_k v_k)^2 / \sum w (y - \mu)^2` of each factor, weights over noise."""
    cells, working = given.cells, state.working[place]
    mean = np.hstack([state.scores.mean[:, loadings.active], state.scores.own[place].mean])
    safe = np.where(working.weight > 0, working.weight, 1.0)
    weight = working.weight * cells.of_cols(1.0 / loadings.noise)
    rest = working.target / safe - cells.of_cols(loadings.mean[:, 0])
    if given.is_flat:
        return np.zeros(mean.shape[1])
    total = float(np.sum(weight * np.square(rest)))
    left = [
        float(np.sum(weight * np.square(rest - cells.products(mean[:, [k]], loadings.mean[:, [1 + k]]))))
        for k in range(mean.shape[1])
    ]
    return 1.0 - np.array(left) / max(total, 1e-300)


def takes_part(shares: FloatArray, state: PosteriorState) -> BoolArray:
    """Activity (factor x source)."""
    activity = shares.T > LEAST_SHARE
    R = state.scores.mean.shape[1]
    for place, columns in enumerate(state.loadings):
        is_in = np.zeros(R, dtype=bool)
        is_in[columns.active] = True
        activity[:R, place] &= is_in
    return activity


def common_activity(shares: FloatArray, state: PosteriorState) -> BoolArray:
    return takes_part(shares, state)[: state.scores.mean.shape[1]]


def groups_of(activity: BoolArray) -> list[IntArray]:
    """Positions of factors in which the same sources take part."""
    _, group = np.unique(activity, axis=0, return_inverse=True)
    return [np.flatnonzero(group.ravel() == g) for g in range(int(group.max(initial=-1)) + 1)]


def common_order(activity: BoolArray, shares: FloatArray, R: int) -> IntArray:
    """Common factors: most sources first, then in the order of these, then by the share they explain."""
    size = shares[:, :R].sum(axis=0)
    count = activity.sum(axis=1)
    return np.lexsort((-size, *reversed([-is_in.astype(int) for is_in in activity.T]), -count))


def reordered(state: PosteriorState, order: IntArray) -> PosteriorState:
    """Common factors in another order, each signed so that its loadings have a positive sum."""
    place_of = np.argsort(order)
    total = np.zeros(len(order))
    loadings = []
    for columns in state.loadings:
        positions = place_of[columns.active]
        sort = np.argsort(positions)
        a = len(sort)
        whole = np.concatenate([sort, a + np.arange(columns.own_rank)])
        fresh = replace(columns, active=columns.active[sort]).keep_order(whole)
        loadings.append(replace(fresh, active=positions[sort]))
        total[loadings[-1].active] += fresh.mean[:, 1 : 1 + a].sum(axis=0)
    sign = np.where(total < 0, -1.0, 1.0)
    scores = state.scores.keep(order).turned(np.diag(sign))
    signed = []
    for place, columns in enumerate(loadings):
        a = len(columns.active)
        own = np.where(columns.mean[:, 1 + a :].sum(axis=0) < 0, -1.0, 1.0)
        scores = scores.own_turned(place, np.diag(own)) if len(own) else scores
        by = np.concatenate([[1.0], sign[columns.active], own])
        signed.append(replace(columns, mean=columns.mean * by, cov=columns.cov * (by[:, None] * by)))
    return replace(state, scores=scores, loadings=tuple(signed))


def names_of(activity: BoolArray, names: Sequence[str]) -> list[str]:
    """Names of factors after the sources that take part.

    Examples
    --------
    >>> names_of(np.array([[True, True], [True, False], [True, False]]), ["a", "b"])
    ['shared 1', 'a 1', 'a 2']
    """
    counts: dict[str, int] = {}
    words = []
    for line in activity:
        parts = [name for name, is_in in zip(names, line, strict=True) if is_in]
        word = "faint" if not parts else "shared" if len(parts) == len(names) > 1 else "+".join(parts)
        counts[word] = counts.get(word, 0) + 1
        words.append(f"{word} {counts[word]}")
    return words
