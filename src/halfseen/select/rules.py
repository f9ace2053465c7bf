"""What all searches share: rules, ties, and fits that begin where another one ended."""

from __future__ import annotations

import inspect
from typing import Any

from halfseen.data import Observed

RULES = ("best", "one_se")
# Under a ridge, factors beyond the true rank shrink to nothing and the losses agree to 4 or 5 digits, in either
# direction; 0.1 % of a loss is also far below the difference between two splits.
TIE = 1e-3


def check_rule(rule: Any) -> None:
    """Refuse an unknown rule."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(map(repr, RULES))}; got {rule!r}")


def fitted_from(model: Any, table: Observed, before: Any) -> Any:
    """The model, fitted from where another one ended if it can begin there."""
    if before is None or not takes_start(model):
        return model.fit(table)
    return model.fit(table, start=before)


def takes_start(model: Any) -> bool:
    """Whether a model's ``fit`` can begin at a fitted model."""
    return "start" in inspect.signature(model.fit).parameters
