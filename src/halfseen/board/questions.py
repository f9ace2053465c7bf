r"""Questions that tell models apart, and those that do not: dead, against the order, or saying nothing.

The slope of a question is that of one step from no slope: with abilities :math:`x` (logits of the scores over the other
questions),

.. math:: b_q = \frac{\sum_i (x_i - \bar x)(R_{iq} - \bar R_q)}{w_q \sum_i (x_i - \bar x)^2},\quad
          w_q = \overline{(R_{iq} - \bar R_q)^2},\quad \mathrm{se}_q^{-2} = w_q \sum_i (x_i - \bar x)^2

whose error is exact where the question says nothing. A question belongs to one of three kinds: slopes spread around the
typical one, no slope at all, or the typical one turned round (a wrong key). It is flagged where one of the last two is
more likely than not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import logit
from scipy.stats import norm

from halfseen._typing import BoolArray, FloatArray, Labels
from halfseen.board.answers import Answers

# Of so many questions one is taken to say nothing, and one to be against the order, before the answers are looked at.
BROKEN = 50.0
# Fewer models than this tell nothing of a question.
FEWEST_MODELS = 10
# Repeats that differ as often as this share of a fair coin's say little of a model.
RESTLESS = 0.8


def question_columns(
    answers: Answers, scores: FloatArray, blocks: Iterable[tuple[slice, FloatArray, FloatArray]]
) -> dict[str, Labels]:
    """Columns of the list of questions; ``blocks`` are the completed answers, as for the scores.

    Returns
    -------
    dict
        question, benchmark, answered, raw (mean answer), slope, slope_se, repeats (spread between runs of a cell over
        that of a fair coin; nan without repeats) and flag.
    """
    p = answers.table.shape[1]
    slope, se, raw = np.full(p, np.nan), np.full(p, np.nan), np.empty(p)
    answered = np.empty(p, dtype=np.int64)
    for (cols, M, _), (_, values, seen) in zip(blocks, answers.parts(), strict=True):
        answered[cols] = seen.sum(axis=0)
        raw[cols] = values.sum(axis=0) / answered[cols]
        slope[cols], se[cols] = _slopes(scores, M, seen, p)
    repeats = _between_runs(answers)
    return {
        "question": answers.questions, "benchmark": answers.benchmarks, "answered": answered, "raw": raw,
        "slope": slope, "slope_se": se, "repeats": repeats, "flag": flags(raw, answered, (slope, se), repeats),
    }  # fmt: skip


def _slopes(scores: FloatArray, M: FloatArray, seen: BoolArray, p: int) -> tuple[FloatArray, FloatArray]:
    """One-step slopes and their errors, each model's ability from the other questions."""
    rest = (p * scores[:, None] - M) / max(p - 1, 1)
    x = logit(np.clip(rest, 0.5 / p, 1.0 - 0.5 / p))
    n = seen.sum(axis=0)
    x = np.where(seen, x - np.sum(x * seen, axis=0) / n, 0.0)
    R = np.where(seen, M - np.sum(M * seen, axis=0) / n, 0.0)
    information = np.mean(R**2, axis=0) * len(R) / n * np.sum(x**2, axis=0)
    blank = np.full(len(n), np.nan)
    slope = np.divide(np.sum(x * R, axis=0), information, out=blank.copy(), where=information > 1e-12)
    return slope, np.divide(1.0, np.sqrt(np.maximum(information, 0)), out=blank, where=information > 1e-12)


def _between_runs(answers: Answers) -> FloatArray:
    """Variance of a single run around its cell's chance over that of a fair coin, mean over the cells of a question."""
    p, cols = answers.table.shape[1], np.asarray(answers.table.cols)
    several = answers.runs > 1
    number = np.bincount(cols[several], minlength=p)
    total = np.bincount(cols[several], (answers.run_variance * answers.runs)[several], p)
    return np.divide(4.0 * total, number, out=np.full(p, np.nan), where=number > 0)


def flags(
    raw: FloatArray, answered: FloatArray, told: tuple[FloatArray, FloatArray], repeats: FloatArray
) -> Labels:
    """A word where a question needs a look, else nothing.

    Examples
    --------
    >>> slopes = np.append(np.full(30, 1.0) + np.linspace(-0.2, 0.2, 30), [0.0, -1.0])
    >>> half = np.full(32, 0.5)
    >>> flags(half, np.full(32, 40), (slopes, np.full(32, 0.2)), np.full(32, np.nan))[[0, 30, 31]].tolist()
    ['', 'says nothing', 'against order']
    """
    slope, se = told
    out = np.full(len(raw), "", dtype="<U16")
    out[repeats > RESTLESS] = "repeats disagree"
    is_told = np.isfinite(slope) & (answered >= FEWEST_MODELS)
    if is_told.sum() >= FEWEST_MODELS:
        kinds = _kinds(slope[is_told], se[is_told])
        place = np.flatnonzero(is_told)
        out[place[kinds == 1]] = "says nothing"
        out[place[kinds == 2]] = "against order"
    out[raw <= 0.0] = "all wrong"
    out[raw >= 1.0] = "all right"
    out[answered < 1] = "unseen"
    return out


def _kinds(slope: FloatArray, se: FloatArray) -> Labels:
    """0 for questions that tell, 1 for no slope, 2 for a slope turned round: the likelier than not, else 0."""
    middle = float(np.median(slope))
    spread = (float(np.median(np.abs(slope - middle))) / norm.ppf(0.75)) ** 2
    spread = max(spread - float(np.median(se**2)), (0.2 * middle) ** 2)
    if middle <= 0.0:
        return np.zeros(len(slope), dtype=np.int64)
    wide = np.sqrt(spread + se**2)
    chances = np.stack([
        (1.0 - 2.0 / BROKEN) * norm.pdf(slope, middle, wide), norm.pdf(slope, 0.0, se) / BROKEN,
        norm.pdf(slope, -middle, wide) / BROKEN,
    ])  # fmt: skip
    share = chances / np.maximum(chances.sum(axis=0), 1e-300)
    kind = share.argmax(axis=0)
    # a slope beyond all three kinds: its side decides
    kind = np.where(chances.sum(axis=0) > 1e-300, kind, np.where(slope < 0, 2, 0))
    return np.asarray(np.where(share.max(axis=0) > 0.5, kind, np.where(share[0] > 0.5, 0, kind * (share[0] < 0.5))))
