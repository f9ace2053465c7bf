"""Checks of parameters, once, at the head of ``fit``."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed

BLOCK = 1 << 18  # entries in double precision at a time


def at_least(name: str, value: Any, low: float, whole: bool = False) -> None:
    """Refuse what is not a finite number (``whole``: an integer) of at least ``low``."""
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool | np.bool_)
    if not fits or not low <= float(value) < np.inf:
        kind = "an integer" if whole else "a finite number"
        raise ValueError(f"{name} must be {kind} of at least {low:g}; got {value!r}")


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse what is not among the choices."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


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


def bounds(clip: Any, values: FloatArray) -> tuple[float, float] | None:
    """Turn ``clip`` into numbers: None, the range of the values, or the pair itself."""
    if clip is None:
        return None
    if isinstance(clip, str):
        one_of("clip", clip, ("range",))
        return float(values.min()), float(values.max())
    if not (isinstance(clip, tuple | list) and len(clip) == 2 and all(isinstance(x, Real) for x in clip)):
        raise ValueError(f"clip must be None, 'range' or a pair (low, high); got {clip!r}")
    if not clip[0] < clip[1]:
        raise ValueError(f"clip=(low, high) needs low < high; got {clip!r}")
    return float(clip[0]), float(clip[1])


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
