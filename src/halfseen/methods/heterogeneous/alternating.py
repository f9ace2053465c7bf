"""Two exact blocks: all bases jointly (rows of an arrowhead system), then every source's columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen import kernels
from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.linalg.subspace import balancing, without
from halfseen.many import Parts, Placed
from halfseen.methods.heterogeneous.blocks import SourceBlock
from halfseen.solvers.loop import SweepResult

# Rows with fewer entries than unique factors have singular systems; the steps solve for the change from where the row
# is, so that this much jitter (of the mean diagonal) moves no fixed point.
JITTER = 1e-11
MAX_HALVINGS = 10


def joined(shared: FloatArray, placed: Placed) -> tuple[FloatArray, FloatArray]:
    """``[U_g, U]`` and ``[V_g, V]``."""
    return np.hstack([shared, placed.unique_basis]), np.hstack([placed.shared_loadings, placed.unique_loadings])


def split(V: FloatArray, basis: FloatArray, shared_rank: int) -> Placed:
    """The parts of a source from ``[V_g, V]`` and its unique basis."""
    return Placed(V[:, :shared_rank], basis, V[:, shared_rank:])


def row_system(block: SourceBlock, shared: FloatArray, placed: Placed, penalty: float) -> kernels.Eliminated:
    r"""Eliminate the unique row: :math:`S = A - B C^{-1} B^\top` of the curvature :math:`(A, B; B^\top, C)`.

    Only ``schur`` and ``right`` leave the source.
    """
    U, V = joined(shared, placed)
    gradient, H = block.row_systems(U, V)
    r1, k = shared.shape[1], U.shape[1]
    if penalty:
        gradient[:, r1:] += penalty * placed.unique_basis
    mean_diagonal = float(np.einsum("nii->", H[:, r1:, r1:])) / max(len(H) * (k - r1), 1)
    diagonal = penalty + JITTER * mean_diagonal + 1e-300
    if len(H) > 1:
        return kernels.eliminate(H, gradient, r1, diagonal)
    # one system for all rows: each row's gradient is a right side of it
    A, B, C = H[0, :r1, :r1], H[0, :r1, r1:], H[0, r1:, r1:]
    solved = np.linalg.solve(C + diagonal * np.eye(k - r1), np.hstack([B.T, gradient[:, r1:].T]))
    turn, own = solved[:, :r1], solved[:, r1:].T
    return kernels.Eliminated((A - B @ turn)[None], gradient[:, :r1] - own @ B.T, turn[None], own)


def corrected(basis: FloatArray, R: FloatArray, placed: Placed) -> Placed:
    """The source against the orthonormal ``basis`` (``U_g = basis R``), its own basis orthonormal beside it."""
    overlap = basis.T @ placed.unique_basis
    own, T = np.linalg.qr(without(placed.unique_basis, basis))
    loadings = placed.shared_loadings @ R.T + placed.unique_loadings @ overlap.T
    return Placed(loadings, own, placed.unique_loadings @ T.T)


@dataclass(frozen=True)
class ExactBlocks:
    r"""Sweep: every basis at once, then every source's loadings; the value never rises.

    Row ``j`` of all bases solves one arrowhead system: each source eliminates its own unknowns and sends its Schur
    complement (r1 x r1 per row) and right side (r1 per row); their sums give the change of :math:`U_g`, which goes
    back. Squared losses: exact. Others: a Newton step, halved until the value falls.

    Parameters
    ----------
    blocks : tuple of SourceBlock
    engine : Engine
        Where sources are computed.
    penalty : float
        :math:`\tfrac\lambda2(\|U_g\|^2 + \sum_i \|V_{(i)g}\|^2 + \|U_{(i)}\|^2 + \|V_{(i)}\|^2)` is added. Without one,
        bases are kept orthonormal and orthogonal (which leaves the fit alone); with one, factors are balanced (which
        leaves the fit alone and lowers the penalty).
    is_shared_fixed : bool
        Leave :math:`U_g` where it is: one new source against a fitted model.

    Notes
    -----
    O(entries k^2 + n k^3) per source and sweep, k = r1 + r2.
    """

    blocks: tuple[SourceBlock, ...]
    engine: Engine
    penalty: float = 0.0
    is_shared_fixed: bool = False

    def __call__(self, point: Parts) -> SweepResult:
        point = self._balanced(point) if self.penalty else point
        shared = point.shared_basis
        pairs = list(zip(self.blocks, point.own, strict=True))
        systems = list(self.engine.map(lambda pair: row_system(pair[0], shared, pair[1], self.penalty), pairs))
        change = np.zeros_like(shared) if self.is_shared_fixed else self._solve_shared(shared, systems)
        length = 1.0 if all(block.is_quadratic for block in self.blocks) else self._length(point, change, systems)
        moved = shared + length * change
        has_correction = not self.penalty and not self.is_shared_fixed
        basis, R = np.linalg.qr(moved) if has_correction else (moved, np.eye(moved.shape[1]))

        def finish(item: tuple[SourceBlock, Placed, kernels.Eliminated]) -> tuple[Placed, float]:
            block, placed, system = item
            stepped = Placed(placed.shared_loadings, self._own(placed, system, change, length), placed.unique_loadings)
            if not self.penalty:
                stepped = corrected(basis, R, stepped)
            U, V = joined(basis, stepped)
            V, value = block.solve_columns(U, V, self.penalty)
            columns = split(V, stepped.unique_basis, basis.shape[1])
            return columns, value + 0.5 * self.penalty * float(np.sum(np.square(columns.unique_basis), dtype=float))

        items = [(block, placed, system) for (block, placed), system in zip(pairs, systems, strict=True)]
        done = list(self.engine.map(finish, items))
        value = sum(part for _, part in done) + 0.5 * self.penalty * float(np.sum(np.square(basis)))
        return SweepResult(Parts(basis, tuple(placed for placed, _ in done)), value, work=3.0)

    def _solve_shared(self, shared: FloatArray, systems: list[kernels.Eliminated]) -> FloatArray:
        """The change of the shared basis from the sums over sources, added up in the order of the sources."""
        schur = sum((system.schur for system in systems), np.zeros((1, shared.shape[1], shared.shape[1])))
        right = sum((system.right for system in systems), self.penalty * shared)
        r1 = shared.shape[1]
        jitter = JITTER * float(np.trace(schur.mean(axis=0))) / max(r1, 1) + 1e-300
        return -np.linalg.solve(schur + (self.penalty + jitter) * np.eye(r1), right[..., None])[..., 0]

    def _own(self, placed: Placed, system: kernels.Eliminated, change: FloatArray, length: float) -> FloatArray:
        own = system.own + (system.turn @ change[..., None])[..., 0]
        return placed.unique_basis - length * own

    def _length(self, point: Parts, change: FloatArray, systems: list[kernels.Eliminated]) -> float:
        """The first of 1, 1/2, ... at which the value does not exceed the present one; 0 if none does."""

        def value(length: float) -> float:
            shared = point.shared_basis + length * change

            def part(item: tuple[SourceBlock, Placed, kernels.Eliminated]) -> float:
                block, placed, system = item
                own = self._own(placed, system, change, length)
                stepped = Placed(placed.shared_loadings, own, placed.unique_loadings)
                return block.value(*joined(shared, stepped)) + 0.5 * self.penalty * float(np.sum(np.square(own)))

            parts = self.engine.map(part, zip(self.blocks, point.own, systems, strict=True))
            return sum(parts) + 0.5 * self.penalty * float(np.sum(np.square(shared)))

        now = value(0.0)
        lengths = (0.5**halving for halving in range(MAX_HALVINGS + 1))
        return next((length for length in lengths if value(length) <= now), 0.0)

    def _balanced(self, point: Parts) -> Parts:
        """Balanced factors of the same products; from the sources, r1 x r1 numbers each."""
        r1 = point.shared_basis.shape[1]
        back = np.eye(r1)
        shared = point.shared_basis
        if not self.is_shared_fixed:
            grams = self.engine.map(lambda placed: placed.shared_loadings.T @ placed.shared_loadings, point.own)
            turn, back = balancing(shared.T @ shared, sum(grams, np.zeros((r1, r1))))
            shared = shared @ turn

        def local(placed: Placed) -> Placed:
            U, V = placed.unique_basis, placed.unique_loadings
            turn, inverse = balancing(U.T @ U, V.T @ V)
            return Placed(placed.shared_loadings @ back, U @ turn, V @ inverse)

        return Parts(shared, tuple(self.engine.map(local, point.own)))
