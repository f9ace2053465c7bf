"""The rank that ``rank="auto"`` takes: a first guess by gradient descent, then a short climb on held-out entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.checks import check_scale
from halfseen.data.spread import weighted_mean
from halfseen.data.storable import storable
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import get_loss
from halfseen.select.held_out import clustered_error, entry_deviances
from halfseen.select.rules import TIE
from halfseen.solvers.alternating import fit_biases
from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.rank_detector import detect_rank

# Columns of the descent that looks for the first guess, its iterations, and the largest rank that the climb tries.
DETECTOR_RANK, DETECTOR_ITERATIONS, LARGEST_RANK = 10, 300, 128
SHARE = 0.1
# Up to here the ranks between the best one and the next lower one tried are looked into.
REFINED_UP_TO = 16
# As if each row had five and each column two further entries at the mean: what predicts 1-to-5 ratings best.
BIAS_PENALTIES = (5.0, 2.0)

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
        Their mean deviances on held-out entries (gaussian: mean squared errors).
    standard_errors : ndarray
        Of the losses' differences to the least one, paired by entry and clustered by row; nan where a loss is not
        finite.
    rule : {"tie", "one_se"}
        The smallest rank whose loss is within 0.1 % of the least one, or within one standard error of the difference.
    """

    rank: int
    detected: int
    ranks: IntArray
    losses: FloatArray
    standard_errors: FloatArray
    rule: str


