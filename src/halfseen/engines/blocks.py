"""Blocks: the entries of some rows (or columns) and what can be asked of them, as functions that return values.

A block changes nothing and reads nothing but its own entries and its arguments, so it may be computed anywhere: in this
thread, on another one, in another process or on another machine. An argument ``out`` only says where an engine that
shares memory would like the rows to lie; what counts is what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.data import Compressed
from halfseen.kernels import plain
from halfseen.losses import Loss, at_columns
from halfseen.losses.derived import Tilted

Array = NDArray[Any]


@dataclass(frozen=True)
class PassResult:
    """Value of the summed loss and its gradients (None where not asked for)."""

    value: float
    A: Array | None = None
    B: Array | None = None
    row: Array | None = None
    col: Array | None = None


class SolvedRows(NamedTuple):
    """New coefficients of a block's rows, and the objective (or the squared residuals) there."""

    rows: Array
    value: float


class DrawnRows(NamedTuple):
    """Draws of a block's rows, the squared residuals there, and by row, where asked for, squares and equations."""

    rows: Array
    value: float
    squares: Array | None
    gram: Array | None
    right: Array | None


class RowInformation(NamedTuple):
    """Information matrices of a block's rows, and their gradients where those were asked for."""

    matrices: Array
    gradient: Array | None


class AnswersForRows(Protocol):
    """What a kind of block answers; rows are its own, counted from 0, columns are those of the table."""

    def loss_and_gradient(
        self, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None, want: str, out: Array | None
    ) -> PassResult: ...

    def hessian_vector(
        self, A: Array, B: Array, moves: dict[str, Any], offsets: dict[str, Any], out: Array | None
    ) -> PassResult: ...

    def newton(self, X: Array, B: Array, given: dict[str, Any], out: Array | None) -> SolvedRows: ...

    def information(
        self, A: Array, B: Array, offsets: dict[str, Any], is_expected: bool, wants_gradient: bool, out: Array | None
    ) -> RowInformation: ...


@dataclass(frozen=True)
class RowBlock:
    """Rows of a table with their entries: what does not depend on the kind of loss.

    Attributes
    ----------
    view : Compressed
        Its own major axis; the minor one is the whole table's.
    loss : Loss
    offset : ndarray (n_entries,) or None
        Fixed part of the predictor of the block's entries.
    tilt : ndarray (n_entries,) or None
        Linear term of the loss of each entry.
    first : int
        Position of its first row in the table.
    is_of_columns : bool
        Whether the major axis are the table's columns.
    """

    view: Compressed
    loss: Loss
    offset: Array | None = None
    tilt: Array | None = None
    first: int = 0
    is_of_columns: bool = False

    def at(self, A: Array, B: Array, offsets: dict[str, Any]) -> Array:
        """Linear predictors of its entries."""
        return kernels.at(self.view, A, B, offset=self.offset, **offsets)

    def quadratic(self, V: Array, B: Array) -> Array:
        """``B_j' V_i B_j`` of its entries."""
        return kernels.quadratic(self.view, V, B)

    def draws(self, B: Array, noise: Array, given: dict[str, Any], want: str, out: Array | None) -> DrawnRows:
        """Rows drawn from their Gaussian conditional distributions; see `kernels.row_draws`."""
        n, k = noise.shape
        more: dict[str, Any] = {"squares": np.empty(n) if "s" in want else None}
        more["gram"] = np.empty((n, k, k), noise.dtype) if "n" in want else None
        more["right"] = np.empty((n, k), noise.dtype) if "n" in want else None
        drawn = kernels.row_draws(self.view, B, noise, offset=self.offset, out=out, **more, **given)
        return DrawnRows(drawn.out, float(drawn.value), **more)


