"""Checks at the head of a fit, and what a finished fit warns about."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import Sources
from halfseen.errors import close_matches
from halfseen.methods.heterogeneous.options import SOLVERS

if TYPE_CHECKING:
    from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

# Below this misalignment one direction lies in nearly every unique basis: it is shared, whatever it is called.
LEAST_MISALIGNMENT = 0.05


def check_choices(model: HeterogeneousFactorization) -> None:
    """Refuse unknown solvers and ridges that are not numbers."""
    if model.solver not in SOLVERS:
        raise ValueError(f"solver={model.solver!r} is not known; use one of {SOLVERS}")
    if not isinstance(model.ridge, Real) or isinstance(model.ridge, bool) or not 0 <= float(model.ridge) < np.inf:
        raise ValueError(f"ridge must be a finite number, not negative; got {model.ridge!r}")
    if model.ridge and model.solver != "als":
        raise ValueError(f"ridge={model.ridge!r} goes with solver='als', not with {model.solver!r}")
    rank = model.shared_rank
    if not isinstance(rank, Integral) or isinstance(rank, bool) or rank < 0:
        raise ValueError(f"shared_rank must be a whole number, not negative; got {rank!r}")


def check_ranks(shared_rank: int, unique_ranks: tuple[int, ...], sources: Sources) -> None:
    """Bases of a source must fit into the rows."""
    for name, rank in zip(sources.names, unique_ranks, strict=True):
        if shared_rank + rank > sources.n_rows:
            raise ValueError(
                f"shared_rank + unique_rank = {shared_rank} + {rank} of source {name!r} is more than its "
                f"{sources.n_rows} rows; orthogonal bases need at most that"
            )


def check_weights(weights: Any, names: list[str]) -> list[float]:
    """One positive number per source."""
    if weights is None:
        return [1.0] * len(names)
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights must map source names to positive numbers; got {type(weights).__name__}")
    for name, weight in weights.items():
        if str(name) not in names:
            raise ValueError(f"weights: no source {name!r}; {close_matches(name, names)}")
        if not isinstance(weight, Real) or not 0 < float(weight) < np.inf:
            raise ValueError(f"weights[{name!r}] = {weight!r} must be a positive number")
    given = {str(name): float(weight) for name, weight in weights.items()}
    return [given.get(name, 1.0) for name in names]


def warn_about(model: HeterogeneousFactorization, sources: Sources) -> None:
    """Say what a user should know before trusting the split."""
    run = model.run_
    if run.reason in ("max_iter", "not_finite"):
        advice = "a smaller options.eta" if run.reason == "not_finite" else "more options.max_iter, or a larger tol"
        _warn(f"the fit ended after {run.n_iter} sweeps with reason {run.reason!r}; try {advice}", ConvergenceWarning)
    r1 = model.shared_basis_.shape[1]
    has_unique = any(basis.shape[1] for basis in model.unique_basis_.values())
    if len(sources) == 1 and r1 and has_unique:
        _warn("with one source, shared and unique parts cannot be told apart: only their sum means anything")
    elif has_unique and model.misalignment_ < LEAST_MISALIGNMENT:
        _warn(
            f"the unique bases of the sources have a direction in common (misalignment {model.misalignment_:.3g}); "
            "it cannot be told from a shared one: raise shared_rank by one or lower unique_rank"
        )
    _warn_of_thin_sources(model, sources)


def _warn_of_thin_sources(model: HeterogeneousFactorization, sources: Sources) -> None:
    r1 = model.shared_basis_.shape[1]
    if model.ridge or model.solver != "als":
        return
    thin = []
    for name, table in sources.items():
        r2 = model.unique_basis_[name].shape[1]
        free = r2 * (table.shape[0] - r1 - r2) + table.shape[1] * (r1 + r2)
        if r2 and table.n_entries < free:
            thin.append((name, table.n_entries, free))
    if thin:
        name, entries, free = thin[0]
        _warn(
            f"{len(thin)} of {len(sources)} sources have fewer entries than unknowns, first {name!r} with {entries} "
            f"for {free}: their fit is not determined; set ridge, or lower the ranks"
        )


def _warn(text: str, category: type[Warning] = UserWarning) -> None:
    warnings.warn(text, category, stacklevel=4)
