"""The second-order model of a loss at one point: curvatures and residuals of all entries, evaluated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from halfseen import kernels
from halfseen.losses import at_columns
from halfseen.losses.derived import Tilted

if TYPE_CHECKING:
    from halfseen.engines.passes import EntryPasses

Array = NDArray[Any]


class Linearised:
    r"""Information of rows and columns, and products with what ties the ones to the others.

    .. math:: w_e = \psi''(m_e),\quad g_e = \psi'(m_e) - y_e,\qquad
              \partial^2 = \begin{pmatrix} \sum w\,b b^\top & w\,b a^\top + g I \\ \cdot & \sum w\,a a^\top\end{pmatrix}

    Parameters
    ----------
    passes : EntryPasses
    A, B : ndarray (n, k), (p, k)
    col_offset : ndarray (p,)
    dtype : dtype, optional
        Precision of everything here; that of the passes where not given.

    Notes
    -----
    One pass over the entries, two numbers kept for each (three more for information of columns). Sums over blocks of
    rows are taken in their order, as in :class:`~halfseen.engines.EntryPasses`.
    """

    def __init__(
        self, passes: EntryPasses, A: Array, B: Array, col_offset: Array, dtype: DTypeLike | None = None
    ) -> None:
        self.passes, self.dtype = passes, np.dtype(dtype or passes.dtype)
        w, g = curvatures(passes, A, B, col_offset)
        self.A, self.B = self._cast(A), self._cast(B)
        self.table = passes.view(0).with_values(self._cast(w), self._cast(g))

    def _cast(self, array: Array) -> Array:
        return np.ascontiguousarray(array, dtype=self.dtype)

    def information(self, axis: int, features: Array) -> Array:
        """``sum_e w_e f f'`` of every row (``axis=0``, features of the columns) or column: ndarray (m, k, k)."""
        features = self._cast(features)
        view, weights = self.passes.view(axis), self.table.values
        if axis:
            weights = weights[self.passes.observed.column_order]
        view = view.with_values(weights, weights)
        out = np.empty((view.n_major, features.shape[1], features.shape[1]), self.dtype)
        anywhere = np.zeros((view.n_major, features.shape[1]), self.dtype)

        def block_pass(block: tuple[int, int]) -> None:
            kernels.information(view, anywhere, features, family="gaussian", start=block[0], stop=block[1], out=out)

        for _ in map(block_pass, self.passes.cuts(axis)):
            pass
        return out

    def to_columns(self, dA: Array) -> tuple[Array, Array]:
        """What a move of the rows does to the gradients of the columns and of their offsets."""
        dA, total_B, total_col = self._cast(dA), np.zeros_like(self.B), np.zeros(len(self.B), self.dtype)

        def block_pass(block: tuple[int, int]) -> tuple[Array, Array]:
            out_B, out_col = np.zeros_like(total_B), np.zeros_like(total_col)
            kernels.coupled_columns(
                self.table, self.A, self.B, dA, out_B=out_B, out_col=out_col, start=block[0], stop=block[1]
            )
            return out_B, out_col

        for out_B, out_col in map(block_pass, self.passes.cuts(0)):
            total_B += out_B
            total_col += out_col
        return total_B, total_col

    def to_rows(self, dB: Array, d_col: Array) -> Array:
        """What a move of the columns and of their offsets does to the gradients of the rows."""
        dB, d_col, out = self._cast(dB), self._cast(d_col), np.empty_like(self.A)

        def block_pass(block: tuple[int, int]) -> None:
            kernels.coupled_rows(self.table, self.A, self.B, dB, d_col=d_col, out_A=out, start=block[0], stop=block[1])

        for _ in map(block_pass, self.passes.cuts(0)):
            pass
        return out


def curvatures(passes: EntryPasses, A: Array, B: Array, col_offset: Array) -> tuple[Array, Array]:
    """(Weighted) curvature and slope of the loss at every entry, canonical order."""
    A, B, view = np.ascontiguousarray(A, passes.dtype), np.ascontiguousarray(B, passes.dtype), passes.view(0)
    w, g = np.empty(len(view.values), passes.dtype), np.empty(len(view.values), passes.dtype)

    def block_pass(block: tuple[int, int]) -> None:
        offsets: dict[str, Any] = {"row_offset": None, "col_offset": col_offset, "offset": passes.offset}
        if passes.loss.kernel is not None:
            kernels.curvatures(
                view,
                A,
                B,
                family=passes.loss.kernel,
                trials=passes.loss.trials,
                curvature=w,
                residual=g,
                start=block[0],
                stop=block[1],
                **offsets,
            )
            return
        part = slice(int(view.indptr[block[0]]), int(view.indptr[block[1]]))
        loss: Any = at_columns(passes.loss, view.indices[part])
        loss = loss if passes.tilt is None else Tilted(loss, passes.tilt[part])
        m, y = kernels.at(view, A, B, start=block[0], stop=block[1], **offsets), view.values[part]
        weights = 1.0 if view.weights is None else view.weights[part]
        w[part], g[part] = weights * loss.curvature(y, m), weights * loss.gradient(y, m)

    for _ in map(block_pass, passes.cuts(0)):
        pass
    return w, g
