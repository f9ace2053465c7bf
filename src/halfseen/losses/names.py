"""From the word for a family to its loss."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from halfseen.losses.abilities import Ability, choose, is_quadratic
from halfseen.losses.families import Bernoulli, Binomial, Gaussian, Poisson
from halfseen.losses.mixed import Mixed, ScaledGaussian
from halfseen.losses.negative_binomial import NegativeBinomial
from halfseen.losses.ordinal import Ordinal
from halfseen.losses.probit import Probit
from halfseen.losses.protocol import Loss
from halfseen.losses.robust import Huber

# name: what to make without and with a number behind it (None: not allowed)
_MAKERS: dict[str, tuple[Callable[[], Any] | None, Callable[[float], Any] | None]] = {
    "gaussian": (Gaussian, None),
    "bernoulli": (Bernoulli, None),
    "probit": (Probit, None),
    "binomial": (None, Binomial),
    "poisson": (Poisson, None),
    "huber": (None, Huber),
    "negative_binomial": (NegativeBinomial, NegativeBinomial),
    "ordinal": (Ordinal, lambda number: Ordinal(levels=int(number))),
}
KNOWN = "gaussian, bernoulli, probit, binomial(N), poisson, negative_binomial, ordinal, huber(D)"


def get_loss(family: Any, needs: Ability | None = None, taker: str = "") -> Loss:
    """The loss behind a family's name, or the object itself if it already qualifies.

    Parameters
    ----------
    family : str, Loss, sequence or mapping
        ``"gaussian"``, ``"bernoulli"``, ``"probit"``, ``"poisson"``, ``"negative_binomial"`` (with a size per column
        to be estimated; ``"negative_binomial(2)"`` knows it), ``"ordinal"`` (``"ordinal(5)"`` knows the classes 1 to
        5), ``"binomial(N)"`` with ``N`` trials, ``"huber(D)"`` with errors beyond ``D`` counted by their size only, or
        any object with the members of :class:`Loss`. A sequence of these names a family for each column.
    needs : callable, optional
        What whoever asks can use, one of the facts of :mod:`halfseen.losses.abilities` or a function like them.
    taker : str
        Who asks, for the error.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For an unknown name, ``"binomial"`` without its number of trials, or a family that the taker cannot use: the
        families it takes are named.
    TypeError
        For an object that lacks members of the protocol; they are named.

    Examples
    --------
    >>> get_loss("binomial(4)").trials
    4.0
    >>> get_loss(["bernoulli", "poisson", "bernoulli"]).which.tolist()
    [0, 1, 0]
    """
    return choose(_any_loss(family), needs, taker, known_families())


def known_families() -> dict[str, Loss]:
    """The families of the library by the name that users type, each with an instance."""
    return {
        "gaussian": Gaussian(), "bernoulli": Bernoulli(), "probit": Probit(), "binomial(N)": Binomial(2.0),
        "poisson": Poisson(), "negative_binomial": NegativeBinomial(), "ordinal": Ordinal(), "huber(D)": Huber(),
    }  # fmt: skip


def _any_loss(family: Any) -> Loss:
    if isinstance(family, str):
        return _by_name(family)
    if isinstance(family, list | tuple | np.ndarray):
        return family_per_column(family)
    members = [name for name in vars(Loss) if not name.startswith("_")]
    lacking = [name for name in members if not hasattr(family, name)]
    if lacking:
        raise TypeError(
            f"family={family!r} is not a loss: it lacks {', '.join(lacking)}. "
            f"See halfseen.losses.Loss for the protocol."
        )
    loss: Loss = family
    return loss


def _by_name(family: str) -> Loss:
    match = re.fullmatch(r"\s*([a-z_]+)\s*(?:\(\s*([0-9.eE+-]+)\s*\))?\s*", family)
    name, argument = match.groups() if match else (family, None)
    plain, numbered = _MAKERS.get(name, (None, None))
    if name == "binomial" and argument is None:
        raise ValueError("family='binomial' needs its number of trials: write family='binomial(N)'.")
    if name == "huber" and argument is None:
        raise ValueError("family='huber' needs its threshold in units of the values: write family='huber(D)'.")
    maker = plain if argument is None else numbered
    if maker is None:
        raise ValueError(f"family={family!r} is not known; use one of {KNOWN}, or pass a Loss object.")
    loss: Any = maker() if argument is None else maker(float(argument))  # type: ignore[call-arg]
    return loss


def family_per_column(families: Sequence[Any] | Any, labels: Any = None) -> Mixed:
    """The loss of a table whose columns have families of their own.

    Parameters
    ----------
    families : sequence (p,) of names or losses, or mapping from column label to them
    labels : array (p,), optional
        The table's column labels; a mapping needs them.

    Raises
    ------
    ValueError
        For a mapping that leaves out a column or names an unknown one.

    Examples
    --------
    >>> mixed = family_per_column({"age": "gaussian", "sick": "bernoulli"}, ["sick", "age"])
    >>> mixed.which.tolist(), [member.name for member in mixed.members]
    ([0, 1], ['bernoulli', 'gaussian'])
    """
    if isinstance(families, Mapping):
        if labels is None:
            raise ValueError("family is a dictionary, but the table has no column labels; give a list, one per column.")
        names = [label.item() if hasattr(label, "item") else label for label in labels]
        unknown, without = [n for n in families if n not in names], [n for n in names if n not in families]
        if unknown or without:
            what = f"{unknown[0]!r} is no column" if unknown else f"column {without[0]!r} has no family"
            raise ValueError(f"family must name every column once: {what} of the table.")
        families = [families[name] for name in names]
    members: list[Loss] = []
    which, places = [], {}
    for family in families:
        key = family if isinstance(family, str) else id(family)
        if key not in places:
            loss = get_loss(family)
            # beside other families a residual variance is a column's own parameter
            places[key] = len(members)
            members.append(ScaledGaussian() if is_quadratic(loss) else loss)
        which.append(places[key])
    dispersed = [member.name for member in members if member.has_dispersion]
    if dispersed:
        raise ValueError(f"family {dispersed[0]!r} has a dispersion of its own and cannot be one of several columns'.")
    return Mixed(tuple(members), np.array(which, dtype=np.int64))
