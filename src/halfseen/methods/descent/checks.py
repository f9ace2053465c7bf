"""What a table allows: operators, symmetry, and the rules that can be used on it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen.data import Observed
from halfseen.data.checks import cell
from halfseen.errors import shown
from halfseen.losses import Loss, is_quadratic
from halfseen.methods.descent.options import (
    RULES,
    DiscrepancyStop,
    HeldOutStop,
    PlateauStop,
    Rule,
    Sure,
)
from halfseen.methods.descent.table import WAY, DescentTable

SYMMETRY = 1e-6


def is_operator(R: Any) -> bool:
    """A matrix known by its products: ``matvec``, ``rmatvec`` and a shape."""
    return hasattr(R, "matvec") and hasattr(R, "rmatvec") and hasattr(R, "shape")


def checked_operator(R: Any, loss: Loss, settings: SimpleNamespace) -> Any:
    """A linear operator, for which only the squared loss and plain descent make sense."""
    if not is_quadratic(loss):
        raise ValueError(f"family={loss.name!r} judges entries, which a linear operator does not have; give a table")
    if settings.solver != "descent":
        raise ValueError(f"solver={settings.solver!r} needs a complete table in memory, not a linear operator")
    if settings.centre not in ("auto", "none"):
        raise ValueError(f"centre={settings.centre!r} needs entries; subtract means inside the linear operator")
    if len(R.shape) != 2 or min(R.shape) < 1:
        raise ValueError(f"R must have two dimensions, each of at least 1; got an operator of shape {R.shape}")
    if settings.is_symmetric and R.shape[0] != R.shape[1]:
        raise ValueError(f"is_symmetric needs a square table; got {R.shape[0]} x {R.shape[1]}")
    return R


def checked_symmetry(observed: Observed) -> None:
    """A square table with equal entries, observed or not, on both sides of the diagonal."""
    n, p = observed.shape
    if n != p:
        raise ValueError(f"is_symmetric needs a square table; got {n} x {p}")
    rows, cols = observed.by_rows, observed.by_cols
    if not (np.array_equal(rows.indptr, cols.indptr) and np.array_equal(rows.indices, cols.indices)):
        raise ValueError("is_symmetric needs entries on both sides of the diagonal; some were seen on one only")
    bad = np.abs(rows.values - cols.values) > SYMMETRY * np.abs(rows.values).max(initial=0.0)
    if bad.any():
        first = int(bad.argmax())
        row, col = int(observed.rows[first]), int(observed.cols[first])
        place = cell("R", row, col, observed.row_labels, observed.col_labels)
        raise ValueError(
            f"is_symmetric needs a symmetric table; {int(bad.sum())} entries are not, first {place} = "
            f"{shown(rows.values[first])} but {shown(cols.values[first])} across the diagonal; use (R + R.T) / 2"
        )


def usable_rule(stop: Rule | int | str, table: DescentTable) -> Rule | int | None:
    """The rule for this table; "auto" chooses one, and a rule that the table does not allow is refused."""
    if isinstance(stop, str) and stop == "auto":
        if table.is_operator:
            return DiscrepancyStop()
        return Sure() if table.is_dense else _held_out_if_possible(table)
    if isinstance(stop, str):
        return None
    if isinstance(stop, HeldOutStop):
        if table.observed is None:
            raise ValueError("stop='held_out' needs entries to hold out; a linear operator has none: use 'discrepancy'")
    elif isinstance(stop, DiscrepancyStop) and table.matrix is None:
        raise ValueError(f"stop='discrepancy' needs a complete table and the gaussian family; {WAY}")
    return stop


def _held_out_if_possible(table: DescentTable) -> Rule:
    """Held-out entries; of a table so small that none can be spared, the plateau of the training error."""
    assert table.observed is not None
    rule = RULES["held_out"]()
    try:
        table.observed.split(rule.held_out, 0, keep_covered=True)
    except ValueError:
        return PlateauStop()
    return rule
