"""Passes over columns that are regrouped a part at a time, so that no entry is held twice for long."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.data import Compressed

if TYPE_CHECKING:
    from halfseen.engines.passes import EntryPasses

Array = NDArray[Any]

# Parts in which the columns are regrouped; one holds its share of the entries once more. Measured at 10M entries: a
# sweep of alternating least squares takes 1.25 times as long with 3, 1.3 with 4, 1.5 with 8.
COLUMN_PARTS = 3


def cut(starts: Array, wanted: int) -> list[tuple[int, int]]:
    """At most ``wanted`` consecutive ranges of rows that begin at ``starts``, of about equal numbers of entries."""
    targets = np.arange(1, wanted) * (float(starts[-1]) / wanted)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(starts, targets), [len(starts) - 1]]))
    return [(int(a), int(b)) for a, b in pairwise(cuts)]


class ColumnParts:
    """The parts of a table's columns, each built when it is asked for."""

    def __init__(self, rows: Compressed) -> None:
        self.rows, self.counts = rows, rows.minor_sums()
        self.ranges = cut(np.concatenate([[0], np.cumsum(self.counts)]), COLUMN_PARTS)

    def build(self, part: slice) -> Compressed:
        return kernels.gather_columns(self.rows, part.start, part.stop, self.counts[part])


def newton(
    passes: EntryPasses,
    X: Array,
    B: Array,
    minor_offset: Array | None,
    ridge: Array | None,
    ridge_scale: Array | None,
    switches: dict[str, Any],
) -> tuple[Array, float]:
    """:meth:`EntryPasses.newton` over columns; the same bits as over all of them at once."""
    parts, out = passes.column_parts, np.empty_like(X)

    def solve(block: tuple[int, int]) -> float:
        part = slice(*block)
        scale = None if ridge_scale is None else ridge_scale[part]
        choices = {**passes.family(), "col_offset": minor_offset, "ridge": ridge, "ridge_scale": scale, **switches}
        return float(kernels.row_newton(parts.build(part), X[part], B, **choices, out=out[part]).value)

    return out, float(sum(passes.engine.map(solve, parts.ranges)))


def information(passes: EntryPasses, A: Array, B: Array, offsets: dict[str, Any]) -> Array:
    """:meth:`EntryPasses.information` of columns; ``offsets`` as for one kernel call over all of them."""
    parts, k = passes.column_parts, B.shape[1]
    out, major = np.empty((len(parts.counts), k, k), passes.dtype), offsets["row_offset"]

    def fill(block: tuple[int, int]) -> None:
        part = slice(*block)
        own = {**offsets, "row_offset": None if major is None else major[part]}
        kernels.information(parts.build(part), A[part], B, out=out[part], **passes.family(), **own)

    for _ in passes.engine.map(fill, parts.ranges):
        pass
    return out