class FusedBlock(RowBlock):
    """A block of a loss with a compiled kernel."""

    def _family(self) -> dict[str, Any]:
        return {"family": self.loss.kernel, "trials": self.loss.trials, "offset": self.offset}

    def loss_and_gradient(
        self, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None, want: str, out: Array | None
    ) -> PassResult:
        """Summed loss and the gradients named in ``want`` ("A", "B", "r" and "c")."""
        p = self.view.n_minor
        grad_A = (np.empty_like(A) if out is None else out) if "A" in want else None
        grad_B = np.zeros((p, B.shape[1]), B.dtype) if "B" in want else None
        grad_row = np.empty(self.view.n_major, B.dtype) if "r" in want else None
        grad_col = np.zeros(p, B.dtype) if "c" in want else None
        outputs: dict[str, Any] = {"grad_A": grad_A, "grad_B": grad_B, "grad_row": grad_row, "grad_col": grad_col}
        offsets: dict[str, Any] = {"row_offset": row_offset, "col_offset": col_offset}
        value = kernels.loss_and_gradient(self.view, A, B, **self._family(), **offsets, **outputs)
        return PassResult(value, grad_A, grad_B, grad_row, grad_col)

    def hessian_vector(
        self, A: Array, B: Array, moves: dict[str, Any], offsets: dict[str, Any], out: Array | None
    ) -> PassResult:
        """Hessian of the summed loss times a direction."""
        outputs: dict[str, Any] = {
            "out_A": np.empty_like(A) if out is None else out,
            "out_B": np.zeros_like(B),
            "out_row": np.empty(len(A), B.dtype),
            "out_col": np.zeros(len(B), B.dtype),
        }
        kernels.hessian_vector(self.view, A, B, **self._family(), **moves, **offsets, **outputs)
        return PassResult(np.nan, *outputs.values())

    def newton(self, X: Array, B: Array, given: dict[str, Any], out: Array | None) -> SolvedRows:
        """Damped Newton on every row; see `kernels.row_newton`."""
        solved = kernels.row_newton(self.view, X, B, **self._family(), **given, out=out)
        return SolvedRows(solved.out, float(solved.value))

    def information(
        self, A: Array, B: Array, offsets: dict[str, Any], is_expected: bool, wants_gradient: bool, out: Array | None
    ) -> RowInformation:
        """Information of every row; the fused families are canonical: observed and expected are the same."""
        gradient = np.empty_like(A) if wants_gradient else None
        outputs: dict[str, Any] = {"out": out, "gradient": gradient}
        return RowInformation(kernels.information(self.view, A, B, **self._family(), **offsets, **outputs), gradient)


