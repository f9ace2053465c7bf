"""Algorithm 1 of the paper, and its preconditioned form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines import Engine
from halfseen.many import Parts, Placed
from halfseen.methods.heterogeneous.alternating import joined
from halfseen.methods.heterogeneous.blocks import SourceBlock
from halfseen.solvers.loop import SweepResult

# Relative size that keeps the preconditioners of small starts invertible.
DAMPING = 1e-3
HUGE = 1e60


def correct(shared: FloatArray, placed: Placed) -> Placed:
    r"""Lines 5 and 6: :math:`R = (U_g^\top U_g)^{-1} U_g^\top U`, :math:`U - U_g R`, :math:`V_g + V R^\top`."""
    gram = shared.T @ shared
    tiny = 1e-14 * np.trace(gram) / max(len(gram), 1) + 1e-300
    R = np.linalg.solve(gram + tiny * np.eye(len(gram)), shared.T @ placed.unique_basis)
    loadings = placed.shared_loadings + placed.unique_loadings @ R.T
    return Placed(loadings, placed.unique_basis - shared @ R, placed.unique_loadings)


def towards_orthonormal(U: FloatArray) -> tuple[float, FloatArray]:
    r""":math:`\tfrac12\|U^\top U - I\|_F^2` and its gradient :math:`2 U (U^\top U - I)`."""
    gap = U.T @ U - np.eye(U.shape[1])
    return 0.5 * float(np.sum(np.square(gap))), 2.0 * U @ gap


def preconditioned(gradient: FloatArray, gram: FloatArray) -> FloatArray:
    """``gradient (gram + damping)^-1``."""
    if not len(gram):
        return gradient
    damped = gram + (DAMPING * np.trace(gram) / len(gram) + 1e-300) * np.eye(len(gram))
    return np.linalg.solve(damped, gradient.T).T


@dataclass(frozen=True)
class DescentRounds:
    r"""Sweep: one round of Algorithm 1. Every source corrects, takes its four gradients at the corrected point, and
    sends its copy of :math:`U_g`; the average goes back.

    Parameters
    ----------
    blocks : tuple of SourceBlock
    engine : Engine
    step : float
        :math:`\eta`.
    beta : float
        Weight of :math:`\tfrac\beta2(\|U_g^\top U_g - I\|^2 + \|U_{(i)}^\top U_{(i)} - I\|^2)` of every source.
    is_scaled : bool
        Precondition: gradients of bases by :math:`(V^\top V)^{-1}`, of loadings by :math:`(U^\top U)^{-1}`; for
        :math:`U_g` with the sums over sources of both (r1 x r1 more numbers to send).
    is_shared_fixed : bool

    Notes
    -----
    The value (and the largest absolute entry of the gradient) are those of the point that the sweep starts from,
    where gradients are taken. O(entries k) per source.
    """

    blocks: tuple[SourceBlock, ...]
    engine: Engine
    step: float
    beta: float = 0.0
    is_scaled: bool = False
    is_shared_fixed: bool = False

    def __call__(self, point: Parts) -> SweepResult:
        shared, n_sources = point.shared_basis, len(self.blocks)
        r1 = shared.shape[1]
        beside, push = towards_orthonormal(shared) if self.beta else (0.0, 0.0)

        def round_of(pair: tuple[SourceBlock, Placed]) -> tuple[Placed, FloatArray, FloatArray, float, float]:
            block, placed = pair[0], correct(shared, pair[1])
            value, gU, gV = block.gradients(*joined(shared, placed))
            own, loadings = gU[:, r1:], gV[:, r1:]
            if self.beta:
                penalty, pull = towards_orthonormal(placed.unique_basis)
                value, own = value + self.beta * (penalty + beside), own + self.beta * pull
            slope = max(float(np.abs(own).max(initial=0.0)), float(np.abs(gV).max(initial=0.0)))
            moved = self._moved(shared, placed, own, gV[:, :r1], loadings)
            gram = placed.shared_loadings.T @ placed.shared_loadings
            return moved, gU[:, :r1] + self.beta * push, gram, value, slope

        done = list(self.engine.map(round_of, zip(self.blocks, point.own, strict=True)))
        gradient = sum((part[1] for part in done), np.zeros_like(shared))
        if self.is_scaled:
            change = preconditioned(gradient, sum((part[2] for part in done), np.zeros((r1, r1))))
        else:
            # the average of U_g - step * gradient_i over the sources
            change = gradient / n_sources
        if self.is_shared_fixed:
            change = np.zeros_like(shared)
        slope = max(float(np.abs(gradient).max(initial=0.0)), *(part[4] for part in done))
        # beyond any table's size the next squares overflow: the loop keeps the last point before that
        value = sum(part[3] for part in done) if slope < HUGE else np.nan
        return SweepResult(Parts(shared - self.step * change, tuple(part[0] for part in done)), value, slope)

    def _moved(
        self, shared: FloatArray, placed: Placed, own: FloatArray, shared_loadings: FloatArray, loadings: FloatArray
    ) -> Placed:
        """Lines 8 to 10: the source's own factors one step on."""
        if self.is_scaled:
            own = preconditioned(own, placed.unique_loadings.T @ placed.unique_loadings)
            shared_loadings = preconditioned(shared_loadings, shared.T @ shared)
            loadings = preconditioned(loadings, placed.unique_basis.T @ placed.unique_basis)
        return Placed(
            placed.shared_loadings - self.step * shared_loadings,
            placed.unique_basis - self.step * own,
            placed.unique_loadings - self.step * loadings,
        )
