"""Adam: gradient steps scaled by running moments of the gradient, as a sweep."""

from __future__ import annotations

import numpy as np

from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import LastPoint, SmoothProblem, Vector, largest


class Adam:
    r"""One step of Adam, :math:`\theta \leftarrow \theta - \eta\,\hat m/(\sqrt{\hat v} + \epsilon)`.

    Parameters
    ----------
    problem : SmoothProblem
    step : float
        :math:`\eta`.
    decay : (float, float)
        Of the running mean of the gradient and of its square.

    Notes
    -----
    One gradient pass per sweep; the value need not fall. Source: Kingma and Ba (2015), algorithm 1.

    Examples
    --------
    >>> from halfseen.solvers import loop
    >>> class Bowl:
    ...     def value(self, x): return float(x @ x)
    ...     def value_and_gradient(self, x): return self.value(x), 2 * x
    >>> bool(loop(Adam(Bowl(), 0.1), np.array([1.0, -2.0]), max_iter=200).value < 1e-3)
    True
    """

    def __init__(self, problem: SmoothProblem, step: float, decay: tuple[float, float] = (0.9, 0.999)) -> None:
        self.problem, self.step, self.decay = problem, step, decay
        self._at = LastPoint(problem)
        self._mean: Vector | float = 0.0
        self._square: Vector | float = 0.0
        self._sweeps = 0

    def __call__(self, theta: Vector) -> SweepResult:
        _, gradient = self._at(theta)
        mean_decay, square_decay = self.decay
        self._sweeps += 1
        self._mean = mean_decay * self._mean + (1.0 - mean_decay) * gradient
        self._square = square_decay * self._square + (1.0 - square_decay) * np.square(gradient)
        mean, square = self._mean / (1.0 - mean_decay**self._sweeps), self._square / (1.0 - square_decay**self._sweeps)
        new = theta - theta.dtype.type(self.step) * mean / (np.sqrt(square) + 1e-8)
        new_value, new_gradient = self._at(new)
        return SweepResult(new, new_value, largest(new_gradient), self._at.take_work())
