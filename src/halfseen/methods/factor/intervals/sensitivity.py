"""What scores would be if the cells not seen were better or worse than the model says, by a stated amount."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.inference import Listing, Span
from halfseen.inference.tilts import checked_tilts, tilted_listing
from halfseen.methods.factor.intervals.scores import is_lattice, realised_ends, score_table
from halfseen.methods.factor.intervals.view import FactorView

Array = NDArray[Any]


def unit_of(view: FactorView) -> float:
    """Standard deviation of a cell's linear predictor within its column; with the residual's, where there is one."""
    at = view.uncertainty.factors
    spread = np.cov(at.rows.T, ddof=0).reshape(at.rank, at.rank) if at.rank else np.zeros((0, 0))
    own = float(np.einsum("jk,kl,jl->", at.cols, spread, at.cols)) / max(len(at.cols), 1)
    total = own + (view.uncertainty.dispersion if view.passes.loss.has_dispersion else 0.0)
    return float(np.sqrt(total)) if total > 0 else 1.0


def sensitivity(view: FactorView, deltas: Any, axis: int) -> Listing:
    """Scores on the complete table with the linear predictors of all hidden cells moved; see ``FactorInference``."""
    unit, tables = unit_of(view), []
    for delta in checked_tilts(deltas):
        table = score_table(view, axis, "these", None)
        table.tilt = delta * unit
        estimate, variance, lowest, highest = table.intervals_parts()
        low, high = Span(lowest, highest).around(estimate, np.sqrt(variance), view.z)
        if is_lattice(view.passes.loss):
            low, high = realised_ends(view, table, low, high)
        tables.append((delta, estimate, np.sqrt(variance), low, high))
    hidden = view.names.shape[1 - axis] - np.asarray(view.passes.view(axis).counts)
    names = view.names.column(axis)
    return replace(tilted_listing(names, tables, hidden, unit, view.level), claim=view.claim, library=view.library)
