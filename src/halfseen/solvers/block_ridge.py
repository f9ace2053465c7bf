"""Alternating ridge regressions over the blocks of a prepared table: one reading an iteration.

The columns' coefficients go out, the columns' normal equations come back. A row's coefficients follow from those of the
columns, so nothing as long as the rows is ever kept or sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen._typing import FloatArray
from halfseen.data import Compressed, storable
from halfseen.data.prepared import PreparedTable, StoredBlock, open_block, opened_lately
from halfseen.engines import cuts
from halfseen.engines.placement import BlockPlacement
from halfseen.linalg.packed import solve_packed
from halfseen.solvers.alternating import Penalty, powers
from halfseen.solvers.loop import SweepResult

Array = NDArray[Any]


class RowStart(NamedTuple):
    """Random coefficients of a block's rows: the state of the generator where the block begins."""

    state: Any
    scale: float

    def rows(self, n_rows: int, k: int, dtype: Any) -> Array:
        X = np.zeros((n_rows, k), dtype)
        if self.scale:
            kind = getattr(np.random, self.state["bit_generator"])()
            kind.state = self.state
            X[:, :-1] = self.scale * np.random.Generator(kind).standard_normal((n_rows, k - 1))
        return X


def row_starts(table: PreparedTable, rank: int, scale: float, rng: np.random.Generator) -> list[RowStart]:
    """One start per block: together the numbers that ``rng.standard_normal((n_rows, rank))`` would give.

    O(rows * rank) time, nothing kept: the generator runs through once.
    """
    starts, bounds = [], table.facts.bounds
    for first, last in pairwise(bounds):
        starts.append(RowStart(rng.bit_generator.state if scale else None, scale))
        for piece in range(first, last, 1 << 16) if scale else ():
            rng.standard_normal((min(last, piece + (1 << 16)) - piece, rank))
    return starts


@storable
@dataclass(frozen=True)
class RidgeVisit:
    r"""What is done in a block: its rows regress on the columns, then say how the columns should move.

    Attributes
    ----------
    ridge : ndarray (k,)
        Of a row's coefficients, the last of which is its bias.
    alpha : float
        Exponent of the number of entries by which a row's ridge grows.
    mean : float
    """

    ridge: FloatArray
    alpha: float
    mean: float

    def __call__(self, block: StoredBlock, C: Array, start: RowStart | None) -> list[Any]:
        """Sums for the tree: packed matrices (p, k (k + 1) / 2), gradients (p, k), value (squares, rows' ridge)."""
        view = block.rows
        if start is None:
            X, value = self.rows(view, C)
        else:
            X, value = start.rows(view.n_major, C.shape[1], C.dtype), 0.0
        features = X.copy()
        features[:, -1] = 1.0
        return [*column_equations(view, features, C, X[:, -1] + C.dtype.type(self.mean)), value]

    def rows(self, view: Compressed, C: Array) -> tuple[Array, float]:
        """Coefficients of rows given the columns', and twice the kernels' value."""
        features = C.copy()
        features[:, -1] = 1.0
        offset = C[:, -1] + C.dtype.type(self.mean)
        scale = powers(row_weights(view), self.alpha)
        start = np.zeros((view.n_major, C.shape[1]), C.dtype)
        given: dict[str, Any] = {"col_offset": offset, "ridge": self.ridge, "ridge_scale": scale}
        solved = kernels.row_newton(view, start, features, family="gaussian", method="cholesky", **given)
        return solved.out, 2.0 * float(solved.value)


def row_weights(view: Compressed) -> FloatArray:
    """Number of entries (sum of their weights) of every row."""
    if view.weights is None:
        return view.counts.astype(float)
    total = np.concatenate([[0.0], np.cumsum(view.weights, dtype=float)])
    return np.diff(total[view.indptr])


def column_equations(
    view: Compressed, features: Array, C: Array, row_offset: Array | None, family: str = "gaussian", trials: float = 1.0
) -> tuple[Array, Array]:
    """Equations of the columns at ``C``: matrices (lower triangles, packed) and gradients, of one block's rows.

    Gradients at the present ``C`` and not right-hand sides: single precision then is enough, since what is solved for
    is a small change.

    Parameters
    ----------
    view : Compressed
    features : ndarray (n_rows, k)
        Of the rows.
    C : ndarray (p, k)
    row_offset : ndarray (n_rows,) or None
        Known part of the rows' predictors.
    family, trials
        As in :func:`halfseen.kernels.information`.
    """
    (p, k), dtype = C.shape, C.dtype
    lower = np.tril_indices(k)
    packed, gradient = np.zeros((p, len(lower[0])), dtype), np.zeros((p, k), dtype)
    counts = view.minor_sums()
    for first, last in cuts.split_columns(counts):
        part = kernels.gather_columns(view, first, last, counts[first:last])
        given: dict[str, Any] = {"col_offset": row_offset, "gradient": gradient[first:last], "trials": trials}
        matrices = kernels.information(part, C[first:last], features, family=family, **given)
        packed[first:last] = matrices[:, lower[0], lower[1]]
    return packed, gradient


class BlockPoint(NamedTuple):
    """All that an iteration needs: the columns' coefficients, and their equations at the rows that go with them."""

    C: Array
    packed: Array
    gradient: Array


