"""The best candidates for every row: lists, and what is left out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed, as_observed
from halfseen.data.features import is_features


@dataclass(frozen=True)
class Candidates:
    """Columns by falling prediction, one line per row.

    Attributes
    ----------
    cols : ndarray (n, r)
        Labels of columns (positions where they have none, or among new ones); -1 where a row has fewer than r left.
    scores : ndarray (n, r)
        Predictions; -inf where there is no candidate.
    """

    cols: Labels
    scores: FloatArray


def named_candidates(model: Any, cols: Any, n: int, places: IntArray, scores: FloatArray) -> Candidates:
    """Lists by label, or by position where columns have none or are new."""
    if is_features(cols) or model.col_labels_ is None:
        names: Labels = np.arange(n)
    else:
        names = model.col_labels_[model._positions(cols, "column")]
    names = names[places]
    if names.dtype.kind in "iu":
        names = np.where(np.isneginf(scores), -1, names)
    return Candidates(names, scores)


def seen_cells(observed: Observed) -> tuple[IntArray, IntArray]:
    """Rows and columns of the seen cells, as a model keeps them."""
    return np.asarray(observed.rows, dtype=np.int32), np.asarray(observed.cols, dtype=np.int32)


def known_cells(model: Any, rows: Any, cols: Any, seen: Any) -> Observed | None:
    """What is no candidate: the given cells, or those of the fit, brought into the order of rows and candidates."""
    if seen is False:
        return None
    if seen is not None:
        return as_observed(seen, name="seen")
    if model.seen_ is None or is_features(rows) or is_features(cols):
        return None
    from scipy import sparse

    (i, j), shape = model.seen_, model.observed_shape_
    pattern = sparse.csr_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=shape)
    part = pattern[model._positions(rows, "row")][:, model._positions(cols, "column")].tocoo()
    return Observed.from_triplets(part.row, part.col, np.ones(part.nnz), shape=part.shape) if part.nnz else None


def best_of(table: FloatArray, r: int) -> tuple[IntArray, FloatArray]:
    """Places and values of the r largest numbers of every line, in falling order; ties in the order of places."""
    if r < table.shape[1]:
        chosen = np.sort(np.argpartition(-table, r - 1, axis=1)[:, :r], axis=1)
    else:
        chosen = np.broadcast_to(np.arange(table.shape[1]), table.shape)
    values = np.take_along_axis(table, chosen, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(values, order, axis=1)
