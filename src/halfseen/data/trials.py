"""Values that count successes out of known totals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data.checks import as_numbers
from halfseen.errors import shown

# Shares are often stored with two digits: .33 of 3 is one success. Further off than that is no share of whole numbers.
ROUNDING, FURTHEST = 0.005, 0.3


def successes(
    values: FloatArray, trials: Any, weights: Any, duplicates: str, place: Callable[[int], str]
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Return counts of successes, totals, and what is to be said of them.

    Parameters
    ----------
    values : array (n_entries,)
        Counts of successes; or, if one of them is not whole, all of them shares in [0, 1].
    trials : array (n_entries,)
        Whole totals, at least 1.
    weights, duplicates :
        What else was asked for: weights do not go with trials, and of the rules for duplicates only "first", "last" and
        "sum" (adds successes and trials up) say what becomes of them.
    place : callable
        Names the entry at a position.

    Raises
    ------
    ValueError
        For totals below 1 or not whole, counts above their total, and shares that are not a whole number of successes.

    Examples
    --------
    >>> counts, totals, notes = successes(np.array([0.2, 1.0]), np.array([5, 3]), None, "error", str)
    >>> counts.tolist(), totals.tolist()
    ([1.0, 3.0], [5.0, 3.0])
    """
    if weights is not None:
        raise ValueError("weight= and trials= do not go together: the number of trials already is each entry's weight")
    if duplicates not in ("error", "first", "last", "sum"):
        raise ValueError(
            f"duplicates={duplicates!r} does not say what becomes of the trials; use 'sum' (adds successes and trials "
            "up), 'first' or 'last'"
        )
    totals = as_numbers(trials, "trials").astype(np.float64, copy=False)
    counts = values.astype(np.float64)
    bad = ~(np.isfinite(totals) & (totals >= 1) & (totals == np.trunc(totals)))
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"trials must be whole numbers of at least 1; {int(bad.sum())} are not, first {shown(totals[first])} at "
            f"{place(first)}; leave out entries that were never tried"
        )
    notes: tuple[str, ...] = ()
    if not (counts == np.trunc(counts)).all():
        _check_within(counts, np.ones_like(totals), place, "shares of the trials lie between 0 and 1")
        shares, counts = counts, np.round(counts * totals)
        off = np.abs(shares * totals - counts) > np.minimum(ROUNDING * totals + 1e-6, FURTHEST)
        if off.any():
            first = int(off.argmax())
            raise ValueError(
                f"{place(first)} = {shown(shares[first])} of {totals[first]:g} trials is not a whole number of "
                "successes "
                f"({int(off.sum())} such entries)"
            )
        notes = ("the values are shares of the trials; they were turned into counts of successes",)
    _check_within(counts, totals, place, "successes lie between 0 and the trials")
    if values.dtype == np.float32:
        counts, totals = counts.astype(np.float32), totals.astype(np.float32)
    how = "models of answers fit them with R.trials beside the table"
    return counts, totals, (*notes, f"values count successes out of {_spread(totals)} trials: {how}")


def _spread(totals: FloatArray) -> str:
    low, high = totals.min(), totals.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _check_within(counts: FloatArray, most: FloatArray, place: Callable[[int], str], rule: str) -> None:
    bad = ~((counts >= 0) & (counts <= most))
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"{rule}; {int(bad.sum())} entries do not, first {place(first)} = {shown(counts[first])} of {most[first]:g}"
        )
