"""What all searches share: rules, ties, switches, and fits that begin where another one ended."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from halfseen.data import Observed
from halfseen.engines import Engine
from halfseen.select.folds import Progress

RULES = ("best", "one_se")
# Under a ridge, factors beyond the true rank shrink to nothing and the losses agree to 4 or 5 digits, in either
# direction; 0.1 % of a loss is also far below the difference between two splits.
TIE = 1e-3


@dataclass(frozen=True)
class SearchOptions:
    """The finer switches of `choose_parameters` and `choose_rank`.

    Parameters
    ----------
    engine : {"serial", "threads"}, Engine or None
        One fold per worker; None is the surrounding ``with hs.engine(...)``.
    is_warm : bool
        Begin each fit at the model of the setting before it on the same fold, where the model's ``fit`` takes
        ``start=``.
    refit : bool
        Fit the chosen setting to all entries and keep it as ``search.model``.
    progress : callable or None
        ``progress(done, folds)`` after every fold.
    """

    engine: str | Engine | None = None
    is_warm: bool = True
    refit: bool = True
    progress: Progress | None = None


def fitted_from(model: Any, table: Observed, before: Any) -> Any:
    """The model, fitted from where another one ended if it can begin there."""
    if before is None or not takes_start(model):
        return model.fit(table)
    return model.fit(table, start=before)


def takes_start(model: Any) -> bool:
    """Whether a model's ``fit`` can begin at a fitted model."""
    return "start" in inspect.signature(model.fit).parameters
