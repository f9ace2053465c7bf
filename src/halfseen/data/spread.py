"""Mean and spread of the seen values, in float64."""

from __future__ import annotations

import numpy as np

from halfseen.data.observed import Observed

BLOCK = 1 << 18  # entries in double precision at a time


def weighted_mean(observed: Observed) -> float:
    """Mean of the values, in float64."""
    if observed.weights is None:
        return float(np.mean(observed.values, dtype=float))
    total = float(np.sum(observed.weights, dtype=float))
    if not total > 0:
        raise ValueError("the weights of all entries are 0; at least one entry must count")
    return float(np.dot(observed.weights.astype(float), observed.values.astype(float)) / total)


def weighted_spread(observed: Observed, mean: float) -> float:
    """Standard deviation of the values, in float64; of a constant table its size, so that it can serve as a unit."""
    values, weights, squares = observed.values, observed.weights, 0.0
    for begin in range(0, len(values), BLOCK):
        part = slice(begin, begin + BLOCK)
        gaps = np.square(values[part].astype(float) - mean)
        squares += float(gaps.sum() if weights is None else gaps @ weights[part].astype(float))
    total = len(values) if weights is None else np.sum(weights, dtype=float)
    spread = float(np.sqrt(squares / total))
    is_constant = spread <= 1e-14 * abs(mean)
    return (abs(mean) or 1.0) if is_constant else spread
