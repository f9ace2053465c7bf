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
    hit_rate_at,
    map_at,
    mean_reciprocal_rank,
    ndcg_at,
    precision_recall,
    rank_cdf,
    recall_at,
    relevant_ranks,
    roc_auc,
    shown_share,
)

__all__ = [
    "average_precision",
    "coverage",
    "explained_deviance",
    "hit_rate_at",
    "kendall_tau",
    "log_loss",
    "mae",
    "map_at",
    "mean_deviance",
    "mean_reciprocal_rank",
    "mean_width",
    "ndcg_at",
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
    "shown_share",
    "subspace_distance",
]
