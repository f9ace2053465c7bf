"""Shared and unique ranks (and a penalty), chosen on held-out entries of every source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Sources, as_sources
from halfseen.data.storable import storable
from halfseen.many import SourcesEstimator
from halfseen.parameters import BadArgument
from halfseen.select.held_out import as_frame, clustered_error
from halfseen.select.rules import TIE
from halfseen.solvers.loop import SweepResult, loop

SHARE = 0.1
# Doublings from (1, 1), then single steps: more candidates than any table of moderate rank needs.
MOST_CANDIDATES = 80

NAMES = ("shared_rank", "unique_rank")
RankPair = tuple[int, int]
TriedPairs = tuple[tuple[RankPair, float], ...]


@storable
@dataclass(frozen=True)
class SourceRanks:
    """The outcome of :func:`choose_source_ranks`, and of "auto" ranks.

    Attributes
    ----------
    shared_rank, unique_rank : int
    penalty : float or None
        None where no penalties were tried.
    tried : tuple of (shared rank, unique rank, penalty)
    losses : ndarray (n_tried,)
        Mean held-out loss over the splits; smaller is better.
    split_losses : ndarray (n_splits, n_tried)
        The same splits for all.
    standard_errors : ndarray (n_tried,) or None
        Of the losses' differences to the least one, paired by entry and clustered by row ("auto" ranks only).
    """

    shared_rank: int
    unique_rank: int
    penalty: float | None
    tried: tuple[tuple[int, int, float | None], ...]
    losses: FloatArray
    split_losses: FloatArray
    standard_errors: FloatArray | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What to set: ``model.set_params(**choice.parameters)``."""
        penalty = {} if self.penalty is None else {"penalty": self.penalty}
        return {"shared_rank": self.shared_rank, "unique_rank": self.unique_rank, **penalty}

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per candidate: shared_rank, unique_rank, penalty, loss; backend pyarrow, pandas or polars."""
        columns = {
            "shared_rank": np.array([shared for shared, _, _ in self.tried]),
            "unique_rank": np.array([unique for _, unique, _ in self.tried]),
            "penalty": np.array([np.nan if penalty is None else penalty for _, _, penalty in self.tried]),
            "loss": self.losses,
        }
        return as_frame(columns, backend)


def choose_source_ranks(
    model: SourcesEstimator,
    S: Any,
    shared_ranks: Iterable[int],
    unique_ranks: Iterable[int],
    penalties: Iterable[float] | None = None,
    held_out: float = 0.1,
    n_splits: int = 1,
    random_state: RandomState = None,
) -> SourceRanks:
    """Choose shared rank, unique rank and penalty by the loss on held-out entries of all sources.

    Parameters
    ----------
    model : estimator of many sources
        Is not changed.
    S : Sources, mapping, sequence of tables
    shared_ranks, unique_ranks : iterables of int
        All pairs that the tables can hold are tried.
    penalties : iterable of float, optional
        For models with a parameter ``penalty``.
    held_out : float
        Share of each source's entries held out.
    n_splits : int
    random_state : int, Generator or None
        Draws the splits.

    Returns
    -------
    SourceRanks
        Of candidates within 0.1 % of the smallest loss, the one with the fewest factors, then the least penalty.

    Raises
    ------
    ValueError
        If no pair of ranks fits the tables, or nothing can be held out.

    Notes
    -----
    One fit per candidate and split. Warnings of candidates are not shown: what they complain about is why they lose.

    Examples
    --------
    >>> import halfseen as hs
    >>> design = hs.datasets.SourcesDesign(noise=0.3)
    >>> data = hs.datasets.make_sources_data(6, 40, 30, 2, 1, observed=0.7, design=design, random_state=0)
    >>> model = hs.HeterogeneousFactorization(solver="als", centre=False, random_state=0)
    >>> hs.select.choose_source_ranks(model, data.sources, [1, 2, 3], [0, 1, 2], random_state=0).parameters
    {'shared_rank': 2, 'unique_rank': 1}
    """
    sources, rng = as_sources(S), as_generator(random_state)
    pairs = [
        (r1, r2) for r1, r2 in product(sorted({int(r) for r in shared_ranks}), sorted({int(r) for r in unique_ranks}))
        if min(r1, r2) >= 0 and 0 < r1 + r2 <= sources.n_rows
    ]  # fmt: skip
    if not pairs:
        raise ValueError(f"no pair of shared_ranks and unique_ranks fits {sources.n_rows} rows; give smaller ones")
    levels: list[float | None] = [None] if penalties is None else [*sorted({float(penalty) for penalty in penalties})]
    tried = tuple((r1, r2, penalty) for (r1, r2) in pairs for penalty in levels)
    losses = np.empty((n_splits, len(tried)))
    for line in losses:
        train, test = sources.split(held_out, rng)
        for place, (r1, r2, penalty) in enumerate(tried):
            given = {"shared_rank": r1, "unique_rank": r2} | ({} if penalty is None else {"penalty": penalty})
            line[place] = -fitted_quietly(model, given, train).score(test)
    means = losses.mean(axis=0)
    best = np.nanmin(means)
    near = np.flatnonzero(means <= best + TIE * abs(best))
    chosen = min(near, key=lambda place: (tried[place][0] + tried[place][1], tried[place][2] or 0.0, means[place]))
    return SourceRanks(*tried[chosen], tried, means, losses)


def fitted_quietly(model: Any, given: Mapping[str, Any], sources: Sources) -> Any:
    """A copy with other parameters, fitted; what it complains about is why it loses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return clone(model).set_params(**given).fit(sources)


