"""Checks of parameters that many estimators have."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from halfseen._typing import FloatArray


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


def share(name: str, value: Any) -> float:
    """A part of a whole: at least 0 and below 1."""
    at_least(name, value, 0)
    if not value < 1:
        raise ValueError(f"{name} must be a share below 1; got {value!r}")
    return float(value)
