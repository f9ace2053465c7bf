"""New rows against the columns of a fit of rank 1: the columns as an item bank."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data import as_observed
from halfseen.data.align import with_columns
from halfseen.data.newcomers import newcomers
from halfseen.data.shares import as_shares
from halfseen.inference.bank import bank_of_normal
from halfseen.inference.new_rows import NewRows, place
from halfseen.inference.shrinking import shrunk_items
from halfseen.losses import is_logistic
from halfseen.methods.factor.intervals.view import FactorView


def new_rows(view: FactorView, R: Any, trials: Any) -> NewRows:
    """Posteriors of new rows; see ``FactorInference.new_rows``."""
    uncertainty, loss, labels = view.uncertainty, view.passes.loss, view.names.cols
    if uncertainty.factors.rank != 1:
        raise ValueError(f"new_rows() places rows on one factor; this fit has rank {uncertainty.factors.rank}.")
    empty = newcomers(R, view.names.shape[1], labels)
    observed = as_observed(R) if empty is None else empty
    if labels is not None and observed.col_labels is not None:
        observed = with_columns(observed, labels)
    if observed.shape[1] != view.names.shape[1]:
        raise ValueError(f"R has {observed.shape[1]} columns; the fit had {view.names.shape[1]} features.")
    if not is_logistic(loss):
        raise ValueError(f"new_rows() needs yes/no answers or counts out of N, not family={loss.name!r}.")
    observed = as_shares(observed, loss.trials, trials)
    x, errors, known = (
        uncertainty.factors.rows[:, 0],
        uncertainty.rows.covariance[:, 0, 0],
        uncertainty.rows.is_resolved,
    )
    variance = max(float(np.mean(x[known] ** 2 - errors[known])), 0.1 * float(np.mean(x**2)), 1e-8)
    items = (
        np.stack([uncertainty.factors.intercept, uncertainty.factors.cols[:, 0]], axis=-1),
        uncertainty.cols.covariance,
    )
    if not view.has_prior:  # penalised columns are posterior means already
        items = shrunk_items(*items)
    bank = bank_of_normal(*items, float(np.sqrt(variance)), x)
    return place(bank, observed, view.level, labels, loss.trials, view.library)
