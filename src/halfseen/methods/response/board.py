"""What a random-column fit keeps: scores with a joint covariance, items, a frozen bank. No entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.storable import storable
from halfseen.inference.alike import never_sure, over_columns
from halfseen.inference.bank import Bank, ability_knots
from halfseen.methods.response.curvature import ScoreSums, parts_of
from halfseen.methods.response.fitting import RandomFit, covariance_of
from halfseen.methods.response.leanings import RowLeanings, row_leanings, within_reach
from halfseen.methods.response.leaveout import BlockEffects, block_effects
from halfseen.methods.response.likelihood import MarginalLikelihood, Point

# Beyond it the joint covariance (n x n) and its n^2 p products are no longer a matter of seconds.
MOST_ROWS = 3000


@storable
@dataclass(frozen=True)
class MeanResponses:
    """Mean responses (as shares) of all rows: estimates, joint covariance, and the ends they cannot leave."""

    estimate: FloatArray
    covariance: FloatArray
    lowest: FloatArray
    highest: FloatArray


@storable
@dataclass(frozen=True)
class Items:
    """Columns: posterior means (p, 2) and covariances (p, 2, 2) of (intercept, slope), and what was seen of them.

    Attributes
    ----------
    answered : int array (p,)
    raw : ndarray (p,)
        Mean answer as a share; nan without answers.
    infit, infit_sd : ndarray (p,)
        Sum of squared left-out errors over its expectation (1 where the item fits), and its standard deviation.
    """

    mean: FloatArray
    covariance: FloatArray
    answered: IntArray
    raw: FloatArray
    infit: FloatArray
    infit_sd: FloatArray


@storable
@dataclass(frozen=True)
class ColumnsBoard:
    """All that intervals need of a fit.

    Attributes
    ----------
    realised, expected : MeanResponses
        On the complete table, its seen answers as they are; and of chances of success over all columns.
    ability : ndarray (n,)
    ability_covariance : ndarray (n, n)
    answered : int array (n,)
    raw : ndarray (n,)
    items : Items
    blocks : BlockEffects or None
    leanings : RowLeanings
    trials : float
        What a share of 1 is in the responses' unit.
    alike : MeanResponses or None
        Over other columns of the kind (None in models of older files).
    """

    realised: MeanResponses
    expected: MeanResponses
    ability: FloatArray
    ability_covariance: FloatArray
    answered: IntArray
    raw: FloatArray
    items: Items
    blocks: BlockEffects | None
    leanings: RowLeanings
    trials: float
    alike: MeanResponses | None = None


def make_board(fit: RandomFit, groups: tuple[IntArray, Labels] | None, trials: float) -> tuple[ColumnsBoard, Bank]:
    """Board and bank of a fit; ``groups`` are the columns' codes and the blocks' names."""
    table, at, n = fit.problem.table, fit.at, len(fit.at.x)
    prior_sd = float(np.sqrt(fit.problem.prior_variance))
    knots = ability_knots(prior_sd, at.x)
    V = covariance_of(fit.hessian)
    blocks = None
    if groups is not None:
        blocks = block_effects(fit.problem, at, *groups, knots, fit.dispersion)
    items, logits = _items(fit, knots)
    answered = np.bincount(table.rows, minlength=n)
    right: FloatArray = np.bincount(table.rows, table.shares, n).astype(float)
    leanings = row_leanings(fit)
    reach = within_reach(table, None if groups is None else groups[0])
    realised, expected = _scores(fit, V, (answered, right), _Strays(blocks, leanings, reach))
    raw = np.divide(right, answered, out=np.full(n, np.nan), where=answered > 0)
    alike = _alike(fit, realised, Bank(knots, logits, prior_sd, fit.dispersion))
    board = ColumnsBoard(
        realised, expected, at.x, V[:n, :n], answered, raw, items, blocks, leanings, float(trials), alike
    )
    return board, Bank(knots, logits, prior_sd, fit.dispersion)


@dataclass(frozen=True)
class _Strays:
    """What one factor leaves: effects of blocks, leanings of rows, and how far these reach (:func:`within_reach`)."""

    blocks: BlockEffects | None
    leanings: RowLeanings
    reach: tuple[FloatArray, FloatArray]


def _scores(
    fit: RandomFit, V: FloatArray, known: tuple[IntArray, FloatArray], strays: _Strays
) -> tuple[MeanResponses, MeanResponses]:
    answered, right = known
    p = fit.problem.table.shape[1]
    unseen, every = fit.score_sums()
    added = np.zeros(len(right)) if strays.blocks is None else strays.blocks.added

    def scores(
        sums: ScoreSums, known: FloatArray, left: FloatArray, noise: FloatArray, reach: FloatArray
    ) -> MeanResponses:
        """Of known answers and so many cells that the model speaks for."""
        lowest, highest = known / p, (known + left) / p
        effect, unknown = strays.leanings.over(left / p, reach)
        estimate = np.clip((known + sums.expected) / p + effect, lowest, highest)
        variance = added + noise / p**2 + unknown
        return MeanResponses(estimate, _covariance(sums, V) / p**2 + np.diag(variance), lowest, highest)

    return (
        scores(unseen, right, p - answered.astype(float), fit.dispersion * unseen.noise, strays.reach[0]),
        scores(every, 0.0 * right, np.full(len(right), float(p)), 0.0 * right, strays.reach[1]),
    )


def _alike(fit: RandomFit, realised: MeanResponses, bank: Bank) -> MeanResponses:
    """Scores over other columns of which these are a sample: realised ones with the spread over columns."""
    table, x, (n, p) = fit.problem.table, fit.at.x, fit.problem.table.shape

    def blocks() -> Any:
        for block in table.blocks(n):
            every = np.arange(block.cols.start, block.cols.stop)
            P, seen = expit(bank.block(x, every)), block.is_seen.T > 0
            answers = np.divide(block.successes.T, block.weights.T, out=P.copy(), where=seen)
            yield answers, np.where(seen, 0.0, fit.dispersion * P * (1.0 - P))

    V = over_columns(realised.covariance, realised.estimate, blocks(), p)
    ends = np.zeros(n), np.ones(n)
    return MeanResponses(realised.estimate, never_sure(V, realised.estimate, 0.0, 1.0, p), *ends)


def _covariance(sums: ScoreSums, V: FloatArray) -> FloatArray:
    return sums.slopes @ V @ sums.slopes.T + sums.column_covariance


def _items(fit: RandomFit, knots: FloatArray) -> tuple[Items, FloatArray]:
    """Posterior moments, fit statistics and response curves of all columns."""
    table, P = fit.problem.table, fit.chances
    p = table.shape[1]
    mean, covariance, logits = np.empty((p, 2)), np.empty((p, 2, 2)), np.empty((p, len(knots)))
    for cols, part in _moments(fit.problem, fit.at, knots):
        mean[cols], covariance[cols], logits[cols] = part
    answered = np.bincount(table.cols, minlength=p)
    raw = np.divide(np.bincount(table.cols, table.shares, p), answered, out=np.full(p, np.nan), where=answered > 0)
    w = P * (1.0 - P)
    squares, expected = (np.bincount(table.cols, v, p) for v in ((table.shares - P) ** 2, fit.dispersion * w))
    spread = np.bincount(table.cols, w * (1.0 - 2.0 * P) ** 2, p)
    blank = np.full(p, np.nan)
    infit = np.divide(squares, expected, out=blank.copy(), where=expected > 0)
    sd = np.divide(np.sqrt(spread), expected / fit.dispersion, out=blank, where=expected > 0)
    return Items(mean, covariance, answered, raw, infit, sd), logits


def _moments(problem: MarginalLikelihood, at: Point, knots: FloatArray) -> Any:
    """Per block of columns: moments of (intercept, slope), and logits of the chances at the knots."""
    for whole in problem.posteriors(at):
        # on shared nodes the curves are one small table
        for posterior in [whole] if whole.is_shared else parts_of(whole, len(knots)):
            pair = np.stack([posterior.z, posterior.y], axis=-1)
            curve = _chances(posterior.z, posterior.y, knots)
            if posterior.is_shared:
                mean, P = posterior.chance @ pair[0], posterior.chance @ curve[0]
                away = pair[0] - pair[0].mean(axis=0)
                moved, squares = posterior.chance @ away, away[:, :, None] * away[:, None, :]
                second = (posterior.chance @ squares.reshape(len(away), 4)).reshape(-1, 2, 2)
                covariance = second - moved[:, :, None] * moved[:, None, :]
            else:
                W = posterior.chance[:, :, None]
                mean = np.sum(W * pair, axis=1)
                from_mean = pair - mean[:, None, :]
                covariance = np.einsum("bgk,bgl->bkl", W * from_mean, from_mean)
                P = np.matmul(posterior.chance[:, None, :], curve)[:, 0]
            yield posterior.block.cols, (mean, covariance, logit(np.clip(P, 1e-15, 1.0 - 1e-15)))


def _chances(z: FloatArray, y: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(expit(z[..., None] + y[..., None] * x))
