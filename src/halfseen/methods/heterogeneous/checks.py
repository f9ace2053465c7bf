"""Checks at the head of a fit, and what a finished fit warns about."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import Sources
from halfseen.errors import close_matches
from halfseen.parameters import BadArgument

if TYPE_CHECKING:
    from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

# Below this misalignment one direction lies in nearly every unique basis: it is shared, whatever it is called.
LEAST_MISALIGNMENT = 0.05


def check_together(settings: SimpleNamespace) -> str:
    """Refuse parameters that do not go together; the solver, "auto" resolved."""
    from halfseen.methods.heterogeneous.bayes import is_bayesian

    solver, has_family = settings.solver, is_bayesian(settings.family)
    if solver == "auto":
        solver = "als" if settings.penalty or not has_family else "bayes"
    if settings.penalty and solver != "als":
        raise BadArgument("penalty", settings.penalty, f"0 with solver={solver!r}", "Or take solver='als'.")
    if solver == "bayes" and not has_family:
        needed = "'gaussian', 'huber', 'bernoulli' or 'poisson' (or one by source) with solver='bayes'"
        raise BadArgument("family", settings.family, needed, "Or take solver='als'.")
    if solver != "bayes":
        if isinstance(settings.family, Mapping):
            raise BadArgument("family", settings.family, f"one for all sources with solver={solver!r}",
                              "Or take solver='bayes'.")  # fmt: skip
        for name in ("row_noise", "sparse_loadings"):
            if getattr(settings, name):
                raise BadArgument(name, getattr(settings, name), f"left out with solver={solver!r}",
                                  "Or take solver='bayes'.")  # fmt: skip
    return solver


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
        advice = "a smaller step" if run.reason == "not_finite" else "a larger max_iter, or a larger tol"
        text = f"the fit ended after {run.n_iter} sweeps with reason {run.reason!r}; try {advice}"
        model._warn(text, ConvergenceWarning)
    has_unique = any(model.unique_rank_.values())
    if len(sources) == 1 and model.shared_rank_ and has_unique:
        model._warn("with one source, shared and unique parts cannot be told apart: only their sum means anything")
    elif has_unique and model.misalignment_ < LEAST_MISALIGNMENT:
        model._warn(
            f"the unique bases of the sources have a direction in common (misalignment {model.misalignment_:.3g}); "
            "it cannot be told from a shared one: raise shared_rank by one or lower unique_rank"
        )
    _warn_of_thin_sources(model, sources)


def _warn_of_thin_sources(model: HeterogeneousFactorization, sources: Sources) -> None:
    r1 = model.shared_rank_
    if model.penalty or model.solver != "als":
        return
    thin = []
    for name, table in sources.items():
        r2 = model.unique_rank_[name]
        free = r2 * (table.shape[0] - r1 - r2) + table.shape[1] * (r1 + r2)
        if r2 and table.n_entries < free:
            thin.append((name, table.n_entries, free))
    if thin:
        name, entries, free = thin[0]
        model._warn(
            f"{len(thin)} of {len(sources)} sources have fewer entries than unknowns, first {name!r} with {entries} "
            f"for {free}: their fit is not determined; set penalty, or lower the ranks"
        )