def settled_source_ranks(
    model: Any, sources: Sources, rng: np.random.Generator, **changes: Any
) -> tuple[int, dict[str, int], SourceRanks | None]:
    """The shared rank and every source's unique rank that a model is to use.

    Parameters
    ----------
    model : estimator with parameters ``shared_rank`` and ``unique_rank``
        Numbers, a mapping by source for ``unique_rank``, or "auto". Is not changed.
    sources : Sources
    rng : Generator
        Is used for "auto" ranks only.
    **changes
        Parameters of the candidates of "auto" ranks that differ from the model's, such as a coarser tolerance.

    Returns
    -------
    (int, dict from source name to int, SourceRanks or None)
        Cut to what the tables can hold: the shared rank to the smallest of their shorter sides, a unique rank to what
        the shared one leaves of its table's.

    Raises
    ------
    BadArgument
        If ``unique_rank`` is a mapping without one of the sources.
    """
    shared, unique, search = model.shared_rank, model.unique_rank, None
    if isinstance(shared, str) or isinstance(unique, str):
        search = automatic_source_ranks(model, sources, rng, **changes)
        shared = search.shared_rank if isinstance(shared, str) else shared
        unique = search.unique_rank if isinstance(unique, str) else unique
    sides = {name: min(sources.n_rows, table.shape[1]) for name, table in sources.items()}
    shared = min(int(shared), *sides.values())
    by_name = dict(unique) if isinstance(unique, Mapping) else dict.fromkeys(sides, unique)
    if missing := next((name for name in sides if name not in by_name), None):
        raise BadArgument("unique_rank", unique, "a rank for every source", f"Source {missing!r} has none.")
    return shared, {name: min(int(by_name[name]), side - shared) for name, side in sides.items()}, search


@dataclass(frozen=True)
class PairClimb:
    """Sweep: judge one further pair of ranks; ends at a best pair whose neighbours are worse.

    First both "auto" ranks are doubled as long as that is best, then they move by one: up, down, and one for the other.

    Attributes
    ----------
    judge : callable
        ``judge((shared, unique))`` is the held-out loss.
    begin : (int, int)
    moves : (bool, bool)
        Which of the two ranks may move.
    largest : int
        Of their sum.
    """

    judge: Callable[[RankPair], float]
    begin: RankPair
    moves: tuple[bool, bool]
    largest: int

    def __call__(self, tried: TriedPairs) -> SweepResult:
        pair = self.next(tried)
        if pair is None:
            return SweepResult(tried, dict(tried)[best_pair(tried)], work=0.0, reason="exact")
        extended = (*tried, (pair, self.judge(pair)))
        return SweepResult(extended, dict(extended)[best_pair(extended)])

    def next(self, tried: TriedPairs) -> RankPair | None:
        """The pair to try next."""
        known = dict(tried)
        if not known:
            return self.begin
        r1, r2 = best_pair(tried)
        shared_moves, unique_moves = self.moves
        doubled = (r1 * 2 if shared_moves else r1, r2 * 2 if unique_moves else r2)
        near = [(r1 + 1, r2), (r1, r2 + 1), (r1 - 1, r2), (r1, r2 - 1), (r1 + 1, r2 - 1), (r1 - 1, r2 + 1)]
        still = [pair for pair in near if (shared_moves or pair[0] == r1) and (unique_moves or pair[1] == r2)]
        for pair in [doubled] * ((r1, r2) == tried[-1][0] and self._is_doubling(tried)) + still:
            if pair not in known and min(pair) >= 0 and 0 < sum(pair) <= self.largest:
                return pair
        return None

    def _is_doubling(self, tried: TriedPairs) -> bool:
        """Whether all pairs so far came from doubling."""
        sizes = [max(pair[axis] for axis in (0, 1) if self.moves[axis]) for pair, _ in tried]
        return sizes == [sizes[0] * 2**step for step in range(len(sizes))]


