"""The gauge: centred rows, balanced scales, ordered and signed components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.linalg import balance, sign_rule, varimax_criterion, varimax_step
from halfseen.methods.factor.factors import FactorPoint
from halfseen.solvers import GradientNorm, SweepResult, loop

Array = NDArray[Any]


def to_gauge(factors: FactorPoint, rho: float = 1.0, rotation: str | None = None) -> FactorPoint:
    r"""The same linear predictor with :math:`1^\top X = 0` and :math:`X^\top X = \rho\,Y^\top Y` diagonal.

    Components come in the order of falling singular values of :math:`X Y^\top`; every column of ``Y`` has a
    non-negative sum. With ``rotation="varimax"`` the pair is rotated to the varimax position of ``Y``: then
    :math:`X^\top X = \rho\,Y^\top Y` still holds but is no longer diagonal.

    Notes
    -----
    O((n + p) r^2). Source: Huang and Gu, equations (3) and (4), made exact.
    """
    dtype = factors.rows.dtype
    rows, cols = np.asarray(factors.rows, dtype=float), np.asarray(factors.cols, dtype=float)
    mean = rows.mean(axis=0) if len(rows) else np.zeros(factors.rank)
    intercept = np.asarray(factors.intercept, dtype=float) + cols @ mean
    X, Y, _ = balance(rows - mean, cols, rho)
    X -= X.mean(axis=0)
    if rotation == "varimax" and factors.rank > 1:
        turn = varimax(Y)
        X, Y = X @ turn, Y @ turn
        signs = sign_rule(Y)
        X, Y = X * signs, Y * signs
    return FactorPoint(intercept.astype(dtype), X.astype(dtype), Y.astype(dtype))


def varimax(Y: Array, max_iter: int = 500, tol: float = 1e-9) -> Array:
    """The orthogonal matrix that takes ``Y`` to its varimax position, columns by falling length.

    Turned until no entry of it moves by more than ``tol``: the criterion is flat at its top, and a small change of it
    leaves the angle open to the root of that.
    """

    def sweep(rotation: Array) -> SweepResult:
        turned = varimax_step(Y, rotation)
        move = float(np.max(np.abs(turned - rotation)))
        return SweepResult(turned, -varimax_criterion(Y @ turned), gradient_norm=move, work=0.0)

    run = loop(sweep, np.eye(Y.shape[1]), [GradientNorm(tol)], max_iter=max_iter)
    order = np.argsort(-np.linalg.norm(Y @ run.params, axis=0), kind="stable")
    return run.params[:, order]
