r"""Second derivatives and score sums where all columns share their nodes: work goes with the cells seen, not with all.

A row that a column has no answer of adds nothing to the gradient of that column's likelihood, and on shared nodes the
chances :math:`p_{ig}` are the same in all columns. Sums over all cells are then matrix products; sums over pairs of
cells of one column need its seen cells alone:

.. math:: \sum_j (1 - s_{ij})(1 - s_{lj})\,\mathrm{Cov}_j(p_i, p_l)
          = \Bigl(\sum_j - \sum_j s_{ij} - \sum_j s_{lj} + \sum_j s_{ij} s_{lj}\Bigr)\,\mathrm{Cov}_j(p_i, p_l)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.response.likelihood import Point, Posterior
from halfseen.methods.response.table import NUMBERS_AT_ONCE

# Nodes of less posterior chance than this in a column are passed over: all 533 of them are 5e-10.
LEAST_CHANCE = 1e-12


@dataclass(frozen=True)
class ScoreSums:
    r"""Sums over columns of the chances of the cells that count, and their errors.

    Attributes
    ----------
    expected : ndarray (n,)
        :math:`\sum_j U_{ij} P_{ij}`.
    slopes : ndarray (n, n + k)
        Its derivatives by ``theta``, through the columns' posteriors too.
    column_covariance : ndarray (n, n)
        :math:`\sum_j U_{ij} U_{lj}\,\mathrm{Cov}_j(p_{ij}, p_{lj})`.
    noise : ndarray (n,)
        :math:`\sum_j U_{ij}\,\mathrm{E}_j[p_{ij} (1 - p_{ij})]`.
    """

    expected: FloatArray
    slopes: FloatArray
    column_covariance: FloatArray
    noise: FloatArray

    @classmethod
    def zeros(cls, n: int, size: int) -> ScoreSums:
        """Nothing counted yet."""
        return cls(np.zeros(n), np.zeros((n, size)), np.zeros((n, n)), np.zeros(n))


@dataclass(frozen=True)
class SeenCells:
    r"""Seen cells of some columns, each column's rows in places of their own, times :math:`\sqrt{W_{jg}}`.

    Attributes
    ----------
    theta : int ndarray (b, K + k)
        Places in ``theta`` of the K rows (those beyond a column's own have zeros below) and of the k loadings.
    scores : ndarray (b, K + k, G)
        Gradients of the complete log-likelihood by these.
    chances : ndarray (b, K, G)
        Chances of success, 0 beyond a column's own rows.
    root : ndarray (b, G)
        :math:`\sqrt{W_{jg}}`.
    """

    theta: IntArray
    scores: FloatArray
    chances: FloatArray
    root: FloatArray

    @property
    def means(self) -> tuple[FloatArray, FloatArray]:
        """Posterior means (b, K) of the chances and (b, K + k) of the scores."""
        root = self.root[:, :, None]
        return np.matmul(self.chances, root)[:, :, 0], np.matmul(self.scores, root)[:, :, 0]


def seen_cells(at: Point, posterior: Posterior) -> Iterator[SeenCells]:
    """The columns of a posterior on shared nodes, those with about as many answers together."""
    seen = posterior.block.is_seen
    counts = seen.sum(axis=1).astype(np.int64)
    order, G = np.argsort(counts, kind="stable"), posterior.chance.shape[1]
    batch = np.cumsum((2 * counts[order] + 8) * G) // NUMBERS_AT_ONCE
    for cut in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
        K = int(counts[cut[-1]])
        if K:
            rows = np.argsort(-seen[cut], axis=1, kind="stable")[:, :K]
            yield _cells(at, posterior, cut, rows)


def _cells(at: Point, posterior: Posterior, cut: IntArray, rows: IntArray) -> SeenCells:
    n, block, W = len(at.x), posterior.block, posterior.chance[cut]
    successes, weights, is_seen = (
        np.take_along_axis(cells[cut], rows, axis=1)[:, :, None]
        for cells in (block.successes, block.weights, block.is_seen)
    )
    most = int((W > LEAST_CHANCE).sum(axis=1).max())
    if 2 * most < W.shape[1]:
        kept = np.argpartition(W, W.shape[1] - most, axis=1)[:, W.shape[1] - most :]
        W = np.take_along_axis(W, kept, axis=1)
        p = posterior.mean[0][rows[:, :, None], kept[:, None, :]]
        y, u = posterior.y[0][kept], posterior.u[0][kept]
    else:
        p, y, u = posterior.mean[0][rows], posterior.y, posterior.u
    root, k = np.sqrt(W), len(at.theta) - n
    K = rows.shape[1]
    S = np.empty((len(cut), K + k, W.shape[1]))
    e = S[:, :K]
    np.multiply(weights, -p, out=e)
    e += successes
    e *= root[:, None, :]
    S[:, K] = e.sum(axis=1)
    S[:, K + 1] = S[:, K] * u[..., 0]
    if at.is_sloped:
        moved = np.matmul(at.x[rows][:, None, :], e)[:, 0]
        S[:, K + 2], S[:, K + 3] = moved * u[..., 0], moved * u[..., 1]
        e *= y[:, None, :]
    p *= is_seen
    p *= root[:, None, :]
    theta = np.concatenate([rows, np.broadcast_to(np.arange(n, n + k), (len(cut), k))], axis=1)
    return SeenCells(theta, S, p, root)


def score_covariance(at: Point, posterior: Posterior) -> FloatArray:
    """Sum (n + k, n + k) over the columns of the posterior covariances of their complete scores."""
    size = len(at.theta)
    out = np.zeros((size, size))
    for cells in seen_cells(at, posterior):
        _, mean = cells.means
        _add_pairs(out, cells.theta, cells.theta, _covariance(cells.scores, cells.scores, mean, mean))
    return out


def add_score_sums(unseen: ScoreSums, every: ScoreSums, at: Point, posterior: Posterior) -> None:
    """Another block of columns on shared nodes; see :func:`~halfseen.methods.response.curvature.score_sums`."""
    n, block, W = len(at.x), posterior.block, posterior.chance
    p, y, u, s = posterior.mean[0], posterior.y[0], posterior.u[0], block.is_seen
    w, P = p * (1.0 - p), W @ p.T
    seen = s.T @ W  # (n, G)
    e = block.successes.T @ W - (block.weights.T @ W) * p
    scores = _by_theta(at, e, y, u)
    within = _mean_scores(at, posterior)  # (b, n + k)
    total = W.sum(axis=0)
    covariance = (p * total) @ p.T - P.T @ P
    slopes = p @ scores.T - P.T @ within
    asked = (seen * p) @ p.T - (s * P).T @ P
    of_seen, slopes_of_seen = np.zeros((n, n)), np.zeros((n, len(at.theta)))
    for cells in seen_cells(at, posterior):
        chance, score = cells.means
        rows = cells.theta[:, : chance.shape[1]]
        _add_pairs(of_seen, rows, rows, _covariance(cells.chances, cells.chances, chance, chance))
        _add_pairs(slopes_of_seen, rows, cells.theta, _covariance(cells.chances, cells.scores, chance, score))
    for sums, counted, between, moved in (
        (every, np.broadcast_to(total, p.shape), covariance, slopes),
        (unseen, total - seen, covariance - asked - asked.T + of_seen, slopes - slopes_of_seen),
    ):
        sums.expected[:] += np.sum(counted * p, axis=1)
        felt = counted * w
        sums.noise[:] += felt.sum(axis=1)
        sums.column_covariance[:] += between
        sums.slopes[:] += moved
        sums.slopes[np.arange(n), np.arange(n)] += felt @ y
        for k, part in enumerate(_loadings(at, felt, u)):
            sums.slopes[:, n + k] += part


def _loadings(at: Point, cells: FloatArray, u: FloatArray) -> list[FloatArray]:
    """Sums (n,) over nodes of numbers (n, G), times the derivative of m by each loading."""
    parts = [cells.sum(axis=1), cells @ u[:, 0]]
    return [*parts, (cells @ u[:, 0]) * at.x, (cells @ u[:, 1]) * at.x] if at.is_sloped else parts


def _by_theta(at: Point, e: FloatArray, y: FloatArray, u: FloatArray) -> FloatArray:
    """Complete scores (n + k, G) summed over columns, from their errors (n, G)."""
    by_node = e.sum(axis=0)
    more = [by_node, by_node * u[:, 0]]
    if at.is_sloped:
        more += [(at.x @ e) * u[:, 0], (at.x @ e) * u[:, 1]]
    return np.concatenate([e * y, np.stack(more)])


def _mean_scores(at: Point, posterior: Posterior) -> FloatArray:
    """Posterior means (b, n + k) of the complete scores."""
    block, W, p = posterior.block, posterior.chance, posterior.mean[0]

    def mean(f: FloatArray) -> FloatArray:
        return np.asarray(block.successes * (W @ f)[:, None] - block.weights * (W @ (p * f).T))

    u = posterior.u[0]
    first = mean(u[:, 0])
    more = [mean(np.ones(len(u))).sum(axis=1), first.sum(axis=1)]
    if at.is_sloped:
        more += [first @ at.x, mean(u[:, 1]) @ at.x]
    return np.concatenate([mean(posterior.y[0]), np.stack(more, axis=1)], axis=1)


def _covariance(A: FloatArray, B: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Column by column, (b, K, L): second moments less the products of the means."""
    return np.asarray(np.matmul(A, np.swapaxes(B, 1, 2)) - a[:, :, None] * b[:, None, :])


def _add_pairs(total: FloatArray, rows: IntArray, cols: IntArray, values: FloatArray) -> None:
    """Add numbers (b, K, L) of columns at their places."""
    place = rows[:, :, None] * total.shape[1] + cols[:, None, :]
    total += np.bincount(place.ravel(), values.ravel(), total.size).reshape(total.shape)
