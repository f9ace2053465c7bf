"""The autoencoders in plain NumPy, on whole tables with zeros where nothing was seen."""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def kernel(u, v, kind, gamma):
    squared = np.array([[np.sum((a - b) ** 2) for b in v] for a in u])
    return np.maximum(0.0, 1.0 - squared) if kind == "hat" else np.exp(-gamma * squared)


def layer(weights, name, layout):
    """Effective weights and the kernel (None: a plain layer)."""
    W = weights[f"{name}.weight"]
    if layout.kernel == "none":
        return W, None
    K = kernel(weights[f"{name}.u"], weights[f"{name}.v"], layout.kernel, layout.gamma)
    return W * K, K


def encode(weights, part, X, layout):
    middle = sigmoid(X @ layer(weights, f"{part}.1", layout)[0] + weights[f"{part}.1.offset"])
    return sigmoid(middle @ layer(weights, f"{part}.2", layout)[0] + weights[f"{part}.2.offset"])


def deflated(shared, unique, folds, ridge):
    """Column by column of the table: fold, project, subtract, unfold."""
    found = np.empty_like(unique)
    for line, (g, u) in enumerate(zip(shared, unique, strict=True)):
        A, B = g.reshape(folds, -1).T, u.reshape(folds, -1).T
        gram = A.T @ A
        gram += ridge * np.trace(gram) / folds * np.eye(folds)
        found[line] = (B - A @ np.linalg.solve(gram, A.T @ B)).T.ravel()
    return found


def value(weights, tables, layout, ridges, sparsity, projection_ridge=1e-6):
    """Objective of all sources: tables (n, p) with NaN, and their weights or None, by encoder."""
    total = 0.0
    for own, (table, heft) in tables.items():
        X = np.nan_to_num(table).T
        embedding = encode(weights, "shared", X, layout)
        if own is not None:
            unique = encode(weights, own, X, layout)
            embedding = embedding + deflated(embedding, unique, layout.folds, projection_ridge)
        fit = embedding @ layer(weights, "decoder.1", layout)[0] + weights["decoder.1.offset"]
        total += 0.5 * np.nansum((1.0 if heft is None else heft.T) * (fit - table.T) ** 2)
    for name in (key.removesuffix(".weight") for key in weights if key.endswith(".weight")):
        part = name.split(".")[0]
        total += 0.5 * ridges.get(part, ridges["unique"]) * np.sum(weights[f"{name}.weight"] ** 2)
        total += 0.0 if part in ridges else 0.5 * ridges["unique"] * np.sum(weights[f"{name}.offset"] ** 2)
        K = layer(weights, name, layout)[1]
        total += 0.0 if K is None else 0.5 * sparsity * np.sum(K**2)
    return total
