"""Shared and unique ranks (and a ridge), chosen on held-out entries of every source."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import as_sources
from halfseen.data.storable import storable
from halfseen.many import SourcesEstimator
from halfseen.select.held_out import as_frame

# As for one table (select.rank): smaller differences of losses are below that between two splits.
TIE = 1e-3


@storable
@dataclass(frozen=True)
class SourceRanks:
    """What :func:`choose_source_ranks` found.

    Attributes
    ----------
    shared_rank, unique_rank : int
    ridge : float or None
        None where no ridges were tried.
    tried : tuple of (shared rank, unique rank, ridge)
    losses : ndarray (n_tried,)
        Mean held-out loss over the splits; smaller is better.
    split_losses : ndarray (n_splits, n_tried)
        The same splits for all.
    """

    shared_rank: int
    unique_rank: int
    ridge: float | None
    tried: tuple[tuple[int, int, float | None], ...]
    losses: FloatArray
    split_losses: FloatArray

    @property
    def parameters(self) -> dict[str, Any]:
        """What to set: ``model.set_params(**choice.parameters)``."""
        ridge = {} if self.ridge is None else {"ridge": self.ridge}
        return {"shared_rank": self.shared_rank, "unique_rank": self.unique_rank, **ridge}

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per candidate: shared_rank, unique_rank, ridge, loss; backend pyarrow, pandas or polars."""
        columns = {
            "shared_rank": np.array([one[0] for one in self.tried]),
            "unique_rank": np.array([one[1] for one in self.tried]),
            "ridge": np.array([np.nan if one[2] is None else one[2] for one in self.tried]),
            "loss": self.losses,
        }
        return as_frame(columns, backend)


def choose_source_ranks(
    model: SourcesEstimator,
    S: Any,
    shared_ranks: Iterable[int],
    unique_ranks: Iterable[int],
    ridges: Iterable[float] | None = None,
    fraction: float = 0.1,
    n_splits: int = 1,
    random_state: RandomState = None,
) -> SourceRanks:
    """Choose shared rank, unique rank and ridge by the loss on held-out entries of all sources.

    Parameters
    ----------
    model : estimator of many sources
        Is not changed.
    S : Sources, mapping, sequence of tables
    shared_ranks, unique_ranks : iterables of int
        All pairs that the tables can hold are tried.
    ridges : iterable of float, optional
        For models with a parameter ``ridge``.
    fraction : float
        Share of each source's entries held out.
    n_splits : int
    random_state : int, Generator or None
        Draws the splits.

    Returns
    -------
    SourceRanks
        Of candidates within 0.1 % of the smallest loss, the one with the fewest factors, then the least ridge.

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
    >>> model = hs.HeterogeneousFactorization(random_state=0)
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
    levels: list[float | None] = [None] if ridges is None else [*sorted({float(ridge) for ridge in ridges})]
    tried = tuple((r1, r2, ridge) for (r1, r2) in pairs for ridge in levels)
    losses = np.empty((n_splits, len(tried)))
    for line in losses:
        train, test = sources.split(fraction, rng)
        for place, (r1, r2, ridge) in enumerate(tried):
            given = {"shared_rank": r1, "unique_rank": r2} | ({} if ridge is None else {"ridge": ridge})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                line[place] = -clone(model).set_params(**given).fit(train).score(test)
    means = losses.mean(axis=0)
    best = np.nanmin(means)
    near = np.flatnonzero(means <= best + TIE * abs(best))
    chosen = min(near, key=lambda place: (tried[place][0] + tried[place][1], tried[place][2] or 0.0, means[place]))
    return SourceRanks(*tried[chosen], tried, means, losses)
