"""The best candidates for every row, in blocks of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data.candidates import Candidates, best_of, known_cells, named_candidates
from halfseen.parameters import Whole

# Predictions held at once: 32 MB in double precision.
CELLS = 4_000_000


def rank_columns(model: Any, rows: Any, r: int, cols: Any, seen: Any) -> Candidates:
    """The r candidates with the highest predictions of every row; O(rows x candidates) time, in blocks of rows."""
    Whole(1).check("r", r)
    (A, row_effects), (B, col_effects) = model._side(rows, 0), model._side(cols, 1)
    base = col_effects + model._offset
    known = known_cells(model, rows, cols, seen)
    if known is not None and known.shape != (len(A), len(B)):
        raise ValueError(f"seen has shape {known.shape}; needed: the given rows and candidates, {(len(A), len(B))}")
    r = min(int(r), len(B))
    places, scores = np.empty((len(A), r), dtype=np.int64), np.empty((len(A), r), dtype=B.dtype)
    height = max(1, CELLS // max(len(B), 1))
    for begin in range(0, len(A), height):
        part = slice(begin, begin + height)
        table = model.loss_.mean(A[part] @ B.T + row_effects[part, None] + base)
        if known is not None:
            lines = known.take_rows(np.arange(begin, min(begin + height, len(A))))
            table[lines.rows, lines.cols] = -np.inf
        places[part], scores[part] = best_of(table, r)
    return named_candidates(model, cols, len(B), places, scores)
