"""Alternating least squares the slow way: one dense solve per row, straight from the objective."""

from __future__ import annotations

import numpy as np


def objective(table, weights, params, mean, lam, lam_bias, alpha):
    """The objective as printed in the docstring of AlternatingLeastSquares."""
    X, b, Y, d = params
    seen = ~np.isnan(table)
    w = np.where(seen, weights, 0.0)
    residual = np.where(seen, table, 0.0) - (mean + b[:, None] + d + X @ Y.T)
    per_row, per_col = w.sum(1), w.sum(0)
    rows = np.sum(per_row**alpha * (lam * (X**2).sum(1) + lam_bias * b**2))
    cols = np.sum(per_col**alpha * (lam * (Y**2).sum(1) + lam_bias * d**2))
    return np.sum(w * residual**2) + rows + cols


def solve_rows(table, weights, Y, d, mean, lam, lam_bias, alpha):
    """Factors and biases of all rows given the columns."""
    n, k = len(table), Y.shape[1]
    X, b = np.zeros((n, k)), np.zeros(n)
    for i in range(n):
        seen = np.flatnonzero(~np.isnan(table[i]))
        if not len(seen):
            continue
        w = weights[i, seen]
        features = np.column_stack([Y[seen], np.ones(len(seen))])
        penalty = np.append(np.full(k, lam), lam_bias) * w.sum() ** alpha
        left = features.T @ (w[:, None] * features) + np.diag(penalty)
        solution = np.linalg.solve(left, features.T @ (w * (table[i, seen] - mean - d[seen])))
        X[i], b[i] = solution[:-1], solution[-1]
    return X, b


def fit(table, weights, start, max_iter, lam, lam_bias, alpha):
    """Columns, then rows, ``max_iter`` times, from row factors ``start``."""
    seen = ~np.isnan(table)
    mean = np.average(table[seen], weights=weights[seen])
    X, b, values = start, np.zeros(len(table)), []
    for _ in range(max_iter):
        Y, d = solve_rows(table.T, weights.T, X, b, mean, lam, lam_bias, alpha)
        X, b = solve_rows(table, weights, Y, d, mean, lam, lam_bias, alpha)
        values.append(objective(table, weights, (X, b, Y, d), mean, lam, lam_bias, alpha))
    return X, b, Y, d, mean, values
