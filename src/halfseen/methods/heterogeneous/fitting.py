"""From blocks and ranks to fitted parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.many import Parts, Placed
from halfseen.methods.heterogeneous.alternating import ExactBlocks, split
from halfseen.methods.heterogeneous.blocks import Block
from halfseen.methods.heterogeneous.descent import Rounds, correct
from halfseen.methods.heterogeneous.options import HeterogeneousOptions
from halfseen.methods.heterogeneous.start import SecondTries, random_start, safe_step, spectral_start, warm_start
from halfseen.methods.heterogeneous.stepwise import stepwise_start
from halfseen.solvers.loop import Run, Stop, Sweep, SweepResult, loop
from halfseen.solvers.stops import RelativeChange, SmallValue

# Residuals below this many roundings of the values are rounding; so is a change of the value below some of its own.
ROUNDINGS = 14.0
# Step of the preconditioned descent, over the share of entries seen.
SCALED_STEP = 0.7


@dataclass(frozen=True)
class Fitted:
    """What a fit found."""

    parts: Parts
    run: Run
    restarted: list[int]


def fit_parts(
    blocks: tuple[Block, ...],
    shared_rank: int,
    unique_ranks: tuple[int, ...],
    how: tuple[str, HeterogeneousOptions, float],
    engine: Engine,
    rng: np.random.Generator,
) -> Fitted:
    """Start, sweep, correct.

    Parameters
    ----------
    how : (solver, options, ridge)
    """
    solver, options, ridge = how
    start = starting_point(blocks, shared_rank, unique_ranks, how, engine, rng)
    sweep: Sweep
    if solver == "als":
        sweep = SecondTries(ExactBlocks(blocks, engine, ridge), blocks, engine, options.tries, rng)
    else:
        step = step_of(solver, options, blocks, engine, rng)
        sweep = Rounds(blocks, engine, step, options.beta, is_scaled=solver == "scaled-gd")
    eps = max(float(np.finfo(block.dtype).eps) for block in blocks)
    tol = options.tolerance(solver)
    tol = max(tol, ROUNDINGS * eps) if tol else 0.0
    floor = (ROUNDINGS * eps) ** 2 * null_value(blocks, engine)
    stops: list[Stop] = [SmallValue(floor), RelativeChange(tol, patience=2)]
    run = loop(sweep, start, stops, max_iter=options.sweeps(solver))
    parts = run.params
    if solver != "als":  # the last half of a round: the returned point is feasible
        parts = Parts(parts.shared_basis, tuple(correct(parts.shared_basis, one) for one in parts.own))
    return Fitted(parts, run, getattr(sweep, "restarted", []))


def starting_point(
    blocks: tuple[Block, ...],
    shared_rank: int,
    unique_ranks: tuple[int, ...],
    how: tuple[str, HeterogeneousOptions, float],
    engine: Engine,
    rng: np.random.Generator,
) -> Parts:
    """The start that the options ask for."""
    solver, options, ridge = how
    kind = options.start or ("random" if solver == "gd" else "spectral")
    if kind == "spectral":
        return spectral_start(blocks, shared_rank, unique_ranks, engine, rng)
    if kind == "stepwise":
        return stepwise_start(blocks, shared_rank, unique_ranks, ridge, engine, rng)
    unit = 0.5 / safe_step(blocks, engine, rng)  # the largest singular value
    scale = options.start_scale * float(np.sqrt(unit)) if unit > 0 else options.start_scale
    point = random_start(blocks, shared_rank, unique_ranks, scale, rng)
    if kind == "warm":
        point = warm_start(point, blocks, engine, safe_step(blocks, engine, rng), is_shared_fixed=False)
    return point


def step_of(
    solver: str, options: HeterogeneousOptions, blocks: tuple[Block, ...], engine: Engine, rng: np.random.Generator
) -> float:
    """The step of a descent."""
    if not isinstance(options.eta, str):
        return float(options.eta)
    if solver == "gd":
        return safe_step(blocks, engine, rng)
    passes = [getattr(block, "passes", None) for block in blocks]
    seen = [1.0 if one is None else one.observed.density for one in passes]
    return SCALED_STEP / max(seen)


def null_value(blocks: tuple[Block, ...], engine: Engine) -> float:
    """The loss of predicting nothing."""

    def null(block: Block) -> float:
        n, p = block.shape
        return block.value(np.zeros((n, 1)), np.zeros((p, 1)))

    return float(sum(engine.map(null, blocks)))


@dataclass(frozen=True)
class Columns:
    """Sweep: one step of every column of one source, its bases being fixed."""

    block: Block
    U: FloatArray
    ridge: float

    def __call__(self, V: FloatArray) -> SweepResult:
        V, value = self.block.solve_columns(self.U, V, self.ridge)
        return SweepResult(V, value)


def settle_columns(block: Block, shared: FloatArray, unique: FloatArray, ridge: float) -> Placed:
    """Loadings of new columns where one step is not the whole way."""
    U = np.hstack([shared, unique])
    start = np.zeros((block.shape[1], U.shape[1]))
    run = loop(Columns(block, U, ridge), start, [RelativeChange(1e-12)], max_iter=100)
    return split(run.params, unique, shared.shape[1])
