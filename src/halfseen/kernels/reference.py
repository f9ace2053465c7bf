"""NumPy and SciPy twin of the compiled kernels: the oracle of the tests and the fallback without a compiler.

Every function takes a :class:`~halfseen.kernels.arguments.Block` whose companions (``A``, gradients, row offsets) are
already cut to the block's rows. Work goes through chunks of entries, in float64, so that memory stays
O(chunk * rank) whatever the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from halfseen.kernels.arguments import Block

CHUNK = 1 << 16
# exp is continued by its tangent beyond this linear predictor: e^30 = 1e13 events is no count that was ever seen,
# and an early Newton step that overshoots must come back with a finite value.
EXP_CAP = 30.0
GAUSSIAN, BERNOULLI, POISSON = 0, 1, 2
Array = NDArray[np.floating]


def unknown(family: int) -> ValueError:
    """The error for a family code that no kernel has."""
    return ValueError(f"family code {family!r} is unknown; known: 0 (gaussian), 1 (bernoulli), 2 (poisson)")


@np.errstate(invalid="ignore")
def loss(family: int, trials: float, y: Array, m: Array) -> Array:
    """Loss of each entry, without the terms that depend on ``y`` alone."""
    if family == GAUSSIAN:
        return 0.5 * (m - y) ** 2
    if family == BERNOULLI:
        return trials * np.logaddexp(0.0, m) - y * m
    if family != POISSON:
        raise unknown(family)
    capped = np.minimum(m, EXP_CAP)
    return np.exp(capped) * (1.0 + (m - capped)) - y * m


def mean(family: int, trials: float, m: Array) -> Array:
    """Mean psi'(m) for the linear predictor m; the gradient of the loss is ``mean - y``."""
    if family == GAUSSIAN:
        return m
    if family == BERNOULLI:
        return trials * expit(m)
    if family != POISSON:
        raise unknown(family)
    return np.exp(np.minimum(m, EXP_CAP))


def curvature(family: int, trials: float, m: Array) -> Array:
    """Second derivative psi''(m) of the loss."""
    if family == GAUSSIAN:
        return np.ones_like(m)
    if family == BERNOULLI:
        return trials * expit(m) * expit(-m)
    if family != POISSON:
        raise unknown(family)
    return np.exp(np.minimum(m, EXP_CAP))


class Chunk(NamedTuple):
    """A run of entries ``part`` of the block, with the block's rows ``first ...`` that they belong to."""

    part: slice
    first: int
    rows: NDArray[np.intp]
    cols: NDArray[np.integer]
    pointer: NDArray[np.int64]

    def sum_rows(self, g: Array, B: Array, out: Array) -> None:
        """Add ``sum_j g_e B_j`` to ``out``'s rows."""
        matrix, used = self._matrix(g)
        out[self.first : self.first + len(self.pointer) - 1] += matrix @ B[used].astype(np.float64)

    def sum_cols(self, g: Array, A: Array, out: Array) -> None:
        """Add ``sum_i g_e A_i`` to ``out``'s columns."""
        matrix, used = self._matrix(g)
        rows = A[self.first : self.first + len(self.pointer) - 1].astype(np.float64)
        out[used] += (matrix.T @ rows).astype(out.dtype)

    def _matrix(self, g: Array):  # type: ignore[no-untyped-def]
        from scipy.sparse import csr_array

        used, cols = np.unique(self.cols, return_inverse=True)
        return csr_array((g, cols, self.pointer), shape=(len(self.pointer) - 1, len(used))), used


def chunks(b: Block) -> Iterator[Chunk]:
    """Cut the block into runs of at most CHUNK entries; a long row may be cut too."""
    pointer = b.indptr - b.indptr[0]
    for start in range(0, int(pointer[-1]), CHUNK):
        stop = min(start + CHUNK, int(pointer[-1]))
        first = int(np.searchsorted(pointer, start, "right")) - 1
        last = int(np.searchsorted(pointer, stop, "left"))
        local = np.clip(pointer[first : last + 1], start, stop) - start
        rows = np.repeat(np.arange(first, last), np.diff(local))
        yield Chunk(slice(start, stop), first, rows, b.indices[start:stop], local)


def predictor(b: Block, c: Chunk, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None) -> Array:
    """Linear predictor of a chunk's entries, in float64."""
    m = np.einsum("ek,ek->e", A[c.rows], B[c.cols], dtype=np.float64)
    if row_offset is not None:
        m += row_offset[c.rows]
    if col_offset is not None:
        m += col_offset[c.cols]
    if b.offset is not None:
        m += b.offset[c.part]
    return m


