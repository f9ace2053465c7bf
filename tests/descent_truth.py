"""Tables with a known truth, and the iteration written out."""

from __future__ import annotations

import numpy as np


def low_rank(shape, s, seed=0):
    """A matrix with these singular values and random singular vectors."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((side, len(s))))[0] for side in shape)
    return (U * np.asarray(s, dtype=float)) @ V.T


def best_of_rank(X, r):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    return (U[:, :r] * s[:r]) @ Vt[:r]


def naive_descent(X, F, G, step, times):
    """The paper's (GD-M), entry by entry of the formula."""
    for _ in range(times):
        residual = F @ G.T - X
        F, G = F - step * residual @ G, G - step * residual.T @ F
    return F, G


def half_seen(kind, observed, noise, seed, shape=(100, 80), rank=4):
    """The tables of the incomplete experiments: truth of unit variance, and what was seen of it."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((side, rank)))[0] for side in shape)
    s = np.ones(rank) if kind == "flat" else np.array([1.0, 0.7, 0.5, 0.35])[:rank]
    truth = (U * s) @ V.T * np.sqrt(shape[0] * shape[1] / np.sum(s**2))
    seen = rng.random(shape) < observed
    return truth, np.where(seen, truth + noise * rng.standard_normal(shape), np.nan)