@dataclass(frozen=True)
class BlockRidge:
    """Sweep: all columns from their equations, then one visit of every block: rows, and the columns' next equations.

    The same iterations as :class:`halfseen.solvers.alternating.AlternatingRidge` in another order of additions.

    Attributes
    ----------
    placement : BlockPlacement
    visit : RidgeVisit
    cols : Penalty
    """

    placement: BlockPlacement
    visit: RidgeVisit
    cols: Penalty

    def start(self, starts: list[RowStart], k: int) -> BlockPoint:
        """The columns' equations at given rows."""
        C = np.zeros((self.placement.table.shape[1], k), self.placement.table.dtype)
        packed, gradient, _ = self.placement.round(self.visit, C, starts)
        return BlockPoint(C, packed, gradient)

    def __call__(self, point: BlockPoint) -> SweepResult:
        C = self.solved(point)
        packed, gradient, value = self.placement.round(self.visit, C)
        return SweepResult(BlockPoint(C, packed, gradient), value + self.cols.value(C), work=2.0)

    def solved(self, point: BlockPoint) -> Array:
        """The columns' coefficients: a Newton step in double precision, exact for squares."""
        ridge = self.cols.scale[:, None] * self.cols.ridge
        C = point.C.astype(float)
        step = solve_packed(point.packed, ridge, point.gradient + ridge * C)
        return np.ascontiguousarray(C - step, dtype=point.C.dtype)

    def at(self, rows: FloatArray, cols: Penalty) -> BlockRidge:
        """The same for other penalties."""
        return replace(self, visit=replace(self.visit, ridge=rows), cols=cols)


@storable
@dataclass(frozen=True, eq=False)
class RowsInBlocks:
    """Coefficients of the rows of a prepared table: computed where they are asked for, never kept all at once.

    Behaves as an array (n, width) that is indexed by row positions; ``part`` says which columns of the coefficients.

    Attributes
    ----------
    folder : str
        Of the table, which must stay there.
    visit : object
        Its ``rows(view, C)`` gives the coefficients of rows; or ``rows_at(view, positions)`` does.
    C : ndarray (p, k)
    part : str
        "factors" or "bias".
    fold : HashedFold or None
        The entries that were fitted, where they were not all.
    """

    folder: str
    visit: Any
    C: FloatArray
    part: str
    fold: Any = None

    @classmethod
    def of(cls, table: PreparedTable, visit: Any, C: FloatArray, part: str = "factors") -> RowsInBlocks:
        """The rows of a table, or of the part of its entries that was fitted."""
        return cls(table.folder, visit, C, part, table.fold)

    @property
    def table(self) -> PreparedTable:
        return PreparedTable(self.folder, fold=self.fold)

    @property
    def shape(self) -> tuple[int, ...]:
        n = self.table.shape[0]
        return (n, self.C.shape[1] - 1) if self.part == "factors" else (n,)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return self.C.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def any(self) -> bool:
        """Whether some are not 0: these are kept only where there is something to keep."""
        return True

    def block(self, number: int) -> FloatArray:
        """Of all rows of a block."""
        block = open_block(self.table.recipe(number))
        coefficients = self._coefficients(block.rows, block.first_row + np.arange(block.rows.n_major))
        return coefficients[:, :-1] if self.part == "factors" else coefficients[:, -1]

    def _coefficients(self, view: Compressed, positions: NDArray[Any]) -> FloatArray:
        """Of rows at these positions of the table; some visits draw them, by where they are."""
        at = getattr(self.visit, "rows_at", None)
        return self.visit.rows(view, self.C)[0] if at is None else at(view, positions)

    def rows(self, labels: Any) -> FloatArray:
        """Of rows by their labels."""
        return self[self.table.find_rows(labels)]

    def __getitem__(self, wanted: Any) -> FloatArray:
        if not isinstance(wanted, np.ndarray) or wanted.dtype.kind not in "iu":
            return np.asarray(self)[wanted]
        if wanted.ndim != 1:
            return self[wanted.ravel()].reshape(*wanted.shape, *self.shape[1:])
        table = self.table
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        blocks = np.searchsorted(np.array(table.facts.bounds), wanted, side="right") - 1
        for number in np.unique(blocks):
            own = blocks == number
            block = opened_lately(table.recipe(int(number)))
            asked, places = np.unique(wanted[own] - block.first_row, return_inverse=True)
            coefficients = self._coefficients(block.rows.take_major(asked), block.first_row + asked)
            out[own] = (coefficients[:, :-1] if self.part == "factors" else coefficients[:, -1])[places]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        whole = np.concatenate([self.block(number) for number in range(self.table.n_blocks)])
        return whole if dtype is None else whole.astype(dtype)

    def to_parquet(self, folder: Any) -> None:
        """One file per block: the rows' labels and their coefficients."""
        import os

        import pyarrow as pa
        import pyarrow.parquet as pq

        os.makedirs(folder, exist_ok=True)
        for number in range(self.table.n_blocks):
            values = self.block(number).reshape(-1, *(self.shape[1:] or (1,)))
            columns = {"row": pa.array(self.table.row_labels(number))}
            columns |= {f"{self.part}_{place}": pa.array(values[:, place].copy()) for place in range(values.shape[1])}
            pq.write_table(pa.table(columns), os.path.join(folder, f"part-{number:05d}.parquet"))
