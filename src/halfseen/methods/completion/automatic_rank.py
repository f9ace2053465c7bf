"""The rank of least squares, found by gradient descent and a short climb on held-out entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.spread import weighted_mean
from halfseen.data.storable import storable
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import get_loss
from halfseen.select import held_out_deviance
from halfseen.solvers.alternating import fit_biases
from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.rank_detector import detect_rank

# Columns of the descent that looks for the first guess, its iterations, and the largest rank that the climb tries.
DETECTOR_RANK, DETECTOR_ITERATIONS, LARGEST_RANK = 10, 300, 128
# Losses this close are equal and the smaller rank wins, as in select.choose_rank.
TIE = 1e-3
SHARE = 0.1
# As if each row had five and each column two further entries at the mean: what predicts 1-to-5 ratings best.
BIAS_RIDGES = (5.0, 2.0)

Tried = tuple[tuple[int, float], ...]


@storable
@dataclass(frozen=True)
class RankSearch:
    """How ``rank="auto"`` was settled.

    Attributes
    ----------
    rank : int
    detected : int
        Where gradient descent from a small start saw the singular values fall.
    ranks : ndarray
        Tried, in ascending order.
    losses : ndarray
        Their mean squared errors on held-out entries.
    """

    rank: int
    detected: int
    ranks: IntArray
    losses: FloatArray


@dataclass(frozen=True)
class Climb:
    """Sweep: judge one further rank; ends at a best rank between worse ones, or at the ends of what is allowed.

    First come the detected rank and its neighbours, then twice the best rank as long as the largest one tried is
    best, half of it as long as the smallest one is.

    Attributes
    ----------
    judge : callable
        ``judge(rank)`` is the held-out loss.
    detected, largest : int
    """

    judge: Callable[[int], float]
    detected: int
    largest: int

    def __call__(self, tried: Tried) -> SweepResult:
        rank = self.next(tried)
        if rank is None:
            return SweepResult(tried, dict(tried)[best_of(tried)], work=0.0, reason="exact")
        found = (*tried, (rank, self.judge(rank)))
        return SweepResult(found, dict(found)[best_of(found)])

    def next(self, tried: Tried) -> int | None:
        """The rank to try next."""
        known = {rank for rank, _ in tried}
        for rank in (self.detected, self.detected - 1, self.detected + 1):
            if rank not in known and 0 <= rank <= self.largest:
                return rank
        best = best_of(tried)
        if best == max(known) and best < self.largest:
            return min(2 * best, self.largest) if best else 1
        if best == min(known) and best > 0:
            return best // 2
        return None


def best_of(tried: Tried) -> int:
    """The smallest rank whose loss is within a tie of the least."""
    least = min(loss for _, loss in tried)
    return min(rank for rank, loss in tried if loss <= least * (1.0 + TIE))


def automatic_rank(
    observed: Observed,
    fitted: Callable[[int, Observed], Any],
    rng: np.random.Generator,
    engine: str | Engine | None = None,
) -> RankSearch:
    """Find the rank at which a model predicts held-out entries best.

    Parameters
    ----------
    observed : Observed
    fitted : callable
        ``fitted(rank, table)``: the model of that rank, fitted to a table.
    rng : Generator
        Draws the held-out entries and the start of the descent.
    engine : str, Engine or None

    Returns
    -------
    RankSearch

    Notes
    -----
    One descent of at most 300 gradient passes over the residuals of row and column biases, then three fits where
    the detected rank is right, some six where singular values fall slowly (ratings). Source: Jiang, Chen and Ding
    (2022) for the order in which descent learns components.
    """
    largest = min(LARGEST_RANK, *observed.shape)
    try:
        train, test = observed.split(SHARE, rng, keep_covered=True)
        guess = detected_rank(train, rng, engine)
    except ValueError:  # no entry can be spared: nothing to judge a rank by
        return RankSearch(0, 0, np.zeros(1, dtype=int), np.full(1, np.nan))
    climb = Climb(lambda rank: held_out_deviance(fitted(rank, train), test), min(guess, largest), largest)
    tried = loop(climb, (), max_iter=3 + 2 * int(np.ceil(np.log2(largest + 1)))).params
    ranks, losses = (np.array(part) for part in zip(*sorted(tried), strict=True))
    return RankSearch(best_of(tried), guess, ranks, losses)


def detected_rank(table: Observed, rng: np.random.Generator, engine: str | Engine | None) -> int:
    """The descent's guess for the residuals of row and column biases."""
    mean = weighted_mean(table)
    run = fit_biases(EntryPasses(table, get_loss("gaussian"), engine), mean, BIAS_RIDGES, 100, 1e-6)
    rows, cols = (part[:, 0] for part in run.params)
    fitted = mean + rows[table.rows] + cols[table.cols]
    rest = table.with_values((table.values - fitted).astype(table.dtype))
    if not np.any(rest.values):
        return 0
    return detect_rank(rest, DETECTOR_RANK, DETECTOR_ITERATIONS, SHARE, random_state=rng, engine=engine).rank
