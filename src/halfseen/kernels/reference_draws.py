"""NumPy twin of the drawing kernel: one row after the other, in float64."""

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
    out: Array,
) -> tuple[float, int]:
    """Draw every row; see :func:`halfseen.kernels.row_draws`."""
    k, eps = B.shape[1], float(np.finfo(b.dtype).eps)
    pointer, total, n_failed = b.indptr - b.indptr[0], 0.0, 0
    if k == 0:
        offset = np.zeros(len(b.values)) if col_offset is None else col_offset[b.indices]
        gaps = b.values - offset - (0.0 if b.offset is None else b.offset)
        return float(np.sum(np.square(gaps) * (1.0 if b.weights is None else b.weights), dtype=float)), 0
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
        P = precision * (features.T * w) @ features + prior
        L, failed = factor(P, eps)
        half = np.linalg.solve(L, precision * features.T @ (w * target) + pull)
        x = np.linalg.solve(L.T, half + noise[i])
        total += float(w @ np.square(target - features @ x))
        n_failed += failed
        out[i] = x
    return total, int(n_failed)
