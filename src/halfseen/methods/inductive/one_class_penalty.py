"""The penalty of a one-class table without features: of those around the usual one, what lists held-out cells best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.data import Observed
from halfseen.methods.inductive.one_class import GramSweeps
from halfseen.methods.inductive.penalties import ONE_CLASS_PENALTY
from halfseen.solvers.loop import loop

# Tried in both directions from the usual one, as long as each is better than the last.
SMALLER, LARGER = (0.01, 0.003, 0.001), (0.1, 0.3)
# The choice is the same for more factors; sweeps of the first fit, and of one that starts from the last.
RANK, FIRST_SWEEPS, SWEEPS = 16, 6, 4
# Share of the cells of some rows that are held out, and how many rows and cells of their lists are looked at.
SHARE, ROWS, CELLS = 0.2, 1000, 10_000_000
# With fewer rows that have a held-out cell there is nothing to choose by.
FEWEST = 50
AT = 20


@dataclass(frozen=True)
class HeldLists:
    """What candidates are fitted to, and the rows whose held-out cells their lists should begin with."""

    train: Observed
    rows: IntArray
    held: BoolArray
    known: BoolArray

    def gains(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """NDCG at 20 of every row."""
        scores = np.where(self.known, -np.inf, X[self.rows] @ Y.T)
        at = min(AT, scores.shape[1])
        first = np.argpartition(-scores, at - 1, axis=1)[:, :at]
        order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
        hits = np.take_along_axis(self.held, np.take_along_axis(first, order, axis=1), axis=1)
        discounts = 1.0 / np.log2(np.arange(2, at + 2))
        best = np.cumsum(discounts)[np.minimum(self.held.sum(axis=1), at) - 1]
        return np.asarray(hits @ discounts / best)


def held_lists(observed: Observed, rng: np.random.Generator) -> HeldLists | None:
    """A fifth of the cells of up to a thousand rows set aside; None where too few rows can spare any."""
    n, p = observed.shape
    i, j = observed.rows, observed.cols
    most = min(ROWS, CELLS // max(p, 1))
    able = np.flatnonzero(np.bincount(i, minlength=n) >= 2)
    if min(most, len(able)) < FEWEST:
        return None
    asked = np.zeros(n, dtype=bool)
    asked[rng.choice(able, min(most, len(able)), replace=False)] = True
    held = asked[i] & (rng.random(len(i)) < SHARE)
    rows = np.unique(i[held])
    if len(rows) < FEWEST:
        return None
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    tables = np.zeros((2, len(rows), p), dtype=bool)
    own = place[i] >= 0
    tables[held[own].astype(int), place[i[own]], j[own]] = True
    weights = None if observed.weights is None else observed.weights[~held]
    train = Observed.from_triplets(i[~held], j[~held], observed.values[~held], weights, observed.shape)
    return HeldLists(train, rows, tables[1], tables[0])


class ListedPenalties:
    """Fits at one penalty after the other, each from the last one's columns."""

    def __init__(self, lists: HeldLists, rank: int, beta: float, engine: Any, rng: np.random.Generator) -> None:
        self.lists, self.rank, self.beta, self.engine = lists, min(rank, RANK), beta, engine
        size = 0.1 / np.sqrt(self.rank)
        X, Y = ((size * rng.standard_normal((m, self.rank))).astype(lists.train.dtype) for m in lists.train.shape)
        self.start = self._fit(ONE_CLASS_PENALTY, (X, Y), FIRST_SWEEPS)

    def _fit(self, penalty: float, params: tuple[FloatArray, FloatArray], sweeps: int) -> tuple[FloatArray, FloatArray]:
        sweep = GramSweeps(self.lists.train, self.rank, self.beta, penalty, self.engine)
        run = loop(sweep, params, [], max_iter=sweeps)
        return run.params

    def best(self) -> float:
        """The usual penalty, or the last one in a direction that improves lists by more than its standard error."""
        usual = self.lists.gains(*self.start)
        for direction in (SMALLER, LARGER):
            chosen, params, last = ONE_CLASS_PENALTY, self.start, usual
            for penalty in direction:
                params = self._fit(penalty, params, SWEEPS)
                gains = self.lists.gains(*params)
                difference = gains - last
                if difference.mean() <= difference.std() / np.sqrt(len(difference)):
                    break
                chosen, last = penalty, gains
            if chosen != ONE_CLASS_PENALTY:
                return chosen
        return ONE_CLASS_PENALTY


def chosen_penalty(observed: Observed, rank: int, settings: Any, rng: np.random.Generator) -> float:
    r"""The :math:`\lambda` of `one_class`: .03, or a smaller or larger one by which held-out cells are listed better.

    Tables of a thousand rows and columns, and less, want .03; those of several thousand .01. The choice takes some 14
    sweeps with 16 factors.
    """
    lists = held_lists(observed, rng)
    return (
        ONE_CLASS_PENALTY if lists is None else ListedPenalties(lists, rank, settings.beta, settings.engine, rng).best()
    )
