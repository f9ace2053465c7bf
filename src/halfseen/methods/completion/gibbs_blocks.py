"""The Gibbs sampler over the blocks of a prepared table: columns travel, rows are drawn where their entries are.

A sweep is one reading: rows are drawn given the columns, then say what the columns' distributions are. The normal
numbers behind a row follow from the seed, the sweep and the row's place, so a block keeps nothing and may be visited
anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.data import Compressed
from halfseen.data.prepared import StoredBlock
from halfseen.engines.draws import GaussianPrior
from halfseen.engines.placement import BlockPlacement
from halfseen.linalg.packed import draw_packed
from halfseen.methods.completion.gibbs import with_constant
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.methods.completion.sampler import START_PENALTY, START_SCALE
from halfseen.solvers.alternating import Penalty, powers
from halfseen.solvers.block_ridge import BlockRidge, RidgeVisit, column_equations, row_starts
from halfseen.solvers.loop import SweepResult, loop

Array = NDArray[Any]

# Rows whose normal numbers come from one generator: what is asked of single rows draws no more than theirs.
CHUNK = 256


def row_normals(seed: int, sweep: int, rows: IntArray, k: int) -> FloatArray:
    """Standard normal numbers (m, k) of rows at rising positions: the same for a row whatever others are asked for.

    Examples
    --------
    >>> both, one = row_normals(3, 0, np.array([5, 300]), 2), row_normals(3, 0, np.array([300]), 2)
    >>> bool(np.all(both[1] == one[0]))
    True
    """
    out, chunks = np.empty((len(rows), k)), rows // CHUNK
    ends = np.flatnonzero(np.diff(chunks, append=-1)) + 1
    for first, last in zip(np.append(0, ends[:-1]), ends, strict=True) if len(rows) else ():
        # counters a far way apart: no two chunks share a number
        source = np.random.Philox(key=[seed, sweep], counter=[0, 0, 0, int(chunks[first])])
        numbers = np.random.Generator(source).standard_normal((CHUNK, k))
        out[first:last] = numbers[rows[first:last] % CHUNK]
    return out


@dataclass(frozen=True)
class RowConditional:
    """Distribution of rows given the columns.

    Attributes
    ----------
    C : ndarray (p, k + 1)
        Of the columns, their biases last.
    mean : float
    precision : float
        Of the noise of an entry of weight 1.
    prior : GaussianPrior
        Of the rows.
    """

    C: Array
    mean: float
    precision: float
    prior: GaussianPrior

    def drawn(self, view: Compressed, noise: Array) -> tuple[Array, float]:
        """Rows, and their weighted sum of squared residuals; the means, where the noise is zero."""
        prior = self.prior
        done = kernels.row_draws(
            view, with_constant(self.C), noise.astype(self.C.dtype), precision=self.precision, prior=prior.precision,
            pull=prior.precision @ prior.mean, col_offset=self.C[:, -1] + self.C.dtype.type(self.mean),
        )  # fmt: skip
        return done.out, float(done.value)


@dataclass(frozen=True)
class GibbsVisit:
    """What is done in a block: its rows are drawn, then say what the columns are given them.

    Attributes
    ----------
    seed, sweep : int
    mean, precision : float
    prior : GaussianPrior
        Of the rows.
    """

    seed: int
    sweep: int
    mean: float
    precision: float
    prior: GaussianPrior

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        """Sums: packed matrices and gradients of the columns, squares, and number, sum and products of seen rows."""
        view = block.rows
        noise = row_normals(self.seed, self.sweep, block.first_row + np.arange(view.n_major), C.shape[1])
        X, squares = RowConditional(C, self.mean, self.precision, self.prior).drawn(view, noise)
        equations = column_equations(view, with_constant(X), C, X[:, -1] + C.dtype.type(self.mean))
        return [*equations, squares, *moments(X, view)]


def moments(X: Array, view: Compressed) -> list[Any]:
    """Number, sum and products of the rows that have entries."""
    seen = X[view.counts > 0].astype(float)
    # no product of BLAS: its bits depend on the number of its threads
    return [len(seen), seen.sum(axis=0), np.einsum("ik,il->kl", seen, seen)]


@dataclass(frozen=True)
class RidgeMoments:
    """The moments of the rows by ridge regression."""

    visit: RidgeVisit

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        return moments(self.visit.rows(block.rows, C)[0], block.rows)


class BlockState(NamedTuple):
    """One state of the chain without its rows, which are drawn in the next sweep.

    Attributes
    ----------
    C : ndarray (p, k + 1)
    precision : ndarray ()
    prior_mean, prior_precision : ndarray (k + 1,), (k + 1, k + 1)
        Of the rows.
    sweep : ndarray ()
        Number of the next one.
    """

    C: Array
    precision: Array
    prior_mean: Array
    prior_precision: Array
    sweep: Array

    @property
    def row_prior(self) -> GaussianPrior:
        return GaussianPrior(self.prior_mean, self.prior_precision)


@dataclass(frozen=True)
class BlockGibbs:
    """Sweep: rows in their blocks, noise precision, hyperprior and columns, hyperprior of the rows.

    Attributes
    ----------
    placement : BlockPlacement
    mean : float
    hyperprior : NormalWishart
    noise_shape, noise_rate : float
        Of the Gamma prior of the noise precision.
    seen : bool array (p,)
        Columns with entries; the others are drawn from the prior and do not inform it.
    seed : int
        Of the rows' normal numbers.
    rng : Generator
        Of all that is drawn here.
    """

    placement: BlockPlacement
    mean: float
    hyperprior: NormalWishart
    noise_shape: float
    noise_rate: float
    seen: BoolArray
    seed: int
    rng: np.random.Generator

    def __call__(self, state: BlockState) -> SweepResult:
        n_entries, rng = self.placement.table.n_entries, self.rng
        visit = GibbsVisit(self.seed, int(state.sweep), self.mean, float(state.precision), state.row_prior)
        packed, gradient, squares, *of_rows = self.placement.round(visit, state.C)
        squares = max(squares, 0.0)  # rounding of exact fits
        rate = self.noise_rate + 0.5 * squares
        precision = float(rng.gamma(self.noise_shape + 0.5 * n_entries, 1.0 / rate))
        C = self._columns(state.C, packed, gradient, precision)
        new = self.state(C, precision, of_rows, int(state.sweep) + 1)
        return SweepResult(new, squares / n_entries, work=2.0)

    def _columns(self, C: Array, packed: Array, gradient: Array, precision: float) -> Array:
        """A draw of the columns: equations at the present ones, of which the move is solved in double precision."""
        prior = self.hyperprior.draw(C[self.seen].astype(float), self.rng)
        noise = self.rng.standard_normal(C.shape)
        here = C.astype(float)
        right = -precision * gradient.astype(float) - (here - prior.mean) @ prior.precision
        move = draw_packed(precision * packed.astype(float), prior.precision, right, noise)
        return np.ascontiguousarray(here + move, dtype=C.dtype)

    def state(self, C: Array, precision: float, of_rows: list[Any], sweep: int) -> BlockState:
        """With the rows' hyperparameters drawn given their number, sum and products."""
        n, total, products = of_rows
        mean = total / max(n, 1)
        prior = self.hyperprior.drawn(n, mean, products - n * np.outer(mean, mean), self.rng)
        return BlockState(C, np.array(precision), prior.mean, prior.precision, np.array(sweep))


