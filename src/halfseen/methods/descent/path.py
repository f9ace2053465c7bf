"""The path of a descent: singular values and errors, and the best approximations that were passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.solvers import FactorObjective, SweepResult, product_svd


@storable
@dataclass(frozen=True)
class Passed:
    r"""The best rank-r approximation as descent passed it.

    Attributes
    ----------
    rank : int
    time : int
        Iteration at which the iterate was nearest to it.
    left, right : ndarray (m, r), (n, r)
        The leading r components of that iterate; their product is the approximation.
    error : float
        Estimate of the iterate's distance to the best rank-r approximation, from what descent knows: what its leading
        components still lack, and how large the others are already.
    tail : float
        Frobenius norm of the components beyond r of that iterate, which are left out here.
    """

    rank: int
    time: int
    left: FloatArray
    right: FloatArray
    error: float
    tail: float

    def to_dense(self) -> FloatArray:
        """The approximation as an array (m, n)."""
        return self.left @ self.right.T


@storable
@dataclass(frozen=True)
class DescentPath:
    """What was seen along a descent.

    Attributes
    ----------
    times : ndarray of int (T,)
        Iterations at which the path was looked at, 0 (the start) first.
    singular_values : ndarray (T, q)
        Of the iterates.
    training_errors : ndarray (T,)
        Frobenius norm of what is left of the table (other losses: the root of twice the objective).
    passed : tuple of Passed
        Of rank 1, 2, ...
    """

    times: IntArray
    singular_values: FloatArray
    training_errors: FloatArray
    passed: tuple[Passed, ...]


@storable
@dataclass(frozen=True)
class HeldOutCurve:
    """Errors on the entries held back, iteration by iteration (root mean square, or mean loss).

    Attributes
    ----------
    errors : ndarray (T,)
        After iteration 1, 2, ...
    best_time : int
    best_error : float
    """

    errors: FloatArray
    best_time: int
    best_error: float


class SingularIterate(NamedTuple):
    """An iterate in its own singular basis."""

    size: FloatArray  # singular values of the iterate
    lack: FloatArray  # u_i' (X - F G') v_i, what component i still lacks
    parts: Callable[[int], tuple[FloatArray, FloatArray]]  # its leading r components as two factors


def read_factors(objective: FactorObjective) -> Callable[[Any], SingularIterate]:
    """How to read iterates that are two factors."""

    def read(factors: Any) -> SingularIterate:
        U, s, V = product_svd(factors)
        lack = np.einsum("ij,ij->j", U, objective.rest(factors, V))
        return SingularIterate(s, lack, lambda r: (U[:, :r] * np.sqrt(s[:r]), V[:, :r] * np.sqrt(s[:r])))

    return read


class Recorder:
    """Watcher: looks at the path on a growing grid of times, and whenever it is asked to.

    Parameters
    ----------
    read : callable
        ``read(params) -> SingularIterate``.
    keep : int
        Largest rank whose approximation is kept.
    growth : float
        Look again when the time has grown by this share.
    """

    def __init__(self, read: Callable[[Any], SingularIterate], keep: int, growth: float) -> None:
        self.read, self.keep, self.growth = read, keep, growth
        self._next = 0
        self._rows: list[tuple[int, FloatArray, float]] = []
        self._passed: dict[int, Passed] = {}

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        if iteration >= self._next and np.isfinite(result.value):
            self.look(iteration, result.params, result.value)

    def look(self, iteration: int, params: Any, value: float) -> SingularIterate:
        """Record this iterate."""
        reading = self.read(params)
        self._rows.append((iteration, np.asarray(reading.size, dtype=float), float(np.sqrt(2.0 * max(value, 0.0)))))
        self._next = iteration + max(1, int(self.growth * iteration))
        self._pass_by(iteration, reading)
        return reading

    def _pass_by(self, iteration: int, reading: SingularIterate) -> None:
        lacks = np.cumsum(np.square(reading.lack, dtype=float))
        squares = np.square(reading.size, dtype=float)
        tails = np.maximum(squares.sum() - np.cumsum(squares), 0.0)
        errors = np.sqrt(lacks + tails)
        # before a component is half grown its direction is still the start's, and what it lacks says nothing
        is_there = np.logical_and.accumulate(reading.size >= np.abs(reading.lack))
        for r in range(1, min(self.keep, int(is_there.sum())) + 1):
            known = self._passed.get(r)
            if known is None or errors[r - 1] < known.error:
                left, right = reading.parts(r)
                tail = float(np.sqrt(tails[r - 1]))
                self._passed[r] = Passed(r, iteration, left, right, float(errors[r - 1]), tail)

    def path(self) -> DescentPath:
        """What was recorded."""
        times = np.array([row[0] for row in self._rows], dtype=np.int64)
        values, errors = np.array([row[1] for row in self._rows]), np.array([row[2] for row in self._rows])
        return DescentPath(times, values, errors, tuple(self._passed[r] for r in sorted(self._passed)))
