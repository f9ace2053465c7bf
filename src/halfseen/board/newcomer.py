r"""Which questions to ask of a model of which nothing is known, so that its score over all questions is told best.

Chances of an item response model say how answers hang together where one ability explains them; the answers of the
board's own models say the rest. Of the mixture :math:`S = a\,S_{models} + (1 - a)\,S_{item\ response}` questions are
taken one by one: each is the one whose answer leaves least variance of the sum of all answers,

.. math:: \mathrm{Var}\Bigl(\sum_j R_j \mid R_A\Bigr) = 1^\top S\,1 - 1^\top S_A\,S_{AA}^{-1}\,S_A^\top 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray
from halfseen.board.scores import completed

if TYPE_CHECKING:
    from halfseen.board.board import Board

# The models' share of the covariance. Of .3, .5 and .7, tried with 3 or 4 splits of three tables, .3 was best or level:
# errors from 20, 50, 100 questions .045, .032, .025 on SWE-bench Verified (.051, .039, .028 by the ability alone).
SHARE, FEWEST_MODELS = 0.3, 20
NODES, REACH = 41, 3.5
# Numbers of the models' answers that are held at once; of more models some are taken.
MOST_NUMBERS = 20_000_000


def newcomer_questions(board: Board, n: int) -> tuple[list[int], list[float]]:
    """The questions, best first, and the expected standard error of the score after each."""
    factors, own = _covariance(board)
    return chosen(factors, own, n)


def chosen(factors: FloatArray, own: FloatArray, n: int) -> tuple[list[int], list[float]]:
    """Of answers with covariance :math:`F^T F + diag(own)`: questions and standard errors of the mean of all answers.

    Parameters
    ----------
    factors : ndarray (r, p)
    own : ndarray (p,)

    Notes
    -----
    A Cholesky factor whose pivots are the questions chosen: O(n p (r + n)); no table of p x p.

    Examples
    --------
    >>> questions, errors = chosen(np.array([[1.0, 1.0, 0.0]]), np.array([0.5, 0.1, 0.3]), 2)
    >>> questions, np.round(errors, 3).tolist()
    ([0, 1], [0.285, 0.183])
    """
    p = len(own)
    g = factors.T @ factors.sum(axis=1) + own  # covariances with the sum of all answers
    d = np.sum(factors**2, axis=0) + own
    total, left = float(g.sum()), np.ones(p, dtype=bool)
    lower = np.empty((min(n, p), p))
    questions, errors = [], []
    for k in range(min(n, p)):
        j = int(np.argmax(np.where(left, g**2 / np.maximum(d, 1e-12), -1.0)))
        column = factors.T @ factors[:, j] - lower[:k].T @ lower[:k, j]
        column[j] += own[j]
        lower[k] = column / np.sqrt(d[j])
        told = float(g[j] / np.sqrt(d[j]))
        total -= told**2
        g, d, left[j] = g - lower[k] * told, np.maximum(d - lower[k] ** 2, 1e-12), False
        questions.append(j)
        errors.append(float(np.sqrt(max(total, 0.0))) / p)
    return questions, errors


def _covariance(board: Board) -> tuple[FloatArray, FloatArray]:
    """Factors (r, p) and variances (p,) of their own of a newcomer's answers."""
    bank, answers = board._fitted().bank_, board._answers
    x = np.linspace(-REACH, REACH, NODES)
    weight = np.exp(-0.5 * x**2)
    weight /= weight.sum()
    P = expit(bank.block(np.clip(bank.prior_sd * x, bank.knots[0], bank.knots[-1]), slice(None)))
    n, p = answers.table.shape
    share = SHARE if n >= FEWEST_MODELS else 0.0
    factors = [np.sqrt((1.0 - share) * weight)[:, None] * (P - weight @ P)]
    if share:
        models = np.arange(n)
        if n * p > MOST_NUMBERS:
            rng = np.random.default_rng(board.random_state)
            models = rng.choice(n, max(FEWEST_MODELS, MOST_NUMBERS // p), replace=False)
        M = np.concatenate([part[models] for _, part, _ in completed(answers, board._needed_model())], axis=1)
        factors.append(np.sqrt(share / (len(models) - 1)) * (M - M.mean(axis=0)))
    own = (1.0 - share) * bank.dispersion * (weight @ (P * (1.0 - P)))
    # a question that k models answered alike may be answered otherwise by the next: the rule of succession
    k = np.bincount(np.asarray(answers.table.cols), minlength=p)
    return np.concatenate(factors), np.maximum(own, (k + 1.0) / (k + 2.0) ** 2)
