"""What a loss can do: facts that models ask for instead of its name or class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from halfseen.losses.protocol import Array, Loss

Ability = Callable[[Any], bool]


def is_quadratic(loss: Any) -> bool:
    """Whether the loss is half the squared error, so that a Newton step is exact.

    Examples
    --------
    >>> from halfseen.losses import get_loss
    >>> is_quadratic(get_loss("gaussian")), is_quadratic(get_loss("poisson"))
    (True, False)
    """
    return bool(getattr(loss, "is_quadratic", False))


def is_logistic(loss: Any) -> bool:
    """Whether responses are successes out of known trials with log odds as predictor."""
    return bool(getattr(loss, "is_logistic", False))


def takes_totals(loss: Any) -> bool:
    """Whether answers may be shares of totals that differ from entry to entry (``trials=`` of a fit)."""
    return bool(getattr(loss, "takes_totals", False))


def has_columns(loss: Any) -> bool:
    """Whether the loss has parameters of its own in every column (a `ColumnLoss`)."""
    return bool(getattr(loss, "has_columns", False))


def is_one_for_all(loss: Any) -> bool:
    """Whether the loss is the same in every column."""
    return not has_columns(loss)


def is_estimated(loss: Any) -> bool:
    """Whether the loss has parameters per column that a fit estimates."""
    return has_columns(loss) and bool(loss.is_estimated)


def has_classes(loss: Any) -> bool:
    """Whether answers are ordered classes with thresholds per column."""
    return bool(getattr(loss, "has_classes", False))


def has_quantiles(loss: Any) -> bool:
    """Whether the loss gives predictive quantiles, and with them intervals of responses."""
    return all(hasattr(member, "quantiles") for member, _ in members_of(loss))


def members_of(loss: Any) -> Iterator[tuple[Any, Array | None]]:
    """The losses that a table's columns have, each with the positions of its columns (None: all of them)."""
    if hasattr(loss, "members"):
        which = np.asarray(loss.which)
        for place, member in enumerate(loss.members):
            yield member, np.flatnonzero(which == place)
    else:
        yield loss, None


def choose(loss: Loss, needs: Ability | None, taker: str, known: dict[str, Any]) -> Loss:
    """The loss itself, or an error in one line that names the families the taker takes.

    Parameters
    ----------
    loss : Loss
    needs : callable, optional
        ``needs(loss)`` says whether the taker can use it.
    taker : str
        The estimator's name, for the error.
    known : dict
        Families by the name that users type, each with an instance.

    Raises
    ------
    ValueError
    """
    if needs is None or needs(loss):
        return loss
    fitting = [name for name, example in known.items() if needs(example)]
    kind = "a family per column" if hasattr(loss, "members") else f"family={loss.name!r}"
    raise ValueError(f"{kind} is not for {taker or 'this model'}; it takes {', '.join(fitting)}.")
