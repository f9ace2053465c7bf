"""How far a fitted factor model is from the simulated truth."""

from __future__ import annotations

import numpy as np

EVERY = slice(None)


def relative_error(model_or_factors, data):
    """Relative Frobenius error of the linear predictor over all cells."""
    f = model_or_factors
    if hasattr(f, "row_factors_"):
        f = f.stages_["final"]
    truth = data.linear
    return float(np.linalg.norm(f.block(EVERY, EVERY) - truth) / np.linalg.norm(truth))
