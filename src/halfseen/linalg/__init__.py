"""Dense and sparse linear algebra that several methods share."""

from __future__ import annotations

from halfseen.linalg.align import balance, procrustes, row_errors, sign_rule, trim_rows
from halfseen.linalg.noise import hard_threshold, marchenko_pastur_median, noise_edge, noise_level, shrunk
from halfseen.linalg.rotations import varimax_criterion, varimax_step
from halfseen.linalg.sure import SteinEstimate
from halfseen.linalg.svd import optimal_shrinkage, soft_threshold, truncated_svd

__all__ = [
    "SteinEstimate",
    "balance",
    "hard_threshold",
    "marchenko_pastur_median",
    "noise_edge",
    "noise_level",
    "optimal_shrinkage",
    "procrustes",
    "row_errors",
    "shrunk",
    "sign_rule",
    "soft_threshold",
    "trim_rows",
    "truncated_svd",
    "varimax_criterion",
    "varimax_step",
]
