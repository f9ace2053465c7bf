"""Further switches of inductive completion, and the checks of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen.data.features import SCALES
from halfseen.data.storable import storable
from halfseen.errors import close_matches

SOLVERS = ("lbfgs", "gd", "levenberg-marquardt")
STARTS = ("random", "tensor", "cross")
EFFECTS = ("none", "rows", "cols", "both")
GAUGES = ("balance", "none", "first_row")
OBJECTIVES = ("squared", "one_class")

# Below, Levenberg-Marquardt is the fastest way to the bottom; above, its dense normal equations are not.
LEVENBERG_PARAMETERS = 1000


@storable
@dataclass(frozen=True)
class InductiveOptions:
    r"""How an :class:`InductiveCompletion` is fitted; every default is the recommended one.

    Parameters
    ----------
    solver : {"lbfgs", "gd", "levenberg-marquardt"}
        ``"gd"`` is the paper's; Levenberg-Marquardt is the fastest up to about a thousand weights.
    step : "auto" or float
        Step of ``"gd"``; "auto" searches it along the way (backtracking, a quarter longer after every success).
    start : {"random", "tensor", "cross"} or (U, V)
        Gaussian weights; the third moment of the paper (residualised; sigmoid only); a cross moment of features of
        both sides (relu, leaky relu, softplus); or arrays (d1, k), (d2, k), with a further last row for the intercept
        where there is one.
    n_starts : int
        Fits from that many starts and keeps the one with the least training loss; it stops at the first that fits
        exactly (see ``certificate_``). Starts after the first are random.
    start_scale : "auto" or float
        Standard deviation of random weights; "auto" gives predictions of the size of the data.
    beta : float
        Weight of an unseen cell of the one-class objective, at most 1.
    effects : {"none", "rows", "cols", "both"}
        Free effects of seen rows and columns beside their features; 0 for new ones.
    free_rank : int
        Free factors of seen rows and columns beside their features (the "dirty" model); 0 for new ones.
    effect_ridge, free_ridge : float
        Ridge on these, in entries: a row with that many entries keeps half of its mean.
    is_tied : bool
        The same weights for rows and columns (symmetric tables, the same features on both sides).
    gauge : {"balance", "none", "first_row"}
        What is done to weights with the same predictions: equal lengths of :math:`u_i` and :math:`v_i` after the fit,
        nothing, or the first row of U held at its start (the paper's equation (4); a device of its proof, it makes the
        problem much harder).
    scale : {"none", "rms"}
        Divide every feature by its root mean square.
    max_iter : int
        Sweeps of a start.
    tol : float
        Stop when the objective falls by less than this share in five sweeps on end.
    """

    solver: str = "lbfgs"
    step: str | float = "auto"
    start: Any = "random"
    n_starts: int = 1
    start_scale: str | float = "auto"
    beta: float = 0.1
    effects: str = "none"
    free_rank: int = 0
    effect_ridge: float = 3.0
    free_ridge: float = 5.0
    is_tied: bool = False
    gauge: str = "balance"
    scale: str = "none"
    max_iter: int = 300
    tol: float = 1e-6

    def checked(self) -> InductiveOptions:
        """Itself, or an error that names the option."""
        words = {"solver": SOLVERS, "effects": EFFECTS, "gauge": GAUGES, "scale": SCALES}
        if isinstance(self.start, str):
            words["start"] = STARTS
        elif not (isinstance(self.start, tuple | list) and len(self.start) == 2):
            raise ValueError(f"options.start must be one of {STARTS} or a pair of arrays (U, V)")
        for name, allowed in words.items():
            word = getattr(self, name)
            if word not in allowed:
                raise ValueError(f"options.{name}={word!r} is not known; {close_matches(word, allowed)}")
        number("options.n_starts", self.n_starts, 1, whole=True)
        number("options.free_rank", self.free_rank, 0, whole=True)
        number("options.max_iter", self.max_iter, 1, whole=True)
        for name in ("effect_ridge", "free_ridge", "tol"):
            number(f"options.{name}", getattr(self, name), 0.0)
        number("options.beta", self.beta, 0.0, 1.0)
        for name in ("step", "start_scale"):
            if getattr(self, name) != "auto":
                number(f"options.{name}", getattr(self, name), np.finfo(float).tiny)
        if not isinstance(self.is_tied, bool | np.bool_):
            raise TypeError(f"options.is_tied={self.is_tied!r} must be True or False")
        if self.is_tied and (self.effects != "none" or self.free_rank):
            raise ValueError("options.is_tied goes with effects='none' and free_rank=0")
        if self.solver == "levenberg-marquardt" and (self.effects != "none" or self.free_rank):
            raise ValueError("options.solver='levenberg-marquardt' goes with effects='none' and free_rank=0")
        return self


def checked_options(options: Any) -> InductiveOptions:
    """The options of a fit, checked; None is the defaults.

    Examples
    --------
    >>> checked_options(None).solver
    'lbfgs'
    >>> checked_options(InductiveOptions(solver="newton"))
    Traceback (most recent call last):
    ...
    ValueError: options.solver='newton' is not known; there are 'lbfgs', 'gd', 'levenberg-marquardt'
    """
    if options is None:
        return InductiveOptions()
    if not isinstance(options, InductiveOptions):
        raise TypeError(f"options must be an InductiveOptions or None, got {type(options).__name__}")
    return options.checked()


def number(name: str, value: Any, low: float, high: float = np.inf, whole: bool = False) -> None:
    """Refuse what is not a finite number (``whole``: an integer) from low to high."""
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool | np.bool_)
    if not fits or not (low <= float(value) <= high and np.isfinite(float(value))):
        kind = "an integer" if whole else "a finite number"
        upper = "" if np.isinf(high) else f" and at most {high:g}"
        raise ValueError(f"{name} must be {kind} of at least {low:g}{upper}; got {value!r}")
