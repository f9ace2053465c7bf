"""Points of a path of penalties, judged on held-out entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.completion.nuclear import PathPoint


@storable
@dataclass(frozen=True)
class NuclearPath:
    """The path as it was judged, one number per penalty.

    Attributes
    ----------
    penalties, ranks : ndarray
    losses, debiased_losses : ndarray
        Mean squared errors of the held-out entries; nan where not asked for.
    """

    penalties: FloatArray
    ranks: IntArray
    losses: FloatArray
    debiased_losses: FloatArray


class PathJudge:
    """Mean squared error of held-out entries along a path, plain and debiased; remembers the best point."""

    def __init__(self, measure: Callable[[PathPoint, bool, bool], tuple[float, float]], debias: str | bool) -> None:
        self._measure, self._debias = measure, debias
        self._points: list[tuple[float, int, float, float]] = []
        self._best: tuple[float, PathPoint, bool] | None = None

    def __call__(self, point: PathPoint) -> float:
        plain, debiased = self._measure(point, self._debias is not True, self._debias is not False)
        self._points.append((point.penalty, point.params[0].shape[1] - 1, plain, debiased))
        loss = float(np.nanmin([plain, debiased]))
        if self._best is None or loss < self._best[0]:
            self._best = loss, point, bool(debiased < plain) if self._debias == "auto" else self._debias is True
        return loss

    def best(self) -> tuple[PathPoint, bool]:
        """The point with the smallest loss, and whether it is to be debiased."""
        if self._best is None:
            raise ValueError("the path ended before its first penalty was solved for; scale the values")
        return self._best[1], self._best[2]

    def path(self) -> NuclearPath:
        """All that was judged."""
        penalties, ranks, losses, debiased = (np.array(part) for part in zip(*self._points, strict=True))
        return NuclearPath(penalties, ranks, losses, debiased)
