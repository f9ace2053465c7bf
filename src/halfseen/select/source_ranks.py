"""Shared and unique ranks (and a penalty), chosen on held-out entries of every source."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import Sources, as_sources
from halfseen.data.storable import storable
from halfseen.many import SourcesEstimator
from halfseen.select.held_out import as_frame

# As for one table (select.rank): smaller differences of losses are below that between two splits.
TIE = 1e-3
# What "auto" tries of either rank, and the sweeps of a candidate: the best ranks show long before the last digit.
AUTOMATIC_RANKS = (0, 1, 2, 3, 5, 8)
AUTOMATIC_SWEEPS = 60


@storable
@dataclass(frozen=True)
class SourceRanks:
    """The choice of :func:`choose_source_ranks`, and what it rests on.

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
    """

    shared_rank: int
    unique_rank: int
    penalty: float | None
    tried: tuple[tuple[int, int, float | None], ...]
    losses: FloatArray
    split_losses: FloatArray

    @property
    def parameters(self) -> dict[str, Any]:
        """What to set: ``model.set_params(**choice.parameters)``."""
        given = {} if self.penalty is None else {"penalty": self.penalty}
        return {"shared_rank": self.shared_rank, "unique_rank": self.unique_rank, **given}

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per candidate: shared_rank, unique_rank, penalty, loss; backend pyarrow, pandas or polars."""
        columns = {
            "shared_rank": np.array([ranks[0] for ranks in self.tried]),
            "unique_rank": np.array([ranks[1] for ranks in self.tried]),
            "penalty": np.array([np.nan if ranks[2] is None else ranks[2] for ranks in self.tried]),
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
    >>> model = hs.HeterogeneousFactorization(solver="als", random_state=0)
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                line[place] = -clone(model).set_params(**given).fit(train).score(test)
    means = losses.mean(axis=0)
    best = np.nanmin(means)
    near = np.flatnonzero(means <= best + TIE * abs(best))
    chosen = min(near, key=lambda place: (tried[place][0] + tried[place][1], tried[place][2] or 0.0, means[place]))
    return SourceRanks(*tried[chosen], tried, means, losses)


def automatic_source_ranks(model: SourcesEstimator, sources: Sources) -> tuple[int, Any]:
    """Ranks in place of "auto", chosen on a tenth of the entries of every source.

    Parameters
    ----------
    model : estimator of many sources
        With ``shared_rank`` or ``unique_rank`` "auto", and a parameter ``max_iter``. Is not changed.
    sources : Sources

    Returns
    -------
    (shared rank, unique rank or mapping from source to rank)
        What was given stays. Both together are at most half the shortest side of a table, or 1. One source has no
        unique factors. Where nothing can be held out, the answer is one shared factor.
    """
    shared_rank, unique_rank = model.shared_rank, model.unique_rank
    largest = max(1, min(sources.n_rows, *(table.shape[1] for table in sources.values())) // 2)
    ladder = [rank for rank in AUTOMATIC_RANKS if rank <= largest]
    shared_ranks = ladder if isinstance(shared_rank, str) else [int(shared_rank)]
    if not isinstance(unique_rank, str):
        own, most = [unique_rank], 0
    else:
        own, most = (ladder if len(sources) > 1 else [0]), largest
    pairs = [(r1, r2) for r1 in shared_ranks for r2 in own if not most or 0 < r1 + r2 <= max(most, r1)]
    rng = np.random.default_rng(0)  # the fit's own draws stay what they are for given ranks
    try:
        train, test = sources.split(0.1, rng)
    except ValueError:  # every entry is the last of a row or a column
        return min(shared_ranks, key=lambda rank: abs(rank - 1)), own[0]
    sweeps = AUTOMATIC_SWEEPS if model.max_iter is None else min(AUTOMATIC_SWEEPS, model.max_iter)
    losses = []
    for r1, r2 in pairs:
        candidate = clone(model).set_params(shared_rank=r1, unique_rank=r2, max_iter=sweeps)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            losses.append(-candidate.fit(train).score(test))
    best = np.nanmin(losses)
    near = [place for place, loss in enumerate(losses) if loss <= best + TIE * abs(best)]
    return min((pairs[place] for place in near), key=_n_factors)


def _n_factors(ranks: tuple[int, Any]) -> int:
    return ranks[0] + (0 if isinstance(ranks[1], Mapping) else int(ranks[1]))
