"""Dense and sparse linear algebra that several methods share."""

from __future__ import annotations

from halfseen.linalg.align import balance, procrustes, row_errors, sign_rule, trim_rows
from halfseen.linalg.noise import hard_threshold, marchenko_pastur_median, noise_edge, noise_level, shrunk
from halfseen.linalg.rotations import varimax_criterion, varimax_step
from halfseen.linalg.subspace import joint_basis, leading_left, misalignment, orthonormal, polar, projection_error
from halfseen.linalg.sure import SteinEstimate
from halfseen.linalg.svd import optimal_shrinkage, soft_threshold, truncated_svd

__all__ = [
    "SteinEstimate",
    "balance",
    "hard_threshold",
    "joint_basis",
    "leading_left",
    "marchenko_pastur_median",
    "misalignment",
    "noise_edge",
    "noise_level",
    "optimal_shrinkage",
    "orthonormal",
    "polar",
    "procrustes",
    "projection_error",
    "row_errors",
    "shrunk",
    "sign_rule",
    "soft_threshold",
    "trim_rows",
    "truncated_svd",
    "varimax_criterion",
    "varimax_step",
]
