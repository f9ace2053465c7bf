"""Descent on the entries of a prepared table: rows stay beside their blocks, in files from one round to the next.

A round is one reading: a block takes its rows' factors of this iteration from its file, says what the columns' gradient
is, and writes its rows' factors of the next one. A round that is repeated writes the same file again, so that lost
workers and interrupted fits change no bit. Files of the last two iterations are kept.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen._typing import FloatArray, as_generator
from halfseen.data import Compressed, PreparedTable, storable
from halfseen.data.prepared import HashedFold, StoredBlock
from halfseen.engines.placement import BlockPlacement
from halfseen.linalg import sign_rule
from halfseen.linalg.align import balancing_turn
from halfseen.methods.descent.options import HeldOutStop
from halfseen.methods.descent.table import COL_ENTRIES, ROW_ENTRIES, WORTH
from halfseen.solvers.block_ridge import RowStart, row_starts
from halfseen.solvers.component_stops import BLOCK, FRESH_STEPS, HeldOutComponents
from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.problem import largest

Array = NDArray[Any]

# Readings in which the operator norm of the table is found, as for the leading directions of the factor model.
READINGS = 8


@storable
@dataclass(frozen=True)
class RowFiles:
    """Rows' factors of a fit, a file for each block and iteration, in a folder that every worker sees.

    Attributes
    ----------
    folder : str
    """

    folder: str

    def path(self, number: int, time: int) -> Path:
        return Path(self.folder) / f"part-{number:05d}-{time:07d}.npy"

    def load(self, number: int, time: int) -> Array:
        """Of a block in an iteration.

        Raises
        ------
        ValueError
            Where the file is gone.
        """
        try:
            rows: Array = np.load(self.path(number, time))
        except OSError as error:
            raise ValueError(
                f"{self.path(number, time)}, the rows of a fit, cannot be read; fit the prepared table again"
            ) from error
        return rows

    def save(self, number: int, time: int, rows: Array) -> None:
        """Write those of an iteration; those of two before it go."""
        path = self.path(number, time)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, rows)
        os.replace(partial, path)
        self.path(number, time - 2).unlink(missing_ok=True)

    def keep(self, time: int) -> None:
        """Remove all but one iteration."""
        for path in Path(self.folder).glob("part-*"):
            if not path.name.endswith(f"-{time:07d}.npy"):
                path.unlink(missing_ok=True)


@storable
@dataclass(frozen=True)
class TakenOut:
    """What is taken out of the entries of a block: a mean, numbers by column, and shrunk means of the rows.

    Attributes
    ----------
    mean : float
    cols : ndarray (p,)
    has_rows : bool
    """

    mean: float
    cols: FloatArray
    has_rows: bool

    def of_rows(self, view: Compressed) -> Array:
        """Shrunk means of what mean and columns leave of the rows."""
        if not self.has_rows:
            return np.zeros(view.n_major, self.cols.dtype)
        w = np.ones(len(view.values)) if view.weights is None else view.weights.astype(float)
        left = w * (view.values.astype(float) - self.mean - self.cols[view.indices])
        i = view.expand()
        total, weights = (np.bincount(i, part, minlength=view.n_major) for part in (left, w))
        return (total / (weights + ROW_ENTRIES)).astype(self.cols.dtype)

    def offsets(self, view: Compressed) -> dict[str, Any]:
        """As the kernels take them."""
        return {"row_offset": self.of_rows(view), "col_offset": self.cols + self.cols.dtype.type(self.mean)}


@dataclass(frozen=True)
class SumsOfColumns:
    """Weighted sums of the columns about a mean, and their weights: shape (p, 2)."""

    mean: float
    fold: HashedFold | None

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        view = part_of(block, self.fold)
        w = np.ones(len(view.values)) if view.weights is None else view.weights.astype(float)
        left = w * (view.values.astype(float) - self.mean)
        return [np.stack([np.asarray(view.minor_sums(part), float) for part in (left, w)], axis=1)]


@dataclass(frozen=True)
class SquaresLeft:
    """Squares of held-out entries that are left by each of some ways to take something out of the others."""

    ways: tuple[TakenOut, ...]
    train: HashedFold
    test: HashedFold

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        seen, hidden = part_of(block, self.train), part_of(block, self.test)
        i, out = hidden.expand(), []
        for way in self.ways:
            left = hidden.values - (way.of_rows(seen)[i] + way.cols[hidden.indices] + way.mean)
            out.append(float(np.sum(np.square(left, dtype=float))))
        return list(out)


def part_of(block: StoredBlock, fold: HashedFold | None) -> Compressed:
    """All entries of a whole block, or those of a part."""
    return block.rows if fold is None else fold.of(block.rows, block.first_row)


@dataclass(frozen=True)
class Iteration:
    """What is done in a block in one iteration.

    Attributes
    ----------
    files : RowFiles
    time : int
        Of the iteration; at 0 the rows come from their start.
    step, scale : float
        :math:`\\eta`, and one over the share of cells seen.
    out : TakenOut
    train, test : HashedFold or None
        Entries that are descended on, and those that judge.
    """

    files: RowFiles
    time: int
    step: float
    scale: float
    out: TakenOut
    train: HashedFold | None
    test: HashedFold | None

    def __call__(self, block: StoredBlock, G: Array, start: RowStart | None) -> list[Any]:
        """Value, gradient of the columns, squares and weights of held-out entries, second moments of the rows."""
        view, F = part_of(block, self.train), self.factors(block, G, start)
        offsets, scale = self.out.offsets(view), G.dtype.type(self.scale)
        gF, gG = np.empty_like(F), np.zeros_like(G)
        value = kernels.loss_and_gradient(view, F, G, family="gaussian", grad_A=gF, grad_B=gG, **offsets)
        self.files.save(block.number, self.time + 1, F - G.dtype.type(self.step) * (scale * gF))
        wide = F.astype(float)
        # no product of BLAS: its bits depend on the number of its threads
        gram = np.einsum("ik,il->kl", wide, wide)
        return [self.scale * float(value), scale * gG, *self._judged(block, F, G, offsets), gram]

    def factors(self, block: StoredBlock, G: Array, start: RowStart | None) -> Array:
        """The rows' factors of this iteration."""
        if self.time:
            return self.files.load(block.number, self.time)
        assert start is not None
        return np.ascontiguousarray(start.rows(block.rows.n_major, G.shape[1] + 1, G.dtype)[:, :-1])

    def _judged(self, block: StoredBlock, F: Array, G: Array, offsets: dict[str, Any]) -> list[float]:
        if self.test is None:
            return [0.0, 0.0]
        hidden = part_of(block, self.test)
        left = (hidden.values - kernels.at(hidden, F, G, **offsets)).astype(float)
        w = np.ones(len(left)) if hidden.weights is None else hidden.weights.astype(float)
        return [float(np.sum(w * left * left)), float(w.sum())]