def loss_and_gradient(
    b: Block,
    A: Array,
    B: Array,
    family: int,
    trials: float,
    row_offset: Array | None,
    col_offset: Array | None,
    grad_A: Array | None,
    grad_B: Array | None,
    grad_row: Array | None,
    grad_col: Array | None,
) -> float:
    """Summed loss; see :func:`halfseen.kernels.loss_and_gradient`."""
    total = 0.0
    row_sums = None if grad_A is None else np.zeros(grad_A.shape)
    row_offset_sums = np.zeros(b.n_rows)
    for c in chunks(b):
        m = predictor(b, c, A, B, row_offset, col_offset)
        y = b.values[c.part].astype(np.float64)
        w = 1.0 if b.weights is None else b.weights[c.part].astype(np.float64)
        total += float(np.sum(w * loss(family, trials, y, m)))
        g = w * (mean(family, trials, m) - y)
        if row_sums is not None:
            c.sum_rows(g, B, row_sums)
        if grad_B is not None:
            c.sum_cols(g, A, grad_B)
        if grad_row is not None:
            row_offset_sums += np.bincount(c.rows, g, minlength=b.n_rows)
        if grad_col is not None:
            np.add.at(grad_col, c.cols, g.astype(grad_col.dtype))
    if grad_A is not None:
        grad_A[...] = row_sums
    if grad_row is not None:
        grad_row[...] = row_offset_sums
    return total


def hessian_vector(
    b: Block,
    A: Array,
    B: Array,
    dA: Array,
    dB: Array,
    family: int,
    trials: float,
    row_offset: Array | None,
    col_offset: Array | None,
    d_row: Array | None,
    d_col: Array | None,
    out_A: Array,
    out_B: Array,
    out_row: Array | None,
    out_col: Array | None,
) -> None:
    """Hessian times a direction; see :func:`halfseen.kernels.hessian_vector`."""
    sums_A, sums_row = np.zeros(out_A.shape), np.zeros(b.n_rows)
    for c in chunks(b):
        m = predictor(b, c, A, B, row_offset, col_offset)
        w = 1.0 if b.weights is None else b.weights[c.part].astype(np.float64)
        g = w * (mean(family, trials, m) - b.values[c.part])
        dm = np.einsum("ek,ek->e", dA[c.rows], B[c.cols], dtype=np.float64)
        dm += np.einsum("ek,ek->e", A[c.rows], dB[c.cols], dtype=np.float64)
        if d_row is not None:
            dm += d_row[c.rows]
        if d_col is not None:
            dm += d_col[c.cols]
        t = w * curvature(family, trials, m) * dm
        c.sum_rows(t, B, sums_A)
        c.sum_rows(g, dB, sums_A)
        c.sum_cols(t, A, out_B)
        c.sum_cols(g, dA, out_B)
        sums_row += np.bincount(c.rows, t, minlength=b.n_rows)
        if out_col is not None:
            np.add.at(out_col, c.cols, t.astype(out_col.dtype))
    out_A[...] = sums_A
    if out_row is not None:
        out_row[...] = sums_row


def at(b: Block, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None, out: Array) -> None:
    """Linear predictor of every entry."""
    for c in chunks(b):
        out[c.part] = predictor(b, c, A, B, row_offset, col_offset)


def to_rows(b: Block, g: Array, B: Array, out: Array) -> None:
    """Write ``sum_j g_e B_j`` to each row."""
    sums = np.zeros(out.shape)
    for c in chunks(b):
        c.sum_rows(g[c.part], B, sums)
    out[...] = sums


def to_cols(b: Block, g: Array, A: Array, out: Array) -> None:
    """Add ``sum_i g_e A_i`` to each column."""
    for c in chunks(b):
        c.sum_cols(g[c.part], A, out)


def quadratic(b: Block, V: Array, B: Array, out: Array) -> None:
    """Quadratic form ``B_j' V_i B_j`` of every entry."""
    pointer = b.indptr - b.indptr[0]
    for i in range(b.n_rows):
        own = slice(pointer[i], pointer[i + 1])
        seen = B[b.indices[own]].astype(np.float64)
        out[own] = np.einsum("ek,ek->e", seen @ V[i], seen)


def information(
    b: Block,
    A: Array,
    B: Array,
    family: int,
    trials: float,
    row_offset: Array | None,
    col_offset: Array | None,
    out: Array,
    gradient: Array | None,
) -> None:
    """Per-row information ``sum_e w_e psi''(m_e) B_j B_j'``, and gradients ``sum_e w_e (psi'(m_e) - y_e) B_j``."""
    weights, slopes = np.empty(len(b.values)), np.empty(len(b.values))
    for c in chunks(b):
        m = predictor(b, c, A, B, row_offset, col_offset)
        w = 1.0 if b.weights is None else b.weights[c.part]
        weights[c.part] = w * curvature(family, trials, m)
        slopes[c.part] = w * (mean(family, trials, m) - b.values[c.part])
    pointer = b.indptr - b.indptr[0]
    for i in range(b.n_rows):
        own = slice(pointer[i], pointer[i + 1])
        seen = B[b.indices[own]].astype(np.float64)
        H = (seen * weights[own, None]).T @ seen
        out[i] = 0.5 * (H + H.T)
        if gradient is not None:
            gradient[i] = slopes[own] @ seen
