"""Yes/no answers, pass rates and counts out of N as shares of success; numbers that go with the entries of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data.checks import cell
from halfseen.data.observed import Observed
from halfseen.errors import shown


def per_entry(given: Any, observed: Observed, name: str) -> FloatArray | None:
    """One finite number per entry, in canonical order.

    Parameters
    ----------
    given : None, number, ndarray or Observed
        A number for all, one per column, a table of the shape of the data (array or an Observed with the same places),
        or one per entry in canonical order (by row, then column).
    observed : Observed
    name : str
        Of the argument, for the error.

    Returns
    -------
    ndarray (n_entries,), or None where nothing was given

    Raises
    ------
    ValueError
        For other places or shapes, and for numbers that are not finite.

    Examples
    --------
    >>> per_entry([1.0, 2.0], Observed.from_dense([[5.0, 6.0], [np.nan, 7.0]]), "offset").tolist()
    [1.0, 2.0, 2.0]
    """
    if given is None:
        return None
    if isinstance(given, Observed):
        same = given.shape == observed.shape and given.n_entries == observed.n_entries
        if not (same and np.array_equal(given.cols, observed.cols) and np.array_equal(given.rows, observed.rows)):
            raise ValueError(f"{name} has other places than R: give an Observed with exactly the entries of R.")
        given = given.values
    numbers = np.asarray(given, dtype=float)
    entries, (n, p) = observed.n_entries, observed.shape
    if numbers.shape == (n, p):
        numbers = numbers[observed.rows, observed.cols]
    elif numbers.shape == (p,) and p != entries:
        numbers = numbers[observed.cols]
    elif numbers.ndim == 0:
        numbers = np.full(entries, float(numbers))
    if numbers.shape != (entries,):
        raise ValueError(
            f"{name} has shape {np.shape(given)}; give a number, one per column ({p}), a table {n} x {p}, one per "
            f"entry ({entries}, by row, then column), or an Observed with the entries of R."
        )
    if not np.isfinite(numbers).all():
        first = int(np.argmin(np.isfinite(numbers)))
        place = f"row {int(observed.rows[first])}, column {int(observed.cols[first])}"
        raise ValueError(f"{name} must be finite; first bad place: {place}, {numbers[first]}.")
    return numbers


def as_shares(R: Observed, count: float, trials: Any = None) -> Observed:
    """Entries of positive weight, with answers as shares in [0, 1].

    Parameters
    ----------
    R : Observed
        Yes/no answers, pass rates, or counts.
    count : float
        What a share of 1 is: the N of ``family="binomial(N)"``, 1 for yes/no answers and pass rates.
    trials : as in ``fit``
        Totals of the entries; only with a ``count`` of 1.

    Raises
    ------
    ValueError
        For totals that are given twice or are not above 0, and for answers outside the range.

    Examples
    --------
    >>> as_shares(Observed.from_dense([[2.0, 4.0]]), 4.0).values.tolist()
    [0.5, 1.0]
    """
    totals = per_entry(trials, R, "trials")
    if totals is not None and count != 1.0:
        raise ValueError(
            f"trials= goes with family='bernoulli', not with family='binomial({count:g})', which has its own."
        )
    top = count if totals is None else totals
    values = np.asarray(R.values, dtype=float)
    if not np.all(np.asarray(top) > 0):
        raise ValueError("trials must be above 0.")
    bad = ~((values >= 0) & (values <= top))
    if bad.any():
        first = int(bad.argmax())
        place = cell("R", int(R.rows[first]), int(R.cols[first]), R.row_labels, R.col_labels)
        end = float(np.broadcast_to(top, values.shape)[first])
        raise ValueError(
            f"{int(bad.sum())} answers lie outside [0, {end:g}], first {place} = {shown(values[first])}; give shares "
            "of right answers, or counts with family='binomial(N)' or trials=."
        )
    R = R.with_values(values / top, weights=R.weights)
    return R if R.weights is None or R.weights.all() else R.select(R.weights > 0)
