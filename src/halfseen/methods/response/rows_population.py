"""Whom the rows come from: normal abilities per group, moved by covariates, on equispaced nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.kernels.responses import NODE_MULTIPLE

LOG_ROOT_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
# Nodes reach so many standard deviations beyond the means; a step of at most 1.2 of the least posterior standard
# deviation keeps the log-likelihood within .001 (1.5: .01; 1.8: .04).
REACH = 6.0
STEP_PER_SD = 1.2
FEWEST_NODES, MOST_NODES = 48, 240


@storable
@dataclass(frozen=True)
class Grid:
    """Equispaced nodes.

    Attributes
    ----------
    low, high : float
    size : int
        A multiple of 8.
    """

    low: float
    high: float
    size: int

    @cached_property
    def positions(self) -> FloatArray:
        return np.linspace(self.low, self.high, self.size)

    @property
    def step(self) -> float:
        return (self.high - self.low) / (self.size - 1)

    @property
    def nodes(self) -> FloatArray:
        """Positions (size, 1)."""
        return self.positions[:, None]


def grid_for(least_sd: float, low: float = -REACH, high: float = REACH) -> Grid:
    """Nodes fine enough for the narrowest posterior.

    Examples
    --------
    >>> grid_for(0.5).size, grid_for(0.1).size, grid_for(0.01).size
    (48, 104, 240)
    """
    wanted = 1 + (high - low) / (STEP_PER_SD * least_sd)
    size = NODE_MULTIPLE * int(np.ceil(wanted / NODE_MULTIPLE))
    return Grid(low, high, int(np.clip(size, FEWEST_NODES, MOST_NODES)))


def expected_sd(answers_per_row: float) -> float:
    """What the least posterior standard deviation will be about (slopes near 1): .25 for 40 answers, .16 for 100."""
    return 1.6 / float(np.sqrt(max(answers_per_row, 1.0)))


@storable
@dataclass(frozen=True)
class Population:
    r"""Abilities of the rows, :math:`x_i \sim N(\mu_{g(i)} + B^\top z_i, \sigma_{g(i)}^2)`.

    Attributes
    ----------
    n_groups : int
    n_covariates : int
    names : tuple of str
        Of the groups; the first is the reference, with mean 0 and standard deviation 1.
    """

    n_groups: int = 1
    n_covariates: int = 0
    names: tuple[str, ...] = ("all",)

    @property
    def n_params(self) -> int:
        """Means, logarithms of standard deviations, coefficients."""
        return 2 * self.n_groups + self.n_covariates

    def split(self, params: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Means, standard deviations and coefficients."""
        k = self.n_groups
        return params[:k], np.exp(params[k : 2 * k]), params[2 * k :]

    def log_weights(self, params: FloatArray, grid: Grid) -> FloatArray:
        """Log weights (n_groups, size) of the nodes in each group, before covariates."""
        mean, sd, _ = self.split(params)
        z = (grid.positions - mean[:, None]) / sd[:, None]
        return -0.5 * z**2 - np.log(sd)[:, None] - LOG_ROOT_TWO_PI + np.log(grid.step)

    def tilts(self, params: FloatArray, groups: IntArray | None, Z: FloatArray) -> tuple[FloatArray, FloatArray]:
        r"""Tilt of each row's weights, and what its log-likelihood misses.

        With :math:`b = B^\top z` the log density is that of the group plus
        :math:`b x/\sigma^2 - (2 \mu b + b^2)/(2\sigma^2)`.
        """
        mean, sd, B = self.split(params)
        g = np.zeros(len(Z), dtype=np.int64) if groups is None else groups
        shift = Z @ B
        precision = 1.0 / sd[g] ** 2
        return shift * precision, -(mean[g] * shift + 0.5 * shift**2) * precision

    def row_scores(self, params: FloatArray, groups: Any, Z: Any, moments: FloatArray) -> FloatArray:
        """Derivatives (n, n_params) of the rows' log-likelihoods from the posterior moments of the abilities."""
        mean, sd, B = self.split(params)
        n, k = len(moments), self.n_groups
        g = np.zeros(n, dtype=np.int64) if groups is None else groups
        centre = mean[g] + (Z @ B if self.n_covariates else 0.0)
        precision = 1.0 / sd[g] ** 2
        first = (moments[:, 0] - centre) * precision
        second = (moments[:, 1] - 2.0 * centre * moments[:, 0] + centre**2) * precision - 1.0
        out = np.zeros((n, self.n_params))
        out[np.arange(n), g] = first
        out[np.arange(n), k + g] = second
        if self.n_covariates:
            out[:, 2 * k :] = first[:, None] * Z
        return out

    def mass_gradient(self, params: FloatArray, mass: FloatArray, grid: Grid) -> FloatArray:
        """The same summed over rows, from the posterior mass (n_groups, size) at the nodes; without covariates."""
        mean, sd, _ = self.split(params)
        z = (grid.positions - mean[:, None]) / sd[:, None]
        first, second = np.sum(mass * z, axis=1) / sd, np.sum(mass * (z**2 - 1.0), axis=1)
        return np.concatenate([first, second, np.zeros(self.n_covariates)])

    def complete_information(self, params: FloatArray, people: FloatArray, gram: FloatArray | None) -> FloatArray:
        """Information (n_params, n_params) if the abilities were known: ``people`` per group, ``gram`` = Z'WZ."""
        _, sd, _ = self.split(params)
        out = np.diag(np.concatenate([people / sd**2, 2.0 * people, np.zeros(self.n_covariates)]))
        if gram is not None:
            out[2 * self.n_groups :, 2 * self.n_groups :] = gram / float(np.mean(sd**2))
        return out

    def limits(self, params: FloatArray, Z: Any) -> tuple[float, float]:
        """Where the nodes should begin and end."""
        mean, sd, B = self.split(params)
        shift = Z @ B if self.n_covariates else np.zeros(1)
        return (
            float(np.min(mean - REACH * sd) + shift.min(initial=0.0)),
            float(np.max(mean + REACH * sd) + shift.max(initial=0.0)),
        )
