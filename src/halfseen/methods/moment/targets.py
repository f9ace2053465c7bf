"""From pair moments to what X is fitted to: estimates and weights of pairs and of the diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.moment.estimates import horvitz_thompson, single_moments, steady_moments
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.problem import PairTargets, table_of_pairs


def weights_of(settings: Any) -> str:
    """The weights that a solver uses where none were named."""
    return settings.weights or ("paper" if settings.solver == "gd" else "inverse_variance")


def targets_of(moments: PairMoments, estimator: str, settings: Any) -> PairTargets:
    r"""Estimates with weights, by the parameters of the model.

    The variance of :math:`\bar T_{ij}` is about :math:`T_{ii}T_{jj}/K_{ij}` off the diagonal and
    :math:`2T_{ii}^2/K_{ii}` on it (Gaussian rows; `spread_constants` says what it is), so these are the weights'
    inverses. The objective has every pair once, the paper's has it twice: its :math:`q` is :math:`q/2` here.
    """
    kind = weights_of(settings)
    i, j = moments.pairs()
    off = i != j
    i, j = i[off], j[off]
    seen_pairs = moments.at_pairs()
    seen_pairs = type(seen_pairs)(seen_pairs.counts[off], seen_pairs.sums[off], seen_pairs.squares[off])
    if estimator == "hajek":
        values: FloatArray = seen_pairs.sums / seen_pairs.counts
        diagonal = single_moments(moments)
    else:
        every = np.arange(moments.n_cols)
        values = horvitz_thompson(moments, i, j, seen_pairs, settings.sampling, False)[0]
        diagonal = horvitz_thompson(moments, every, every, moments.diagonal(), settings.sampling, False)[0]
    seen = moments.diagonal().counts
    counts = seen_pairs.counts.astype(float)
    weights: FloatArray
    on: FloatArray
    if kind == "paper":
        q = paper_diagonal_weight(moments) if settings.diagonal_weight is None else float(settings.diagonal_weight)
        weights, on = np.ones(len(counts)), np.where(seen > 0, 0.5 * q, 0.0)
    elif kind == "counts":
        weights, on = counts, 0.5 * seen
    else:
        scale = 1.0 / steady_moments(moments)
        weights, on = counts * scale[i] * scale[j], 0.5 * seen * scale**2
    psi = settings.psi
    if psi is None:  # a fit that was settled says how
        psi = 0.0 if kind == "paper" else getattr(settings, "noise_kind_", "common")
    indptr = np.searchsorted(i, np.arange(moments.n_cols + 1))
    return PairTargets(table_of_pairs(indptr, j, values, weights), diagonal, np.asarray(on, dtype=float), psi)


def paper_diagonal_weight(moments: PairMoments) -> float:
    r"""The paper's :math:`q = 1 - (1 - p^2)^n`: the chance that a pair off the diagonal is seen."""
    p = moments.n_entries / max(moments.n_rows * moments.n_cols, 1)
    return float(-np.expm1(moments.n_rows * np.log1p(-min(p * p, 1.0 - 1e-16))))


def degrees(moments: PairMoments) -> IntArray:
    """Number of other columns that each column was seen with, (d,)."""
    i, j = moments.pairs()
    off = i != j
    return np.bincount(i[off], minlength=moments.n_cols) + np.bincount(j[off], minlength=moments.n_cols)


def default_row_norm(diagonal: FloatArray) -> float:
    """1.5 times the root of the largest second moment; longer rows of X cannot be right."""
    return 1.5 * float(np.sqrt(np.max(diagonal, initial=0.0)))
