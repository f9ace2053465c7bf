"""Checks of parameters, once, at the head of ``fit``."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data import Observed
from halfseen.data.arguments import at_least

BLOCK = 1 << 18  # entries in double precision at a time


def usable_rank(rank: Any, shape: tuple[int, int], default: int) -> int:
    """The rank to fit: as given, or the default cut to the table; a table has no rank above its shorter side."""
    largest = min(shape)
    if rank is None:
        return min(default, largest)
    at_least("rank", rank, 0, whole=True)
    if rank > largest:
        raise ValueError(
            f"rank={rank} is too large for a table of {shape[0]} rows and {shape[1]} columns; "
            f"give at most {largest}, the shorter side, or None"
        )
    return int(rank)


def check_same_table(model: Any, start: Any) -> None:
    """Refuse to begin at a model of another kind or of a table of another size."""
    if type(start) is not type(model) or not hasattr(start, "observed_shape_"):
        raise TypeError(f"start must be a fitted {type(model).__name__}; got {type(start).__name__}")
    if start.observed_shape_ != model.observed_shape_:
        raise ValueError(
            f"start was fitted to a table of shape {start.observed_shape_}, this one has {model.observed_shape_}; "
            "give a model of the same rows and columns"
        )


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
