"""Where the columns' latent pairs are integrated: one grid for all, or a small one around each posterior mode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray
from halfseen.methods.response.table import SeenAnswers
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

# A grid of all columns: (most weighted answers of a column, nodes along each axis) on +-4, for rasch 61 on +-5; beyond
# the last, every column has a grid around its own mode. Measured against 401 x 201 nodes with a spread of 2.5: the
# log-likelihood of a column is off by at most .005, and by .001 on average.
SHARED_GRIDS = ((30.0, (31, 13)), (60.0, (41, 13)))
# Own nodes cost an exponential per cell, seen or not: where at most so many cells are seen, one more grid comes first.
SPARSE, SPARSE_GRID = 0.15, (100.0, (51, 15))
REACH, STEP, RADIUS = 4.0, 0.8, 4.4
LINE, LINE_REACH = 61, 5.0
MODE_SWEEPS, MODE_TOL, LONGEST_STEP = 50, 1e-8, 2.0


@dataclass(frozen=True)
class Loadings:
    r"""The columns' distribution: :math:`(\zeta_j, y_j) = (\mu, 1) + L u_j`, :math:`u_j \sim N(0, I)`.

    Attributes
    ----------
    mean : float
        :math:`\mu`.
    spread, tilt, slope : float
        :math:`L_{11}, L_{21}, L_{22}`; the last two are 0 for rasch.
    """

    mean: float
    spread: float
    tilt: float = 0.0
    slope: float = 0.0

    def pairs(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Intercepts and slopes at standard normal positions (..., 2)."""
        return self.mean + self.spread * u[..., 0], 1.0 + self.tilt * u[..., 0] + self.slope * u[..., 1]


@dataclass(frozen=True)
class Nodes:
    """Positions (1 or p, G, 2) of standard normal pairs and the logarithms (1 or p, G) of their weights."""

    u: FloatArray
    log_weight: FloatArray
    is_shared: bool

    def of(self, cols: slice) -> Nodes:
        """The nodes of some columns."""
        return self if self.is_shared else Nodes(self.u[cols], self.log_weight[cols], False)


def choose_nodes(table: SeenAnswers, x: FloatArray, loadings: Loadings, is_sloped: bool) -> Nodes:
    """Shared nodes where they are fine enough for the fullest column, else own ones."""
    most, (n, p) = table.most_per_column, table.shape
    is_sparse = len(table.rows) <= SPARSE * n * p
    for limit, size in (*SHARED_GRIDS, *([SPARSE_GRID] if is_sparse else [])):
        if most <= limit:
            return shared_nodes(is_sloped, size)
    return own_nodes(table, x, loadings, is_sloped)


def shared_nodes(is_sloped: bool, size: tuple[int, int] = (21, 13)) -> Nodes:
    """One equispaced grid for all columns, with normal weights.

    Examples
    --------
    >>> nodes = shared_nodes(True)
    >>> nodes.u.shape, round(float(np.exp(nodes.log_weight).sum()), 6)
    ((1, 273, 2), 1.0)
    """
    if not is_sloped:
        line = np.linspace(-LINE_REACH, LINE_REACH, LINE)
        u = np.stack([line, np.zeros(LINE)], axis=-1)
    else:
        first, second = np.meshgrid(*(np.linspace(-REACH, REACH, k) for k in size), indexing="ij")
        u = np.stack([first.ravel(), second.ravel()], axis=-1)
    log_weight = -0.5 * np.sum(u**2, axis=-1)
    return Nodes(u[None], (log_weight - np.log(np.exp(log_weight).sum()))[None], True)


def own_nodes(table: SeenAnswers, x: FloatArray, loadings: Loadings, is_sloped: bool) -> Nodes:
    """A grid per column around the mode of its posterior, in units of its curvature there."""
    mode, H = column_modes(table, x, loadings, is_sloped)
    s = np.arange(-RADIUS, RADIUS + 1e-9, STEP)
    if is_sloped:
        first, second = np.meshgrid(s, s, indexing="ij")
        grid = np.stack([first.ravel(), second.ravel()], axis=-1)
        grid = grid[np.sum(grid**2, axis=-1) <= RADIUS**2 + 1e-9]
    else:
        s = np.linspace(-LINE_REACH, LINE_REACH, 21)
        grid = np.stack([s, np.zeros(len(s))], axis=-1)
    root = np.linalg.inv(np.linalg.cholesky(H))  # H = C C', u = mode + C^-T s
    u = mode[:, None, :] + np.einsum("gk,jkl->jgl", grid, root)
    dims = 2 if is_sloped else 1
    cell = STEP**2 if is_sloped else s[1] - s[0]
    area = np.abs(root[:, 0, 0] * (root[:, 1, 1] if is_sloped else 1.0)) * cell
    log_density = -0.5 * np.sum(u[..., :dims] ** 2, axis=-1) - 0.5 * dims * np.log(2.0 * np.pi)
    return Nodes(u, log_density + np.log(area)[:, None], False)


def column_modes(
    table: SeenAnswers, x: FloatArray, loadings: Loadings, is_sloped: bool
) -> tuple[FloatArray, FloatArray]:
    r"""Modes (p, 2) of the columns' posteriors and their curvatures (p, 2, 2).

    In ``u`` every column is a logistic regression with a unit ridge, :math:`m_{ij} = \mu + x_i + a_i^\top u_j`.
    """
    a = np.stack([loadings.spread + loadings.tilt * x, (loadings.slope if is_sloped else 0.0) * x], axis=-1)
    known = loadings.mean + x
    i, j, p = table.rows, table.cols, table.shape[1]

    def parts(u: FloatArray) -> tuple[FloatArray, FloatArray]:
        chance = expit(known[i] + np.sum(a[i] * u[j], axis=-1))
        e, w = table.successes - table.weights * chance, table.weights * chance * (1.0 - chance)
        g = u - np.stack([np.bincount(j, e * a[i, k], p) for k in (0, 1)], axis=-1)
        H = np.zeros((p, 2, 2))
        for k, l in ((0, 0), (0, 1), (1, 1)):  # noqa: E741
            H[:, k, l] = H[:, l, k] = np.bincount(j, w * a[i, k] * a[i, l], p) + (k == l)
        return g, H

    def sweep(u: FloatArray) -> SweepResult:
        g, H = parts(u)
        move = np.linalg.solve(H, g[..., None])[..., 0]
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        return SweepResult(u - move * np.minimum(1.0, LONGEST_STEP / np.maximum(length, 1e-12)), 0.0, largest(move))

    # the "gradient norm" is the largest move
    mode = loop(sweep, np.zeros((p, 2)), [GradientNorm(MODE_TOL)], max_iter=MODE_SWEEPS).params
    return mode, parts(mode)[1]
