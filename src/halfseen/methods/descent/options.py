"""When to stop, and how to descend: small objects that users may hand to the estimator."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen.data.storable import storable

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
    fraction : float
        Share of the entries held back.
    patience : int
        Least number of iterations without improvement.
    is_refitted : bool
        Descend again for that time, from the same start, on all entries.
    """

    fraction: float = 0.1
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


@storable
@dataclass(frozen=True)
class DescentOptions:
    """How to descend.

    Attributes
    ----------
    solver : {"descent", "basis", "filter"}
        The iteration as printed; the same iterates, to rounding, in the basis of the table's singular vectors (one
        decomposition, then O((q + k) k^2) per iteration, q the shorter side); or its singular values alone, which
        follow a recursion of their own (O(q) per iteration, 2 % off at k of the order of the sides). The last two
        need a complete table in memory.
    centre : {"auto", "none", "mean", "columns", "both"}
        What is taken out first: nothing, the mean, means of columns, or means of columns and rows (shrunk towards 0).
        "auto" takes nothing from complete tables and, from others, what predicts a tenth of the held-out squares.
    is_symmetric : bool
        Keep :math:`G = F`, from the identity where k is the number of rows: the iterates of a symmetric table stay
        symmetric and approach its positive part. Not with ``solver="basis"``.
    max_iter : int
        Iterations at most.
    keep : int
        Of how many leading components the approximations passed on the way are kept.
    record : float
        The path is looked at whenever the time has grown by this share.
    is_guarded : bool or None
        Halve the step when the objective would rise; None does so for losses other than the squared one.
    """

    solver: str = "descent"
    centre: str = "auto"
    is_symmetric: bool = False
    max_iter: int = 5000
    keep: int = 20
    record: float = 0.025
    is_guarded: bool | None = None


def checked_options(options: Any) -> DescentOptions:
    """The options, or a TypeError or ValueError that names the field."""
    if options is None:
        return DescentOptions()
    if not isinstance(options, DescentOptions):
        raise TypeError(f"options must be a DescentOptions or None; got {type(options).__name__}")
    one_of("options.solver", options.solver, SOLVERS)
    if options.is_symmetric and options.solver == "basis":
        raise ValueError("options.is_symmetric goes with options.solver='descent' or 'filter', not with 'basis'")
    one_of("options.centre", options.centre, CENTRES)
    positive("options.max_iter", options.max_iter, whole=True)
    positive("options.record", options.record)
    if not isinstance(options.keep, Integral) or options.keep < 0:
        raise ValueError(f"options.keep must be an integer of at least 0; got {options.keep!r}")
    return options


def checked_stop(stop: Any) -> Rule | int | str:
    """``"auto"``, ``"none"``, a number of iterations, or a rule; names become rules with their defaults."""
    if isinstance(stop, str):
        one_of("stop", stop, ("auto", "none", *RULES), "; or a TheoryWindow, which needs a rank or a gap")
        return RULES[stop]() if stop in RULES else stop
    if isinstance(stop, Integral) and not isinstance(stop, bool):
        positive("stop", stop, whole=True)
        return int(stop)
    if not isinstance(stop, Rule):
        raise TypeError(f"stop must be a name, a number of iterations or a stopping rule; got {type(stop).__name__}")
    _check_rule(stop)
    return stop


def _check_rule(rule: Rule) -> None:
    name = type(rule).__name__
    if isinstance(rule, TheoryWindow):
        one_of(f"{name}.law", rule.law, ("theorem", "sharp"))
        if rule.rank is None and (rule.gap is None or rule.size is None):
            raise ValueError("TheoryWindow needs rank=r, or both gap= (of the singular values) and size= (sigma_r)")
        if rule.gap is not None and not 0 < rule.gap < 1:
            raise ValueError(f"TheoryWindow.gap must lie between 0 and 1; got {rule.gap!r}")
    if isinstance(rule, HeldOutStop):
        positive(f"{name}.patience", rule.patience, whole=True)
        if not 0 < rule.fraction < 1:
            raise ValueError(f"{name}.fraction must lie between 0 and 1; got {rule.fraction!r}")
    if isinstance(rule, PlateauStop):
        positive(f"{name}.tol", rule.tol)
        positive(f"{name}.window", rule.window)
    for field in ("rank", "noise", "factor", "share", "size"):
        value = getattr(rule, field, None)
        if value is not None:
            positive(f"{name}.{field}", value, whole=field == "rank")


def positive(name: str, value: Any, whole: bool = False) -> None:
    """Refuse what is not a finite number (``whole``: an integer) above 0."""
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool | np.bool_)
    if not fits or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} must be {'an integer' if whole else 'a finite number'} above 0; got {value!r}")


def one_of(name: str, value: Any, choices: tuple[str, ...], more: str = "") -> None:
    """Refuse what is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}{more}; got {value!r}")
