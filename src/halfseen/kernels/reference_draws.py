"""NumPy twins of the drawing kernels: one row or feature after the other, in float64."""

from __future__ import annotations

import numpy as np

from halfseen.kernels.arguments import Block
from halfseen.kernels.reference import Array


def factor(P: Array, eps: float) -> tuple[Array, bool]:
    """Lower Cholesky factor; a (near-)singular matrix gets the jitter sqrt(eps) * mean diagonal and has failed."""
    k = len(P)
    try:
        L = np.linalg.cholesky(P)
        if np.all(np.diag(L) ** 2 > max(8 * k * eps, eps**0.75) * np.diag(P)):
            return L, False
    except np.linalg.LinAlgError:
        pass
    return np.linalg.cholesky(P + np.sqrt(eps) * float(np.trace(P)) / k * np.eye(k)), True


def row_draws(
    b: Block,
    B: Array,
    col_offset: Array | None,
    precision: float,
    prior: Array,
    pull: Array,
    noise: Array,
    row_weights: Array | None,
    col_weights: Array | None,
    out: Array,
    squares: Array | None,
    gram: Array | None,
    right: Array | None,
) -> tuple[float, int]:
    """Draw every row; see :func:`halfseen.kernels.row_draws`."""
    k, eps = B.shape[1], float(np.finfo(b.dtype).eps)
    pointer, total, n_failed = b.indptr - b.indptr[0], 0.0, 0
    for i in range(b.n_rows):
        own = slice(pointer[i], pointer[i + 1])
        cols = b.indices[own]
        features = B[cols].astype(np.float64)
        target = b.values[own].astype(np.float64)
        if col_offset is not None:
            target -= col_offset[cols]
        if b.offset is not None:
            target -= b.offset[own]
        w = np.ones(len(cols)) if b.weights is None else b.weights[own].astype(np.float64)
        if col_weights is not None:
            w = w * col_weights[cols]
        alpha = 1.0 if row_weights is None else float(row_weights[i])
        H, h = (features.T * w) @ features, features.T @ (w * target)
        x = np.zeros(k)
        if k:
            L, failed = factor(precision * alpha * H + prior, eps)
            half = np.linalg.solve(L, precision * alpha * h + (pull if pull.ndim == 1 else pull[i]))
            x = np.linalg.solve(L.T, half + noise[i])
            n_failed += failed
        own_squares = float(w @ np.square(target - features @ x))
        total += alpha * own_squares
        out[i] = x
        for array, value in ((squares, own_squares), (gram, H), (right, h)):
            if array is not None:
                array[i] = value
    return total, int(n_failed)


def effect_draws(
    indptr: Array,
    indices: Array,
    values: Array | None,
    row_scale: Array | None,
    precision: Array,
    mean: Array,
    noise: Array,
    first: int,
    last: int,
    residuals: Array,
    effects: Array,
) -> None:
    """Draw the effects of features, one after the other; see :func:`halfseen.kernels.effect_draws`."""
    part = slice(first, last)
    l, m = precision[part].astype(float), mean[part].astype(float)  # noqa: E741
    for j in range(len(indptr) - 1):
        rows, a = _amounts(j, indptr, indices, values, row_scale)
        size = float(a @ a)
        w = effects[j, part].astype(float)
        q = size * l + 1.0
        drawn = (l * (a @ residuals[rows, part] + size * w) + m) / q + noise[j, part] / np.sqrt(q)
        effects[j, part] = drawn
        residuals[rows, part] -= np.outer(a, effects[j, part] - w)


def shift_draws(
    indptr: Array,
    indices: Array,
    values: Array | None,
    row_scale: Array | None,
    precision: float,
    prior: Array,
    pull: Array,
    noise: Array,
    row_weights: Array | None,
    gram: Array,
    right: Array,
    rows: Array,
    effects: Array,
) -> int:
    """Draw the effects given the entries; see :func:`halfseen.kernels.shift_draws`."""
    n_failed, eps = 0, float(np.finfo(float).eps)
    for j in range(len(indptr) - 1):
        at, a = _amounts(j, indptr, indices, values, row_scale)
        alpha = np.ones(len(at)) if row_weights is None else row_weights[at].astype(float)
        G, w = gram[at].astype(float), effects[j].astype(float)
        P = np.einsum("i,irc->rc", alpha * a**2, G)
        held = (alpha * a) @ right[at] + P @ w
        L, failed = factor(prior + precision * P, eps)
        n_failed += failed
        if failed:
            continue
        effects[j] = np.linalg.solve(L.T, np.linalg.solve(L, pull + precision * held) + noise[j])
        step = effects[j] - w
        rows[at] += np.outer(a, step)
        right[at] -= a[:, None] * (G @ step)
    return int(n_failed)


def _amounts(
    j: int, indptr: Array, indices: Array, values: Array | None, row_scale: Array | None
) -> tuple[Array, Array]:
    """The rows that have feature j, and how much of it."""
    own = slice(indptr[j], indptr[j + 1])
    rows = indices[own]
    a = np.ones(len(rows)) if values is None else values[own].astype(float)
    return rows, a if row_scale is None else a * row_scale[rows]
