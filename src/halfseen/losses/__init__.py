"""How one prediction is judged: exponential families, and any loss of the user's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from halfseen.losses.families import POISSON_CAP, Bernoulli, Binomial, Gaussian, Poisson
from halfseen.losses.protocol import Loss

if TYPE_CHECKING:
    from halfseen.losses.robust import Huber

__all__ = ["POISSON_CAP", "Bernoulli", "Binomial", "Gaussian", "Huber", "Loss", "Poisson", "get_loss"]

_BY_NAME: dict[str, type] = {"gaussian": Gaussian, "bernoulli": Bernoulli, "binomial": Binomial, "poisson": Poisson}


def get_loss(family: str | Loss) -> Loss:
    """The loss behind a family's name, or the object itself if it already qualifies.

    Parameters
    ----------
    family : str or Loss
        ``"gaussian"``, ``"bernoulli"``, ``"poisson"``, ``"binomial(N)"`` with ``N`` trials, ``"huber(D)"`` with
        errors beyond ``D`` counted by their size only, or any object with the members of :class:`Loss`.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For an unknown name, or ``"binomial"`` without its number of trials.
    TypeError
        For an object that lacks members of the protocol; they are named.

    Examples
    --------
    >>> get_loss("binomial(4)").trials
    4.0
    """
    if isinstance(family, str):
        match = re.fullmatch(r"\s*([a-z_]+)\s*(?:\(\s*([0-9.eE+-]+)\s*\))?\s*", family)
        name, argument = match.groups() if match else (family, None)
        if name == "binomial":
            if argument is None:
                raise ValueError("family='binomial' needs its number of trials: write family='binomial(N)'.")
            return Binomial(float(argument))
        if name == "huber":
            if argument is None:
                raise ValueError("family='huber' needs its threshold in units of the values: write family='huber(D)'.")
            from halfseen.losses.robust import Huber

            return Huber(float(argument))
        if name not in _BY_NAME or argument is not None:
            known = ", ".join(["gaussian", "bernoulli", "binomial(N)", "poisson", "huber(D)"])
            raise ValueError(f"family={family!r} is not known; use one of {known}, or pass a Loss object.")
        loss: Any = _BY_NAME[name]()
        return loss
    members = [name for name in vars(Loss) if not name.startswith("_")]
    lacking = [name for name in members if not hasattr(family, name)]
    if lacking:
        raise TypeError(
            f"family={family!r} is not a loss: it lacks {', '.join(lacking)}. "
            f"See halfseen.losses.Loss for the protocol."
        )
    return family


def __getattr__(name: str) -> Any:
    """Load the robust losses when they are asked for."""
    if name != "Huber":
        raise AttributeError(f"module 'halfseen.losses' has no attribute {name!r}")
    from halfseen.losses.robust import Huber

    return Huber
