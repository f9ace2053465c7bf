"""A start that takes one factor of every kind at a time, for parts whose sizes differ much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.linalg.subspace import joint_basis, orthonormal, without
from halfseen.many import Parts, Placed, in_gauge
from halfseen.methods.heterogeneous.alternating import ExactBlocks, joined
from halfseen.methods.heterogeneous.blocks import SourceBlock
from halfseen.methods.heterogeneous.start import generators, left_over, with_loadings
from halfseen.solvers.loop import SweepResult, loop

# What the next factor is looked for in: residuals after this many sweeps of the factors so far. Five and fifteen end at
# the same (24 draws at a condition number of 100, three designs).
SWEEPS_BETWEEN = 5


def stepwise_start(
    blocks: tuple[SourceBlock, ...],
    shared_rank: int,
    unique_ranks: tuple[int, ...],
    penalty: float,
    engine: Engine,
    rng: np.random.Generator,
) -> Parts:
    """Spectral start of one factor of every kind, some exact sweeps, the next factors from what is left, and so on.

    Where sizes differ much, small directions drown in what the missing entries of the large ones leave in a zero-filled
    table; in the residuals of a fit of the large ones they are the largest themselves.

    Notes
    -----
    Costs five exact sweeps per rank, of lower ranks than the last. A source sends one or two directions per rank.
    """
    n = blocks[0].shape[0]
    own = (Placed(np.zeros((block.shape[1], 0)), np.zeros((n, 0)), np.zeros((block.shape[1], 0))) for block in blocks)
    sweep = OneMoreFactor(blocks, shared_rank, unique_ranks, penalty, engine, rng)
    return loop(sweep, Parts(np.zeros((n, 0)), tuple(own)), max_iter=max(shared_rank, *unique_ranks, 1)).params


@dataclass(frozen=True)
class OneMoreFactor:
    """Sweep: from some factors to one more shared and one more unique of every source, where the ranks allow."""

    blocks: tuple[SourceBlock, ...]
    shared_rank: int
    unique_ranks: tuple[int, ...]
    penalty: float
    engine: Engine
    rng: np.random.Generator

    def __call__(self, point: Parts) -> SweepResult:
        shared, engine = point.shared_basis, self.engine
        has_more = shared.shape[1] < self.shared_rank
        wanted = [
            placed.unique_basis.shape[1] < rank for placed, rank in zip(point.own, self.unique_ranks, strict=True)
        ]
        items = list(zip(self.blocks, point.own, wanted, generators(self.rng, self.blocks), strict=True))

        # a generator that has drawn comes back with what was drawn: the engine's workers may be elsewhere
        def leading(
            item: tuple[SourceBlock, Placed, bool, np.random.Generator],
        ) -> tuple[FloatArray, FloatArray, np.random.Generator]:
            block, placed, is_wanted, rng = item
            return *block.leading(has_more + is_wanted, rng, joined(shared, placed)), rng

        leads = list(engine.map(leading, items))
        more = joint_basis([basis for basis, _, _ in leads], 1)[0] if has_more else shared[:, :0]
        basis = orthonormal(np.hstack([shared, more]))

        def grown(
            item: tuple[
                tuple[SourceBlock, Placed, bool, np.random.Generator],
                tuple[FloatArray, FloatArray, np.random.Generator],
            ],
        ) -> Placed:
            (block, placed, is_wanted, _), (directions, sizes, rng) = item
            left = left_over(directions * sizes, basis, int(is_wanted), rng)
            return with_loadings(block, basis, orthonormal(without(np.hstack([placed.unique_basis, left]), basis)))

        start = Parts(basis, tuple(engine.map(grown, zip(items, leads, strict=True))))
        run = loop(ExactBlocks(self.blocks, engine, self.penalty), start, max_iter=SWEEPS_BETWEEN)
        return SweepResult(in_gauge(run.params.shared_basis, run.params.own), run.value, work=3.0 * SWEEPS_BETWEEN)
