"""Passes over the observed entries, spread over fixed row blocks.

The blocks depend on the data alone and their sums are taken by a tree of fixed shape, so every result has the same
bits for any engine and any number of workers, wherever they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.data import Compressed, Observed
from halfseen.engines import cuts
from halfseen.engines.blocks import BlockCall, DrawnRows, GatheredBlock, PassResult, answer, block_of, rows_of
from halfseen.engines.local import Engine, resolve, shares_memory
from halfseen.engines.tree import tree_sum
from halfseen.losses import Loss

Array = NDArray[Any]


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

    Notes
    -----
    Cost of a pass: O(n_entries * rank) time, O(n_cols * rank) memory per block in flight beside the outputs.

    Tables of more than ``FRUGAL_FROM`` entries are not held a second time, grouped by columns: the columns are
    regrouped part by part whenever they are wanted (a third more time per sweep of alternating least squares, a quarter
    of that memory), unless each column has one feature only.
    """

    def __init__(
        self,
        observed: Observed,
        loss: Loss,
        engine: str | Engine | None = None,
        offset: Array | None = None,
    ) -> None:
        self.observed, self.loss, self.engine = observed, loss, resolve(engine)
        self.dtype = observed.values.dtype
        self.offset = None if offset is None else np.ascontiguousarray(offset, dtype=self.dtype)
        self.tilt: Array | None = None
        self._blocks: dict[int, list[Any]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        return self.observed.shape

    def with_values(self, values: Array) -> EntryPasses:
        """The same passes over other responses (canonical order), e.g. bias-corrected ones."""
        return EntryPasses(self.observed.with_values(values), self.loss, self.engine, self.offset)

    def with_loss(self, loss: Loss) -> EntryPasses:
        """The same passes for other parameters of the loss."""
        return EntryPasses(self.observed, loss, self.engine, self.offset)

    def tilted(self, tilt: Array) -> EntryPasses:
        """Passes over the loss less ``tilt_e m_e``: with a fused kernel, over responses to which ``tilt`` is added."""
        if self.loss.kernel is not None:
            return self.with_values(self.observed.values + tilt.astype(self.dtype, copy=False))
        other = self.with_loss(self.loss)
        other.tilt = tilt.astype(self.dtype, copy=False)
        return other

    def view(self, axis: int) -> Compressed:
        return self.observed.by_cols if axis else self.observed.by_rows

    def cuts(self, axis: int) -> list[tuple[int, int]]:
        """Ranges of rows (``axis=0``) or columns (1) of the blocks; they depend on the data alone."""
        return self._row_cuts if axis == 0 else self._column_cuts

    @cached_property
    def _row_cuts(self) -> list[tuple[int, int]]:
        return cuts.split_rows(self.view(0))

    @cached_property
    def _column_cuts(self) -> list[tuple[int, int]]:
        return cuts.split_rows(self.view(1))

    def blocks(self, axis: int) -> list[Any]:
        """The blocks of rows or of columns."""
        if axis not in self._blocks:
            view, kind = self.view(axis), block_of(self.loss)
            order = self.observed.column_order if axis and (self.offset is not None or self.tilt is not None) else None
            offset, tilt = (
                None if array is None else array if order is None else array[order]
                for array in (self.offset, self.tilt)
            )
            blocks: list[Any] = []
            for start, stop in self.cuts(axis):
                first, last = int(view.indptr[start]), int(view.indptr[stop])
                own = part(offset, first, last), part(tilt, first, last)
                blocks.append(kind(rows_of(view, start, stop), self.loss, own[0], own[1], start, bool(axis)))
            self._blocks[axis] = blocks
        return self._blocks[axis]

    def _solvable(self, axis: int, n_features: int) -> tuple[list[tuple[int, int]], list[Any]]:
        """Cuts and blocks of one side for solvers; columns of a large table are regrouped when they are asked."""
        if not (axis and self.is_frugal and n_features > 1):
            return self.cuts(axis), self.blocks(axis)
        parts, counts = self._column_parts
        rows = self.view(0)
        return parts, [GatheredBlock(rows, counts[a:b], self.loss, a) for a, b in parts]

    @property
    def is_frugal(self) -> bool:
        """Whether columns are regrouped whenever they are asked (but for a single feature)."""
        is_fused = self.loss.kernel is not None and self.offset is None
        return is_fused and self.observed.n_entries >= cuts.FRUGAL_FROM

    def regrouped(self) -> Iterator[tuple[int, int, Compressed]]:
        """The columns of a frugal table, a part at a time."""
        parts, counts = self._column_parts
        for first, last in parts:
            yield first, last, kernels.gather_columns(self.view(0), first, last, counts[first:last])

    @cached_property
    def _column_parts(self) -> tuple[list[tuple[int, int]], Array]:
        counts = self.view(0).minor_sums()
        return cuts.split_columns(counts), counts

    @cached_property
    def _is_alone(self) -> bool:
        """Whether there is one block only, and it is here: nothing is to be sent, added up or put together."""
        return len(self.cuts(0)) == 1 and shares_memory(self.engine)

    def _ask(self, blocks: list[Any], method: str, arguments: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
        """Answers of the blocks, in their order."""
        return self.engine.map(
            answer, (BlockCall(block, method, own) for block, own in zip(blocks, arguments, strict=True))
        )

    def _shelf(self, shape: tuple[int, ...], is_wanted: bool = True) -> Shelf:
        return Shelf(np.empty(shape, self.dtype) if is_wanted else None, shares_memory(self.engine))

    def _cast(self, array: Array | None) -> Array | None:
        return None if array is None else np.ascontiguousarray(array, dtype=self.dtype)

    def _factor(self, array: Array) -> Array:
        return np.ascontiguousarray(array, dtype=self.dtype)

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
        row_offset, col_offset = self._cast(row_offset), self._cast(col_offset)
        if self._is_alone:
            return self.blocks(0)[0].loss_and_gradient(A, B, row_offset, col_offset, want, None)
        rows, shifts = self._shelf(A.shape, "A" in want), self._shelf((len(A),), "r" in want)
        ranges = self.cuts(0)
        arguments = ((A[a:b], B, part(row_offset, a, b), col_offset, want, rows.space(a, b)) for a, b in ranges)

        def summed(results: Iterator[PassResult]) -> Iterator[list[Any]]:
            for (a, b), result in zip(ranges, results, strict=True):
                rows.put(a, b, result.A)
                shifts.put(a, b, result.row)
                yield [result.value, result.B, result.col]

        value, total_B, total_col = tree_sum(summed(self._ask(self.blocks(0), "loss_and_gradient", arguments)))
        return PassResult(value, rows.whole, total_B, shifts.whole, total_col)

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
        row_offset, col_offset, d_row, d_col = (self._cast(x) for x in (row_offset, col_offset, d_row, d_col))
        if self._is_alone:
            moves = {"dA": dA, "dB": dB, "d_row": d_row, "d_col": d_col}
            offsets = {"row_offset": row_offset, "col_offset": col_offset}
            return self.blocks(0)[0].hessian_vector(A, B, moves, offsets, None)
        rows, shifts, ranges = self._shelf(A.shape), self._shelf((len(A),)), self.cuts(0)

        def arguments() -> Iterator[tuple[Any, ...]]:
            for a, b in ranges:
                moves = {"dA": dA[a:b], "dB": dB, "d_row": part(d_row, a, b), "d_col": d_col}
                offsets = {"row_offset": part(row_offset, a, b), "col_offset": col_offset}
                yield A[a:b], B, moves, offsets, rows.space(a, b)

        def summed(results: Iterator[PassResult]) -> Iterator[list[Any]]:
            for (a, b), result in zip(ranges, results, strict=True):
                rows.put(a, b, result.A)
                shifts.put(a, b, result.row)
                yield [result.B, result.col]

        total_B, total_col = tree_sum(summed(self._ask(self.blocks(0), "hessian_vector", arguments())))
        return PassResult(np.nan, rows.whole, total_B, shifts.whole, total_col)

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

        Row ``i`` minimises ``sum_e loss(<x_i, B_j> + c_j + o_e) + ridge_scale_i sum_k ridge_k x_ik^2 / 2``; a ridge of
        shape (n_major, k) is each row's own.

        Returns
        -------
        X : ndarray (n_major, k)
            The new coefficients.
        value : float
            The objective there, penalty included.
        """
        X, B, ridge_scale = self._factor(X), self._factor(B), self._cast(ridge_scale)
        ridge, given = self._cast(ridge), {"col_offset": self._cast(minor_offset), "steps": steps, "method": method}
        given |= {"ridge": ridge, "cg_steps": cg_steps, "max_halvings": max_halvings}
        ranges, blocks = self._solvable(axis, B.shape[1])
        if self._is_alone and len(blocks) == 1:
            return blocks[0].newton(X, B, {**given, "ridge_scale": ridge_scale}, None)
        rows = self._shelf(X.shape)

        def arguments() -> Iterator[tuple[Any, ...]]:
            for a, b in ranges:
                own = {"ridge_scale": part(ridge_scale, a, b)}
                own |= {} if ridge is None or ridge.ndim == 1 else {"ridge": ridge[a:b]}
                yield X[a:b], B, {**given, **own}, rows.space(a, b)

        return rows.fill(ranges, self._ask(blocks, "newton", arguments()))

    def draws(self, axis: int, features: Array, noise: Array, given: dict[str, Any], want: str = "") -> DrawnRows:
        """Every row (``axis=0``) or column (1) drawn given the other side; see `halfseen.engines.draws.draw_rows`."""
        features, noise = self._factor(features), self._factor(noise)
        given = {**given, "pull": self._factor(given["pull"])}
        given |= {name: self._cast(given.get(name)) for name in ("col_offset", "col_weights", "row_weights")}
        ranges, blocks = self._solvable(axis, features.shape[1])
        if self._is_alone and len(blocks) == 1:
            return blocks[0].draws(features, noise, given, want, None)
        n, k = noise.shape
        rows, gram, right = (self._shelf(shape, name in want + "r") for shape, name in
                             ((noise.shape, "r"), ((n, k, k), "n"), ((n, k), "n")))  # fmt: skip
        squares = Shelf(np.empty(n) if "s" in want else None, False)

        def arguments() -> Iterator[tuple[Any, ...]]:
            for a, b in ranges:
                own = {**given, "row_weights": part(given["row_weights"], a, b)}
                own |= {"pull": given["pull"][a:b]} if given["pull"].ndim > 1 else {}
                yield features, noise[a:b], own, want, rows.space(a, b)

        def values() -> Iterator[list[Any]]:
            for (a, b), drawn in zip(ranges, self._ask(blocks, "draws", arguments()), strict=True):
                for shelf, array in ((rows, drawn.rows), (squares, drawn.squares), (gram, drawn.gram)):
                    shelf.put(a, b, array)
                right.put(a, b, drawn.right)
                yield [drawn.value]

        value = float(tree_sum(values())[0])
        return DrawnRows(rows.all(), value, squares.whole, gram.whole, right.whole)

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

        Of a family that is not canonical the observed or the expected one. ``gradient`` (n_major, k) is filled with
        the gradient of the loss by the rows' coefficients, where it is given.
        """
        A, B = self._factor(A), self._factor(B)
        major_offset, minor_offset = self._cast(major_offset), self._cast(minor_offset)
        (ranges, blocks), k = self._solvable(axis, B.shape[1]), B.shape[1]
        matrices = self._shelf((len(A), k, k))

        def arguments() -> Iterator[tuple[Any, ...]]:
            for a, b in ranges:
                offsets = {"row_offset": part(major_offset, a, b), "col_offset": minor_offset}
                yield A[a:b], B, offsets, is_expected, gradient is not None, matrices.space(a, b)

        for (a, b), result in zip(ranges, self._ask(blocks, "information", arguments()), strict=True):
            matrices.put(a, b, result.matrices)
            if gradient is not None:
                gradient[a:b] = result.gradient
        return matrices.all()

    def at(self, A: Array, B: Array, row_offset: Array | None = None, col_offset: Array | None = None) -> Array:
        """Linear predictor of every observed entry, canonical order."""
        A, B = self._factor(A), self._factor(B)
        row_offset, col_offset = self._cast(row_offset), self._cast(col_offset)

        def arguments() -> Iterator[tuple[Any, ...]]:
            for a, b in self.cuts(0):
                yield A[a:b], B, {"row_offset": part(row_offset, a, b), "col_offset": col_offset}

        return joined(list(self._ask(self.blocks(0), "at", arguments())))

    def quadratic(self, axis: int, V: Array, B: Array) -> Array:
        """``B_j' V_i B_j`` of every entry (``axis=1``: ``B_i' V_j B_i``), in canonical order."""
        V, B = self._factor(V), self._factor(B)
        arguments = ((V[a:b], B) for a, b in self.cuts(axis))
        by_blocks = joined(list(self._ask(self.blocks(axis), "quadratic", arguments)))
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


def part(array: Array | None, start: int, stop: int) -> Array | None:
    """Some rows of an array that may be missing."""
    return None if array is None else array[start:stop]


def joined(pieces: list[Array]) -> Array:
    """Pieces one after the other; a single one as it is."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class Shelf:
    """Where what blocks say about their rows is put together.

    An engine that shares memory is given the place of each block's rows and may fill it, which spares a copy; what
    counts is the array that comes back, so an engine that says so wrongly costs time, never a number.
    """

    def __init__(self, whole: Array | None, is_shared: bool) -> None:
        self.whole, self._is_shared = whole, is_shared

    def space(self, start: int, stop: int) -> Array | None:
        """Room for a block's rows; None where nothing is wanted, or where it would have to travel."""
        return self.whole[start:stop] if self.whole is not None and self._is_shared else None

    def put(self, start: int, stop: int, rows: Array | None) -> None:
        """Take a block's rows: nothing is left to do where they lie in their place already."""
        if self.whole is None or rows is None:
            return
        place = self.whole[start:stop]
        if rows.ctypes.data != place.ctypes.data:
            place[...] = rows

    def all(self) -> Array:
        assert self.whole is not None
        return self.whole

    def fill(self, ranges: list[tuple[int, int]], results: Iterator[Any]) -> tuple[Array, float]:
        """The rows of all blocks, and the sum of their values."""

        def values() -> Iterator[list[Any]]:
            for (a, b), result in zip(ranges, results, strict=True):
                self.put(a, b, result.rows)
                yield [result.value]

        return self.all(), float(tree_sum(values())[0])