class PlainBlock(RowBlock):
    """A block of any loss, through its elementwise methods."""

    @property
    def _entries(self) -> tuple[plain.PlainRows, Loss]:
        """Its entries, and the loss at their columns and with their tilt."""
        part = plain.PlainRows(self.view)
        loss = at_columns(self.loss, part.row_of + self.first if self.is_of_columns else self.view.indices)
        return part, loss if self.tilt is None else Tilted(loss, self.tilt)  # type: ignore[return-value]

    def loss_and_gradient(
        self, A: Array, B: Array, row_offset: Array | None, col_offset: Array | None, want: str, out: Array | None
    ) -> PassResult:
        """Summed loss and the gradients named in ``want``."""
        part, loss = self._entries
        m = part.predictor(A, B, row_offset, col_offset, self.offset)
        y, w, dtype = self.view.values, part.weights, B.dtype
        value = float(np.sum(w * loss.value(y, m), dtype=float))
        if not want:
            return PassResult(value)
        g = w * loss.gradient(y, m)
        return PassResult(
            value,
            part.to_rows(g, B) if "A" in want else None,
            part.to_cols(g, A) if "B" in want else None,
            part.row_sums(g).astype(dtype, copy=False) if "r" in want else None,
            part.col_sums(g).astype(dtype, copy=False) if "c" in want else None,
        )

    def hessian_vector(
        self, A: Array, B: Array, moves: dict[str, Any], offsets: dict[str, Any], out: Array | None
    ) -> PassResult:
        """Hessian of the summed loss times a direction."""
        dA, dB = moves["dA"], moves["dB"]
        part, loss = self._entries
        m = part.predictor(A, B, offsets["row_offset"], offsets["col_offset"], self.offset)
        dm = part.predictor(dA, B, moves["d_row"], moves["d_col"], None) + part.predictor(A, dB, None, None, None)
        y, w, dtype = self.view.values, part.weights, B.dtype
        t, g = w * loss.curvature(y, m) * dm, w * loss.gradient(y, m)
        return PassResult(
            np.nan,
            part.to_rows(t, B) + part.to_rows(g, dB),
            part.to_cols(t, A) + part.to_cols(g, dA),
            part.row_sums(t).astype(dtype, copy=False),
            part.col_sums(t).astype(dtype, copy=False),
        )

    def newton(self, X: Array, B: Array, given: dict[str, Any], out: Array | None) -> SolvedRows:
        """Damped Newton on every row; ``method`` and ``cg_steps`` are the compiled kernel's alone."""
        part, loss = self._entries
        penalty = np.zeros((1, X.shape[1]), X.dtype) if given["ridge"] is None else np.atleast_2d(given["ridge"])
        if given["ridge_scale"] is not None:
            penalty = penalty * given["ridge_scale"][:, None]
        offsets = given["col_offset"], self.offset
        rows, value = plain.newton_rows(part, loss, X, B, offsets, penalty, given["max_halvings"], given["steps"])
        return SolvedRows(rows, value)

    def information(
        self, A: Array, B: Array, offsets: dict[str, Any], is_expected: bool, wants_gradient: bool, out: Array | None
    ) -> RowInformation:
        """Observed or expected information of every row."""
        part, loss = self._entries
        m = part.predictor(A, B, offsets["row_offset"], offsets["col_offset"], self.offset)
        gradient = part.to_rows(part.weights * loss.gradient(self.view.values, m), B) if wants_gradient else None
        return RowInformation(plain.information(part, loss, B, m, is_expected), gradient)


def block_of(loss: Loss) -> type[FusedBlock] | type[PlainBlock]:
    """The kind of block that suits a loss."""
    return PlainBlock if loss.kernel is None else FusedBlock


def rows_of(view: Compressed, start: int, stop: int) -> Compressed:
    """Major rows ``start .. stop`` of a table as a table of their own; no copy of entries."""
    if start == 0 and stop == view.n_major:
        return view
    first, last = int(view.indptr[start]), int(view.indptr[stop])
    weights = None if view.weights is None else view.weights[first:last]
    starts = view.indptr[start : stop + 1] - first
    return Compressed.trusted(starts, view.indices[first:last], view.values[first:last], weights, view.n_minor)


@dataclass(frozen=True, eq=False)
class GatheredBlock:
    """Columns ``first .. last`` of a table that is held by rows alone, regrouped whenever they are asked something.

    It travels as its own entries, not as the whole table's.
    """

    rows: Compressed
    counts: Array
    loss: Loss
    first: int

    def _build(self) -> FusedBlock:
        last = self.first + len(self.counts)
        view = kernels.gather_columns(self.rows, self.first, last, self.counts)
        return FusedBlock(view, self.loss, None, None, self.first, True)

    def __reduce__(self) -> tuple[Any, ...]:
        block = self._build()
        return FusedBlock, (block.view, block.loss, None, None, block.first, True)

    def __getattr__(self, name: str) -> Any:
        if name not in ("newton", "information", "draws"):
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return getattr(self._build(), name)


class BlockCall(NamedTuple):
    """One method of one block with its arguments: all that a worker needs, wherever it is."""

    block: Any
    method: str
    arguments: tuple[Any, ...]


def answer(call: BlockCall) -> Any:
    """Ask the block; the only function that passes over entries hand to an engine."""
    return getattr(call.block, call.method)(*call.arguments)