def best_pair(tried: TriedPairs) -> RankPair:
    """The pair with the fewest factors whose loss is within a tie of the least."""
    least = min(loss for _, loss in tried)
    near = [(sum(pair), loss, pair) for pair, loss in tried if loss <= least + TIE * abs(least)]
    return min(near)[2]


def automatic_source_ranks(model: Any, sources: Sources, rng: np.random.Generator, **changes: Any) -> SourceRanks:
    """Find the shared and the unique rank at which a model predicts held-out entries best.

    Parameters
    ----------
    model : estimator of many sources
        Its ranks are "auto", or one of them is given and kept. Is not changed.
    sources : Sources
    rng : Generator
        Draws the held-out entries, and the seed of the candidates where they take one.
    **changes
        Parameters of the candidates that differ from the model's.

    Returns
    -------
    SourceRanks
        Of the candidates whose loss is within one standard error of the least (of the paired difference, clustered by
        row), the one with the fewest factors. Both ranks together are at most half the shortest side of a table (or
        1), and one source has no unique factors.

    Notes
    -----
    A tenth of every source's entries is held out once. Pairs (1, 1), (2, 2), (4, 4), ... are fitted as long as they
    predict better, then the best pair's neighbours: some twelve fits for ranks (2, 1), thirty for (4, 3).

    Examples
    --------
    >>> import halfseen as hs
    >>> design = hs.datasets.SourcesDesign(noise=0.3)
    >>> data = hs.datasets.make_sources_data(6, 40, 30, 2, 1, design=design, random_state=0)
    >>> search = automatic_source_ranks(hs.JIVE("auto", "auto", centre=False), data.sources, np.random.default_rng(0))
    >>> search.shared_rank, search.unique_rank
    (2, 1)
    """
    split_rng, seed_rng = rng.spawn(2)
    seed = int(seed_rng.integers(2**31))
    changes |= {"random_state": seed} if "random_state" in model.get_params(deep=False) else {}
    is_free = len(sources) > 1
    moves = isinstance(model.shared_rank, str), isinstance(model.unique_rank, str) and is_free
    shortest = min(sources.n_rows, *(table.shape[1] for table in sources.values()))
    known = highest(model.shared_rank, shortest), highest(model.unique_rank, shortest)
    largest = max(shortest // 2, 1, sum(known))
    begin = 1 if moves[0] else known[0], int(sum(known) < largest - 1) if moves[1] else known[1]
    try:
        train, test = sources.split(SHARE, split_rng)
    except ValueError:  # no entry can be spared: nothing to judge ranks by
        return SourceRanks(*begin, None, ((*begin, None),), np.full(1, np.nan), np.full((1, 1), np.nan))
    judged: dict[RankPair, tuple[FloatArray, IntArray]] = {}

    def judge(pair: RankPair) -> float:
        given = (model.shared_rank, model.unique_rank)
        ranks = {name: rank for name, rank, old in zip(NAMES, pair, given, strict=True) if isinstance(old, str)}
        judged[pair] = fitted_quietly(model, ranks | changes, train).entry_losses(test)
        return float(np.mean(judged[pair][0]))

    climb = PairClimb(judge, begin, moves, largest)
    pairs = loop(climb, (), max_iter=MOST_CANDIDATES).params
    return chosen_pair(pairs, judged)


def highest(rank: Any, largest: int) -> int:
    """The rank that a climb counts with where it is given: of a mapping the highest, none above what fits."""
    if isinstance(rank, str):
        return 0
    return min(max(map(int, rank.values()), default=0) if isinstance(rank, Mapping) else int(rank), largest)


def chosen_pair(tried: TriedPairs, judged: Mapping[RankPair, tuple[FloatArray, IntArray]]) -> SourceRanks:
    """The outcome of a climb: the fewest factors that predict as well as the best pair."""
    losses = np.array([loss for _, loss in tried])
    best, rows = judged[tried[int(np.argmin(losses))][0]]
    with np.errstate(invalid="ignore"):
        errors = np.array([clustered_error([(judged[pair][0] - best, rows)]) for pair, _ in tried])
    near = losses <= np.min(losses) + np.maximum(np.nan_to_num(errors), TIE * abs(np.min(losses)))
    place = min(np.flatnonzero(near), key=lambda k: (sum(tried[k][0]), losses[k]))
    candidates = tuple((*pair, None) for pair, _ in tried)
    return SourceRanks(*tried[place][0], None, candidates, losses, losses[None, :], errors)
