"""How a table is cut into blocks: by the data alone, never by the workers or the memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Compressed

Array = NDArray[Any]

# A block of a quarter million entries takes about a millisecond: long against starting a task, short enough
# that two workers finish together. More than eight blocks only add private column accumulators, until blocks
# are so large that these no longer count.
ENTRIES_PER_BLOCK = 250_000
FEW_BLOCKS = 8
LARGE_BLOCK = 4_000_000
# Entries from which the columns are regrouped part by part: below, a second copy of the table is small.
FRUGAL_FROM = 3_000_000
# Parts in which the columns are regrouped; one holds its share of the entries once more. Measured at 10M entries: a
# sweep of alternating least squares takes 1.25 times as long with 3, 1.3 with 4, 1.5 with 8.
COLUMN_PARTS = 3
LARGE_PART = 16_000_000


def cut(starts: Array, wanted: int) -> list[tuple[int, int]]:
    """At most ``wanted`` consecutive ranges of rows that begin at ``starts``, of about equal numbers of entries."""
    if wanted == 1:
        return [(0, len(starts) - 1)]
    targets = np.arange(1, wanted) * (float(starts[-1]) / wanted)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(starts, targets), [len(starts) - 1]]))
    return [(int(a), int(b)) for a, b in pairwise(cuts)]


def split_rows(view: Compressed) -> list[tuple[int, int]]:
    """Consecutive row ranges of about equal numbers of entries."""
    n_entries = int(view.indptr[-1])
    most = max(FEW_BLOCKS, n_entries // LARGE_BLOCK)
    return cut(view.indptr, int(np.clip(n_entries // ENTRIES_PER_BLOCK, 1, most)))


def split_columns(counts: Array) -> list[tuple[int, int]]:
    """Ranges of columns, with these numbers of entries, that are regrouped together."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    return cut(starts, max(COLUMN_PARTS, int(starts[-1]) // LARGE_PART))
