"""Numbers that say how good predictions, factors, intervals and orders are."""

from __future__ import annotations

from halfseen.metrics.clusters import pair_error
from halfseen.metrics.factors import (
    procrustes_error,
    relative_frobenius_error,
    row_wise_error,
    subspace_distance,
)
from halfseen.metrics.intervals import coverage, kendall_tau, mean_width
from halfseen.metrics.predictions import explained_deviance, log_loss, mae, mean_deviance, rmse
from halfseen.metrics.ranking import (
    average_precision,
    precision_recall,
    rank_cdf,
    recall_at,
    relevant_ranks,
    roc_auc,
)

__all__ = [
    "average_precision",
    "coverage",
    "explained_deviance",
    "kendall_tau",
    "log_loss",
    "mae",
    "mean_deviance",
    "mean_width",
    "pair_error",
    "precision_recall",
    "procrustes_error",
    "rank_cdf",
    "recall_at",
    "relative_frobenius_error",
    "relevant_ranks",
    "rmse",
    "roc_auc",
    "row_wise_error",
    "subspace_distance",
]
