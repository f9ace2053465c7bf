"""From blocks and ranks to fitted parts."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.many import Parts, Placed
from halfseen.methods.heterogeneous.alternating import ExactBlocks, split
from halfseen.methods.heterogeneous.blocks import SourceBlock
from halfseen.methods.heterogeneous.descent import DescentRounds, correct
from halfseen.methods.heterogeneous.options import sweeps, tolerance
from halfseen.methods.heterogeneous.start import SecondTries, random_start, safe_step, spectral_start, warm_start
from halfseen.methods.heterogeneous.stepwise import stepwise_start
from halfseen.solvers.loop import Run, Stop, Sweep, SweepResult, loop
from halfseen.solvers.stops import RelativeChange, SmallValue

# Residuals below this many roundings of the values are rounding; so is a change of the value below some of its own.
ROUNDINGS = 14.0
# Step of the preconditioned descent, over the share of entries seen.
SCALED_STEP = 0.7


@dataclass(frozen=True)
class FittedParts:
    """Parts, how the loop ended, and which sources were started afresh."""

    parts: Parts
    run: Run
    restarted: list[int]


def fit_parts(
    blocks: tuple[SourceBlock, ...],
    ranks: tuple[int, tuple[int, ...]],
    settings: SimpleNamespace,
    engine: Engine,
    rng: np.random.Generator,
) -> FittedParts:
    """Start, sweep, correct.

    Parameters
    ----------
    ranks : (shared rank, unique rank of every source)
    settings : parameters of the estimator
    """
    solver = settings.solver
    start = starting_point(blocks, ranks, settings, engine, rng)
    sweep: Sweep
    if solver == "als":
        exact = ExactBlocks(blocks, engine, float(settings.penalty))
        sweep = SecondTries(exact, blocks, engine, settings.n_restarts, rng)
    else:
        step = step_of(settings, blocks, engine, rng)
        sweep = DescentRounds(blocks, engine, step, float(settings.beta), is_scaled=solver == "scaled-gd")
    eps = max(float(np.finfo(block.dtype).eps) for block in blocks)
    tol = tolerance(settings)
    tol = max(tol, ROUNDINGS * eps) if tol else 0.0
    floor = (ROUNDINGS * eps) ** 2 * null_value(blocks, engine)
    stops: list[Stop] = [SmallValue(floor), RelativeChange(tol, patience=2)]
    run = loop(sweep, start, stops, max_iter=sweeps(settings))
    parts = run.params
    if solver != "als":  # the last half of a round: the returned point is feasible
        parts = Parts(parts.shared_basis, tuple(correct(parts.shared_basis, placed) for placed in parts.own))
    return FittedParts(parts, run, getattr(sweep, "restarted", []))


def starting_point(
    blocks: tuple[SourceBlock, ...],
    ranks: tuple[int, tuple[int, ...]],
    settings: SimpleNamespace,
    engine: Engine,
    rng: np.random.Generator,
) -> Parts:
    """The start that the settings ask for."""
    shared_rank, unique_ranks = ranks
    kind = settings.start or ("random" if settings.solver == "gd" else "spectral")
    if kind == "spectral":
        return spectral_start(blocks, shared_rank, unique_ranks, engine, rng)
    if kind == "stepwise":
        return stepwise_start(blocks, shared_rank, unique_ranks, float(settings.penalty), engine, rng)
    unit = 0.5 / safe_step(blocks, engine, rng)  # the largest singular value
    scale = settings.start_scale * float(np.sqrt(unit)) if unit > 0 else settings.start_scale
    point = random_start(blocks, shared_rank, unique_ranks, scale, rng)
    if kind == "warm":
        point = warm_start(point, blocks, engine, safe_step(blocks, engine, rng), is_shared_fixed=False)
    return point


def step_of(
    settings: SimpleNamespace, blocks: tuple[SourceBlock, ...], engine: Engine, rng: np.random.Generator
) -> float:
    """The step of a descent."""
    if not isinstance(settings.step, str):
        return float(settings.step)
    if settings.solver == "gd":
        return safe_step(blocks, engine, rng)
    return SCALED_STEP / max(block.density for block in blocks)


def null_value(blocks: tuple[SourceBlock, ...], engine: Engine) -> float:
    """The loss of predicting nothing."""

    def null(block: SourceBlock) -> float:
        n, p = block.shape
        return block.value(np.zeros((n, 1)), np.zeros((p, 1)))

    return float(sum(engine.map(null, blocks)))


@dataclass(frozen=True)
class ColumnSteps:
    """Sweep: one step of every column of one source, its bases being fixed."""

    block: SourceBlock
    U: FloatArray
    penalty: float

    def __call__(self, V: FloatArray) -> SweepResult:
        V, value = self.block.solve_columns(self.U, V, self.penalty)
        return SweepResult(V, value)


def settle_columns(block: SourceBlock, shared: FloatArray, unique: FloatArray, penalty: float) -> Placed:
    """Loadings of new columns where one step is not the whole way."""
    U = np.hstack([shared, unique])
    start = np.zeros((block.shape[1], U.shape[1]))
    run = loop(ColumnSteps(block, U, penalty), start, [RelativeChange(1e-12)], max_iter=100)
    return split(run.params, unique, shared.shape[1])
