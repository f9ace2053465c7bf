"""Whether a least squares fit follows single values: errors with heavy tails, or values out of line."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.data import Observed
from halfseen.errors import shown

# The entries with the largest fitted values that are looked at: this share, and so many at least.
TOP, LEAST = 0.003, 3
# Their share of the fit's sum of squares from which it is said. Measured with three tables each (60 x 20 and 100 x 80,
# half seen or complete): .03 to .14 with normal or double exponential errors; .25 to .79 with t errors of two degrees
# where these lead to a fit with a wrong norm, .04 to .11 where they do not.
SHARE = 0.2
# So many times the largest share of factors drawn at random, where a table is small enough for these to reach it.
FACTOR, DRAWS, MOST_DRAWN = 1.5, 10, 100_000
FEWEST, MOST = 100, 1_000_000
# Huber's constant: .95 of the efficiency of least squares with normal errors.
HUBER = 1.345
# From the median absolute deviation to the standard deviation of normal errors; and how many of these are far.
NORMAL, FAR = 1.4826, 4.0
NAMED = 2


def tell_extremes(model: Any, observed: Observed, rows: FloatArray, cols: FloatArray) -> None:
    """Say at a fit by least squares that single values rule what its factors tell.

    Parameters
    ----------
    model : fitted estimator that tells (``_warn``) and predicts (``_linear_pairs``)
    observed : Observed
    rows, cols : ndarray (n, r), (p, r)
        Factors whose products are the fit beside effects of rows and columns.

    Notes
    -----
    One pass over at most a million entries.
    """
    from halfseen.linalg.pairs import pair_products

    if not rows.shape[1] or observed.n_entries < FEWEST:
        return
    at = _looked_at(observed)
    i, j = observed.rows[at], observed.cols[at]
    fitted = np.asarray(pair_products(rows, cols, i, j), dtype=float)
    share, top = top_share(fitted)
    if share <= SHARE or share <= FACTOR * _share_by_chance(observed, rows, cols, at):
        return
    values = np.asarray(observed.values[at], dtype=float)
    away = np.abs(values - np.median(values))
    # a table that falls into crumbs is fitted entry by entry, ordinary values as well as others
    if np.median(away[top]) <= FAR * NORMAL * np.median(away):
        return
    left = values - np.asarray(model._linear_pairs(i, j), dtype=float)
    delta = HUBER * NORMAL * float(np.median(np.abs(left - np.median(left))))
    labels = _names(model.row_labels_, observed.shape[0]), _names(model.col_labels_, observed.shape[1])
    places = [f"{values[t]:.4g} in {shown(labels[0][i[t]])}, {shown(labels[1][j[t]])}" for t in top[:NAMED]]
    way = f"GeneralizedFactorModel(family='huber({delta:.3g})')" if delta > 0 else "a robust family"
    model._warn(
        f"{share:.0%} of what the factors fit lies in {len(top)} of {len(at)} entries ({'; '.join(places)}, ..): "
        "errors have heavy tails, or values are out of line, and least squares follows them. Check these values, take "
        f"logarithms where they are amounts, or use {way}."
    )


def top_share(fitted: FloatArray) -> tuple[float, Any]:
    """The share of the sum of squares in the largest entries, and where these are, the largest first.

    Examples
    --------
    >>> share, top = top_share(np.array([1.0, 1.0, 0.0, -4.0, 1.0, 1.0]))
    >>> share, top.tolist()
    (0.9, [3, 0, 1])
    """
    squares = np.square(fitted)
    n_top = max(LEAST, int(np.ceil(TOP * len(squares))))
    top = np.argsort(-squares, kind="stable")[:n_top]
    return float(squares[top].sum() / max(squares.sum(), np.finfo(float).tiny)), top


def _looked_at(observed: Observed) -> Any:
    """All entries, or a million of them."""
    if observed.n_entries <= MOST:
        return np.arange(observed.n_entries)
    return np.sort(np.random.default_rng(0).choice(observed.n_entries, MOST, replace=False))


def _share_by_chance(observed: Observed, rows: FloatArray, cols: FloatArray, at: Any) -> float:
    """The largest share that normal factors of this size have on these entries; 0 for tables too large for that."""
    if len(at) > MOST_DRAWN:
        return 0.0
    rng, size = np.random.default_rng(0), np.linalg.norm(rows, axis=0) * np.linalg.norm(cols, axis=0)
    i, j = observed.rows[at], observed.cols[at]
    drawn = [
        np.einsum("ek,ek->e", rng.standard_normal(rows.shape)[i] * size, rng.standard_normal(cols.shape)[j])
        for _ in range(DRAWS)
    ]
    return max(top_share(fitted)[0] for fitted in drawn)


def _names(labels: Labels | None, length: int) -> Labels:
    return np.arange(length) if labels is None else labels
