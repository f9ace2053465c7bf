"""What a solver needs to know of a problem, and a memory of the last point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]


class SmoothProblem(Protocol):
    """Turns one flat parameter vector into numbers."""

    def value(self, theta: Vector) -> float: ...

    def value_and_gradient(self, theta: Vector) -> tuple[float, Vector]: ...


class CurvedProblem(SmoothProblem, Protocol):
    """A problem that also offers second derivatives and a preconditioner."""

    def hessian_vector(self, theta: Vector, direction: Vector) -> Vector: ...

    def preconditioner(self, theta: Vector) -> Callable[[Vector], Vector]: ...


class HalvedProblem(SmoothProblem, Protocol):
    """A problem whose parameters fall into two halves, each easy for the other one fixed."""

    def half_step(self, theta: Vector, side: int) -> Vector: ...


class LastPoint:
    """Value and gradient of a problem, computed once for the same array object."""

    def __init__(self, problem: SmoothProblem) -> None:
        self.problem, self.passes = problem, 0.0
        self._theta: Vector | None = None
        self._value, self._gradient = np.nan, np.empty(0)

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        if theta is not self._theta:
            self._value, self._gradient = self.problem.value_and_gradient(theta)
            self._theta, self.passes = theta, self.passes + 1.0
        return self._value, self._gradient

    def remember(self, theta: Vector, value: float, gradient: Vector) -> None:
        self._theta, self._value, self._gradient = theta, value, gradient

    def take_work(self) -> float:
        """Gradient passes since the last call."""
        spent, self.passes = self.passes, 0.0
        return spent


def inner(left: Vector, right: Vector) -> float:
    """Inner product, summed pairwise in double.

    Not ``left @ right``: a threaded BLAS splits it by its own number of threads, so that bits would depend on the
    machine, and on a busy machine its waiting threads cost more than all passes over the entries.
    """
    return float(np.sum(left * right, dtype=np.float64))


def largest(vector: Vector) -> float:
    """Largest absolute entry, 0 for an empty vector."""
    return float(np.max(np.abs(vector), initial=0.0))