@dataclass(frozen=True)
class RestOf:
    """:math:`S^\\top S V` of what an iteration leaves of the entries, over their share; without one, of the entries."""

    at: Iteration
    V: Array
    is_whole: bool = False

    def __call__(self, block: StoredBlock, G: Array, start: Any) -> list[Any]:
        from scipy.sparse import csr_array

        view = part_of(block, self.at.train)
        nothing = np.zeros((view.n_major, 1), G.dtype), np.zeros((view.n_minor, 1), G.dtype)
        factors = nothing if self.is_whole else (self.at.factors(block, G, None), G)
        left = self.at.scale * (view.values - kernels.at(view, *factors, **self.at.out.offsets(view))).astype(float)
        left = left if view.weights is None else left * view.weights
        S = csr_array((left, view.indices, view.indptr), shape=(view.n_major, view.n_minor))
        return [S.T @ (S @ self.V)]


class BlockFactors(NamedTuple):
    """An iterate: its columns, and what the round there said; rows are in the files.

    Attributes
    ----------
    G, gradient : ndarray (p, k)
    value : ndarray ()
    held_out : ndarray ()
        Root mean square of the held-out entries.
    gram : ndarray (k, k)
        Second moments of the rows.
    time : ndarray ()
    """

    G: Array
    gradient: Array
    value: Array
    held_out: Array
    gram: Array
    time: Array


