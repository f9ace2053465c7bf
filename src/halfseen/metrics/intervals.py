"""How often intervals hold, how wide they are, and how alike two orders are."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray


def coverage(low: Any, high: Any, truth: Any) -> float:
    """Return the share of intervals [low, high] that hold the truth; an undefined interval (NaN) does not.

    Parameters
    ----------
    low, high, truth : array-like of one shape (or scalars that broadcast)

    Examples
    --------
    >>> coverage([0.0, 0.0], [1.0, 1.0], [0.5, 2.0])
    0.5
    """
    low, high, truth = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (low, high, truth)))
    _check(low, high)
    return float(np.mean((low <= truth) & (truth <= high)))


def mean_width(low: Any, high: Any) -> float:
    """Return the mean of high - low.

    Examples
    --------
    >>> mean_width([0.0, 0.0], [1.0, 3.0])
    2.0
    """
    low, high = np.broadcast_arrays(np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64))
    _check(low, high)
    return float(np.mean(high - low))


def _check(low: FloatArray, high: FloatArray) -> None:
    if not low.size:
        raise ValueError("0 intervals were given; at least one is needed")
    wrong = low > high
    if wrong.any():
        first = int(wrong.ravel().argmax())
        raise ValueError(
            f"{int(wrong.sum())} intervals are upside down, first number {first}: "
            f"low {low.ravel()[first]:g} is above high {high.ravel()[first]:g}"
        )


def kendall_tau(first: Any, second: Any) -> float:
    """Return Kendall's tau-b of two score lists: 1 the same order, -1 the reverse; ties are allowed for.

    Parameters
    ----------
    first, second : array-like of shape (n,)

    Returns
    -------
    float
        NaN if one list is constant.

    Examples
    --------
    >>> round(kendall_tau([1, 2, 3], [10, 30, 20]), 2)
    0.33
    """
    from scipy.stats import kendalltau

    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"two lists of one length are needed, got shapes {first.shape} and {second.shape}")
    return float(kendalltau(first, second).statistic)
