"""Whether a least squares fit follows single values: errors with heavy tails, or values out of line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.errors import shown

# The entries with the largest fitted values that are looked at: this share, and so many at least.
TOP, LEAST = 0.003, 3
# Their share of the fit's sum of squares from which it is said. Measured with three tables each (60 x 20 and 100 x 80,
# half seen or complete): .03 to .14 with normal or double exponential errors; .25 to .79 with t errors of two degrees
# where these lead to a fit with a wrong norm, .04 to .11 where they do not.
SHARE = 0.2
# So many times the largest share of factors drawn at random, where a table is small enough for these to reach it.
FACTOR, DRAWS, MOST_DRAWN = 1.5, 50, 100_000
FEWEST, MOST = 100, 1_000_000
# Entries from which a column has a spread of its own.
FEWEST_IN_COLUMN = 8
# Huber's constant: .95 of the efficiency of least squares with normal errors.
HUBER = 1.345
# From the median absolute deviation to the standard deviation of normal errors; and how many of these are far.
NORMAL, FAR = 1.4826, 4.0
NAMED = 2


# What every model of one table can be changed for.
ROBUST = "GeneralizedFactorModel(family='huber({delta:.3g})')"


@dataclass(frozen=True)
class Extremes:
    """Entries that rule what the factors tell.

    Attributes
    ----------
    share : float
        Of the fit's sum of squares.
    count, looked_at : int
        Of so many entries.
    places : str
        The largest of them.
    delta : float
        Where Huber's loss would begin to count linearly; 0 where that is not known.
    """

    share: float
    count: int
    looked_at: int
    places: str
    delta: float

    def sentence(self, way: str, where: str = "") -> str:
        """What to tell the user; ``{delta}`` in the way out is Huber's constant."""
        way = way.format(delta=self.delta) if self.delta > 0 else "a robust family"
        more = ", .." if self.count > NAMED else ""
        return (
            f"{where}{self.share:.0%} of what the factors fit lies in {self.count} of {self.looked_at} entries "
            f"({self.places}{more}): errors have heavy tails, or values are out of line, and least squares follows "
            f"them. Check these values, take logarithms where they are amounts, or use {way}."
        )


def tell_extremes(model: Any, observed: Observed, rows: FloatArray, cols: FloatArray, way: str = ROBUST) -> None:
    """Say at a fit by least squares that single values rule what its factors tell.

    Parameters
    ----------
    model : fitted estimator that tells (``_warn``) and predicts (``_linear_pairs``)
    observed : Observed
    rows, cols : ndarray (n, r), (p, r)
        Factors whose products are the fit beside effects of rows and columns.
    way : str
        The model to take instead.

    Notes
    -----
    One pass over at most a million entries.
    """
    found = extremes(observed, rows, cols, model._linear_pairs, (model.row_labels_, model.col_labels_))
    if found is not None:
        model._warn(found.sentence(way))


def extremes(
    observed: Observed,
    rows: FloatArray,
    cols: FloatArray,
    predicted: Callable[[IntArray, IntArray], FloatArray],
    labels: tuple[Labels | None, Labels | None],
) -> Extremes | None:
    """The entries that rule a fit, if there are any.

    Parameters
    ----------
    observed, rows, cols : as for :func:`tell_extremes`
    predicted : callable
        The fitted values, effects included, at places ``(i, j)``.
    labels : (labels of rows, labels of columns)
    """
    from halfseen.linalg.pairs import pair_products

    if not rows.shape[1] or observed.n_entries < FEWEST:
        return None
    at = _looked_at(observed)
    i, j = observed.rows[at], observed.cols[at]
    fitted = np.asarray(pair_products(rows, cols, i, j), dtype=float)
    share, top = top_share(fitted)
    if share <= SHARE or share <= FACTOR * _share_by_chance(observed, rows, cols, at):
        return None
    values = np.asarray(observed.values[at], dtype=float)
    # columns of unlike units rule sums of squares without any tails: each is looked at in units of its own spread
    middle, unit = _columns(j, values, observed.shape[1])
    in_units = fitted / unit[j]
    top = top_share(in_units)[1]
    away = np.abs(values - middle[j]) / unit[j]
    # a table that falls into crumbs is fitted entry by entry, ordinary values as well as others; and beside one value
    # out of line its row and column are fitted largely too, which are ordinary
    top = top[away[top] > FAR * NORMAL * np.median(away)]
    squares = np.square(in_units)
    share = float(squares[top].sum() / max(squares.sum(), np.finfo(float).tiny))
    if share <= SHARE:
        return None
    left = values - np.asarray(predicted(i, j), dtype=float)
    delta = HUBER * NORMAL * float(np.median(np.abs(left - np.median(left))))
    names = [_names(own, length) for own, length in zip(labels, observed.shape, strict=True)]
    places = [f"{values[t]:.4g} in {shown(names[0][i[t]])}, {shown(names[1][j[t]])}" for t in top[:NAMED]]
    return Extremes(share, len(top), len(at), "; ".join(places), delta)


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


def _columns(j: IntArray, values: FloatArray, n_cols: int) -> tuple[FloatArray, FloatArray]:
    """Medians and median absolute deviations of the columns; of all values together, where a column has few entries."""
    enough = np.bincount(j, minlength=n_cols) >= FEWEST_IN_COLUMN
    middle = _medians(j, values, n_cols)
    middle = np.where(enough, middle, np.median(values))
    away = np.abs(values - middle[j])
    unit = _medians(j, away, n_cols)
    known = enough & (unit > 0)
    usual = float(np.median(unit[known])) if known.any() else float(np.median(away)) or 1.0
    return middle, np.where(known, unit, usual)


def _medians(j: IntArray, values: FloatArray, n_cols: int) -> FloatArray:
    """Upper median of every column; 0 without entries."""
    order = np.lexsort((values, j))
    counts = np.bincount(j, minlength=n_cols)
    places = np.cumsum(counts) - counts + counts // 2
    return np.asarray(np.where(counts > 0, values[order][np.minimum(places, len(values) - 1)], 0.0))


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
