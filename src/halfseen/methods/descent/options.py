"""When to stop: small objects that users may hand to the estimator, and what other parameters may be."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral
from types import SimpleNamespace
from typing import Any

from halfseen.data.storable import storable
from halfseen.parameters import BadArgument, Flag, Number, Suits, Whole, Word

CENTRES = ("auto", "none", "mean", "columns", "both")
SOLVERS = ("descent", "basis", "filter")


@storable
@dataclass(frozen=True)
class TheoryWindow:
    r"""The end of the window of Theorem 4.2, from the gap :math:`\delta` and the singular value :math:`\sigma_r`.

    Attributes
    ----------
    rank : int or None
        r; gap and size are then taken from the singular values of the table.
    gap : float or None
        :math:`\delta = (\sigma_r - \sigma_{r+1})/\sigma_r`, in (0, 1).
    size : float or None
        :math:`\sigma_r`.
    law : {"theorem", "sharp"}
        The printed time T, or the time :math:`\log(1/\varepsilon)/(\eta\delta\sigma_r)` at which the error is least.
    """

    rank: int | None = None
    gap: float | None = None
    size: float | None = None
    law: str = "theorem"


@storable
@dataclass(frozen=True)
class BetweenModes:
    r"""The closed-form time between components r and r + 1, or before the edge of the noise where r is not known.

    Attributes
    ----------
    rank : int or None
        r, for :math:`t^* = \log(s/s_0)/(\eta(s_r + s_{r+1}))`; None stops at ``share`` of the time at which a component
        at the edge of the noise, :math:`\hat\sigma(\sqrt m + \sqrt n)`, would be half grown.
    share : float
    noise : float or None
        :math:`\sigma`; None estimates it from the median singular value.
    """

    rank: int | None = None
    share: float = 0.8
    noise: float | None = None


@storable
@dataclass(frozen=True)
class Sure:
    """The time at which Stein's unbiased estimate of the error is least, on the spectral filter.

    Attributes
    ----------
    noise : float or None
        Standard deviation of an entry's noise; None estimates it from the median singular value.
    """

    noise: float | None = None


@storable
@dataclass(frozen=True)
class DiscrepancyStop:
    """``factor`` times the time at which what is left has the operator norm of noise; needs no decomposition.

    Attributes
    ----------
    factor : float
        The last component is still growing when the rest first looks like noise.
    share : float
        But no longer than this share of the time at which noise itself would be half grown: with much noise the two
        times lie close together.
    noise : float or None
        None takes the noise level from the residuals of each iteration: 1.4826 times their median size, or of a
        linear operator their root mean square.
    """

    factor: float = 1.15
    noise: float | None = None
    share: float = 0.8


@storable
@dataclass(frozen=True)
class PlateauStop:
    """Where the training error has stopped falling: for little noise only, else there is no plateau.

    Attributes
    ----------
    tol : float
        Largest relative gain on a plateau.
    window : float
        Over this share of the time.
    """

    tol: float = 1e-3
    window: float = 0.15


@storable
@dataclass(frozen=True)
class HeldOutStop:
    """Where entries that were held back are predicted best.

    Attributes
    ----------
    held_out : float
        Share of the entries held back.
    patience : int
        Least number of iterations without improvement.
    is_refitted : bool
        Descend again for that time, from the same start, on all entries.
    """

    held_out: float = 0.1
    patience: int = 50
    is_refitted: bool = True


Rule = TheoryWindow | BetweenModes | Sure | DiscrepancyStop | PlateauStop | HeldOutStop
RULES: dict[str, type] = {
    "between": BetweenModes,
    "sure": Sure,
    "discrepancy": DiscrepancyStop,
    "plateau": PlateauStop,
    "held_out": HeldOutStop,
}


STOP = Word("auto", "none", *RULES) | Whole(1) | Suits(lambda value: isinstance(value, Rule), "a stopping rule")
_POSITIVE = Number(0, above=True)
_SHARE = Number(0, 1, above=True, below=True)
# What the fields of stopping rules may be; None, where a field may be None, is what it is by default.
FIELDS = {
    "rank": Whole(1), "gap": _SHARE, "size": _POSITIVE, "law": Word("theorem", "sharp"), "share": _POSITIVE,
    "noise": _POSITIVE, "factor": _POSITIVE, "tol": _POSITIVE, "window": _POSITIVE, "held_out": _SHARE,
    "patience": Whole(1), "is_refitted": Flag(),
}  # fmt: skip


def as_rule(stop: Any) -> Rule | int | str:
    """``"auto"``, ``"none"``, a number of iterations, or a rule; names become rules with their defaults.

    Raises
    ------
    BadArgument
        For a rule with a field of the wrong kind.
    """
    if isinstance(stop, str):
        return RULES[stop]() if stop in RULES else stop
    if isinstance(stop, Integral):
        return int(stop)
    name = type(stop).__name__
    for field in fields(stop):
        value = getattr(stop, field.name)
        if value is not None or field.default is not None:
            FIELDS[field.name].check(f"{name}.{field.name}", value)
    if isinstance(stop, TheoryWindow) and stop.rank is None and (stop.gap is None or stop.size is None):
        needed = "rank=r, or both gap= (of the singular values) and size= (sigma_r)"
        raise BadArgument("stop", stop, needed)
    return stop


def check_together(settings: SimpleNamespace) -> None:
    """Refuse parameters that do not go together."""
    if settings.is_symmetric and settings.solver == "basis":
        raise BadArgument("is_symmetric", True, "False with solver='basis'", "Or take solver='descent' or 'filter'.")
