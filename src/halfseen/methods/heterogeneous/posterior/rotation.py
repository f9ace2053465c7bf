"""Turns of the common factors: towards factors that few sources take part in, and to principal axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.heterogeneous.posterior.state import PosteriorState, SampleScores, SourceLoadings
from halfseen.solvers.loop import SweepResult, loop

ANGLES = np.linspace(0.0, np.pi, 91)[:-1]
# What the squares and the product of a pair count for in the first of the turned two, by angle.
SHARES = np.array([np.cos(ANGLES) ** 2, np.sin(ANGLES) ** 2, np.sin(2.0 * ANGLES)])
# Rounds over all pairs at one look; further ones follow at the next look.
MOST_ROUNDS = 3
# Loadings below this share of the mean size count as this large, so that empty pairs do not turn for ever.
FLOOR = 1e-6
LEAST_GAIN = 1e-9
# The same for single loadings: what is below a hundredth of the mean square is nothing.
SINGLE_FLOOR = 0.01


def spread_out(loadings: SourceLoadings, R: int) -> SourceLoadings:
    """The same loadings with a place (of zeros, and an endless ridge) for every common factor."""
    a = len(loadings.active)
    place = np.concatenate([[0], 1 + loadings.active, 1 + R + np.arange(loadings.own_rank)])
    size = 1 + R + loadings.own_rank
    p = len(loadings.mean)
    mean, cov = np.zeros((p, size)), np.zeros((p, size, size))
    mean[:, place] = loadings.mean
    cov[:, place[:, None], place] = loadings.cov
    precision = np.concatenate([np.full(R, np.inf), loadings.precision[a:]])
    precision[loadings.active] = loadings.precision[:a]
    pieces: dict[str, Any] = {}
    for name in ("local", "inclusion"):
        numbers = getattr(loadings, name)
        if numbers is not None:
            wide = np.ones((p, size - 1))
            wide[:, place[1:] - 1] = numbers
            pieces[name] = wide
    return replace(loadings, mean=mean, cov=cov, active=np.arange(R), precision=precision, **pieces)


def column_moments(loadings: SourceLoadings, R: int) -> FloatArray:
    """``E[v v']`` of every column on the common factors, (p, R, R)."""
    wide = spread_out(loadings, R)
    V = wide.mean[:, 1 : 1 + R]
    return V[:, :, None] * V[:, None, :] + wide.cov[:, 1 : 1 + R, 1 : 1 + R]


def second_moments(loadings: SourceLoadings, R: int) -> FloatArray:
    """``sum_j E[v v']`` of the common factors, (R, R)."""
    wide = spread_out(loadings, R)
    V = wide.mean[:, 1 : 1 + R]
    return V.T @ V + wide.cov[:, 1 : 1 + R, 1 : 1 + R].sum(axis=0)


@dataclass(frozen=True)
class PairTurns:
    r"""Sweep: every pair of factors by the angle with the least :math:`\sum_s p_s \sum_k \log G_{s,kk}`.

    Parameters
    ----------
    widths : ndarray (N,)
        :math:`p_s`.
    floor : ndarray (N,)
        Added to every :math:`G_{s,kk}`.
    """

    widths: FloatArray
    floor: FloatArray

    def __call__(self, params: tuple[FloatArray, FloatArray]) -> SweepResult:
        G, turn = params[0].copy(), params[1].copy()
        turned = 0
        for k, m in combinations(range(G.shape[1]), 2):
            T = self.best(G[:, k, k], G[:, m, m], G[:, k, m])
            if T is None:
                continue
            turned += 1
            pair = [k, m]
            G[:, :, pair] = G[:, :, pair] @ T
            G[:, pair, :] = T.T @ G[:, pair, :]
            turn[:, pair] = turn[:, pair] @ T
        return SweepResult((G, turn), float(turned), reason=None if turned else "exact")

    def best(self, left: FloatArray, right: FloatArray, cross: FloatArray) -> FloatArray | None:
        """The turn of a pair, or None where it stands best as it is."""
        first = np.stack([left, right, cross], axis=1) @ SHARES
        second = (left + right)[:, None] - first
        eps = self.floor[:, None]
        value = self.widths @ np.log((np.maximum(first, 0.0) + eps) * (np.maximum(second, 0.0) + eps))
        q = int(np.argmin(value))
        if not q or value[q] >= value[0] - LEAST_GAIN * max(1.0, abs(value[0])):
            return None
        c, s = np.cos(ANGLES[q]), np.sin(ANGLES[q])
        return np.array([[c, -s], [s, c]])


def turned_to_few(state: PosteriorState, is_single: bool = False) -> PosteriorState:
    """Common factors turned so that as few sources as possible take part in each; dropped blocks may come back.

    Parameters
    ----------
    is_single : bool
        As few columns as possible, each for itself: for loadings that are shrunk one by one.
    """
    R = state.scores.mean.shape[1]
    if R < 2:
        return replace(state, is_turning=False)
    if is_single:
        G = np.concatenate([column_moments(columns, R) for columns in state.loadings])
        size = [
            np.full(len(columns.mean), columns.size[: len(columns.active)].sum() / len(columns.mean))
            for columns in state.loadings
        ]
        widths, floor = np.ones(len(G)), SINGLE_FLOOR * np.concatenate(size) / R + 1e-12
    else:
        G = np.array([second_moments(columns, R) for columns in state.loadings])
        widths = np.array([float(len(columns.mean)) for columns in state.loadings])
        floor = FLOOR * np.einsum("skk->s", G) / R + 1e-12
    run = loop(PairTurns(widths, floor), (G, np.eye(R)), max_iter=MOST_ROUNDS)
    turn = run.params[1]
    if np.array_equal(turn, np.eye(R)):
        return replace(state, is_turning=False)
    return replace(turned_by(state, turn), is_turning=True)


def turned_by(state: PosteriorState, turn: FloatArray) -> PosteriorState:
    """The same fit in other axes of the common factors; ridges follow the turned loadings."""
    R = len(turn)
    loadings = tuple(turned_loadings(columns, turn, np.arange(R)) for columns in state.loadings)
    return replace(state, scores=state.scores.turned(turn), loadings=loadings)


def turned_loadings(loadings: SourceLoadings, turn: FloatArray, kept: IntArray) -> SourceLoadings:
    """Loadings of one source in turned axes, on the common factors ``kept`` that are not 0."""
    R = len(turn)
    wide = spread_out(loadings, R)
    whole = np.eye(wide.mean.shape[1])
    whole[1 : 1 + R, 1 : 1 + R] = turn
    mean, cov = wide.mean @ whole, whole.T @ wide.cov @ whole
    local = None if wide.local is None else np.ones_like(wide.local)
    fresh = replace(wide, mean=mean, cov=cov, local=local, inclusion=None)
    size = fresh.size
    own = np.arange(R, len(size))
    # what stays empty keeps an endless ridge: it is left out again
    filled = np.concatenate([kept[size[kept] > 1e-9 * max(size[:R].max(initial=0.0), 1e-300)], own])
    precision = len(mean) / np.maximum(size, 1e-300)
    precision[R:] = loadings.precision[len(loadings.active) :]
    return replace(fresh, precision=precision).keep(filled)


def principal_axes(state: PosteriorState, groups: list[IntArray]) -> PosteriorState:
    """Factors of one group (the same sources take part) turned to the principal axes of their loadings.

    Parameters
    ----------
    groups : list of int arrays
        Positions of common factors; together all of them, each once.

    Returns
    -------
    PosteriorState
        Factors of every group in the order of falling size.
    """
    R = state.scores.mean.shape[1]
    G = sum((weighted_moments(columns, R) for columns in state.loadings), np.zeros((R, R)))
    turn = np.eye(R)
    for group in groups:
        turn[np.ix_(group, group)] = np.linalg.eigh(G[np.ix_(group, group)])[1][:, ::-1]
    active = [columns.active for columns in state.loadings]
    loadings = tuple(turned_loadings(columns, turn, kept) for columns, kept in zip(state.loadings, active, strict=True))
    scores = state.scores.turned(turn)
    for place, columns in enumerate(loadings):
        if columns.own_rank:
            scores, fresh = own_axes(scores, place, columns)
            loadings = (*loadings[:place], fresh, *loadings[place + 1 :])
    return replace(state, scores=scores, loadings=loadings)


def weighted_moments(loadings: SourceLoadings, R: int) -> FloatArray:
    """``sum_j E[v v'] / sigma2_j``, (R, R): what the factors explain, in units of the noise."""
    scale = np.sqrt(np.median(loadings.noise) / loadings.noise)
    mean, cov = loadings.mean * scale[:, None], loadings.cov * np.square(scale)[:, None, None]
    return second_moments(replace(loadings, mean=mean, cov=cov), R) / len(loadings.mean)


def own_axes(scores: SampleScores, place: int, loadings: SourceLoadings) -> tuple[SampleScores, SourceLoadings]:
    """A source's own factors in principal axes."""
    a, r = len(loadings.active), loadings.own_rank
    V = loadings.mean[:, 1 + a :]
    G = V.T @ V + loadings.cov[:, 1 + a :, 1 + a :].sum(axis=0)
    turn = np.linalg.eigh(G)[1][:, ::-1]
    whole = np.eye(1 + a + r)
    whole[1 + a :, 1 + a :] = turn
    fresh = replace(
        loadings, mean=loadings.mean @ whole, cov=whole.T @ loadings.cov @ whole, local=None, inclusion=None
    )
    precision = np.concatenate([loadings.precision[:a], len(V) / np.maximum(fresh.size[a:], 1e-300)])
    return scores.own_turned(place, turn), replace(fresh, precision=precision)
