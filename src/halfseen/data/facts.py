"""Plain facts about what was observed, and where it is thin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import IntArray, Labels

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

SHOWN = 5
FEW_VALUES = 20


def describe(observed: Observed) -> dict[str, Any]:
    """Return facts as plain Python values (ready for JSON).

    Returns
    -------
    dict
        n_rows, n_cols, n_entries, density, dtype, has_weights, nbytes; ``values`` (min, mean, max, sd, kind, and the
        counts of each value if there are few); ``rows`` and ``cols`` (labelled, entries per row or column as
        min/median/max, number that are empty and the first of them).
    """
    row_counts = observed.by_rows.counts
    if observed.shape[1] <= 10_000_000 + 16 * observed.n_entries:
        col_counts = np.bincount(observed.cols, minlength=observed.shape[1])
    else:  # an axis too long to count one by one: only the columns that occur
        col_counts = np.unique(observed.cols, return_counts=True)[1]
    return {
        "n_rows": observed.shape[0],
        "n_cols": observed.shape[1],
        "n_entries": observed.n_entries,
        "density": observed.density,
        "dtype": str(observed.dtype),
        "has_weights": observed.weights is not None,
        "nbytes": observed.nbytes,
        "values": _values(observed),
        "rows": _axis(row_counts, observed.shape[0], observed.row_labels),
        "cols": _axis(col_counts, observed.shape[1], observed.col_labels),
    }


def _values(observed: Observed) -> dict[str, Any]:
    values = observed.values
    if not values.size:
        return {"kind": "none"}
    facts: dict[str, Any] = {
        "min": float(values.min()),
        "mean": float(values.mean(dtype=np.float64)),
        "max": float(values.max()),
        "sd": float(values.std(dtype=np.float64)),
    }
    distinct, counts = np.unique(values, return_counts=True)
    whole = bool((distinct == np.trunc(distinct)).all())
    if np.isin(distinct, (0.0, 1.0)).all():
        facts["kind"] = "binary"
    elif whole:
        facts["kind"] = "counts" if distinct[0] >= 0 else "integers"
    else:
        facts["kind"] = "real"
    if distinct.size <= FEW_VALUES:
        facts["counts"] = {f"{value:g}": int(count) for value, count in zip(distinct, counts, strict=True)}
    return facts


def _axis(counts: IntArray, length: int, labels: Labels | None) -> dict[str, Any]:
    n_empty = length - int(np.count_nonzero(counts))
    complete = len(counts) == length
    empty = np.flatnonzero(counts == 0)[:SHOWN] if complete else np.empty(0, dtype=np.int64)
    return {
        "labelled": labels is not None,
        "entries": {
            "min": int(counts.min()) if complete else 0,
            "median": float(np.median(counts)) if complete else 0.0,
            "max": int(counts.max()),
        },
        "n_empty": n_empty,
        "first_empty": (empty if labels is None else labels[empty]).tolist(),
    }
