r"""The marginal likelihood of the rows' abilities: columns integrated out on nodes.

.. math:: \log P(R_{\cdot j}) = \log \sum_g w_g \exp\Bigl(\sum_i k_{ij} m_{ig} - n_{ij} \log(1 + e^{m_{ig}})\Bigr),
          \qquad m_{ig} = z_g + x_i y_g,\quad (z, y)_g = (\mu, 1) + L u_g
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.methods.response.nodes import Loadings, Nodes
from halfseen.methods.response.table import ColumnBlock, SeenAnswers

# Standard deviation of the prior on the slopes' loadings: a slope of 1 +- .5 already ranges from 0 to 2.
SLOPE_PRIOR = 0.5


@dataclass(frozen=True)
class Point:
    """Abilities (n,) and loadings, as the flat vector of the solvers and back: ``[x, mu, L11(, L21, L22)]``."""

    x: FloatArray
    loadings: Loadings
    is_sloped: bool

    @classmethod
    def of(cls, theta: FloatArray, is_sloped: bool) -> Point:
        n = len(theta) - (4 if is_sloped else 2)
        return cls(theta[:n], Loadings(*(float(v) for v in theta[n:])), is_sloped)

    @property
    def theta(self) -> FloatArray:
        at = self.loadings
        more = (at.mean, at.spread, at.tilt, at.slope) if self.is_sloped else (at.mean, at.spread)
        return np.concatenate([self.x, more])


@dataclass(frozen=True)
class Posterior:
    """What the seen answers say of a block of columns, at a point.

    Attributes
    ----------
    block : ColumnBlock
    log_likelihood : ndarray (b,)
    chance : ndarray (b, G)
        Posterior probabilities of the nodes.
    u, z, y : ndarray (1 or b, G, 2), (1 or b, G), (1 or b, G)
    mean : ndarray (1 or b, n, G)
        Chance of success of every row at every node.
    is_shared : bool
        Whether all columns have the same nodes.
    """

    block: ColumnBlock
    log_likelihood: FloatArray
    chance: FloatArray
    u: FloatArray
    z: FloatArray
    y: FloatArray
    mean: FloatArray
    is_shared: bool

    def expected(self, values: FloatArray) -> FloatArray:
        """Posterior means (b, n) of numbers (1 or b, n, G)."""
        if self.is_shared:
            return self.chance @ values[0].T
        return np.asarray(np.matmul(values, self.chance[:, :, None])[:, :, 0])


class MarginalLikelihood:
    """Minus the log of the marginal likelihood times the priors, over ``theta = [x, mu, L11(, L21, L22)]``.

    Parameters
    ----------
    table : SeenAnswers
    nodes : Nodes
    is_sloped : bool
        2pl; else rasch.
    prior_variance : float
        Of the abilities.

    Notes
    -----
    A value and its gradient (Fisher's identity: the posterior mean of the complete gradient) cost four matrix products
    of size p x n x G on shared nodes, O(p n G) exponentials on own ones. Memory: one block of columns.
    """

    def __init__(self, table: SeenAnswers, nodes: Nodes, is_sloped: bool, prior_variance: float) -> None:
        self.table, self.nodes, self.is_sloped = table, nodes, is_sloped
        self.prior_variance = float(prior_variance)

    def posteriors(self, at: Point) -> Iterator[Posterior]:
        """The columns' posteriors, block by block."""
        n, nodes = self.table.shape[0], self.nodes
        width = nodes.u.shape[1] * (1 if nodes.is_shared else n)
        shared = self._at_nodes(at, nodes) if nodes.is_shared else None
        for block in self.table.blocks(width):
            here = nodes.of(block.cols)
            u, z, y, m, soft, mean = self._at_nodes(at, here) if shared is None else shared
            k, w = block.factors if nodes.is_shared else (block.successes, block.weights)
            log = here.log_weight + _through(k, m, nodes.is_shared)
            log -= _through(w, soft, nodes.is_shared)
            top = log.max(axis=1, keepdims=True)
            chance = np.exp(log - top)
            total = chance.sum(axis=1, keepdims=True)
            yield Posterior(block, (np.log(total) + top)[:, 0], chance / total, u, z, y, mean, nodes.is_shared)

    @staticmethod
    def _at_nodes(at: Point, nodes: Nodes) -> tuple[FloatArray, ...]:
        z, y = at.loadings.pairs(nodes.u)
        m = z[:, None, :] + at.x[:, None] * y[:, None, :]
        return nodes.u, z, y, m, *_softplus(m)

    def value(self, theta: FloatArray) -> float:
        return self.value_and_gradient(theta)[0]

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        at = Point.of(theta, self.is_sloped)
        n, value, g = len(at.x), 0.0, np.zeros(len(theta))
        for posterior in self.posteriors(at):
            value -= float(posterior.log_likelihood.sum())
            block, W = posterior.block, posterior.chance
            if posterior.is_shared:
                k, w = block.factors
                e = np.asarray(k.T @ W - (w.T @ W) * posterior.mean[0])[None]
            else:
                e = W[:, None, :] * (block.successes[:, :, None] - block.weights[:, :, None] * posterior.mean)
            by_node = e.sum(axis=1)
            g[:n] -= np.einsum("bng,bg->n", e, posterior.y, optimize=True)
            g[n] -= by_node.sum()
            g[n + 1] -= np.sum(by_node * posterior.u[..., 0])
            if self.is_sloped:
                moved = np.einsum("bng,n->bg", e, at.x, optimize=True)
                g[n + 2] -= np.sum(moved * posterior.u[..., 0])
                g[n + 3] -= np.sum(moved * posterior.u[..., 1])
        return value + self._priors(theta, g), g

    def _priors(self, theta: FloatArray, g: FloatArray) -> float:
        """Value of the priors; their gradient is added to ``g``."""
        n = self.table.shape[0]
        x, loose = theta[:n], theta[n + 2 :]
        g[:n] += x / self.prior_variance
        g[n + 2 :] += loose / SLOPE_PRIOR**2
        return 0.5 * float(x @ x) / self.prior_variance + 0.5 * float(loose @ loose) / SLOPE_PRIOR**2

    def prior_precision(self) -> FloatArray:
        """Diagonal of the priors' Hessian."""
        n = self.table.shape[0]
        more = [0.0, 0.0, *([SLOPE_PRIOR**-2] * 2 if self.is_sloped else [])]
        return np.concatenate([np.full(n, 1.0 / self.prior_variance), more])


def _softplus(m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``log(1 + e^m)`` and ``1 / (1 + e^-m)``.

    In NumPy's vectorised ``exp`` and ``log``: logaddexp and expit take four times as long.
    """
    small = np.exp(-np.abs(m))
    mean = np.where(m >= 0, 1.0, small) / (1.0 + small)
    return np.maximum(m, 0.0) + np.log(1.0 + small), mean


def _through(cells: Any, at_nodes: FloatArray, is_shared: bool) -> FloatArray:
    """Sums (b, G) over rows of cells (b, n) times numbers (1 or b, n, G)."""
    if is_shared:
        return np.asarray(cells @ at_nodes[0])
    return np.asarray(np.matmul(cells[:, None, :], at_nodes)[:, 0, :])
