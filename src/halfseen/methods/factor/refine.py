"""One-step refinement: every row given the columns, then every column given the rows."""

from __future__ import annotations

from dataclasses import replace

from halfseen.engines import EntryPasses
from halfseen.linalg import balance, trim_rows
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem

# "arg min" of Algorithm 4: damped Newton per row; convex, so a dozen steps reach rounding error.
INNER_STEPS = 12
# Before a descent by Newton's method two are enough (a Gaussian row is exact after one): as many sweeps follow as after
# a dozen, and those cost 40 gradient passes more.
FEW_STEPS = 2


def one_step(
    passes: EntryPasses,
    start: FactorPoint,
    penalty: FactorPenalty,
    trim: float | None = None,
    steps: int = INNER_STEPS,
) -> FactorPoint:
    r"""Rows by their own convex problems for fixed columns, then ``(zeta_j, y_j)`` jointly for the new rows.

    .. math:: x_i = \arg\min_x \sum_{j \in \Omega_i} \ell(R_{ij}, \zeta_j + x^\top y_j) + \tfrac{\lambda}{2}|x|^2,

    and the same over columns. It turns Frobenius consistency into row-wise consistency: the row's own noise
    no longer enters through the spectral factors.

    Parameters
    ----------
    passes : EntryPasses
    start : FactorPoint
    penalty : FactorPenalty
        A small ridge keeps rows with few entries from separating.
    trim : float, optional
        Shorten rows of the start longer than this multiple of their root mean square length; the print's
        :math:`P_\iota`, which the main text leaves undefined.
    steps : int
        Newton steps per row and per column.

    Notes
    -----
    Cost: two half passes with normal equations per Newton step. Source: Huang and Gu, Algorithm 4 (with
    :math:`\Psi(m)` where the print has :math:`\psi(m)`).
    """
    X, Y, _ = balance(start.rows, start.cols)
    if trim is not None:
        X, Y = trim_rows(X, trim), trim_rows(Y, trim)
    problem = FactorProblem(passes, start.rank, penalty)
    theta = problem.pack(replace(start, rows=X, cols=Y))
    theta = problem.half_step(theta, 0, steps=steps)
    theta = problem.half_step(theta, 1, steps=steps)
    return problem.unpack(theta)
