"""Switches of one-sided completion, and the checks of everything that users type."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen.data import storable

WEIGHTS = ("inverse_variance", "counts", "paper")
SOLVERS = ("lbfgs", "gd")
STARTS = ("spectral", "random")
PSI = ("common", "columns")
DEFAULT_RANKS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)


@storable
@dataclass(frozen=True)
class OneSidedOptions:
    r"""Options of `OneSidedCompletion`; None is the solver's own default.

    Parameters
    ----------
    weights : {"inverse_variance", "counts", "paper"} or None
        Of a pair :math:`i < j`: :math:`K_{ij}/(T_{ii}T_{jj})`, :math:`K_{ij}`, or 1. None: "inverse_variance" for
        ``solver="lbfgs"``, "paper" for ``solver="gd"``.
    psi : {"common", "columns"}, float or None
        Variance of what the factors do not explain, :math:`T_{ii} = \|X_i\|^2 + \psi`: one for all columns
        (estimated, at least 0), one per column (the diagonal then says nothing about X), or a known number. None:
        "common", but 0 with paper weights.
    start : {"spectral", "random"} or None
        None: "spectral" for "lbfgs", "random" (entries from N(0, 1/d)) for "gd".
    diagonal_weight : float or None
        The paper's :math:`q`; None: :math:`1 - (1 - p^2)^n`, the chance that a pair is seen.
    incoherence : float
        :math:`\lambda` of the row-norm regulariser :math:`\frac{\lambda}{d}\sum_i(\|X_i\| - \alpha)_+^4`.
    row_norm : float or None
        :math:`\alpha`; None: 1.5 times the root of the largest :math:`\bar T_{ii}`, beyond which nothing true lies.
    ridge : float
        Multiplies :math:`\frac12\|X\|^2`.
    step : float or None
        First step of gradient descent, halved where the objective would rise; None: :math:`d^2/(4\|T\|_2)`.
    is_preconditioned : bool
        Row-block preconditioner of L-BFGS: half the passes or fewer, a ninth where T is badly conditioned.
    max_iter, tol : int or None, float or None
        Sweeps (2000; "gd" 20000), and the relative fall of the objective at which they end (1e-9; "gd" 1e-7).
    sampling : {"uniform", "columns", "fixed"}
        How cells came to be seen, for ``estimator="horvitz_thompson"``.
    keeps_rows : bool
        Whether ``fit`` keeps the coordinates of the training rows, n x rank numbers, for ``predict(rows, cols)``.
    ranks : tuple of int
        What ``rank="auto"`` tries; those above the number of columns are left out.
    """

    weights: str | None = None
    psi: str | float | None = None
    start: str | None = None
    diagonal_weight: float | None = None
    incoherence: float = 1e-4
    row_norm: float | None = None
    ridge: float = 0.0
    step: float | None = None
    is_preconditioned: bool = True
    max_iter: int | None = None
    tol: float | None = None
    sampling: str = "uniform"
    keeps_rows: bool = True
    ranks: tuple[int, ...] = DEFAULT_RANKS


def checked_options(given: Any) -> OneSidedOptions:
    """The options, defaults where none were given; everything in them is what it should be."""
    options = OneSidedOptions() if given is None else given
    if not isinstance(options, OneSidedOptions):
        raise TypeError(f"options must be a OneSidedOptions or None; got {type(options).__name__}")
    from halfseen.methods.moment.estimates import SAMPLINGS

    one_of("weights", options.weights, (None, *WEIGHTS))
    one_of("start", options.start, (None, *STARTS))
    one_of("sampling", options.sampling, SAMPLINGS)
    if isinstance(options.psi, str):
        one_of("psi", options.psi, PSI)
    elif options.psi is not None:
        at_least("psi", options.psi, 0.0)
    for name in ("incoherence", "ridge"):
        at_least(name, getattr(options, name), 0.0)
    for name in ("diagonal_weight", "row_norm", "step", "tol"):
        if getattr(options, name) is not None:
            at_least(name, getattr(options, name), 0.0)
    if options.max_iter is not None:
        at_least("max_iter", options.max_iter, 1, whole=True)
    return options


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse what is not among the choices."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def at_least(name: str, value: Any, low: float, whole: bool = False) -> None:
    """Refuse what is not a finite number (``whole``: an integer) of at least ``low``."""
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool | np.bool_)
    if not fits or not low <= float(value) < np.inf:
        kind = "an integer" if whole else "a finite number"
        raise ValueError(f"{name} must be {kind} of at least {low:g}; got {value!r}")
