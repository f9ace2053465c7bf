"""New models against a board: scores, their errors checked by letting the board's own models play newcomer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.board.answers import as_evaluations
from halfseen.board.newcomer import newcomer_questions
from halfseen.data import Observed
from halfseen.inference import Listing, normal_quantile

if TYPE_CHECKING:
    from halfseen.board.board import Board

# Models that play newcomer, and the least share of the newcomer's questions that they must have answered.
MOST_REPLAYED, LEAST_SHARED = 60, 0.8
# Questions that the board chose were chosen by its models' answers, whose own errors with them are too small: on
# LiveCodeBench, ten draws, intervals from 20, 50, 100 chosen questions held .932, .911, .926 without this factor.
CHOSEN, MOSTLY = 1.15, 0.8
DRAWS = 2000


def placed(board: Board, evals: Any) -> Listing:
    """Scores of new models over the board's questions; see :meth:`Board.place`."""
    new = as_evaluations(evals).to_observed()
    table, outside = on_board(board, new)
    place = board._fitted().inference(level=board.level).new_rows(table)
    scores = place.scores()
    factors, reaches = widening(board, table)
    se, reach = scores.se * factors, scores.se * reaches
    right = np.bincount(np.asarray(table.rows), np.asarray(table.values, float), table.shape[0])
    answered = np.bincount(np.asarray(table.rows), minlength=table.shape[0])
    p = table.shape[1]
    low = np.maximum(scores.estimate - reach, right / p)
    high = np.minimum(scores.estimate + reach, (right + p - answered) / p)
    rank_low, rank_high = _ranks(board, scores.estimate, se)
    columns = {
        "model": np.asarray(table.row_labels), "answered": answered, "score": scores.estimate, "se": se, "low": low,
        "high": high, "rank_low": rank_low, "rank_high": rank_high, "widened": factors, "outside": outside,
    }  # fmt: skip
    order = np.argsort(-scores.estimate, kind="stable")
    notes = (
        f"score: over the {p} questions of the board; answers seen are as they are, others are predicted",
        "rank: the place between the models of the board, errors of both counted",
        "widened: errors of the board's own models with the same questions over what is said of them, at least 1",
    )
    return Listing("placed", {name: column[order] for name, column in columns.items()}, board.level, notes)


def on_board(board: Board, new: Observed) -> tuple[Observed, IntArray]:
    """The answers of new models to the board's questions, and how many of each are to others."""
    position = {name: at for at, name in enumerate(board.questions)}
    of_board = np.array([position.get(str(name), -1) for name in np.asarray(new.col_labels)])
    rows, cols = np.asarray(new.rows), of_board[np.asarray(new.cols)]
    known = cols >= 0
    if not known.any():
        raise ValueError(
            f"the new results share no question with the board, whose questions are named like {board.questions[0]!r}; "
            f"theirs like {np.asarray(new.col_labels)[0]!r}."
        )
    weights = None if new.weights is None else np.asarray(new.weights)[known]
    table = Observed.from_triplets(
        rows[known], cols[known], np.asarray(new.values)[known], weights, shape=(new.shape[0], len(board.questions)),
        row_labels=new.row_labels, col_labels=board._answers.questions,
    )  # fmt: skip
    return table, np.bincount(rows[~known], minlength=new.shape[0])


def widening(board: Board, table: Observed) -> tuple[FloatArray, FloatArray]:
    r"""How much errors of newcomers exceed what the model says, and how many standard errors an interval reaches.

    The board's own models answer only the newcomer's questions and are placed against the bank; truth are their scores
    on the board, :math:`z` their errors over standard errors. Each of the :math:`n` models helped to fit the bank and
    drew the two parameters of a question towards itself by :math:`h = 2/n`: its :math:`z^2` is multiplied by
    :math:`(1 + h)/(1 - h)`, and once more where the questions are those that the board itself would choose.
    The first number is the root mean square of :math:`z`, at least 1; the second the larger of
    the normal quantile times that and of the quantile of :math:`|z|` at rank :math:`\lceil (m+1)\,level \rceil` of the
    :math:`m` that played, the conformal one: for a few models the bank is far off, and a root mean square hides them.
    """
    normal = normal_quantile(board.level)
    factors, reaches = np.ones(table.shape[0]), np.full(table.shape[0], normal)
    known: dict[bytes, tuple[float, float]] = {}
    for row in range(table.shape[0]):
        asked = np.sort(np.asarray(table.cols)[np.asarray(table.rows) == row])
        key = asked.tobytes()
        if key not in known:
            known[key] = widened(replay(board, asked), board.level)
        factors[row], reaches[row] = known[key]
    return factors, reaches


