"""Stops for descent from a small start, which know when the next component is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.linalg.growth import half_time
from halfseen.solvers.factored import FactorObjective, Factors
from halfseen.solvers.loop import SweepResult

BLOCK = 4
# Power steps from random directions: a component twice as large as the others has taken over after a few.
FRESH_STEPS = 20
# A component is given this much more than the time at which it should be half grown before it counts as absent.
GRACE = 1.25


class LargestRest:
    r"""Operator norm of :math:`X - F G^\top`, one step of block power iteration per call from where the last ended.

    Notes
    -----
    Two products of the rest with four vectors per call. The norm moves slowly along a descent, so that one step
    from the last directions follows it; from below, by a few per cent in the bulk of the noise. When the directions
    followed so far have been learned, others must come up from next to nothing: :meth:`afresh` begins again.
    """

    def __init__(self, objective: FactorObjective, rng: np.random.Generator) -> None:
        self.objective = objective
        columns = min(BLOCK, *objective.shape)
        self._draw = lambda: rng.standard_normal((objective.shape[1], columns)).astype(objective.dtype)
        self._V: FloatArray | None = None

    def afresh(self, factors: Factors) -> float:
        """The norm from random directions, by as many steps as it takes."""
        self._V = np.linalg.qr(self._draw())[0]
        return max(self(factors) for _ in range(FRESH_STEPS))

    def __call__(self, factors: Factors) -> float:
        if self._V is None:
            return self.afresh(factors)
        image = self.objective.rest(factors, self._V)
        back = self.objective.rest_transposed(factors, image)
        self._V = np.linalg.qr(back)[0]
        return float(np.linalg.norm(image, 2))


class HeldOutComponents:
    """Stop when held-out entries were predicted best a while ago and the next component has had its time.

    Components are learned one after the other, with long waits in between when their sizes differ: a patience counted
    in sweeps would end in such a wait. After ``patience`` sweeps without improvement the size of what is left is
    looked at; descent goes on until a component of that size should have grown.

    Parameters
    ----------
    score : callable
        ``score(factors)``, smaller is better.
    rest : callable
        ``rest(factors)``, operator norm of what is left, such as :class:`LargestRest`.
    start : float
        Size of every component at the start.
    step : callable
        The learning rate now.
    patience : int
    max_iter : int
        A component that is due later than this is not waited for.
    every : int
        Sweeps from one look to the next.
    enough : float
        A score this small leaves nothing to be looked for.
    """

    def __init__(
        self,
        score: Callable[[Any], float],
        rest: Callable[[Any], float],
        start: float,
        step: Callable[[], float],
        patience: int,
        max_iter: int,
        every: int = 1,
        enough: float = -np.inf,
    ) -> None:
        self.score, self.rest, self.start, self.step = score, rest, start, step
        self.patience, self.max_iter = patience, max_iter
        self.every, self.enough = every, enough
        self.best_score, self.best_time = np.inf, 0
        self.best_params: Factors | None = None
        self.scores: list[float] = []

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        if iteration % self.every:
            return None
        score = self.score(result.params)
        self.scores.append(score)
        if score < self.best_score:
            self.best_score, self.best_params, self.best_time = score, result.params, iteration
            return "held_out" if score <= self.enough else None
        if iteration - self.best_time < self.patience:
            return None
        size = self.rest(result.params)
        due = GRACE * float(half_time(max(size, self.start), self.start, self.step()))
        return "held_out" if size <= self.start or iteration >= due or due > self.max_iter else None


class Discrepancy:
    r"""Stop some time after what is left looks like noise, :math:`\|X - F G^\top\| \le (\sqrt m + \sqrt n)\sigma`.

    Parameters
    ----------
    rest : callable
        ``rest(params)``, the operator norm of what is left.
    edge : callable
        ``edge(params, value)``, that of noise alone.
    factor : float
        Go on to this multiple of the time at which the rest first looks like noise: the last component is still
        growing then.
    latest : callable or None
        ``latest(edge)``, the time at which a component of noise that large will have grown: beyond it the fit goes on
        only if the rest does not look like noise yet.
    """

    def __init__(
        self,
        rest: Callable[[Any], float],
        edge: Callable[[Any, float], float],
        factor: float = 1.15,
        latest: Callable[[float], float] | None = None,
    ) -> None:
        self.rest, self.edge, self.factor, self.latest = rest, edge, factor, latest
        self._until = np.inf
        self._afresh = getattr(rest, "afresh", rest)

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        if not np.isfinite(self._until):
            edge = self.edge(result.params, result.value)
            if self.rest(result.params) <= edge and self._afresh(result.params) <= edge:
                latest = np.inf if self.latest is None else self.latest(edge)
                self._until = min(self.factor * iteration, max(latest, iteration))
        return "discrepancy" if iteration >= self._until else None


class Plateau:
    r"""Stop when the training error has fallen and then stays level.

    The error's norm at time t is compared with that at :math:`t / (1 + w)`: less than ``tol`` of it gained in that
    window, after a window in which more than ten times as much was, is a plateau.

    Parameters
    ----------
    tol : float
    window : float
        :math:`w`, as a share of the time.
    """

    def __init__(self, tol: float = 1e-3, window: float = 0.15) -> None:
        self.tol, self.window = tol, window
        self._errors: list[float] = []
        self._has_fallen = False

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        error = float(np.sqrt(2.0 * max(result.value, 0.0)))
        self._errors.append(error)
        before = self._errors[max(int(iteration / (1.0 + self.window)) - 1, 0)]
        if before <= 1e-12 * self._errors[0]:
            return "plateau"
        gain = 1.0 - error / before
        self._has_fallen |= gain > 10.0 * self.tol
        return "plateau" if self._has_fallen and gain < self.tol else None
