"""Two models of a board: the gap, its paired interval, and how many questions would tell them apart."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import norm

# Scores that rounding, or the last digits of a fit, tell apart are equal.
LEAST_GAP = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Difference of the scores of two models; made by :meth:`Board.compare`.

    Attributes
    ----------
    first, second : str
    about : {"like-these", "these", "again"}
    gap, se, low, high : float
        Score of the first less that of the second, its standard error and interval.
    p_value : float
        Two-sided, of no difference: on a complete table that of the paired test. nan without any error.
    ahead : float
        Chance that the first is ahead.
    level : float
    common : int
        Questions that both answered.
    spread : float
        Standard deviation of the difference over questions, clusters counted in: ``se`` is about
        ``spread / sqrt(questions)``.
    power : float
    needed : int or None
        Questions that both must answer to tell a gap of this size with that power; None for no gap.
    detectable : float
        The gap that the questions at hand tell with that power.
    """

    first: str
    second: str
    about: str
    gap: float
    se: float
    low: float
    high: float
    p_value: float
    ahead: float
    level: float
    common: int
    spread: float
    power: float
    needed: int | None
    detectable: float

    def __str__(self) -> str:
        verdict = f"{self.first if self.gap > 0 else self.second} is ahead"
        if self.low <= 0.0 <= self.high:
            verdict = "they cannot be told apart" if self.gap else "they are level"
        need = "" if self.needed is None else f"; a gap of this size takes {self.needed} questions"
        return (
            f"{self.first} - {self.second} ({self.about}): {self.gap:+.3f}, {100 * self.level:g} % interval "
            f"{self.low:+.3f} to {self.high:+.3f}: {verdict}{need}."
        )

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self)


def questions_needed(spread: float, gap: float, level: float, power: float) -> int | None:
    r"""Questions that tell a gap: :math:`n = s_d^2 (z_{(1+level)/2} + z_{power})^2 / gap^2`.

    Examples
    --------
    >>> questions_needed(0.34, 0.02, 0.95, 0.8)
    2269
    """
    if abs(gap) < LEAST_GAP:
        return None
    return max(2, math.ceil(spread**2 * _both(level, power) ** 2 / gap**2))


def smallest_gap(spread: float, n: int, level: float, power: float) -> float:
    """The gap that ``n`` questions tell with that power."""
    return spread * _both(level, power) / math.sqrt(n)


def _both(level: float, power: float) -> float:
    return float(norm.ppf(0.5 * (1.0 + level)) + norm.ppf(power))