def widened(z: FloatArray, level: float) -> tuple[float, float]:
    """The factor of standard errors, and the reach of intervals in them, from those of replayed models.

    >>> factor, reach = widened(np.array([0.5, -1.0, 0.2, 3.0, -0.4, 1.0]), 0.8)
    >>> round(factor, 2), reach
    (1.38, 3.0)
    """
    normal = normal_quantile(level)
    if not len(z):
        return 1.0, normal
    factor = max(1.0, float(np.sqrt(np.mean(np.square(z)))))
    rank = int(np.ceil((len(z) + 1) * level))
    seen = float(np.sort(np.abs(z))[min(rank, len(z)) - 1])
    return factor, max(normal * factor, seen)


def replay(board: Board, asked: IntArray) -> FloatArray:
    """Errors over standard errors of the board's models with one set of questions; none where too few can play."""
    answers, p = board._answers, len(board.questions)
    if not 0 < len(asked) < p:
        return np.empty(0)
    is_asked = np.zeros(p, dtype=bool)
    is_asked[asked] = True
    rows, cols = np.asarray(answers.table.rows), np.asarray(answers.table.cols)
    chosen = is_asked[cols]
    number = np.bincount(rows[chosen], minlength=answers.table.shape[0])
    players = np.flatnonzero((number >= LEAST_SHARED * len(asked)) & (answers.answered > number))
    if len(players) > MOST_REPLAYED:
        players = np.sort(np.random.default_rng(board.random_state).choice(players, MOST_REPLAYED, replace=False))
    if len(players) < 5:
        return np.empty(0)
    chosen &= np.isin(rows, players)
    table = Observed.from_triplets(
        np.searchsorted(players, rows[chosen]), cols[chosen], np.asarray(answers.table.values)[chosen],
        shape=(len(players), p), col_labels=answers.questions,
    )  # fmt: skip
    scores = board._fitted().inference().new_rows(table).scores()
    truth = board._of("these")
    variance = scores.se**2 + np.diag(truth.covariance)[players]
    n = answers.table.shape[0]
    optimism = np.sqrt((n + 2) / max(n - 2, 1))
    if is_asked[newcomer_questions(board, len(asked))[0]].mean() >= MOSTLY:
        optimism *= CHOSEN
    return optimism * (scores.estimate - truth.estimate[players]) / np.sqrt(np.maximum(variance, 1e-12))


def _ranks(board: Board, estimate: FloatArray, se: FloatArray) -> tuple[IntArray, IntArray]:
    """Central quantiles of the places of new scores among those of the board."""
    these = board._of("these")
    rng = np.random.default_rng(board.random_state)
    values, vectors = np.linalg.eigh(these.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    old = these.estimate + rng.standard_normal((DRAWS, len(these.estimate))) @ root.T
    tail = 0.5 * (1.0 - board.level)
    low, high = np.empty(len(estimate), dtype=int), np.empty(len(estimate), dtype=int)
    for row, (score, error) in enumerate(zip(estimate, se, strict=True)):
        drawn = score + error * rng.standard_normal(DRAWS)
        best = 1 + np.sum(old > drawn[:, None] + 1e-12, axis=1)
        worst = 1 + np.sum(old >= drawn[:, None] - 1e-12, axis=1)
        low[row] = np.quantile(best, tail, method="inverted_cdf")
        high[row] = np.quantile(worst, 1.0 - tail, method="inverted_cdf")
    return low, high
