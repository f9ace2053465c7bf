"""The factor model's further switches, and the parameters it works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable

Array = NDArray[Any]

STARTS = ("auto", "spectral", "linear")
SOLVERS = ("newton-cg", "alternating", "gd", "nesterov")


@dataclass(frozen=True)
class Needed:
    """A finite number: above 0 (``is_strict``) or at least 0, whole or not; or one word in its place."""

    is_strict: bool = True
    is_whole: bool = False
    word: str | None = ""  # "" is no word

    def check(self, name: str, value: Any) -> None:
        """Raise a TypeError or ValueError unless the value is what is needed."""
        if value is None or isinstance(value, str):
            fits = in_range = value == self.word and value != ""
        else:
            fits = isinstance(value, Integral if self.is_whole else Real) and not isinstance(value, bool | np.bool_)
            in_range = fits and (value > 0 if self.is_strict else value >= 0) and value < np.inf
        if not in_range:
            kind, low = "whole" if self.is_whole else "finite", "above 0" if self.is_strict else ">= 0"
            other = "" if self.word == "" else f" or {self.word!r}"
            raise (ValueError if fits else TypeError)(f"options.{name}={value!r} must be a {kind} number {low}{other}.")


NUMBERS = {
    "step": Needed(word="auto"),
    "rho": Needed(),
    "c_orth": Needed(is_strict=False),
    "trim": Needed(word=None),
    "max_iter": Needed(is_whole=True, word=None),
    "tol": Needed(),
    "c_lambda": Needed(),
    "n_triplets": Needed(is_whole=True),
    "one_step_ridge": Needed(is_strict=False, word=None),
}


@storable
@dataclass(frozen=True)
class FactorOptions:
    r"""How a :class:`GeneralizedFactorModel` is fitted; every default is the recommended one.

    Parameters
    ----------
    start : {"auto", "spectral", "linear"}
        Spectral start with link inversion, its linearised form, or whichever of the two has the smaller
        objective after the one-step refinement. The double SVD evaluates the link on all cells in row
        blocks (never stored); ``"auto"`` leaves it out beyond 2e7 cells.
    solver : {"newton-cg", "alternating", "gd", "nesterov"}
        ``"gd"`` is the paper's algorithm. The two gradient solvers depend on the unit of a Gaussian table, the
        others do not.
    step : "auto" or float
        Learning rate of the two gradient solvers; "auto" is 1.6 (1 for Nesterov) over the largest curvature
        at the start.
    rho : float
        Scale rule :math:`X^\top X = \rho\,Y^\top Y`.
    c_orth : float
        Weight of the paper's penalty :math:`c (\sigma_1 / n) \|1^\top X\|^2`; centring is exact without it.
    trim : float or None
        Shorten rows of the start longer than this multiple of their root mean square length.
    rotation : {None, "varimax"}
    max_iter : int or None
        Sweeps of the last stage; None is 100 (5000 for the gradient solvers).
    tol : float
        Largest absolute entry of the gradient at which the descent stops (for the Gaussian family in units of
        the residual scale to the power 3/2).
    c_lambda : float
        Constant of the singular value threshold.
    n_triplets : int
        Singular triplets computed for the start.
    is_centred : bool
        Subtract the columns' means before the first SVD; False is the paper's Algorithm 3.
    one_step_ridge : float or None
        Ridge of the one-step refinement; None takes half the empirical-Bayes ridge, within [.5, 1] for
        families without dispersion.
    """

    start: str = "auto"
    solver: str = "newton-cg"
    step: str | float = "auto"
    rho: float = 1.0
    c_orth: float = 0.0
    trim: float | None = None
    rotation: str | None = None
    max_iter: int | None = None
    tol: float = 1e-6
    c_lambda: float = 0.5
    n_triplets: int = 12
    is_centred: bool = True
    one_step_ridge: float | None = None

    def checked(self) -> FactorOptions:
        """Itself, or an error that names the option: TypeError for a wrong kind, ValueError outside the range."""
        for name, allowed in (("start", STARTS), ("solver", SOLVERS), ("rotation", (None, "varimax"))):
            word = getattr(self, name)
            if not (word is None or isinstance(word, str)) or word not in allowed:
                raise ValueError(f"options.{name}={word!r} is not known; use one of {allowed}.")
        if not isinstance(self.is_centred, bool | np.bool_):
            raise TypeError(f"options.is_centred={self.is_centred!r} must be True or False.")
        for name, needed in NUMBERS.items():
            needed.check(name, getattr(self, name))
        return self

    @property
    def sweeps(self) -> int:
        """Largest number of sweeps of the last stage."""
        if self.max_iter is not None:
            return self.max_iter
        return 5000 if self.solver in ("gd", "nesterov") else 100


def checked_options(options: FactorOptions | None) -> FactorOptions:
    """The options of a fit, checked; None is the defaults.

    Raises
    ------
    TypeError
        If they are of another class, or an option is of the wrong kind.
    ValueError
        If an option is outside its range.

    Examples
    --------
    >>> checked_options(None).solver
    'newton-cg'
    >>> checked_options({"tol": 1})
    Traceback (most recent call last):
    ...
    TypeError: options must be a FactorOptions or None, got dict; write options=FactorOptions(tol=1).
    """
    if options is None:
        return FactorOptions()
    if isinstance(options, FactorOptions):
        return options.checked()
    known = FactorOptions.__dataclass_fields__
    given = options if isinstance(options, dict) and options and all(name in known for name in options) else None
    example = ", ".join(f"{name}={value!r}" for name, value in (given or {"tol": 1e-8}).items())
    kind = type(options).__name__
    raise TypeError(f"options must be a FactorOptions or None, got {kind}; write options=FactorOptions({example}).")


@storable
@dataclass(frozen=True)
class Factors:
    r"""One point of the model: :math:`m_{ij} = \zeta_j + \langle x_i, y_j\rangle`.

    Attributes
    ----------
    intercept : ndarray (p,)
    rows : ndarray (n, r)
    cols : ndarray (p, r)
    """

    intercept: Array
    rows: Array
    cols: Array

    @property
    def rank(self) -> int:
        return int(self.rows.shape[1])

    def block(self, rows: Array | slice, cols: Array | slice) -> Array:
        """Linear predictor of the chosen rows and columns, as a table."""
        return self.intercept[cols] + self.rows[rows] @ self.cols[cols].T

    def pairs(self, rows: Array, cols: Array) -> Array:
        """Linear predictor of chosen cells, elementwise."""
        return self.intercept[cols] + np.einsum("ek,ek->e", self.rows[rows], self.cols[cols])

    def without_factors(self) -> Factors:
        """The intercept-only model of the same shape."""
        return replace(self, rows=self.rows[:, :0], cols=self.cols[:, :0])
