"""Handwritten digits as a table of counts; bundled with scikit-learn, so no download."""

from __future__ import annotations

import numpy as np

from halfseen._typing import RandomState, as_generator
from halfseen.data import Observed

TRIALS = 16


def load_digits_counts(observed: float = 1.0, random_state: RandomState = None) -> Observed:
    """Load 1797 handwritten digits of 8 x 8 pixels as a table of counts 0..16.

    Each pixel counts how many of 16 dots of a 4 x 4 square were inked: binomial with 16 trials.

    Parameters
    ----------
    observed : float in (0, 1]
        Share of the pixels to keep; the others are hidden at random.
    random_state : int, Generator or None
        Decides which.

    Returns
    -------
    Observed
        1797 x 64; column labels such as ``"r0c3"`` give the pixel's row and column.

    Notes
    -----
    From the UCI set "Optical Recognition of Handwritten Digits", as shipped by `sklearn.datasets.load_digits`.

    Examples
    --------
    >>> load_digits_counts(observed=0.4, random_state=0)
    Observed(1797 x 64, 46003 entries, 40.0 % seen, float64, labelled)
    """
    from sklearn.datasets import load_digits

    if not 0 < observed <= 1:
        raise ValueError(f"observed must lie in (0, 1], got {observed}")
    pixels = load_digits(return_X_y=True)[0]
    labels = [f"r{row}c{col}" for row in range(8) for col in range(8)]
    table = Observed.from_dense(pixels, col_labels=labels)
    if observed == 1:
        return table
    keep = as_generator(random_state).permutation(table.n_entries)[: round(observed * table.n_entries)]
    return table.select(np.sort(keep))
