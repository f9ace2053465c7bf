"""Switches of a fit, beside what every user sets."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen.data.storable import storable

STARTS = ("spectral", "stepwise", "random", "warm")
SOLVERS = ("als", "gd", "scaled-gd")
DEFAULT_SWEEPS = {"als": 500, "gd": 5000, "scaled-gd": 1000}
# A round of descent does less than an exact sweep, least of all on the plateau that a small start begins with.
DEFAULT_TOL = {"als": 1e-6, "gd": 1e-9, "scaled-gd": 1e-7}


@storable
@dataclass(frozen=True)
class HeterogeneousOptions:
    r"""How shared and unique factors are searched for.

    Attributes
    ----------
    start : {None, "spectral", "stepwise", "random", "warm"}
        Two SVDs; the same factor by factor, each from what those before it leave (for parts whose singular values
        differ by a factor of 30 and more); Gaussian factors of size ``start_scale``; or these and 60 rounds of
        descent. None: "spectral" for "als" and "scaled-gd", "random" for "gd".
    start_scale : float
        Standard deviation of random factors, in units of the root of the largest singular value.
    eta : "auto" or float
        Step of the descents. "auto": half of one over the largest singular value ("gd"); .7 over the share of entries
        seen ("scaled-gd"). The squared loss is half the sum of squares.
    beta : float
        Pull of Algorithm 1 towards orthonormal bases (0: none; of no use to incomplete tables).
    tries : int
        How often sources that are left far behind the others are started afresh ("als").
    max_iter : int or None
        Sweeps; None is 500 ("als"), 5000 ("gd") or 1000 ("scaled-gd").
    tol : float or None
        Stop when the value changes by less than this share of itself twice on end; None is 1e-6 ("als"), 1e-9 ("gd")
        or 1e-7 ("scaled-gd").
    """

    start: str | None = None
    start_scale: float = 1e-3
    eta: str | float = "auto"
    beta: float = 0.0
    tries: int = 3
    max_iter: int | None = None
    tol: float | None = None

    def checked(self) -> HeterogeneousOptions:
        """Itself, or an error that names the option."""
        if self.start is not None and self.start not in STARTS:
            raise ValueError(f"options.start={self.start!r} is not known; use one of {STARTS} or None.")
        is_number = isinstance(self.eta, Real) and not isinstance(self.eta, bool)
        if not (self.eta == "auto" or (is_number and 0 < float(self.eta) < np.inf)):
            raise ValueError(f"options.eta={self.eta!r} must be 'auto' or a positive number.")
        for name in ("start_scale", "beta", "tol"):
            value = getattr(self, name)
            if name == "tol" and value is None:
                continue
            if not isinstance(value, Real) or not 0 <= float(value) < np.inf or (name == "start_scale" and not value):
                raise ValueError(f"options.{name}={value!r} must be a finite number, not negative.")
        for name, low in (("tries", 0), ("max_iter", 1)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Integral) and int(value) >= low):
                raise ValueError(f"options.{name}={value!r} must be a whole number of at least {low}.")
        return self

    def sweeps(self, solver: str) -> int:
        """Largest number of sweeps."""
        return DEFAULT_SWEEPS[solver] if self.max_iter is None else int(self.max_iter)

    def tolerance(self, solver: str) -> float:
        """Relative change of the value at which to stop."""
        return DEFAULT_TOL[solver] if self.tol is None else float(self.tol)


def checked_options(options: Any) -> HeterogeneousOptions:
    """The options of a fit, checked; None is the defaults.

    Examples
    --------
    >>> checked_options(None).beta
    0.0
    """
    if options is None:
        return HeterogeneousOptions()
    if isinstance(options, HeterogeneousOptions):
        return options.checked()
    raise TypeError(
        f"options must be a HeterogeneousOptions or None, got {type(options).__name__}; "
        "write options=HeterogeneousOptions(max_iter=100)."
    )


def unique_ranks(unique_rank: Any, names: list[str]) -> tuple[int, ...]:
    """The unique rank of every source, from one number for all or a mapping from name to number.

    Examples
    --------
    >>> unique_ranks({"a": 1, "b": 2}, ["a", "b"]), unique_ranks(3, ["a", "b"])
    ((1, 2), (3, 3))
    """
    if hasattr(unique_rank, "keys"):
        lacking = [name for name in names if name not in unique_rank]
        if lacking:
            raise ValueError(f"unique_rank has no entry for source {lacking[0]!r}; give every source a rank")
        ranks = [unique_rank[name] for name in names]
    else:
        ranks = [unique_rank] * len(names)
    for name, rank in zip(names, ranks, strict=True):
        if not isinstance(rank, Integral) or isinstance(rank, bool) or rank < 0:
            raise ValueError(f"unique_rank must be a whole number, not negative; source {name!r} has {rank!r}")
    return tuple(int(rank) for rank in ranks)
