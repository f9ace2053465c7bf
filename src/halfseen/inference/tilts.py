"""Scores under a stated tilt of the cells that were not seen (pattern mixture), as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.inference.listing import Listing
from halfseen.inference.ranks import order_of
from halfseen.parameters import BadArgument

DELTAS = (-1.0, -0.5, 0.0, 0.5, 1.0)
LARGEST_TILT = 10.0


def checked_tilts(deltas: Any) -> list[float]:
    """Tilts as numbers, or one clear error."""
    try:
        given = np.asarray(deltas, dtype=float).ravel()
    except (TypeError, ValueError):
        given = np.empty(0)
    if not len(given) or not np.isfinite(given).all() or np.abs(given).max() > LARGEST_TILT:
        raise BadArgument("deltas", deltas, f"one or more numbers from {-LARGEST_TILT:g} to {LARGEST_TILT:g}")
    return given.tolist()


def tilted_listing(
    names: Mapping[str, Labels],
    tables: Sequence[tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]],
    hidden: IntArray,
    unit: float,
    level: float,
) -> Listing:
    """One line per row and tilt, from (tilt, estimate, se, low, high) of each tilt.

    Examples
    --------
    >>> one, two = np.array([0.5, 0.7]), np.array([0.1, 0.1])
    >>> listing = tilted_listing({"row": np.array(["a", "b"])}, [(0.0, one, two, one - two, one + two)],
    ...                          np.array([3, 0]), 1.2, 0.95)
    >>> listing["rank"].tolist(), listing["hidden"].tolist()
    ([2, 1], [3, 0])
    """
    n, k = len(hidden), len(tables)
    columns: dict[str, Any] = {name: np.tile(np.asarray(label), k) for name, label in names.items()}
    columns["delta"] = np.repeat([table[0] for table in tables], n)
    for place, name in enumerate(("score", "se", "low", "high"), start=1):
        columns[name] = np.concatenate([table[place] for table in tables])
    columns["rank"] = np.concatenate([order_of(table[1]) for table in tables])
    columns["hidden"] = np.tile(hidden, k)
    notes = (
        f"delta: hidden cells are taken to have linear predictors moved by delta times {unit:.4g}, a standard "
        "deviation of the predictor within a column; 0 is missing for no reason",
        "score: mean on the complete table, seen responses as they are; an order that changes with delta rests on what "
        "was not seen",
    )
    return Listing("sensitivity to missing cells", columns, level, notes)
