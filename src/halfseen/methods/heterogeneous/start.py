"""Where a fit begins: spectral, or small random factors and some rounds of descent; and a second try for one source."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.linalg.subspace import joint_basis, orthonormal, without
from halfseen.many import Parts, Placed
from halfseen.methods.heterogeneous.alternating import ExactBlocks, joined, split
from halfseen.methods.heterogeneous.blocks import SourceBlock, largest_singular_value
from halfseen.methods.heterogeneous.descent import DescentRounds
from halfseen.solvers.loop import Sweep, SweepResult, loop

# Sixty rounds from a small start leave the saddle that a spectral start of a thinly seen source can sit on
# (24 of 24 seeds against 22 of 24).
WARM_ROUNDS = 60
# Step of these rounds and of step="auto", in units of 1 / (largest singular value): 1 is the edge of stability.
STEP = 0.5
SMALL = 1e-3
# A source is looked at again when it is left with this many times the usual share of its sum of squares.
STUCK_RATIO = 2.0
PLATEAU = 0.05


def generators(rng: np.random.Generator, blocks: tuple[SourceBlock, ...]) -> list[np.random.Generator]:
    """One generator per source, so that no source's draws depend on where the others are computed."""
    return list(rng.spawn(len(blocks)))


def spectral_start(
    blocks: tuple[SourceBlock, ...],
    shared_rank: int,
    unique_ranks: tuple[int, ...],
    engine: Engine,
    rng: np.random.Generator,
) -> Parts:
    r"""Two SVDs: every source's leading r1 + r2 directions, then what these have in common.

    The directions that the sources' bases share most are :math:`U_g`; what is left of each basis, its leading r2
    directions by the source's own singular values, is :math:`U_{(i)}`. Loadings are then exact given these.

    Notes
    -----
    Exact for complete tables without noise. Each source sends one basis (n x (r1 + r2)), once.
    """
    seeds = generators(rng, blocks)

    # a generator that has drawn comes back with what was drawn: the engine's workers may be elsewhere
    def leading(
        item: tuple[SourceBlock, int, np.random.Generator],
    ) -> tuple[FloatArray, FloatArray, np.random.Generator]:
        block, rank, own = item
        return *block.leading(shared_rank + rank, own), own

    leads = list(engine.map(leading, zip(blocks, unique_ranks, seeds, strict=True)))
    shared, _ = joint_basis([basis for basis, _, _ in leads], shared_rank)

    def rest(item: tuple[SourceBlock, int, tuple[FloatArray, FloatArray, np.random.Generator]]) -> Placed:
        block, rank, (basis, sizes, own) = item
        unique = orthonormal(without(left_over(basis * sizes, shared, rank, own), shared))
        return with_loadings(block, shared, unique)

    return Parts(shared, tuple(engine.map(rest, zip(blocks, unique_ranks, leads, strict=True))))


def left_over(table: FloatArray, shared: FloatArray, rank: int, rng: np.random.Generator) -> FloatArray:
    """Leading left directions beside the shared ones; where there are fewer columns than factors, others anywhere."""
    left = np.linalg.svd(without(table, shared), full_matrices=False)[0][:, :rank]
    return np.hstack([left, rng.standard_normal((len(left), rank - left.shape[1]))])


def with_loadings(block: SourceBlock, shared: FloatArray, unique: FloatArray) -> Placed:
    """The source with the loadings that suit these bases best."""
    U = np.hstack([shared, unique])
    V = np.zeros((block.shape[1], U.shape[1]))
    return split(block.solve_columns(U, V, 0.0)[0], unique, shared.shape[1])


def random_start(
    blocks: tuple[SourceBlock, ...],
    shared_rank: int,
    unique_ranks: tuple[int, ...],
    scale: float,
    rng: np.random.Generator,
) -> Parts:
    """Gaussian factors of standard deviation ``scale``."""
    seeds = generators(rng, blocks)
    shared = scale * rng.standard_normal((blocks[0].shape[0], shared_rank))
    return Parts(
        shared,
        tuple(
            Placed(
                scale * own.standard_normal((block.shape[1], shared_rank)),
                scale * own.standard_normal((block.shape[0], rank)),
                scale * own.standard_normal((block.shape[1], rank)),
            )
            for block, rank, own in zip(blocks, unique_ranks, seeds, strict=True)
        ),
    )


