r"""Scores of a board and their joint errors, for the three questions that a leaderboard can be asked.

*these*: had every model answered these questions. *again*: the same questions run again. *like-these*: other questions
of the kind, of which these are a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray
from halfseen.board.answers import Answers
from halfseen.inference.alike import ADDED, never_sure, over_clusters

ABOUT = ("like-these", "these", "again")


@dataclass(frozen=True)
class Scores:
    """Mean scores of all models and their joint errors.

    Attributes
    ----------
    estimate : ndarray (n,)
    covariance : ndarray (n, n)
    sampling : ndarray (n, n)
        What the choice of questions adds; part of ``covariance`` for *like-these*, else 0.
    units : int
        Questions, or clusters of them, that were drawn; their number less 1 are the degrees of freedom.
    """

    estimate: FloatArray
    covariance: FloatArray
    sampling: FloatArray
    units: int

    def pair_se(self, quantile: float, is_sure: bool) -> FloatArray:
        """Standard errors (n, n) of all differences.

        Two models with the same answers everywhere are not surely the same on other questions: Wilson's upper end for
        none of ``units`` questions on which they differ, unless ``is_sure``.
        """
        v = np.diag(self.covariance)
        se = np.sqrt(np.maximum(v[:, None] + v[None, :] - 2.0 * self.covariance, 0.0))
        if is_sure:
            return np.asarray(se)
        se = np.where(se < 1e-9, quantile / (self.units + quantile**2), se)
        np.fill_diagonal(se, 0.0)
        return np.asarray(se)


def completed(answers: Answers, model: Any) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Blocks of questions: answers (n, b), those not seen as predicted, and the variance of those."""
    for cols, values, seen in answers.parts():
        if model is None or seen.all():
            yield cols, values, np.zeros_like(values)
            continue
        P = np.asarray(model.predict_table(cols=answers.questions[cols]), dtype=float)
        yield cols, np.where(seen, values, P), np.where(seen, 0.0, model.dispersion_ * P * (1.0 - P))


def at_ends(answers: Answers) -> tuple[BoolArray, FloatArray]:
    """Models whose answers are all right, or all wrong, and Wilson's variance (n,) of one further answer's mean.

    A model of the answers may take such a score for certain; so many answers alike do not say so.
    """
    n = answers.table.shape[0]
    right = np.bincount(np.asarray(answers.table.rows), np.asarray(answers.table.values, dtype=float), n)
    k = answers.answered.astype(float)
    share = (right + ADDED / 2) / (k + ADDED)
    return (right <= 0.0) | (right >= k), share * (1.0 - share) / (k + ADDED)


def unsure_at_ends(answers: Answers, V: FloatArray, share: FloatArray | float) -> FloatArray:
    """The covariance, with at least Wilson's variance of a ``share`` of the questions for models at an end."""
    is_end, wilson = at_ends(answers)
    least = np.where(is_end, np.square(share) * wilson, 0.0)
    return np.asarray(V + np.diag(np.maximum(least - np.diag(V), 0.0)))


def of_these(answers: Answers, model: Any) -> Scores:
    """Had every model answered these questions; on a complete table their means, without error."""
    n, p = answers.table.shape
    if model is None:
        sums = np.bincount(np.asarray(answers.table.rows), np.asarray(answers.table.values, dtype=float), n)
        return Scores(sums / p, np.zeros((n, n)), np.zeros((n, n)), p)
    inference = model.inference()
    V = unsure_at_ends(answers, inference.score_covariance("these"), 1.0 - answers.answered / p)
    return Scores(inference.scores(about="these").estimate, V, np.zeros((n, n)), p)


def of_others(answers: Answers, these: Scores, model: Any, share_asked: float) -> Scores:
    r"""Over other questions of the kind: :math:`V = C + (1 - n/N)\,(\mathrm{cov}_q(M) + \mathrm{diag}\,\bar v)/n`.

    ``share_asked`` is :math:`n/N` for a finite set of questions of size N, else 0.
    """
    p = answers.table.shape[1]
    codes = np.arange(p) if answers.clusters is None else answers.clusters
    between = (1.0 - share_asked) * over_clusters(these.estimate, completed(answers, model), codes)
    V = these.covariance + between
    units = int(codes.max()) + 1
    if share_asked < 1.0:
        V = never_sure(V, these.estimate, 0.0, 1.0, p)
        V = V if answers.is_complete else unsure_at_ends(answers, V, 1.0)
    if units == 1 and share_asked < 1.0:
        # one question, or one cluster, says nothing of how far others stray: the largest variance of a share
        V = V + np.diag(np.maximum(0.25 - np.diag(V), 0.0))
    return Scores(these.estimate, V, between, units)


def of_repeats(answers: Answers, these: Scores) -> Scores | None:
    r"""The same questions run again, from the spread of repeats: :math:`\sum_q s_q^2 / (r_q n^2)`.

    None where a cell has no repeat or no answer: what it would have been then needs the model.
    """
    n, p = answers.table.shape
    if not answers.is_complete or np.isnan(answers.run_variance).any():
        return None
    variance = np.bincount(np.asarray(answers.table.rows), answers.run_variance, n) / p**2
    n_runs = int(answers.runs.min()) * p
    return Scores(these.estimate, never_sure(np.diag(variance), these.estimate, 0.0, 1.0, n_runs), 0 * np.eye(n), p)


def of_chances(answers: Answers, model: Any) -> Scores:
    """The same questions run again, from the model's chances."""
    n, p = answers.table.shape
    inference = model.inference()
    V = unsure_at_ends(answers, inference.score_covariance("again"), 1.0)
    return Scores(inference.scores(about="again").estimate, V, np.zeros((n, n)), p)
