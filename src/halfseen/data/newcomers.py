"""New rows of which nothing has been seen yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import Labels
from halfseen.data.align import with_columns
from halfseen.data.observed import Observed
from halfseen.data.validate import as_observed


def without_entries(R: Any) -> Observed | None:
    """A table (array or pandas frame) whose cells are all missing, as a table without entries; else None.

    Other readers refuse such a table, from which nothing can be learned; a row to be placed may well be one.

    Examples
    --------
    >>> without_entries(np.full((2, 3), np.nan)).shape, without_entries(np.zeros((2, 3)))
    ((2, 3), None)
    """
    if isinstance(R, np.ndarray):
        if R.ndim != 2 or R.dtype.kind != "f" or not R.size or not np.isnan(R).all():
            return None
        filled: Any = np.zeros_like(R)
    elif hasattr(R, "isna") and hasattr(R, "fillna"):
        if not R.size or not bool(np.asarray(R.isna()).all()):
            return None
        filled = R.astype(float).fillna(0.0)
    else:
        return None
    observed = as_observed(filled)
    return observed.select(np.zeros(observed.n_entries, dtype=bool))


def newcomers(R: Any, n_cols: int, col_labels: Labels | None) -> Observed | None:
    """The same, with the columns of a fit: found by label, or as many as there."""
    empty = without_entries(R)
    if empty is None:
        return None
    if col_labels is not None and empty.col_labels is not None:
        return with_columns(empty, col_labels)
    if empty.shape[1] != n_cols:
        raise ValueError(f"R has {empty.shape[1]} columns; the model was fitted to {n_cols}.")
    return empty
