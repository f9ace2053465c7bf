"""Newton's direction by conjugate gradients on the columns alone, the rows being eliminated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines.linearised import Linearised
from halfseen.methods.factor.blocks import safe_inverse
from halfseen.solvers.newton import conjugate_gradient
from halfseen.solvers.problem import inner

Array = NDArray[Any]

# Entries from which the inner solve is done in float32, and the tolerance down to which it may be.
SINGLE_FROM, SINGLE_TOL = 200_000, 1e-4


def newton_direction(problem: Any, theta: Array, gradient: Array, tol: float, max_products: int) -> tuple[Array, int]:
    r"""Solve :math:`H d = -g` to the relative residual ``tol`` in the norm of the inverse block diagonal.

    With blocks :math:`D_x`, :math:`D_y` of rows and columns and :math:`E` between them,

    .. math:: (D_y - E^\top D_x^{-1} E)\,d_y = -g_y + E^\top D_x^{-1} g_x,\qquad d_x = -D_x^{-1}(g_x + E\,d_y) .

    Conjugate gradients on this system with :math:`D_y` as preconditioner take half the steps that they take on the
    whole one with both (its spectrum is :math:`1 \pm \sigma`, here :math:`1 - \sigma^2`), each with one product by
    :math:`E` and one by its transpose. Curvatures are evaluated once, so that every family has the same cost.

    Returns
    -------
    direction : ndarray
        Of descent also where a direction of negative curvature ended the solve.
    products : int
        Products with :math:`E` and its transpose.

    Notes
    -----
    Source: Reid (1972), "The use of conjugate gradients for systems of linear equations possessing property A".
    """
    at, slope, passes = problem.unpack(theta), problem.unpack(gradient), problem.passes
    is_single = tol >= SINGLE_TOL and passes.observed.n_entries >= SINGLE_FROM
    model = Linearised(passes, at.rows, at.cols, at.intercept, np.float32 if is_single else None)
    dtype, shape = model.dtype, (problem.p, problem.rank + 1)
    rows = model.information(0, at.cols)
    np.einsum("ikk->ik", rows)[:] += problem.penalty.ridge
    rows = safe_inverse(rows)
    features = problem.column_view(at)[1]
    cols = problem.col_blocks(at).astype(dtype) if passes.is_frugal else _col_blocks(problem, model, features)
    own = safe_inverse(cols)

    def solved(blocks: Array, right: Array) -> Array:
        return np.asarray(np.einsum("ikl,il->ik", blocks, right))

    def from_rows(move: Array) -> Array:
        by_factors, by_offsets = model.to_columns(move)
        return np.concatenate([by_offsets[:, None], by_factors], axis=1)

    def from_cols(move: Array) -> Array:
        return model.to_rows(move[:, 1:], move[:, 0])

    def product(move: Array) -> Array:
        move = move.reshape(shape)
        return np.asarray(solved(cols, move) - from_rows(solved(rows, from_cols(move)))).ravel()

    g_x = slope.rows.astype(dtype)
    g_y = np.concatenate([slope.intercept[:, None], slope.cols], axis=1).astype(dtype)
    right = from_rows(solved(rows, g_x)) - g_y
    whole = inner(g_x, solved(rows, g_x)) + inner(g_y, solved(own, g_y))
    begun = inner(right, solved(own, right))
    # the tolerance is meant for the whole system's residual
    goal = tol * float(np.sqrt(max(whole, 0.0) / begun)) if begun > 0 else tol
    move, products = conjugate_gradient(
        product, right.ravel(), lambda v: solved(own, v.reshape(shape)).ravel(), goal, max_products
    )
    move = move.reshape(shape)
    out = np.empty_like(theta)
    direction = problem.unpack(out)
    direction.rows[:] = -solved(rows, g_x + from_cols(move))
    direction.intercept[:], direction.cols[:] = move[:, 0], move[:, 1:]
    return out, products + 1


def _col_blocks(problem: Any, model: Linearised, features: Array) -> Array:
    blocks = model.information(1, features)
    np.einsum("jkk->jk", blocks)[:] += problem.column_ridge().astype(model.dtype)
    return blocks
