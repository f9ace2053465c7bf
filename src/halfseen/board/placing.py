"""New models against a board: scores, their errors checked by letting the board's own models play newcomer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.board.answers import as_evaluations
from halfseen.data import Observed
from halfseen.inference import Listing, normal_quantile

if TYPE_CHECKING:
    from halfseen.board.board import Board

# Models that play newcomer, and the least share of the newcomer's questions that they must have answered.
MOST_REPLAYED, LEAST_SHARED = 60, 0.8
DRAWS = 2000


def placed(board: Board, evals: Any) -> Listing:
    """Scores of new models over the board's questions; see :meth:`Board.place`."""
    new = as_evaluations(evals).to_observed()
    table, outside = on_board(board, new)
    place = board._fitted().inference(level=board.level).new_rows(table)
    scores = place.scores()
    factors = widening(board, table)
    se = scores.se * factors
    reach = normal_quantile(board.level) * se
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


def widening(board: Board, table: Observed) -> FloatArray:
    r"""How much errors of newcomers exceed what the model says: root mean square of errors over standard errors.

    The board's own models answer only the newcomer's questions and are placed against the bank; truth are their scores
    on the board. Each helped to fit the bank, so the square is multiplied by :math:`n / (n - 2)`. At least 1.
    """
    factors = np.ones(table.shape[0])
    known: dict[bytes, float] = {}
    for row in range(table.shape[0]):
        asked = np.sort(np.asarray(table.cols)[np.asarray(table.rows) == row])
        key = asked.tobytes()
        if key not in known:
            known[key] = replay(board, asked)
        factors[row] = known[key]
    return factors


def replay(board: Board, asked: IntArray) -> float:
    """The factor for one set of questions."""
    answers, p = board._answers, len(board.questions)
    if not 0 < len(asked) < p:
        return 1.0
    is_asked = np.zeros(p, dtype=bool)
    is_asked[asked] = True
    rows, cols = np.asarray(answers.table.rows), np.asarray(answers.table.cols)
    chosen = is_asked[cols]
    number = np.bincount(rows[chosen], minlength=answers.table.shape[0])
    players = np.flatnonzero((number >= LEAST_SHARED * len(asked)) & (answers.answered > number))
    if len(players) > MOST_REPLAYED:
        players = np.sort(np.random.default_rng(board.random_state).choice(players, MOST_REPLAYED, replace=False))
    if len(players) < 5:
        return 1.0
    chosen &= np.isin(rows, players)
    table = Observed.from_triplets(
        np.searchsorted(players, rows[chosen]), cols[chosen], np.asarray(answers.table.values)[chosen],
        shape=(len(players), p), col_labels=answers.questions,
    )  # fmt: skip
    scores = board._fitted().inference().new_rows(table).scores()
    truth = board._of("these")
    variance = scores.se**2 + np.diag(truth.covariance)[players]
    square = float(np.mean((scores.estimate - truth.estimate[players]) ** 2 / np.maximum(variance, 1e-12)))
    n = answers.table.shape[0]
    return max(1.0, float(np.sqrt(square * n / max(n - 2, 1))))


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
