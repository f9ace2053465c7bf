"""What the words of a model stand for: starts, solvers, their sweeps and tolerances, ranks."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.data import Sources
from halfseen.parameters import BadArgument
from halfseen.select.source_ranks import SourceRanks, automatic_source_ranks

if TYPE_CHECKING:
    from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

STARTS = ("spectral", "stepwise", "random", "warm")
SOLVERS = ("auto", "bayes", "als", "gd", "scaled-gd")
# Of a candidate of "auto" ranks: the best ranks show long before the last digit.
CANDIDATE_SWEEPS = 60
DEFAULT_SWEEPS = {"als": 500, "gd": 5000, "scaled-gd": 1000}
# A round of descent does less than an exact sweep, least of all on the plateau that a small start begins with.
DEFAULT_TOL = {"als": 1e-6, "gd": 1e-9, "scaled-gd": 1e-7}


def sweeps(settings: SimpleNamespace) -> int:
    """Largest number of sweeps."""
    return DEFAULT_SWEEPS[settings.solver] if settings.max_iter is None else int(settings.max_iter)


def tolerance(settings: SimpleNamespace) -> float:
    """Relative change of the value at which to stop."""
    return DEFAULT_TOL[settings.solver] if settings.tol is None else float(settings.tol)


def ranks_of(
    model: HeterogeneousFactorization, settings: SimpleNamespace, sources: Sources
) -> tuple[int, dict[str, int], SourceRanks | None]:
    """Shared rank and every source's unique rank: as given or chosen, and cut to what the rows can hold."""
    shared_rank, unique_rank, search = model.shared_rank, model.unique_rank, None
    if isinstance(shared_rank, str) or isinstance(unique_rank, str):
        rng = np.random.default_rng(0)  # the fit's own draws stay what they are for given ranks
        search = automatic_source_ranks(model, sources, rng, max_iter=min(CANDIDATE_SWEEPS, sweeps(settings)))
        shared_rank = search.shared_rank if isinstance(shared_rank, str) else shared_rank
        unique_rank = search.unique_rank if isinstance(unique_rank, str) else unique_rank
    shared = min(int(shared_rank), sources.n_rows)
    own = zip(sources.names, unique_ranks(unique_rank, sources.names), strict=True)
    return shared, {name: min(rank, sources.n_rows - shared) for name, rank in own}, search


def unique_ranks(unique_rank: Any, names: list[str]) -> tuple[int, ...]:
    """The unique rank of every source, from one number for all or a mapping from name to number.

    Examples
    --------
    >>> unique_ranks({"a": 1, "b": 2}, ["a", "b"]), unique_ranks(3, ["a", "b"])
    ((1, 2), (3, 3))
    """
    if not isinstance(unique_rank, Mapping):
        return (int(unique_rank),) * len(names)
    lacking = [name for name in names if name not in unique_rank]
    if lacking:
        needed = f"a rank for every source; source {lacking[0]!r} has none"
        raise BadArgument("unique_rank", unique_rank, needed, "Name every source, or give one rank for all.")
    return tuple(int(unique_rank[name]) for name in names)
