"""Scores of rows where no interval can be stated."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.losses import at_columns
from halfseen.summary.parts import Chapter, Column, Interval, Section, Table, Text
from halfseen.summary.subject import Subject

# Scores of all rows cost a pass over all cells: left out above that many.
MOST_CELLS = 400_000_000
# Rows that are compared with each other, pair by pair.
MOST_COMPARED = 12


def place_of(estimate: FloatArray) -> IntArray:
    """1 for the largest; equal values share the better place."""
    return 1 + np.searchsorted(np.sort(-estimate), -estimate, side="left")


def without_intervals(subject: Subject) -> Section | None:
    """Scores alone, where no interval can be stated."""
    model = subject.model
    n, p = model.observed_shape_
    if n * p > MOST_CELLS:
        return None
    pieces = np.array_split(np.arange(n), max(1, n * p // 4_000_000))
    loss = at_columns(model.loss_, np.arange(p))
    linear = (model._linear_block(piece, np.arange(p)) for piece in pieces)
    estimate = np.concatenate([np.asarray(loss.mean(block), dtype=float).mean(axis=1) for block in linear])
    columns = [
        Column("row", subject.labels(0), kind="text"),
        Column("place", place_of(estimate), "by the score", "count"),
        Column("score", estimate, "expected mean over all columns"),
    ]
    if subject.counts is not None:
        columns.append(Column("entries", subject.counts[0], "entries seen of this row", "count"))
    table = Table("Rows, best first", columns, "leaderboard").take(np.argsort(-estimate, kind="stable"))
    return Section("Leaderboard", [table])


def compared(subject: Subject, inference: Any, estimate: FloatArray, chapter: Chapter) -> Section | None:
    """The best rows pair by pair: by how much one is ahead of the other, and whether they are told apart."""
    order = np.argsort(-estimate, kind="stable")[:MOST_COMPARED]
    if len(order) < 2:
        return None
    i, j = (order[side] for side in np.triu_indices(len(order), 1))
    names = subject.labels(0)
    gaps = subject.heard(lambda: inference.differences(names[i], names[j]))
    if gaps is None:
        return None
    chapter.claim("difference of two rows", gaps.level, f"{gaps.claim}. Each pair for itself.")
    apart = np.where(gaps.low > 0, "yes", np.where(gaps.high < 0, "yes, the other way", "no"))
    columns: list[Column | Interval] = [
        Column("row", names[i], kind="text"),
        Column("against", names[j], kind="text"),
        Column("difference", gaps.estimate, "of their scores"),
        Interval(f"{100 * gaps.level:g} % interval", gaps.low, gaps.high, gaps.estimate),
        Column("told apart", apart, "the interval does not hold 0", kind="text"),
    ]
    text = f"The best {len(order)} rows, each against each." if len(estimate) > len(order) else "Each row against each."
    return Section("Pairs", [Text(text), Table("Differences of scores", columns, "pairs")])
