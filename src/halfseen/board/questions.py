r"""Questions that tell models apart, and those that do not: dead, against the order, or saying nothing.

With the ability :math:`x_i` of a model the logit of its score (standardised over models), a question has the chances
:math:`\sigma(c_q + b_q x_i)`. The likelihood of its slope :math:`b_q`, its intercept averaged out, is worked out on a
grid. A question is one of three kinds: its slope is like the others' (a normal distribution, above a third of the
typical slope); it says nothing (a slope within a third of the typical one); or it goes against the order (as the first,
turned round: a wrong key). It is flagged where one of the last two is more likely than not.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.board.answers import Answers

# One question in so many is taken to say nothing, and one to be against the order, before its answers are looked at:
# of 500 made-up questions put to 40 models whose abilities have a standard deviation of 2 or 3, 7 to 10 of 10 coin-flip
# keys and all reversed ones are then flagged, and none or one of the others.
BROKEN = 50.0
# Fewer models, or questions, than this tell nothing of a question.
FEWEST = 10
# Repeats that differ as often as this share of a fair coin's say little of a model.
RESTLESS = 0.8
SLOPES, INTERCEPTS = np.arange(-4.0, 6.01, 0.25), np.arange(-6.0, 6.01, 0.5)
# A slope below this share of the typical one says nothing.
THIRD = 1.0 / 3.0


def question_columns(answers: Answers, scores: FloatArray) -> dict[str, Labels]:
    """Columns of the list of questions; ``scores`` (n_models,) are those on these questions.

    Returns
    -------
    dict
        question, benchmark, answered, raw (mean answer), slope, slope_se (of the logit, per standard deviation of the
        models' abilities), repeats (spread between runs of a cell over that of a fair coin; nan without repeats), flag.
    """
    p = answers.table.shape[1]
    raw, answered = np.empty(p), np.empty(p, dtype=np.int64)
    likelihood = np.empty((p, len(SLOPES)))
    eta, soft = _predictors(scores, p)
    for cols, values, seen in answers.parts():
        answered[cols] = seen.sum(axis=0)
        raw[cols] = values.sum(axis=0) / answered[cols]
        likelihood[cols] = _of_slopes(values.T @ eta - seen.T.astype(float) @ soft)
    slope = likelihood @ SLOPES
    se = np.sqrt(np.maximum(likelihood @ SLOPES**2 - slope**2, 0.0))
    repeats = _between_runs(answers)
    is_dead = (raw <= 0.0) | (raw >= 1.0)
    is_told = (answered >= min(FEWEST, len(scores))) & ~is_dead
    kinds = np.zeros(p, dtype=np.int64)
    if len(scores) >= FEWEST and is_told.sum() >= FEWEST:
        kinds[is_told] = kinds_of(likelihood[is_told])
    return {
        "question": answers.questions, "benchmark": answers.benchmarks, "answered": answered, "raw": raw,
        "slope": np.where(is_dead, np.nan, slope), "slope_se": np.where(is_dead, np.nan, se), "repeats": repeats,
        "flag": flags(raw, kinds, repeats),
    }  # fmt: skip


def _predictors(scores: FloatArray, p: int) -> tuple[FloatArray, FloatArray]:
    """Logits (n, grid) of right answers at every slope and intercept, and the logarithms of 1 + their exponentials."""
    x = logit(np.clip(scores, 0.5 / p, 1.0 - 0.5 / p))
    x = (x - x.mean()) / max(float(x.std()), 1e-12)
    slopes, intercepts = np.meshgrid(SLOPES, INTERCEPTS, indexing="ij")
    eta = intercepts.ravel() + np.outer(x, slopes.ravel())
    return eta, np.logaddexp(0.0, eta)


def _of_slopes(log: FloatArray) -> FloatArray:
    """Likelihoods (b, slopes) from log-likelihoods (b, grid), intercepts averaged out; they sum to 1."""
    log = log.reshape(len(log), len(SLOPES), len(INTERCEPTS))
    of_slopes: FloatArray = np.exp(log - log.max(axis=(1, 2), keepdims=True)).sum(axis=2)
    return of_slopes / of_slopes.sum(axis=1, keepdims=True)


def kinds_of(likelihood: FloatArray) -> IntArray:
    """0 for a question like the others, 1 where it says nothing, 2 where it goes against the order.

    Parameters
    ----------
    likelihood : ndarray (p, slopes)
        Over the grid of slopes.

    Examples
    --------
    >>> at = np.array([1.5] * 20 + [0.0, -1.5])[:, None]
    >>> kinds_of(norm.pdf(SLOPES, at, 0.3))[[0, 20, 21]].tolist()
    [0, 1, 2]
    """
    whole = likelihood / likelihood.sum(axis=1, keepdims=True)
    slope = whole @ SLOPES
    variance = whole @ SLOPES**2 - slope**2
    typical = float(np.median(slope))
    if typical <= 0.0:
        return np.zeros(len(slope), dtype=np.int64)
    spread = (float(np.median(np.abs(slope - typical))) / norm.ppf(0.75)) ** 2 - float(np.median(variance))
    spread = np.sqrt(max(spread, (0.25 * typical) ** 2))
    priors = (
        norm.pdf(SLOPES, typical, spread) * (THIRD * typical < SLOPES),
        (np.abs(SLOPES) <= THIRD * typical).astype(float),
        norm.pdf(SLOPES, -typical, spread) * (-THIRD * typical > SLOPES),
    )
    shares = np.array([1.0 - 2.0 / BROKEN, 1.0 / BROKEN, 1.0 / BROKEN])
    chances = np.stack([share * (whole @ (prior / prior.sum())) for share, prior in zip(shares, priors, strict=True)])
    broken = chances[1:] / np.maximum(chances.sum(axis=0), 1e-300)
    return np.where(broken.sum(axis=0) > 0.5, 1 + broken.argmax(axis=0), 0)


def _between_runs(answers: Answers) -> FloatArray:
    """Variance of a single run around its cell's chance over that of a fair coin, mean over the cells of a question."""
    p, cols = answers.table.shape[1], np.asarray(answers.table.cols)
    several = answers.runs > 1
    number = np.bincount(cols[several], minlength=p)
    total = np.bincount(cols[several], (answers.run_variance * answers.runs)[several], p)
    return np.divide(4.0 * total, number, out=np.full(p, np.nan), where=number > 0)


def flags(raw: FloatArray, kinds: IntArray, repeats: FloatArray) -> Labels:
    """A word where a question needs a look, else nothing; the gravest of several."""
    out = np.full(len(raw), "", dtype="<U16")
    out[repeats > RESTLESS] = "repeats disagree"
    out[kinds == 1] = "says nothing"
    out[kinds == 2] = "against order"
    out[raw <= 0.0] = "all wrong"
    out[raw >= 1.0] = "all right"
    return out