def safe_step(blocks: tuple[SourceBlock, ...], engine: Engine, rng: np.random.Generator) -> float:
    r""":math:`1/(2\max_i \sigma_1(M_{(i)}))`; sources send one number each.

    The paper's :math:`\eta = O(1/\sigma_{\max}^2)` is for bases of unit size; from small factors both sides grow to the
    root of the singular values, and the curvature to :math:`\sigma_{\max}`.
    """
    pairs = zip(blocks, generators(rng, blocks), strict=True)
    sizes = list(engine.map(lambda pair: largest_singular_value(*pair), pairs))
    weights = [getattr(block, "weight", 1.0) for block in blocks]
    largest = max(size * weight for size, weight in zip(sizes, weights, strict=True))
    return STEP / largest if largest > 0 else STEP


def warm_start(
    point: Parts, blocks: tuple[SourceBlock, ...], engine: Engine, step: float, is_shared_fixed: bool
) -> Parts:
    """Some rounds of descent from small factors."""
    rounds = DescentRounds(blocks, engine, step, is_shared_fixed=is_shared_fixed)
    return loop(rounds, point, max_iter=WARM_ROUNDS).params


@dataclass
class SecondTries:
    """Sweep around a sweep: when progress is slow, sources that are left with far more than the others start afresh.

    A new start is kept only where its source's loss is lower after a few exact sweeps of the source alone.

    Attributes
    ----------
    restarted : list of int
        Positions of the sources that were started afresh, with repetitions.
    """

    sweep: Sweep
    blocks: tuple[SourceBlock, ...]
    engine: Engine
    tries: int
    rng: np.random.Generator
    restarted: list[int] = field(default_factory=list)
    _last: float = field(default=np.inf, init=False)
    _since: int = field(default=0, init=False)

    def __call__(self, point: Parts) -> SweepResult:
        result = self.sweep(point)
        is_slow = not result.value < (1.0 - PLATEAU) * self._last
        self._last, self._since = result.value, self._since + 1
        if not (is_slow and self.tries and self._since >= 3):
            return result
        stuck = self.stuck(result.params)
        self.tries, self._since = (self.tries - 1 if len(stuck) else 0), 0
        if not len(stuck):
            return result
        own = list(result.params.own)
        seeds = self.rng.spawn(len(stuck))
        items = [(place, seed, result.params) for place, seed in zip(stuck, seeds, strict=True)]
        gained = 0.0
        for place, (fresh, gain) in zip(stuck, self.engine.map(self._afresh, items), strict=True):
            if gain > 0:
                own[place], gained = fresh, gained + gain
                self.restarted.append(int(place))
        self._last = result.value - gained
        return SweepResult(Parts(result.params.shared_basis, tuple(own)), self._last, work=result.work + WARM_ROUNDS)

    def stuck(self, point: Parts) -> np.ndarray:
        """Sources whose share of loss left is above twice the median share."""

        def share(pair: tuple[SourceBlock, Placed]) -> float:
            block, placed = pair
            U, V = joined(point.shared_basis, placed)
            return block.value(U, V) / max(block.value(U, np.zeros_like(V)), 1e-300)

        left = np.array(list(self.engine.map(share, zip(self.blocks, point.own, strict=True))))
        return np.flatnonzero(left > STUCK_RATIO * np.median(left) + 1e-20) if len(left) > 1 else np.zeros(0, int)

    def _afresh(self, item: tuple[int, np.random.Generator, Parts]) -> tuple[Placed, float]:
        place, rng, point = item
        block, old = self.blocks[place], point.own[place]
        fresh = place_source(block, point.shared_basis, old.unique_basis.shape[1], self._penalty, rng)
        now, then = (block.value(*joined(point.shared_basis, placed)) for placed in (fresh, old))
        return fresh, then - now

    @property
    def _penalty(self) -> float:
        return float(getattr(self.sweep, "penalty", 0.0))


def place_source(
    block: SourceBlock,
    shared: FloatArray,
    unique_rank: int,
    penalty: float,
    rng: np.random.Generator,
    max_iter: int = 30,
) -> Placed:
    """One source against a shared basis that stays: small start, rounds of descent, exact sweeps."""
    from halfseen.engines import Serial

    blocks, engine = (block,), Serial()
    start = random_start(blocks, 0, (unique_rank,), SMALL, rng).own[0]
    loadings = with_loadings(block, shared, shared[:, :0]).shared_loadings
    point = Parts(shared, (Placed(loadings, start.unique_basis, start.unique_loadings),))
    point = warm_start(point, blocks, engine, safe_step(blocks, engine, rng), is_shared_fixed=True)
    sweep = ExactBlocks(blocks, engine, penalty, is_shared_fixed=True)
    return loop(sweep, point, max_iter=max_iter).params.own[0]
