"""New rows of a table whose rows have no features: placed by what was seen of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.losses import is_quadratic
from halfseen.methods.inductive.activations import get_activation
from halfseen.methods.inductive.options import ONE_CLASS

# Keeps the small systems of rows with fewer entries than units solvable where the fit had no penalty.
LEAST_PENALTY = 1e-6


def place_rows(model: Any, observed: Observed) -> FloatArray:
    r"""Linear predictors (n_new, p) of new rows.

    The activations h of a row minimise :math:`\sum_j w_j\ell(a_j, \mu + r + c_j + \langle h, w_j\rangle)` plus the
    penalty of the fit around those of a row of which nothing is known; for linear models this is the fit itself with
    the columns held. One small Newton problem per row, O(E k^2).
    """
    if model.family == ONE_CLASS and model.row_code_ is None and model.col_code_ is None and not model.offset_:
        from halfseen.methods.inductive.one_class import fold_in

        new = fold_in(observed, model.col_factors_, float(model.beta), model.penalty_, model.engine)
        return new @ model.col_factors_.T
    if model.family == ONE_CLASS:
        raise ValueError(
            "rows of a one-class model cannot be placed by what was seen of them; fit with row_features and give these"
        )
    if model.row_code_ is not None:
        raise ValueError("rows of this model are placed by their features; give these to predict or predict_table")
    W, dtype = model.col_factors_, model.col_factors_.dtype
    k, q = model.row_weights_.shape[1], W.shape[1] - model.row_weights_.shape[1]
    known = np.zeros(k + q, dtype=dtype)
    if model.has_intercept:
        known[:k] = get_activation(model.activation_).value(model.row_intercept_)
    else:
        known[:k] = model.row_factors_[:, :k].mean(axis=0)
    has_effect = int(model.effects_ in ("rows", "both"))
    B = np.concatenate([W, np.ones((len(W), has_effect), dtype=dtype)], axis=1)
    base = (model.col_effects_ + model._offset + W @ known).astype(dtype)
    penalties = [model.placing_penalty_] * k + [model.free_penalty] * q + [model.effect_penalty] * has_effect
    passes = EntryPasses(observed.astype(dtype), model.loss_, model.engine)
    start = np.zeros((observed.shape[0], B.shape[1]), dtype=dtype)
    least = np.maximum(np.array(penalties, dtype=dtype), dtype.type(LEAST_PENALTY))
    steps = 1 if is_quadratic(model.loss_) else 20
    factors, _ = passes.newton(0, start, B, minor_offset=base, ridge=least, steps=steps, method="cholesky")
    return factors @ B.T + base
