"""The penalised joint likelihood as a function of one flat parameter vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable
from halfseen.engines import EntryPasses, PassResult
from halfseen.methods.factor.blocks import safe_inverse
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.reduced import newton_direction
from halfseen.solvers.newton import conjugate_gradient
from halfseen.solvers.problem import inner

Array = NDArray[Any]
# Entries over unknowns with which a row's own problem is taken to have an inverse that means something.
PLENTY = 3


@storable
@dataclass(frozen=True)
class FactorPenalty:
    r"""What is added to the negative log-likelihood.

    .. math:: \tfrac{\lambda}{2}(\|X\|^2 + \|Y\|^2) + \tfrac{\lambda_0}{2}\sum_j(\zeta_j - \mu)^2
              + c_{orth}\frac{\sigma_1}{n}\|1^\top X\|^2 .

    Attributes
    ----------
    ridge : float
        :math:`\lambda`, in units of the log-likelihood times the dispersion; 0 for none.
    intercept_ridge : float
        :math:`\lambda_0`.
    centre : float
        :math:`\mu`, on the scale of the linear predictor.
    orthogonality : float
        :math:`c_{orth}\sigma_1 / n`.
    """

    ridge: float = 0.0
    intercept_ridge: float = 0.0
    centre: float = 0.0
    orthogonality: float = 0.0


class FactorProblem:
    r"""Value, gradient, Hessian products, blocks and half steps of the model's objective.

    Parameters
    ----------
    passes : EntryPasses
    rank : int
    penalty : FactorPenalty

    Notes
    -----
    The vector is ``[intercept (p), rows (n r), cols (p r)]``; :meth:`unpack` gives views of it.
    Source: Huang and Gu, equation (5), with the sum over the observed entries in brackets.
    """

    def __init__(self, passes: EntryPasses, rank: int, penalty: FactorPenalty) -> None:
        self.passes, self.rank, self.penalty = passes, rank, penalty
        self.n, self.p = passes.shape

    def pack(self, factors: FactorPoint) -> Array:
        parts = (factors.intercept, factors.rows, factors.cols)
        return np.concatenate([np.asarray(part, dtype=self.passes.dtype).ravel() for part in parts])

    def unpack(self, theta: Array) -> FactorPoint:
        p, split = self.p, self.p + self.n * self.rank
        return FactorPoint(theta[:p], theta[p:split].reshape(self.n, self.rank), theta[split:].reshape(p, self.rank))

    @staticmethod
    def _joined(result: PassResult) -> Array:
        """Gradient parts in the order of :meth:`pack`."""
        parts = [part.ravel() for part in (result.col, result.A, result.B) if part is not None]
        return np.concatenate(parts)

    def value(self, theta: Array) -> float:
        at = self.unpack(theta)
        return self.passes.value(at.rows, at.cols, col_offset=at.intercept) + self._penalty_value(at)

    def _penalty_value(self, at: FactorPoint) -> float:
        pen, value = self.penalty, 0.0
        if pen.ridge:
            value += 0.5 * pen.ridge * (np.sum(at.rows**2, dtype=float) + np.sum(at.cols**2, dtype=float))
        if pen.intercept_ridge:
            value += 0.5 * pen.intercept_ridge * np.sum((at.intercept - pen.centre) ** 2, dtype=float)
        if pen.orthogonality:
            value += pen.orthogonality * np.sum(at.rows.sum(axis=0, dtype=float) ** 2)
        return float(value)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        at, pen = self.unpack(theta), self.penalty
        result = self.passes.loss_and_gradient(at.rows, at.cols, col_offset=at.intercept, want="ABc")
        gradient = self._joined(result)
        out = self.unpack(gradient)
        if pen.intercept_ridge:
            out.intercept[:] += pen.intercept_ridge * (at.intercept - pen.centre)
        self._add_quadratic(at, out)
        return result.value + self._penalty_value(at), gradient

    def _add_quadratic(self, at: FactorPoint, out: FactorPoint) -> None:
        """Add the penalty's Hessian on (rows, cols) times ``at``: its gradient too, since it is quadratic."""
        if self.penalty.ridge:
            out.rows[:] += self.penalty.ridge * at.rows
            out.cols[:] += self.penalty.ridge * at.cols
        if self.penalty.orthogonality:
            out.rows[:] += 2.0 * self.penalty.orthogonality * at.rows.sum(axis=0)

    def hessian_vector(self, theta: Array, direction: Array) -> Array:
        at, move = self.unpack(theta), self.unpack(np.asarray(direction, dtype=theta.dtype))
        result = self.passes.hessian_vector(
            at.rows, at.cols, move.rows, move.cols, col_offset=at.intercept, d_col=move.intercept
        )
        image = self._joined(result)
        out = self.unpack(image)
        if self.penalty.intercept_ridge:
            out.intercept[:] += self.penalty.intercept_ridge * move.intercept
        self._add_quadratic(move, out)
        return image

    def row_blocks(self, at: FactorPoint, is_expected: bool = False) -> Array:
        """``H_i``, penalty included: ndarray (n, r, r)."""
        blocks = self.passes.information(0, at.rows, at.cols, minor_offset=at.intercept, is_expected=is_expected)
        np.einsum("ikk->ik", blocks)[:] += self.penalty.ridge
        return blocks

    def col_blocks(self, at: FactorPoint, is_expected: bool = False) -> Array:
        """Joint blocks of ``(zeta_j, y_j)`` with features ``(1, x_i)``, penalty included: ndarray (p, r+1, r+1)."""
        blocks = self.passes.information(1, *self.column_view(at), is_expected=is_expected)
        np.einsum("jkk->jk", blocks)[:] += self.column_ridge()
        return blocks

    def column_view(self, at: FactorPoint, centre: float = 0.0) -> tuple[Array, Array]:
        """Coefficients ``(zeta_j - centre, y_j)`` of the columns and their features ``(1, x_i)``."""
        coefficients = np.concatenate([at.intercept[:, None] - centre, at.cols], axis=1)
        features = np.concatenate([np.ones((self.n, 1), dtype=at.rows.dtype), at.rows], axis=1)
        return np.ascontiguousarray(coefficients), np.ascontiguousarray(features)

    def column_ridge(self) -> Array:
        """Ridge of ``(zeta_j, y_j)``."""
        return np.array([self.penalty.intercept_ridge] + [self.penalty.ridge] * self.rank, dtype=self.passes.dtype)

    def preconditioner(self, theta: Array) -> Callable[[Array], Array]:
        """Inverse of the block diagonal, ``H_i`` for rows and the joint blocks for columns."""
        at = self.unpack(theta)
        rows, cols = safe_inverse(self.row_blocks(at)), safe_inverse(self.col_blocks(at))

        def apply(vector: Array) -> Array:
            out = np.empty_like(vector)
            source, target = self.unpack(vector), self.unpack(out)
            target.rows[:] = np.einsum("ikl,il->ik", rows, source.rows)
            stacked = np.concatenate([source.intercept[:, None], source.cols], axis=1)
            solved = np.einsum("jkl,jl->jk", cols, stacked)
            target.intercept[:], target.cols[:] = solved[:, 0], solved[:, 1:]
            return out

        return apply

    @cached_property
    def _has_blocks(self) -> bool:
        """Whether every row's and column's own problem has an inverse: by a ridge, or by plenty of entries."""
        if self.penalty.ridge:
            return True
        view = self.passes.observed.by_rows
        fewest = min(int(counts.min(initial=2**31)) for counts in (view.counts, view.minor_sums()))
        return fewest >= PLENTY * (self.rank + 1)

    def newton_direction(self, theta: Array, gradient: Array, tol: float, max_products: int) -> tuple[Array, int]:
        """Newton's direction to a relative residual ``tol``, and the products with the Hessian it took."""
        if self.rank and not self.penalty.orthogonality and self._has_blocks:
            direction, products = newton_direction(self, theta, gradient, tol, max_products)
            if inner(gradient, direction) < 0:
                return direction, products
        # a penalty that ties all rows together, blocks without an inverse, or of negative curvature
        return conjugate_gradient(
            lambda v: self.hessian_vector(theta, v), -gradient, self.preconditioner(theta), tol, max_products
        )

    def half_step(self, theta: Array, side: int, steps: int = 1) -> Array:
        """Damped Newton of all rows (``side=0``) or of all columns with their intercepts (``side=1``)."""
        at, out = self.unpack(theta), np.array(theta)
        new, dtype = self.unpack(out), self.passes.dtype
        if side == 0:
            ridge = np.full(self.rank, self.penalty.ridge, dtype=dtype)
            new.rows[:], _ = self.passes.newton(
                0, at.rows, at.cols, minor_offset=at.intercept, ridge=ridge, steps=steps
            )
            return out
        # coefficients are measured from the centre, so that a column without entries falls back on it
        coefficients, features = self.column_view(at, self.penalty.centre)
        offset = np.full(self.n, self.penalty.centre, dtype=dtype)
        solved, _ = self.passes.newton(
            1, coefficients, features, minor_offset=offset, ridge=self.column_ridge(), steps=steps
        )
        new.intercept[:], new.cols[:] = solved[:, 0] + self.penalty.centre, solved[:, 1:]
        return out


def degrees_of_freedom(problem: FactorProblem, at: FactorPoint) -> float:
    r"""Parameters spent by a penalised fit, :math:`\sum_i (r - \lambda\,\mathrm{tr} H_i^{-1})` and the same over
    columns; no row or column spends more than it has entries.
    """
    view, ridge = problem.passes.observed.by_rows, problem.penalty.ridge
    spent = 0.0
    for blocks, counts, penalties in (
        (problem.row_blocks(at), view.counts, np.full(problem.rank, ridge)),
        (
            problem.col_blocks(at),
            view.minor_sums(),
            np.array([problem.penalty.intercept_ridge] + [ridge] * problem.rank),
        ),
    ):
        inverse = np.asarray(np.einsum("ikk->ik", safe_inverse(blocks)), dtype=float)
        spent += float(np.minimum(len(penalties) - inverse @ penalties, counts).sum())
    return spent