@dataclass(frozen=True)
class BlockDescent:
    """Sweep: one step of gradient descent on both factors, as `FactorDescent` without a guard.

    Attributes
    ----------
    placement : BlockPlacement
        Over whole blocks.
    at : Iteration
        The first one.
    """

    placement: BlockPlacement
    at: Iteration

    def iteration(self, time: int) -> Iteration:
        at = self.at
        return Iteration(at.files, time, at.step, at.scale, at.out, at.train, at.test)

    def start(self, G: Array, starts: list[RowStart]) -> BlockFactors:
        """The iterate at time 0."""
        return self._visited(G, 0, starts)

    def _visited(self, G: Array, time: int, starts: list[RowStart] | None = None) -> BlockFactors:
        value, gradient, squares, weights, gram = self.placement.round(self.iteration(time), G, starts)
        held_out = float(np.sqrt(squares / weights)) if weights else np.nan
        return BlockFactors(G, gradient, np.array(value), np.array(held_out), gram, np.array(time))

    def __call__(self, point: BlockFactors) -> SweepResult:
        G = point.G - point.G.dtype.type(self.at.step) * point.gradient
        new = self._visited(G, int(point.time) + 1)
        return SweepResult(new, float(new.value), largest(new.gradient))

    def rest(self, rng: np.random.Generator) -> BlockRest:
        """Operator norm of what iterates leave."""
        return BlockRest(self, rng)


class BlockRest:
    """As `LargestRest`: one step of block power iteration a call, from where the last one ended."""

    def __init__(self, descent: BlockDescent, rng: np.random.Generator) -> None:
        self._descent, self._rng, self._V = descent, rng, np.zeros((0, 0))

    def __call__(self, point: BlockFactors) -> float:
        if not self._V.size:
            table = self._descent.placement.table
            self._V = np.linalg.qr(self._rng.standard_normal((table.shape[1], min(BLOCK, *table.shape))))[0]
            return max(self._step(point) for _ in range(FRESH_STEPS))
        return self._step(point)

    def _step(self, point: BlockFactors) -> float:
        visit = RestOf(self._descent.iteration(int(point.time)), self._V)
        (image,) = self._descent.placement.round(visit, point.G)
        norm, self._V = leading_root(self._V, image)
        return norm


def leading_root(V: Array, image: Array) -> tuple[float, Array]:
    """Root of the leading eigenvalue within the span of V, and the next directions."""
    return float(np.sqrt(max(np.linalg.eigvalsh(V.T @ image)[-1], 0.0))), np.linalg.qr(image)[0]


def norm_of(places: BlockPlacement, at: Iteration, rng: np.random.Generator) -> float:
    """Operator norm of the entries over their share: :math:`\\sigma_1`."""
    p = places.table.shape[1]
    V = np.linalg.qr(rng.standard_normal((p, min(2 * BLOCK, *places.table.shape))))[0]
    G = np.zeros((p, 1), places.table.dtype)

    def sweep(V: Array) -> SweepResult:
        (image,) = places.round(RestOf(at, V, is_whole=True), G)
        norm, new = leading_root(V, image)
        return SweepResult(new, norm)

    return loop(sweep, V, max_iter=READINGS).value


@storable
@dataclass(frozen=True)
class TurnedFiles:
    """Rows of a fit in the order of falling singular values, and what was taken out of them.

    Attributes
    ----------
    files : RowFiles
    time : int
    turn : ndarray (k, q)
    out : TakenOut
    bounds : ndarray
        First rows of the blocks.
    """

    files: RowFiles
    time: int
    turn: FloatArray
    out: TakenOut
    bounds: Any

    def rows_at(self, view: Compressed, positions: Array) -> Array:
        """As `RowsInBlocks` asks for them: rows of one block."""
        if not len(positions):
            return np.zeros((0, self.turn.shape[1] + 1), self.turn.dtype)
        number = int(np.searchsorted(self.bounds, positions[0], side="right")) - 1
        F = self.files.load(number, self.time)[positions - self.bounds[number]]
        # by einsum: the bits of a product of BLAS depend on the number of its rows
        turned = np.einsum("ik,kl->il", F, self.turn)
        turned[view.counts == 0] = 0.0
        return np.column_stack([turned, self.out.of_rows(view)])


def taken_out(places: BlockPlacement, kind: str, rng: np.random.Generator, train: HashedFold | None = None) -> TakenOut:
    """Mean, and shrunk means of columns and rows; "auto" takes those that explain a tenth of held-out squares."""
    table = places.table
    if kind == "auto":
        kind = _worth(places, rng, train)
    nothing = np.zeros(table.shape[1], table.dtype)
    if kind == "none":
        return TakenOut(0.0, nothing, False)
    if kind == "mean" and train is None:
        return TakenOut(table.mean, nothing, False)
    sums, weights = places.round(SumsOfColumns(table.mean, train), np.zeros((1, 1)))[0].T
    mean = table.mean + float(sums.sum()) / max(float(weights.sum()), 1e-300)
    cols = (sums - (mean - table.mean) * weights) / (weights + COL_ENTRIES)
    return TakenOut(mean, cols.astype(table.dtype) if kind != "mean" else nothing, kind == "both")


