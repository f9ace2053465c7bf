"""Scores of rows where no interval can be stated."""

from __future__ import annotations

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.losses import at_columns
from halfseen.summary.parts import Column, Section, Table
from halfseen.summary.subject import Subject

# Scores of all rows cost a pass over all cells: left out above that many.
MOST_CELLS = 400_000_000


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
