r"""What the other answers say of each one: a column's posterior without that answer, in closed form on the nodes.

.. math:: P(g \mid R_{-ij}) \propto P(g \mid R) / P(R_{ij} \mid g)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, xlogy

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.inference.bank import spline
from halfseen.methods.response.likelihood import MarginalLikelihood, Point, Posterior
from halfseen.methods.response.table import NUMBERS_AT_ONCE

# Answers that a row needs inside and outside a block before the block says something of the row.
FEWEST_IN_BLOCK = 15
# Abilities between two knots when a likelihood over the knots is refined.
FINER = 60


@dataclass(frozen=True)
class SeenOnes:
    """Some seen cells of a posterior's columns: places in the block and in the table, and their answers.

    Attributes
    ----------
    posterior : Posterior
    col, row : int ndarray (m,)
        Column within the block, and row.
    successes, weights : ndarray (m,)
    """

    posterior: Posterior
    col: IntArray
    row: IntArray
    successes: FloatArray
    weights: FloatArray

    def at(self, numbers: FloatArray) -> FloatArray:
        """Numbers at the nodes, (1 or b, 1 or n, G), for these cells: (m, G)."""
        cols = self.col if numbers.shape[0] > 1 else 0
        rows = self.row if numbers.shape[1] > 1 else 0
        return np.asarray(numbers[cols, rows])

    def without_own(self) -> FloatArray:
        """Posterior chances (m, G) of the nodes, the cell's own answer left out of its column."""
        p = np.clip(self.at(self.posterior.mean), 1e-15, 1.0 - 1e-15)
        chance = self.posterior.chance[self.col]
        k, w = self.successes, self.weights
        if bool(np.all((w == 1.0) & ((k == 0.0) | (k == 1.0)))):
            chance /= np.where(k[:, None] > 0, p, 1.0 - p)
        else:
            log = -(k[:, None] * np.log(p) + (w - k)[:, None] * np.log1p(-p))
            chance *= np.exp(log - log.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        return np.asarray(chance)


def seen_ones(problem: MarginalLikelihood, posterior: Posterior, numbers: int) -> Iterator[SeenOnes]:
    """The seen cells of a posterior's columns in the table's order, about ``NUMBERS_AT_ONCE / numbers`` at once."""
    table, cols = problem.table, posterior.block.cols
    first, last = (int(start) for start in table.starts[[cols.start, cols.stop]])
    size = max(1, NUMBERS_AT_ONCE // numbers)
    for begun in range(first, last, size):
        part = slice(begun, min(last, begun + size))
        yield SeenOnes(
            posterior, table.cols[part] - cols.start, table.rows[part], table.successes[part], table.weights[part]
        )


def left_out(
    problem: MarginalLikelihood, at: Point, values: Callable[[Posterior], tuple[FloatArray, ...]]
) -> FloatArray:
    """Means of numbers at the nodes for every seen cell, its own answer not counted in its column.

    Parameters
    ----------
    problem : MarginalLikelihood
    at : Point
    values : callable
        ``values(posterior)`` is a tuple of K arrays that broadcast to (b, n, G).

    Returns
    -------
    ndarray (K, n_entries)
        In the table's order.

    Notes
    -----
    The abilities and loadings are those of all answers: n + 4 numbers, against one answer of many.
    """
    parts = []
    for posterior in problem.posteriors(at):
        numbers = values(posterior)
        for cells in seen_ones(problem, posterior, posterior.chance.shape[1]):
            without = cells.without_own()
            parts.append([np.einsum("mg,mg->m", without, _spread(cells.at(own), without)) for own in numbers])
    return np.concatenate(parts, axis=1)


def _spread(numbers: FloatArray, like: FloatArray) -> FloatArray:
    return np.broadcast_to(numbers, like.shape)


def left_out_chances(problem: MarginalLikelihood, at: Point) -> FloatArray:
    """Chance of success of every seen cell (in the table's order), its own answer not counted in its column."""
    (chances,) = left_out(problem, at, lambda posterior: (posterior.mean,))
    return np.clip(chances, 1e-9, 1.0 - 1e-9)


def with_slopes(posterior: Posterior) -> tuple[FloatArray, ...]:
    """Chances, slopes, and derivatives of the chances by the ability, at every node."""
    y = posterior.y[:, None, :]
    return posterior.mean, y, posterior.mean * (1.0 - posterior.mean) * y


def deviances(shares: FloatArray, chances: FloatArray) -> FloatArray:
    """Deviance of every answer: twice the log-likelihood lost against predicting it exactly."""
    best = xlogy(shares, shares) + xlogy(1.0 - shares, 1.0 - shares)
    return 2.0 * (best - xlogy(shares, chances) - xlogy(1.0 - shares, 1.0 - chances))


def dispersion(shares: FloatArray, chances: FloatArray, weights: FloatArray, n_parameters: int) -> float:
    r"""Left-out dispersion :math:`\phi = \sum (R - P)^2 / \sum P (1 - P)`, corrected for what the fit has spent."""
    left_out_ratio = float(np.sum(weights * (shares - chances) ** 2) / np.sum(weights * chances * (1.0 - chances)))
    return float(np.clip(left_out_ratio / max(1.0 - n_parameters / len(shares), 0.2), 1e-3, 1.0))


@storable
@dataclass(frozen=True)
class BlockEffects:
    r"""How far scores of one block of columns stray from what the other blocks say.

    Attributes
    ----------
    names : ndarray (B,)
        Of the blocks.
    sd : float
        Standard deviation of a row's own effect of a block, on the scale of scores.
    by_block : ndarray (B,)
        Root mean square of what was found beyond chance in each block; nan where no row had enough answers.
    n_compared : int
        Pairs of a row and a block behind ``sd``.
    added : ndarray (n,)
        Variance added to every row's score.
    """

    names: FloatArray
    sd: float
    by_block: FloatArray
    n_compared: int
    added: FloatArray


def block_effects(
    problem: MarginalLikelihood, at: Point, codes: IntArray, names: FloatArray, knots: FloatArray, phi: float
) -> BlockEffects:
    r"""Leave one block of columns out, predict its answers from the others, and compare.

    .. math:: \hat\sigma^2 = \mathrm{mean}\,\frac{d_{ib}^2 - \mathrm{Var}(\hat d_{ib})}{1 + \sum_{c \ne b} a_{ic}^2},
              \qquad d_{ib} = \mathrm{mean}_{j \in b}(R_{ij} - P_{ij}^{(-b)})

    with the share :math:`a_{ic}` of block c among the answers outside b. A row's score then gains the variance
    :math:`\sigma^2 (u_i / p)^2 \sum_b (u_{ib} / u_i - s_{ib} / s_i)^2` with its unseen and seen cells u and s: a row
    that was asked of all blocks alike gains nothing.

    Notes
    -----
    One matrix product of size cells x nodes x knots. Source: the leave-one-block-out variance of section 6b of the
    method's notes, for blocks that are partly seen.
    """
    sums = _block_sums(problem, at, codes, len(names), knots)
    seen, successes, log, chance, noise = sums
    fine = np.linspace(knots[0], knots[-1], (len(knots) - 1) * FINER + 1)
    total = log.sum(axis=0)
    prior = -0.5 * fine**2 / problem.prior_variance
    ratios: list[list[float]] = [[] for _ in names]
    for b in range(len(names)):
        for i in np.flatnonzero((seen[b] >= FEWEST_IN_BLOCK) & (seen.sum(axis=0) - seen[b] >= FEWEST_IN_BLOCK)):
            weight = spline(knots, total[i] - log[b, i])(fine) + prior
            weight = np.exp(weight - weight.max())
            weight /= weight.sum()
            predicted, spread = spline(knots, np.stack([chance[b, i], noise[b, i]]) / seen[b, i])(fine)
            mean = float(weight @ predicted)
            variance = float(weight @ predicted**2) - mean**2 + phi * float(weight @ spread) / seen[b, i]
            others = np.delete(seen[:, i], b)
            scale = 1.0 + float(np.sum((others / others.sum()) ** 2))
            ratios[b].append(((successes[b, i] / seen[b, i] - mean) ** 2 - variance) / scale)
    every = np.concatenate([np.asarray(squares) for squares in ratios]) if any(ratios) else np.zeros(0)
    variance = max(float(every.mean()), 0.0) if every.size else 0.0
    by_block = np.array([np.sqrt(max(float(np.mean(squares)), 0.0)) if squares else np.nan for squares in ratios])
    sizes = np.bincount(codes, minlength=len(names))[:, None].astype(float)
    return BlockEffects(names, float(np.sqrt(variance)), by_block, len(every), variance * lopsided(seen, sizes))


def lopsided(seen: FloatArray, sizes: FloatArray) -> FloatArray:
    r"""Per row :math:`(u / p)^2 \sum_b (u_b / u - s_b / s)^2`; without answers there is no seen part."""
    unseen = sizes - seen
    u, s, p = unseen.sum(axis=0), seen.sum(axis=0), float(sizes.sum())
    gap = unseen / np.maximum(u, 1) - seen / np.maximum(s, 1)
    return np.asarray((u / p) ** 2 * np.sum(gap**2, axis=0))


def _block_sums(
    problem: MarginalLikelihood, at: Point, codes: IntArray, n_blocks: int, knots: FloatArray
) -> tuple[FloatArray, ...]:
    """Per block and row: answers, successes; and at every knot log-likelihood, chances, and their variances."""
    n, Q = len(at.x), len(knots)
    seen, successes = np.zeros((n_blocks, n)), np.zeros((n_blocks, n))
    log, chance, noise = (np.zeros((n_blocks, n, Q)) for _ in range(3))
    for posterior in problem.posteriors(at):
        G = posterior.chance.shape[1]
        curve = expit(posterior.z[..., None] + posterior.y[..., None] * knots)
        for cells in seen_ones(problem, posterior, G if posterior.is_shared else G * Q):
            without = cells.without_own()
            P = without @ curve[0] if posterior.is_shared else np.matmul(without[:, None, :], curve[cells.col])[:, 0]
            P = np.clip(P, 1e-12, 1.0 - 1e-12)
            k, w, place = cells.successes, cells.weights, (codes[cells.col + posterior.block.cols.start], cells.row)
            parts = k[:, None] * np.log(P) + (w - k)[:, None] * np.log1p(-P)
            for total, part in (
                (seen, 1.0), (successes, k / w), (log, parts), (chance, P), (noise, P * (1.0 - P)),
            ):  # fmt: skip
                np.add.at(total, place, part)
    return seen, successes, log, chance, noise
