"""NumPy twins of the kernels that keep curvatures and residuals per entry."""

from __future__ import annotations

import numpy as np

from halfseen.kernels.arguments import Block
from halfseen.kernels.reference import Array, chunks, curvature, mean, predictor


def curvatures(
    b: Block,
    A: Array,
    B: Array,
    family: int,
    trials: float,
    row_offset: Array | None,
    col_offset: Array | None,
    out_curvature: Array,
    out_residual: Array,
) -> None:
    """Curvature and residual of every entry; see :func:`halfseen.kernels.curvatures`."""
    for c in chunks(b):
        m = predictor(b, c, A, B, row_offset, col_offset)
        w = 1.0 if b.weights is None else b.weights[c.part].astype(np.float64)
        out_curvature[c.part] = w * curvature(family, trials, m)
        out_residual[c.part] = w * (mean(family, trials, m) - b.values[c.part])


def coupled_columns(b: Block, A: Array, B: Array, dA: Array, out_B: Array, out_col: Array | None) -> None:
    """A move of the rows, seen by the columns; see :func:`halfseen.kernels.coupled_columns`."""
    for c in chunks(b):
        t = b.values[c.part] * np.einsum("ek,ek->e", dA[c.rows], B[c.cols], dtype=np.float64)
        c.sum_cols(t, A, out_B)
        c.sum_cols(_residuals(b)[c.part].astype(np.float64), dA, out_B)
        if out_col is not None:
            np.add.at(out_col, c.cols, t.astype(out_col.dtype))


def coupled_rows(b: Block, A: Array, B: Array, dB: Array, d_col: Array | None, out_A: Array) -> None:
    """A move of the columns, seen by the rows; see :func:`halfseen.kernels.coupled_rows`."""
    sums = np.zeros(out_A.shape)
    for c in chunks(b):
        dm = np.einsum("ek,ek->e", A[c.rows], dB[c.cols], dtype=np.float64)
        if d_col is not None:
            dm += d_col[c.cols]
        c.sum_rows(b.values[c.part] * dm, B, sums)
        c.sum_rows(_residuals(b)[c.part].astype(np.float64), dB, sums)
    out_A[...] = sums


def _residuals(b: Block) -> Array:
    if b.weights is None:
        raise ValueError("the table has no residuals")
    return b.weights