@dataclass(frozen=True)
class Climb:
    """Sweep: judge one further rank; ends at a best rank between worse ones, or at the ends of what is allowed.

    First come the detected rank and its neighbours, then twice the best rank as long as the largest one tried is
    best, half of it as long as the smallest one is; then the middles between a best rank up to 16 and its
    neighbours among those tried.

    Attributes
    ----------
    judge : callable
        ``judge(rank)`` is the held-out loss.
    detected, largest : int
    smallest : int
    """

    judge: Callable[[int], float]
    detected: int
    largest: int
    smallest: int = 0

    def __call__(self, tried: Tried) -> SweepResult:
        rank = self.next(tried)
        if rank is None:
            return SweepResult(tried, dict(tried)[best_of(tried)], work=0.0, reason="exact")
        extended = (*tried, (rank, self.judge(rank)))
        return SweepResult(extended, dict(extended)[best_of(extended)])

    def next(self, tried: Tried) -> int | None:
        """The rank to try next."""
        known = {rank for rank, _ in tried}
        for rank in (self.detected, self.detected - 1, self.detected + 1):
            if rank not in known and self.smallest <= rank <= self.largest:
                return rank
        best = best_of(tried)
        if best == max(known) and best < self.largest:
            return min(2 * best, self.largest) if best else 1
        if best == min(known) and best > self.smallest:
            return max(best // 2, self.smallest)
        below = max((rank for rank in known if rank < best), default=best)
        above = min((rank for rank in known if rank > best), default=best)
        if best <= REFINED_UP_TO and best - below > 1:
            return (below + best) // 2
        if best <= REFINED_UP_TO and above - best > 1:
            return (best + above) // 2
        return None


def best_of(tried: Tried) -> int:
    """The smallest rank whose loss is within a tie of the least."""
    least = min(loss for _, loss in tried)
    return min((rank for rank, loss in tried if loss <= least + TIE * abs(least)), default=tried[0][0])


def settled_rank(
    model: Any, observed: Observed, rng: np.random.Generator, *, rule: str = "one_se", smallest: int = 0, **changes: Any
) -> tuple[int, RankSearch | None]:
    """The rank that a model is to use: the given one, or with ``rank="auto"`` the one that predicts best.

    Parameters
    ----------
    model : estimator with parameters ``rank`` and ``random_state``
        Is not changed.
    observed : Observed
    rng : Generator
        Is not used where a rank is given.
    rule, smallest, **changes
        As in :func:`automatic_rank`.

    Returns
    -------
    (int, RankSearch or None)
        The rank, cut to the shorter side of the table, and how it was found.
    """
    if not isinstance(model.rank, str):
        return min(int(model.rank), *observed.shape), None
    search = automatic_rank(model, observed, rng, rule=rule, smallest=smallest, **changes)
    return search.rank, search


def automatic_rank(
    model: Any, observed: Observed, rng: np.random.Generator, *, rule: str = "one_se", smallest: int = 0, **changes: Any
) -> RankSearch:
    """Find the rank at which a model predicts held-out entries best.

    Parameters
    ----------
    model : estimator with parameters ``rank`` and ``random_state``
        Any family; candidates are copies of it, all with one seed, without its callbacks.
    observed : Observed
    rng : Generator
        Draws the held-out entries, the start of the descent and the seed of the candidates.
    rule : {"one_se", "tie"}
        The smallest rank tried whose loss is within one standard error (of the paired difference) of the least one;
        or within 0.1 % of it, which predicts best where a penalty makes further factors harmless.
    smallest : int
        Smallest rank that the model allows.
    **changes
        Parameters of the candidates that differ from the model's.

    Returns
    -------
    RankSearch

    Notes
    -----
    One descent of at most 300 gradient passes over the residuals of row and column biases, then three fits where
    the detected rank is right, some six where singular values fall slowly (ratings). Source: Jiang, Chen and Ding
    (2022) for the order in which descent learns components.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) + 0.3 * rng.normal(size=(60, 40))
    >>> search = automatic_rank(hs.AlternatingLeastSquares(), hs.Observed.from_dense(table), rng)
    >>> search.rank, search.detected
    (2, 2)
    """
    check_scale(observed.values)
    search_rng, seed_rng = rng.spawn(2)
    changes |= {"random_state": int(seed_rng.integers(2**31))}
    largest = max(min(LARGEST_RANK, *observed.shape), smallest)
    try:
        train, test = observed.split(SHARE, search_rng, keep_covered=True)
        guess = detected_rank(train, search_rng, getattr(model, "engine", None))
    except ValueError:  # no entry can be spared: nothing to judge a rank by
        unknown = np.full(1, np.nan)
        return RankSearch(smallest, 0, np.array([smallest]), unknown, unknown, rule)

    def deviances(rank: int) -> FloatArray:
        candidate = without_callbacks(clone(model).set_params(rank=rank, **changes)).fit(train)
        return entry_deviances(candidate, test)

    return climbed_rank(deviances, test.rows, guess, (smallest, largest), rule)


def climbed_rank(
    deviances: Callable[[int], FloatArray], rows: IntArray, guess: int, bounds: tuple[int, int], rule: str
) -> RankSearch:
    """Climb from a guess to the rank at which held-out entries are predicted best.

    Parameters
    ----------
    deviances : callable
        ``deviances(rank)`` gives the deviance of every held-out entry.
    rows : int array (n_entries,)
        Rows of these entries.
    guess : int
    bounds : (int, int)
        Smallest and largest rank allowed.
    rule : {"one_se", "tie"}
    """
    judged: dict[int, FloatArray] = {}

    def judge(rank: int) -> float:
        judged[rank] = deviances(rank)
        return float(np.mean(judged[rank]))

    smallest, largest = bounds
    climb = Climb(judge, min(max(guess, smallest), largest), largest, smallest)
    tried = loop(climb, (), max_iter=3 + 4 * int(np.ceil(np.log2(largest + 1)))).params
    return chosen_rank(tried, judged, rows, guess, rule)


def chosen_rank(tried: Tried, judged: dict[int, FloatArray], rows: IntArray, guess: int, rule: str) -> RankSearch:
    """The outcome of a climb: the smallest rank as good as the best one."""
    ranks, losses = (np.array(part) for part in zip(*sorted(tried), strict=True))
    best = judged[int(ranks[np.argmin(losses)])]
    with np.errstate(invalid="ignore"):  # infinite losses have no error
        errors = np.array([clustered_error([(judged[int(rank)] - best, rows)]) for rank in ranks])
    rank = best_of(tried)
    if rule == "one_se":
        near = losses <= np.min(losses) + np.maximum(np.nan_to_num(errors), TIE * abs(np.min(losses)))
        rank = int(ranks[np.argmax(near)])
    return RankSearch(rank, guess, ranks, losses, errors, rule)


def without_callbacks(model: Any) -> Any:
    """A candidate is no fit that anyone watches."""
    return model.set_callbacks() if hasattr(model, "_skl_callbacks") else model


def detected_rank(table: Observed, rng: np.random.Generator, engine: str | Engine | None) -> int:
    """The descent's guess for the residuals of row and column biases."""
    mean = weighted_mean(table)
    run = fit_biases(EntryPasses(table, get_loss("gaussian"), engine), mean, BIAS_PENALTIES, 100, 1e-6)
    rows, cols = (part[:, 0] for part in run.params)
    fitted = mean + rows[table.rows] + cols[table.cols]
    rest = table.with_values((table.values - fitted).astype(table.dtype))
    if not np.any(rest.values):
        return 0
    return detect_rank(rest, DETECTOR_RANK, DETECTOR_ITERATIONS, SHARE, random_state=rng, engine=engine).rank
