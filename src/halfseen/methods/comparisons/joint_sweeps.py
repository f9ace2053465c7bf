"""The sweeps behind the joint models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.linalg.subspace import polar, without
from halfseen.many import Parts, Placed
from halfseen.methods.comparisons.joint import Tables, low_rank
from halfseen.solvers.loop import SweepResult

SharedAndOwn = tuple[FloatArray, list[FloatArray]]


def shared_directions(tables: Tables, rank: int, engine: Engine) -> FloatArray:
    """Leading left singular vectors of the tables side by side, from the sum of their Gram matrices."""
    n = len(tables[0])
    gram = sum(engine.map(lambda table: table @ table.T, tables), np.zeros((n, n)))
    return np.linalg.eigh(gram)[1][:, ::-1][:, :rank]


@dataclass(frozen=True)
class Alternation:
    """Sweep: the joint part of what the individual parts leave, then each individual part of what it leaves."""

    tables: Tables
    masks: Tables
    shared_rank: int
    ranks: list[int]
    engine: Engine
    is_orthogonal: bool
    is_imputed: bool

    def __call__(self, state: tuple[Parts, Tables]) -> SweepResult:
        parts, filled = state
        own = [placed.unique_basis @ placed.unique_loadings.T for placed in parts.own]
        rest = [table - part for table, part in zip(filled, own, strict=True)]
        shared = shared_directions(rest, self.shared_rank, self.engine)

        def individual(item: tuple[FloatArray, FloatArray, int]) -> Placed:
            table, left, rank = item
            loadings = left.T @ shared
            left = table - shared @ loadings.T
            return Placed(loadings, *low_rank(without(left, shared) if self.is_orthogonal else left, rank))

        parts = Parts(shared, tuple(self.engine.map(individual, zip(filled, rest, self.ranks, strict=True))))
        fits = [
            shared @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T for placed in parts.own
        ]
        together = list(zip(self.tables, fits, self.masks, strict=True))
        if self.is_imputed:
            value = sum(float(np.sum(np.square(table - fit)[mask])) for table, fit, mask in together)
            filled = [np.where(mask, table, fit) for table, fit, mask in together]
        else:
            value = sum(float(np.sum(np.square(table - fit))) for table, fit, _ in together)
        return SweepResult((parts, filled), value)


@dataclass(frozen=True)
class RobustSource:
    """One source in the splitting: low-rank own part, its copy, sparse errors, two multipliers."""

    own: FloatArray
    copy: FloatArray
    errors: FloatArray
    of_fit: FloatArray
    of_copy: FloatArray


@dataclass(frozen=True)
class RobustSplitting:
    r"""Sweep of the alternating direction method behind :class:`RobustJIVE`."""

    tables: Tables
    shared_rank: int
    mu: float
    sparsity: float
    engine: Engine

    def __call__(self, state: tuple[FloatArray, list[FloatArray], list[RobustSource]]) -> SweepResult:
        _, _, sources = state
        pairs = list(zip(self.tables, sources, strict=True))
        targets = [table - source.own - source.errors + source.of_fit / self.mu for table, source in pairs]
        shared = shared_directions(targets, self.shared_rank, self.engine)
        loadings = [target.T @ shared for target in targets]

        def local(item: tuple[FloatArray, RobustSource, FloatArray]) -> tuple[RobustSource, float]:
            table, source, V = item
            joint = shared @ V.T
            own = table - joint - source.errors + source.copy + (source.of_fit + source.of_copy) / self.mu
            own = 0.5 * without(own, shared)
            copy = shrunk_values(own - source.of_copy / self.mu, 1.0 / self.mu)
            left = table - joint - own + source.of_fit / self.mu
            errors = np.sign(left) * np.maximum(np.abs(left) - self.sparsity / self.mu, 0.0)
            gap = table - joint - own - errors
            moved = RobustSource(
                own, copy, errors, source.of_fit + self.mu * gap, source.of_copy + self.mu * (copy - own)
            )
            return moved, float(np.sum(gap**2) + np.sum((copy - own) ** 2))

        done = list(self.engine.map(local, zip(self.tables, sources, loadings, strict=True)))
        return SweepResult((shared, loadings, [source for source, _ in done]), sum(gap for _, gap in done))


def shrunk_values(table: FloatArray, threshold: float) -> FloatArray:
    """The table with its singular values lowered by ``threshold``."""
    U, s, Vt = np.linalg.svd(table, full_matrices=False)
    return (U * np.maximum(s - threshold, 0.0)) @ Vt


@dataclass(frozen=True)
class PersonalRounds:
    """Sweep: every source deflates its own basis, steps along its covariance and goes back to orthonormal bases; then
    the shared bases are averaged."""

    covariances: Tables
    step: float
    engine: Engine

    def __call__(self, state: SharedAndOwn) -> SweepResult:
        shared, own = state
        r1 = shared.shape[1]

        def local(item: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray, float]:
            covariance, unique = item
            unique = polar(without(unique, shared)) if unique.shape[1] else unique
            both = np.hstack([shared, unique])
            pushed = covariance @ both
            explained = float(np.sum(both * pushed))
            moved = polar(both + self.step * pushed)
            return moved[:, :r1], moved[:, r1:], explained

        done = list(self.engine.map(local, zip(self.covariances, own, strict=True)))
        mean = sum((basis for basis, _, _ in done), np.zeros_like(shared)) / len(done)
        state = (polar(mean), [unique for _, unique, _ in done])
        return SweepResult(state, -sum(explained for _, _, explained in done))


@dataclass(frozen=True)
class CommonRounds:
    """Sweep: coordinates of the common basis in every source's own, then the basis nearest to all of them."""

    bases: Tables
    engine: Engine

    def __call__(self, common: FloatArray) -> SweepResult:
        parts = list(self.engine.map(lambda basis: basis @ (basis.T @ common), self.bases))
        moved = polar(sum(parts, np.zeros_like(common)))
        return SweepResult(moved, sum(float(np.sum(np.square(moved - part))) for part in parts))