def chain_of(
    places: BlockPlacement, mean: float, rank: int, start_iter: int, rng: np.random.Generator
) -> tuple[BlockGibbs, BlockState]:
    """The sweep over a table's blocks and its first state, after a few iterations of least squares."""
    table = places.table
    spread, column_weights = table.spread, table.column_weights
    if table.facts.sums["low"] == table.facts.sums["high"]:
        spread *= 1e-6  # values that do not differ say that nothing does
    ridge = np.append(np.full(rank, START_PENALTY * spread), START_PENALTY)
    visit = RidgeVisit(ridge, 1.0, mean)
    least = BlockRidge(places, visit, Penalty(ridge, powers(column_weights, 1.0)))
    scale = START_SCALE * spread**0.5 if rank else 0.0
    begin = least.start(row_starts(table, rank, scale, rng.spawn(1)[0]), rank + 1)
    C = loop(least, begin, max_iter=start_iter).params.C if start_iter else begin.C
    hyperprior = NormalWishart(np.append(np.full(rank, spread), spread**2), 1.0, float(rank + 1))
    seed, draws = int(rng.integers(2**62)), rng.spawn(1)[0]
    sweep = BlockGibbs(places, mean, hyperprior, 1.0, 0.01 * spread**2, column_weights > 0, seed, draws)
    return sweep, sweep.state(C, 1.0 / spread**2, places.round(RidgeMoments(visit), C), 0)