def _worth(places: BlockPlacement, rng: np.random.Generator, within: HashedFold | None) -> str:
    seed = int(rng.integers(2**31))
    train, test = (HashedFold(WORTH, seed, is_held_out, within) for is_held_out in (False, True))
    table = places.table
    # as in memory: a level is taken out where it is a tenth of the squares
    square = table.mean**2 + table.facts.sums["squares"] / table.facts.sums["weights"]
    base = "mean" if table.mean**2 >= WORTH * square and table.mean else "none"
    ways = tuple(taken_out(places, kind, rng, train) for kind in ("both", base))
    both, level = places.round(SquaresLeft(ways, train, test), np.zeros((1, 1)))
    return "both" if both <= (1.0 - WORTH) * level else base


def files_of(model: Any, table: PreparedTable, name: str) -> RowFiles:
    """A folder beside the blocks, named by what the fit is: the same fit goes on with the same files.

    Raises
    ------
    ValueError
        Where nothing can be written there.
    """
    about = {**model.get_params(), "engine": None, "max_iter": None, "data": table.facts.checksums, "fold": table.fold}
    key = zlib.crc32(json.dumps(about, sort_keys=True, default=repr).encode())
    folder = Path(table.folder) / "rows-of-fits" / f"{key:08x}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the rows of a descent lie beside the table's blocks, and {folder} cannot be written "
            f"({error.strerror}); copy the prepared table to where you may write"
        ) from error
    return RowFiles(str(folder))


def started(
    model: Any, places: BlockPlacement, settings: SimpleNamespace, parts: tuple[Any, Any], given: dict[str, Any]
) -> tuple[BlockDescent, BlockFactors, float]:
    """A descent, its first iterate and :math:`\\sigma_1`; ``given`` may hold a step, and names the files."""
    table, (train, test) = places.table, parts
    rng, k = as_generator(given["seed"]), model.rank_
    seen = train_weight(places, train)
    files, scale = files_of(model, given["table"], given["name"]), table.shape[0] * table.shape[1] / seen
    out = given["out"]
    first = Iteration(files, 0, 0.0, scale, out, train, test)
    top = norm_of(places, first, rng)
    step = given.get("step") or (0.5 / max(top, 1e-300) if isinstance(settings.step, str) else float(settings.step))
    size = settings.start_scale / (3.0 * np.sqrt(sum(table.shape) + k)) * np.sqrt(top)
    own = np.random.default_rng(given["seed"])
    starts = row_starts(table, k, size, own.spawn(1)[0])
    G = (size * own.standard_normal((table.shape[1], k))).astype(table.dtype)
    descent = BlockDescent(places, Iteration(files, 0, step, scale, out, train, test))
    return descent, descent.start(G, starts), top


def train_weight(places: BlockPlacement, train: HashedFold | None) -> float:
    """Number of entries (sum of their weights) that are descended on."""
    if train is None:
        return float(places.table.facts.sums["weights"])
    return float(places.round(SumsOfColumns(0.0, train), np.zeros((1, 1)))[0][:, 1].sum())


def held_out_stop(
    descent: BlockDescent, rule: HeldOutStop, setting: Any, max_iter: int, rng: np.random.Generator
) -> HeldOutComponents:
    """The stop in memory, whose score is known from the round."""
    return HeldOutComponents(
        lambda point: float(point.held_out), descent.rest(rng), setting.start, lambda: setting.step, rule.patience,
        max_iter,
    )  # fmt: skip


def turned(point: BlockFactors) -> tuple[Array, Array, Array]:
    """Turn of the rows, balanced columns, and singular values of the product, falling."""
    turn, values = balancing_turn(point.gram, point.G)
    cols = point.G.astype(float) @ np.linalg.inv(turn).T
    signs = sign_rule(cols)
    return turn * signs, cols * signs, values


def remove(files: RowFiles) -> None:
    """The files of a descent that is over and not kept."""
    shutil.rmtree(files.folder, ignore_errors=True)
