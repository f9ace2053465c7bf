"""Oracles of the tests: the plain formula, one entry at a time, in float64. Slow and obvious on purpose."""

from __future__ import annotations

import math

import numpy as np

CAP = 30.0


def entry_loss(family, trials, y, m):
    """(loss, mean, curvature) of one entry."""
    if family == "gaussian":
        return 0.5 * (m - y) ** 2, m, 1.0
    if family == "bernoulli":
        softplus = max(m, 0.0) + math.log1p(math.exp(-abs(m)))
        mean = 1.0 / (1.0 + math.exp(-m)) if m > -700 else 0.0
        return trials * softplus - y * m, trials * mean, trials * mean * (1.0 - mean)
    capped = min(m, CAP)
    return math.exp(capped) * (1.0 + m - capped) - y * m, math.exp(capped), math.exp(capped)


def entries(view):
    """Yield (e, i, j, y, w) of every stored entry."""
    for i in range(view.n_major):
        for e in range(int(view.indptr[i]), int(view.indptr[i + 1])):
            weight = 1.0 if view.weights is None else float(view.weights[e])
            yield e, i, int(view.indices[e]), float(view.values[e]), weight


def predictor(A, B, i, j, row_offset=None, col_offset=None, offset=None, e=0):
    """Linear predictor of one entry."""
    m = float(np.dot(A[i].astype(np.float64), B[j].astype(np.float64)))
    m += 0.0 if row_offset is None else float(row_offset[i])
    m += 0.0 if col_offset is None else float(col_offset[j])
    return m + (0.0 if offset is None else float(offset[e]))


def loss_and_gradient(view, A, B, family, trials=1.0, **offsets):
    """(value, grad_A, grad_B, grad_row, grad_col)."""
    value, grad_A, grad_B = 0.0, np.zeros(A.shape), np.zeros(B.shape)
    grad_row, grad_col = np.zeros(len(A)), np.zeros(len(B))
    for e, i, j, y, w in entries(view):
        m = predictor(A, B, i, j, **offsets, e=e)
        loss, mean, _ = entry_loss(family, trials, y, m)
        g = w * (mean - y)
        value += w * loss
        grad_A[i] += g * B[j]
        grad_B[j] += g * A[i]
        grad_row[i] += g
        grad_col[j] += g
    return value, grad_A, grad_B, grad_row, grad_col


def information(view, A, B, family, trials=1.0, **offsets):
    """H_i = sum_e w_e psi'' B_j B_j'."""
    out = np.zeros((len(A), B.shape[1], B.shape[1]))
    for e, i, j, y, w in entries(view):
        curvature = entry_loss(family, trials, y, predictor(A, B, i, j, **offsets, e=e))[2]
        out[i] += w * curvature * np.outer(B[j], B[j]).astype(np.float64)
    return out


def row_objective(view, X, B, i, family, trials=1.0, ridge=None, scale=1.0, pull=None, col_offset=None, offset=None):
    """Penalised objective of row i at X[i]."""
    x = X[i].astype(np.float64)
    value = 0.0
    if ridge is not None:
        value += 0.5 * scale * float(np.sum(ridge * x * x))
    if pull is not None:
        value -= scale * float(np.sum(pull * x))
    for e, row, j, y, w in entries(view):
        if row == i:
            m = predictor(X, B, i, j, None, col_offset, offset, e)
            value += w * entry_loss(family, trials, y, m)[0]
    return value
