"""Passes over the observed entries, spread over fixed row blocks.

The blocks depend on the data alone and their sums are taken in block order, so every result has the same
bits for any engine and any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.data import Compressed, Observed
from halfseen.engines import columns
from halfseen.engines.local import Engine, resolve
from halfseen.kernels import plain
from halfseen.losses import Loss, at_columns
from halfseen.losses.derived import Tilted

Array = NDArray[Any]

# A block of a quarter million entries takes about a millisecond: long against starting a task, short enough
# that two workers finish together. More than eight blocks only add private column accumulators.
ENTRIES_PER_BLOCK = 250_000
MAX_BLOCKS = 8


@dataclass(frozen=True)
class PassResult:
    """Value of the summed loss and its gradients (None where not asked for)."""

    value: float
    A: Array | None = None
    B: Array | None = None
    row: Array | None = None
    col: Array | None = None


def split_rows(view: Compressed) -> list[tuple[int, int]]:
    """Consecutive row ranges of about equal numbers of entries; depends on the data alone."""
    return columns.cut(view.indptr, int(np.clip(int(view.indptr[-1]) // ENTRIES_PER_BLOCK, 1, MAX_BLOCKS)))


class EntryPasses:
    r"""All that a method needs to do with its entries, for one loss on one engine.

    The linear predictor of entry ``e = (i, j)`` is
    :math:`m_e = \langle A_i, B_j\rangle + a_i + b_j + o_e`.

    Parameters
    ----------
    observed : Observed
    loss : Loss
    engine : str, Engine or None
    offset : ndarray (n_entries,), optional
        Fixed part of the predictor, in the canonical (row-major) order of the entries.
    is_frugal : bool
        Regroup the columns block by block whenever they are wanted instead of keeping all entries a second time,
        grouped by columns: a third more time per sweep of alternating least squares, a quarter of that memory.
        Goes with ``offset=None``.

    Notes
    -----
    Cost of a pass: O(n_entries * rank) time, O(n_cols * rank) memory per block in flight beside the outputs.
    """

    def __init__(
        self,
        observed: Observed,
        loss: Loss,
        engine: str | Engine | None = None,
        offset: Array | None = None,
        is_frugal: bool = False,
    ) -> None:
        self.is_frugal = is_frugal and offset is None and loss.kernel is not None
        self.observed, self.loss, self.engine = observed, loss, resolve(engine)
        self.dtype = observed.values.dtype
        self.offset = None if offset is None else np.ascontiguousarray(offset, dtype=self.dtype)
        self._blocks: dict[int, list[tuple[int, int]]] = {}
        self.tilt: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.observed.shape

    @cached_property
    def column_parts(self) -> columns.ColumnParts:
        """How a frugal table's columns are cut."""
        return columns.ColumnParts(self.view(0))

    def with_values(self, values: Array) -> EntryPasses:
        """The same passes over other responses (canonical order), e.g. bias-corrected ones."""
        return EntryPasses(self.observed.with_values(values), self.loss, self.engine, self.offset)

    def with_loss(self, loss: Loss) -> EntryPasses:
        """The same passes for other parameters of the loss."""
        return EntryPasses(self.observed, loss, self.engine, self.offset, self.is_frugal)

    def tilted(self, tilt: Array) -> EntryPasses:
        """Passes over the loss less ``tilt_e m_e``: with a fused kernel, over responses to which ``tilt`` is added."""
        if self.loss.kernel is not None:
            return self.with_values(self.observed.values + tilt.astype(self.dtype, copy=False))
        other = self.with_loss(self.loss)
        other.tilt = tilt.astype(self.dtype, copy=False)
        return other

    def loss_of(self, axis: int, part: plain.PlainBlock) -> Loss:
        """The loss of a block's entries, at their columns and with their tilt."""
        cols = part.row_of + part.start if axis else part.view.indices[part.entries]
        loss = at_columns(self.loss, cols)
        if self.tilt is None:
            return loss
        tilt = self.tilt[self.observed.column_order] if axis else self.tilt
        return Tilted(loss, tilt[part.entries])  # type: ignore[return-value]

    def view(self, axis: int) -> Compressed:
        return self.observed.by_cols if axis else self.observed.by_rows

    def blocks(self, axis: int) -> list[tuple[int, int]]:
        if axis not in self._blocks:
            self._blocks[axis] = split_rows(self.view(axis))
        return self._blocks[axis]

    def _offset(self, axis: int) -> Array | None:
        if self.offset is None or axis == 0:
            return self.offset
        return self.offset[self.observed.column_order]

    def _cast(self, array: Array | None) -> Array | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)

    def _factor(self, array: Array) -> Array:
        return np.ascontiguousarray(array, dtype=self.dtype)

    def _offsets(self, row_offset: Array | None, col_offset: Array | None, axis: int = 0) -> dict[str, Any]:
        return {
            "row_offset": self._cast(row_offset),
            "col_offset": self._cast(col_offset),
            "offset": self._offset(axis),
        }

    def family(self) -> dict[str, Any]:
        """How the kernels are told the loss."""
        return {"family": self.loss.kernel, "trials": self.loss.trials}

    def value(self, A: Array, B: Array, row_offset: Array | None = None, col_offset: Array | None = None) -> float:
        """Summed loss; about half the cost of a gradient pass."""
        return self.loss_and_gradient(A, B, row_offset, col_offset, want="").value

    def loss_and_gradient(
        self,
        A: Array,
        B: Array,
        row_offset: Array | None = None,
        col_offset: Array | None = None,
        want: str = "ABrc",
    ) -> PassResult:
        """Summed loss and the gradients named in ``want``: ``A``, ``B``, ``r`` and ``c`` (row, column offsets)."""
        A, B = self._factor(A), self._factor(B)
        offsets = self._offsets(row_offset, col_offset)
        view, (n, p), k = self.view(0), self.shape, A.shape[1]
        grad_A = np.empty((n, k), self.dtype) if "A" in want else None
        grad_row = np.empty(n, self.dtype) if "r" in want else None
        total_B = np.zeros((p, k), self.dtype) if "B" in want else None
        total_col = np.zeros(p, self.dtype) if "c" in want else None

        def block_pass(block: tuple[int, int]) -> tuple[float, Array | None, Array | None]:
            grad_B = None if total_B is None else np.zeros_like(total_B)
            grad_col = None if total_col is None else np.zeros_like(total_col)
            out: dict[str, Any] = {"grad_A": grad_A, "grad_B": grad_B, "grad_row": grad_row, "grad_col": grad_col}
            if self.loss.kernel is None:
                return self._plain_gradient(block, A, B, offsets, out), grad_B, grad_col
            value = kernels.loss_and_gradient(
                view, A, B, start=block[0], stop=block[1], **self.family(), **offsets, **out
            )
            return value, grad_B, grad_col

        total = 0.0
        for value, grad_B, grad_col in self.engine.map(block_pass, self.blocks(0)):
            total += value
            if total_B is not None and grad_B is not None:
                total_B += grad_B
            if total_col is not None and grad_col is not None:
                total_col += grad_col
        return PassResult(total, grad_A, total_B, grad_row, total_col)

    def _plain_gradient(
        self, block: tuple[int, int], A: Array, B: Array, offsets: dict[str, Any], out: dict[str, Any]
    ) -> float:
        part = plain.PlainBlock(self.view(0), *block)
        m = part.predictor(A, B, **offsets)
        y, w, loss = part.view.values[part.entries], part.weights, self.loss_of(0, part)
        value = float(np.sum(w * loss.value(y, m), dtype=float))
        if all(array is None for array in out.values()):
            return value
        g = w * loss.gradient(y, m)
        if out["grad_A"] is not None:
            out["grad_A"][block[0] : block[1]] = part.to_rows(g, B)
        if out["grad_row"] is not None:
            out["grad_row"][block[0] : block[1]] = part.row_sums(g)
        if out["grad_B"] is not None:
            part.add_to_cols(g, A, out["grad_B"])
        if out["grad_col"] is not None:
            out["grad_col"] += part.col_sums(g)
        return value

    def hessian_vector(
        self,
        A: Array,
        B: Array,
        dA: Array,
        dB: Array,
        *,
        row_offset: Array | None = None,
        col_offset: Array | None = None,
        d_row: Array | None = None,
        d_col: Array | None = None,
    ) -> PassResult:
        """Full Hessian of the summed loss times a direction; its parts are named as the gradient's."""
        A, B, dA, dB = self._factor(A), self._factor(B), self._factor(dA), self._factor(dB)
        offsets = self._offsets(row_offset, col_offset)
        moves: dict[str, Any] = {"d_row": self._cast(d_row), "d_col": self._cast(d_col)}
        view, (n, p) = self.view(0), self.shape
        out_A, total_B = np.empty_like(A), np.zeros_like(B)
        out_row, total_col = np.empty(n, self.dtype), np.zeros(p, self.dtype)

        def block_pass(block: tuple[int, int]) -> tuple[Array, Array]:
            out_B, out_col = np.zeros_like(total_B), np.zeros_like(total_col)
            out: dict[str, Any] = {"out_A": out_A, "out_B": out_B, "out_row": out_row, "out_col": out_col}
            if self.loss.kernel is None:
                self._plain_hessian(block, (A, B, dA, dB), offsets, moves, out)
            else:
                kernels.hessian_vector(
                    view, A, B, dA, dB, start=block[0], stop=block[1], **self.family(), **offsets, **moves, **out
                )
            return out_B, out_col

        for out_B, out_col in self.engine.map(block_pass, self.blocks(0)):
            total_B += out_B
            total_col += out_col
        return PassResult(np.nan, out_A, total_B, out_row, total_col)

    def _plain_hessian(
        self,
        block: tuple[int, int],
        factors: tuple[Array, Array, Array, Array],
        offsets: dict[str, Any],
        moves: dict[str, Any],
        out: dict[str, Array],
    ) -> None:
        A, B, dA, dB = factors
        part = plain.PlainBlock(self.view(0), *block)
        m = part.predictor(A, B, **offsets)
        dm = part.predictor(dA, B, moves["d_row"], moves["d_col"], None) + part.predictor(A, dB, None, None, None)
        y, w, loss = part.view.values[part.entries], part.weights, self.loss_of(0, part)
        t, g = w * loss.curvature(y, m) * dm, w * loss.gradient(y, m)
        out["out_A"][block[0] : block[1]] = part.to_rows(t, B) + part.to_rows(g, dB)
        part.add_to_cols(t, A, out["out_B"])
        part.add_to_cols(g, dA, out["out_B"])
        out["out_row"][block[0] : block[1]] = part.row_sums(t)
        out["out_col"] += part.col_sums(t)

    def newton(
        self,
        axis: int,
        X: Array,
        B: Array,
        *,
        minor_offset: Array | None = None,
        ridge: Array | None = None,
        ridge_scale: Array | None = None,
        steps: int = 1,
        method: str = "auto",
        cg_steps: int = 3,
        max_halvings: int = 8,
    ) -> tuple[Array, float]:
        """Damped Newton on every row (``axis=0``) or column (``axis=1``), the other side being fixed.

        Row ``i`` minimises ``sum_e loss(<x_i, B_j> + c_j + o_e) + ridge_scale_i sum_k ridge_k x_ik^2 / 2``.

        Returns
        -------
        X : ndarray (n_major, k)
            The new coefficients.
        value : float
            The objective there, penalty included.
        """
        X, B, minor_offset = self._factor(X), self._factor(B), self._cast(minor_offset)
        ridge, ridge_scale = self._cast(ridge), self._cast(ridge_scale)
        if axis and self.is_frugal:
            switches = {"steps": steps, "method": method, "cg_steps": cg_steps, "max_halvings": max_halvings}
            return columns.newton(self, X, B, minor_offset, ridge, ridge_scale, switches)
        view, offset, out = self.view(axis), self._offset(axis), np.empty_like(X)

        def fused(block: tuple[int, int]) -> float:
            done = kernels.row_newton(
                view,
                X,
                B,
                **self.family(),
                col_offset=minor_offset,
                offset=offset,
                ridge=ridge,
                ridge_scale=ridge_scale,
                steps=steps,
                method=method,
                cg_steps=cg_steps,
                max_halvings=max_halvings,
                start=block[0],
                stop=block[1],
                out=out,
            )
            return float(done.value)

        def slow(block: tuple[int, int]) -> float:
            penalty = np.zeros((1, X.shape[1]), self.dtype) if ridge is None else ridge[None, :]
            if ridge_scale is not None:
                penalty = penalty * ridge_scale[block[0] : block[1], None]
            part = plain.PlainBlock(view, *block)
            loss = self.loss_of(axis, part)
            rows, value = plain.newton_rows(part, loss, X, B, minor_offset, offset, penalty, max_halvings, steps)
            out[block[0] : block[1]] = rows
            return value

        values = self.engine.map(slow if self.loss.kernel is None else fused, self.blocks(axis))
        return out, float(sum(values))

    def information(
        self,
        axis: int,
        A: Array,
        B: Array,
        major_offset: Array | None = None,
        minor_offset: Array | None = None,
        is_expected: bool = False,
        gradient: Array | None = None,
    ) -> Array:
        r"""Information :math:`H_i = \sum_j w_{ij}\psi'(m_{ij}) B_j B_j'` of every row (``axis=0``) or column (1).

        Of a family that is not canonical the observed or the expected one. A fused kernel fills ``gradient`` (axis 0).
        """
        A, B = self._factor(A), self._factor(B)
        offsets = self._offsets(major_offset, minor_offset, axis)
        if axis and self.is_frugal:
            return columns.information(self, A, B, offsets)
        view = self.view(axis)
        out = np.empty((view.n_major, B.shape[1], B.shape[1]), self.dtype)

        def block_pass(block: tuple[int, int]) -> None:
            if self.loss.kernel is None:
                part = plain.PlainBlock(view, *block)
                loss, m = self.loss_of(axis, part), part.predictor(A, B, **offsets)
                out[block[0] : block[1]] = plain.information(part, loss, B, m, is_expected)
            else:
                more = {**self.family(), **offsets, "out": out, "gradient": gradient}
                kernels.information(view, A, B, start=block[0], stop=block[1], **more)

        for _ in self.engine.map(block_pass, self.blocks(axis)):
            pass
        return out

    def at(self, A: Array, B: Array, row_offset: Array | None = None, col_offset: Array | None = None) -> Array:
        """Linear predictor of every observed entry, canonical order."""
        A, B, view = self._factor(A), self._factor(B), self.view(0)
        offsets = self._offsets(row_offset, col_offset)

        def block_pass(block: tuple[int, int]) -> Array:
            return kernels.at(view, A, B, start=block[0], stop=block[1], **offsets)

        return np.concatenate(list(self.engine.map(block_pass, self.blocks(0))))

    def quadratic(self, axis: int, V: Array, B: Array) -> Array:
        """``B_j' V_i B_j`` of every entry (``axis=1``: ``B_i' V_j B_i``), in canonical order."""
        V, B, view = self._factor(V), self._factor(B), self.view(axis)

        def block_pass(block: tuple[int, int]) -> Array:
            return kernels.quadratic(view, V, B, start=block[0], stop=block[1])

        by_blocks = np.concatenate(list(self.engine.map(block_pass, self.blocks(axis))))
        if axis == 0:
            return by_blocks
        canonical = np.empty_like(by_blocks)
        canonical[self.observed.column_order] = by_blocks
        return canonical

    def to_rows(self, g: Array, B: Array) -> Array:
        """``sum_j g_ij B_j`` for every row; ``g`` in canonical order."""
        out = np.zeros((self.shape[0], B.shape[1]), self.dtype)
        kernels.to_rows(self.view(0), self._factor(g), self._factor(B), out=out)
        return out

    def to_cols(self, g: Array, A: Array) -> Array:
        """``sum_i g_ij A_i`` for every column; ``g`` in canonical order."""
        out = np.zeros((self.shape[1], A.shape[1]), self.dtype)
        kernels.to_cols(self.view(0), self._factor(g), self._factor(A), out=out)
        return out
