"""Fixed items as a bank: estimates with errors become posteriors under a normal distribution of all items."""

from __future__ import annotations

import numpy as np

from halfseen._typing import BoolArray, FloatArray
from halfseen.solvers import GradientNorm, SweepResult, largest, loop

MAX_SWEEPS, TOL = 500, 1e-4
# Eigenvalues of the items' spread stay above this share of the whole: a spread of 0 would have no inverse.
LEAST_SPREAD = 1e-6

Parts = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def shrunk_items(estimate: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Posterior means and covariances of items whose estimates have normal errors, by empirical Bayes.

    .. math:: \hat\beta_j \sim N(\beta_j, V_j),\quad \beta_j \sim N(m, S):\qquad
              \tilde V_j = (V_j^{-1} + S^{-1})^{-1},\quad
              \tilde\beta_j = \tilde V_j (V_j^{-1}\hat\beta_j + S^{-1} m)

    Whoever chooses the steepest of many items by their estimates chooses overestimated ones; a posterior mean is the
    same before and after the choice.

    Parameters
    ----------
    estimate, covariance : ndarray (p, k), (p, k, k)
        Items of infinite covariance say nothing and become the distribution itself.

    Returns
    -------
    mean, covariance : ndarray (p, k), (p, k, k)

    Notes
    -----
    Maximum likelihood of m and S by EM, O(p k^3) per sweep.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(2000, 1))
    >>> mean, covariance = shrunk_items(truth + rng.normal(size=truth.shape), np.ones((2000, 1, 1)))
    >>> bool(abs(covariance[0, 0, 0] - 0.5) < 0.05 and abs(np.mean((mean - truth) ** 2) - 0.5) < 0.05)
    True
    """
    told: BoolArray = np.asarray(np.isfinite(covariance).all(axis=(1, 2)) & np.isfinite(estimate).all(axis=1))
    p, k = estimate.shape
    precision = np.zeros((p, k, k))
    precision[told] = np.linalg.inv(covariance[told])
    pulled = np.einsum("jkl,jl->jk", precision, np.where(told[:, None], estimate, 0.0))
    if not told.any():
        return np.zeros((p, k)), np.broadcast_to(np.eye(k), (p, k, k)).copy()

    def posterior(m: FloatArray, S: FloatArray) -> tuple[FloatArray, FloatArray]:
        inverse = np.linalg.inv(S)
        V = np.linalg.inv(precision + inverse)
        return np.einsum("jkl,jl->jk", V, pulled + inverse @ m), V

    def sweep(at: tuple[FloatArray, FloatArray]) -> SweepResult:
        mean, V = (part[told] for part in posterior(*at))
        m = mean.mean(axis=0)
        S = V.mean(axis=0) + (mean - m).T @ (mean - m) / len(mean)
        S = S + LEAST_SPREAD * np.trace(S) * np.eye(k)
        moved = max(largest(m - at[0]), largest(S - at[1])) / (1e-300 + largest(S))
        return SweepResult((m, S), 0.0, moved)

    first = estimate[told]
    start = first.mean(axis=0), np.cov(first.T, bias=True).reshape(k, k) + 1e-6 * np.eye(k)
    # the "gradient norm" is the relative move of the distribution
    prior = loop(sweep, start, [GradientNorm(TOL)], max_iter=MAX_SWEEPS).params
    return posterior(*prior)
