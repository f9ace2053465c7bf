"""The two tables of a leaderboard: its rows and its items."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.inference import Listing, normal_quantile
from halfseen.methods.response.board import ColumnsBoard, Items

# An item is flagged when its squared errors are so many standard deviations beyond what the model expects of them.
MISFIT = 3.0


def score_notes(board: ColumnsBoard, about: str, level: float, kind: str) -> tuple[str, ...]:
    """How scores were made and what their intervals assume."""
    is_complete = bool((board.answered == len(board.items.answered)).all())
    what = {
        "these": (
            "score: mean answer of exactly these columns, all of them seen: intervals have no width, and say nothing "
            "about other columns (about='like-these')"
            if is_complete
            else "score: mean answer on the complete table; seen answers as they are, the others predicted"
        ),
        "like-these": "score: mean answer over other columns of the kind, of which these are a sample",
        "again": "score: mean chance of success over all columns",
    }[about]  # fmt: skip
    notes = [
        what,
        f"model: {kind}; abilities and items come from normal distributions fitted to the table",
        f"interval: holds for {100 * level:g} % of the rows on average, if unseen answers are missing for reasons that "
        "have nothing to do with how hard they are for the row",
        "rank interval: central quantiles of the rank over joint draws of all scores",
        "group: rows of one group are not surely different from the group's first (all pairs at once)",
    ]
    if board.leanings.sd:
        notes.append(
            f"leaning: what one factor leaves of a row's mean has a standard deviation of {board.leanings.sd:.3f}; "
            "what its own answers show of it is in its score, the rest in its interval"
        )
    if board.blocks is None:
        notes.append("blocks: none were given (blocks=): rows that miss whole benchmarks have too short intervals")
    else:
        notes.append(
            f"blocks: a row's own effect of a block has a standard deviation of {board.blocks.sd:.3f} (from "
            f"{board.blocks.n_compared} rows x blocks left out in turn), counted where blocks were asked unevenly"
        )
    return tuple(notes)


def leaderboard(
    board: ColumnsBoard, parts: dict[str, Any], labels: Labels, notes: tuple[str, ...], of: tuple[float, str, str]
) -> Listing:
    """Rows by falling score, from intervals of scores and ranks and the groups; ``of`` is level, claim and library."""
    scores, ranks = parts["scores"], parts["ranks"]
    order = np.argsort(ranks.estimate, kind="stable")
    columns = {
        "row": labels, "score": scores.estimate, "se": scores.se, "low": scores.low, "high": scores.high,
        "rank": ranks.estimate, "rank_low": ranks.low, "rank_high": ranks.high, "group": parts["groups"],
        "answered": board.answered, "raw": board.trials * board.raw, "ability": board.ability,
        "ability_se": np.sqrt(np.diag(board.ability_covariance)),
    }  # fmt: skip
    ordered = {name: np.asarray(column)[order] for name, column in columns.items()}
    return Listing("leaderboard", ordered, of[0], notes, *of[1:])


def item_listing(items: Items, labels: Labels, of: tuple[float, str, str], trials: float) -> Listing:
    """Columns in their order: answers, difficulty, discrimination, fit and flags."""
    z, y = items.mean.T
    # difficulty: the ability at which success and failure are equally likely
    safe = np.where(np.abs(y) < 0.05, np.copysign(0.05, y), y)
    difficulty = -z / safe
    gradient = np.stack([-1.0 / safe, z / safe**2], axis=-1)
    variance = np.einsum("jk,jkl,jl->j", gradient, items.covariance, gradient)
    slope_se = np.sqrt(items.covariance[:, 1, 1])
    highest_slope = y + normal_quantile(of[0]) * slope_se
    columns = {
        "col": labels, "answered": items.answered, "raw": trials * items.raw,
        "difficulty": difficulty, "difficulty_se": np.sqrt(variance), "discrimination": y,
        "discrimination_se": slope_se, "infit": items.infit, "flag": flags(items, highest_slope),
    }  # fmt: skip
    notes = (
        "difficulty: the ability at which the chance of success is one half; discrimination: slope of its logit",
        "errors: standard deviations of the item's posterior at the fitted abilities",
        "infit: squared errors of left-out predictions over what the model expects of them; 1 where the item fits",
    )
    return Listing("items", columns, of[0], notes, *of[1:])


def flags(items: Items, highest_slope: FloatArray) -> Labels:
    """A word where an item needs a look, else nothing; the gravest one of several."""
    out = np.full(len(items.raw), "", dtype="<U16")
    out[(items.infit - 1.0) > MISFIT * items.infit_sd] = "misfit"
    out[items.raw == 1.0] = "all right"
    out[items.raw == 0.0] = "all wrong"
    out[highest_slope < 0.0] = "against order"
    out[items.answered == 0] = "unseen"
    return out
