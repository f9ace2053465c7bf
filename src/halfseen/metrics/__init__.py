"""Numbers that say how good predictions, factors, intervals and orders are."""

from __future__ import annotations

from halfseen.metrics.factors import (
    procrustes_error,
    relative_frobenius_error,
    row_wise_error,
    subspace_distance,
)
from halfseen.metrics.intervals import coverage, kendall_tau, mean_width
from halfseen.metrics.predictions import explained_deviance, log_loss, mae, mean_deviance, rmse

__all__ = [
    "coverage",
    "explained_deviance",
    "kendall_tau",
    "log_loss",
    "mae",
    "mean_deviance",
    "mean_width",
    "procrustes_error",
    "relative_frobenius_error",
    "rmse",
    "row_wise_error",
    "subspace_distance",
]
