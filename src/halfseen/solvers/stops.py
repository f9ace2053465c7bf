"""Reasons to stop, as small objects that the loop asks after every sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from halfseen.solvers.loop import SweepResult


@dataclass
class GradientNorm:
    """Stop when the largest absolute entry of the gradient is at most ``tol``."""

    tol: float

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        return "gradient" if result.gradient_norm <= self.tol else None


@dataclass
class SmallValue:
    """Stop with the reason "exact" when the value is at most ``floor``: what is left is rounding."""

    floor: float

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        return "exact" if result.value <= self.floor else None


@dataclass
class RelativeChange:
    """Stop when the value falls by less than ``tol`` of itself in ``patience`` sweeps on end."""

    tol: float
    patience: int = 1
    _last: float | None = field(default=None, repr=False)
    _quiet: int = field(default=0, repr=False)

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        last, self._last = self._last, result.value
        small = last is not None and abs(last - result.value) <= self.tol * max(abs(last), 1e-300)
        self._quiet = self._quiet + 1 if small else 0
        return "change" if self._quiet >= self.patience else None


@dataclass
class HeldOut:
    """Stop when ``score(params)`` (smaller is better) has not improved for ``patience`` sweeps.

    ``best_params`` and ``best_score`` keep the best seen so far.
    """

    score: Callable[[Any], float]
    patience: int = 3
    best_score: float = field(default=float("inf"), init=False)
    best_params: Any = field(default=None, init=False, repr=False)
    _bad: int = field(default=0, init=False, repr=False)

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        score = self.score(result.params)
        if score < self.best_score:
            self.best_score, self.best_params, self._bad = score, result.params, 0
        else:
            self._bad += 1
        return "held_out" if self._bad >= self.patience else None
