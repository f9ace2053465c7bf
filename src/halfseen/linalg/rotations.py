"""Rotations towards simple structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def varimax_criterion(Y: Array) -> float:
    r"""Sum over columns of the variance of the squared loadings, :math:`\sum_k \mathrm{var}_j(y_{jk}^2)`."""
    return float(np.sum(np.var(np.square(Y), axis=0)))


def varimax_step(Y: Array, rotation: Array) -> Array:
    """One step of the singular-value iteration for the varimax rotation of ``Y``, from ``rotation``.

    Notes
    -----
    Source: Kaiser (1958); the iteration is that of Magnus and Neudecker, as used by Rohe and Zeng (2023).
    """
    rotated = Y @ rotation
    U, _, Vt = np.linalg.svd(Y.T @ (rotated**3 - rotated * np.mean(rotated**2, axis=0)))
    return U @ Vt


def varimax_value(L: Array) -> tuple[float, Array]:
    """Minus a quarter of the squared deviations of the squared loadings from their columns' means, and its gradient."""
    gap = L**2 - np.mean(L**2, axis=0)
    return -0.25 * float(np.sum(gap**2)), -L * gap


def oblimin_value(L: Array, gamma: float = 0.0) -> tuple[float, Array]:
    r"""Products of the squared loadings of different columns, and their gradient.

    .. math:: \tfrac14 \sum_{k \ne l} \sum_j \lambda_{jk}^2 \big(\lambda_{jl}^2 - \gamma\, \overline{\lambda_l^2}\big)

    Notes
    -----
    ``gamma=0`` is quartimin. Source: Jennrich and Sampson (1966); Bernaards and Jennrich (2005).
    """
    squares = L**2
    X = squares @ (1.0 - np.eye(L.shape[1]))
    X = X - gamma * np.mean(X, axis=0)
    return 0.25 * float(np.sum(squares * X)), L * X


def geomin_value(L: Array, epsilon: float = 0.01) -> tuple[float, Array]:
    r"""Sum of the rows' geometric means, :math:`\sum_j (\prod_k (\lambda_{jk}^2 + \epsilon))^{1/K}`, and its gradient.

    Notes
    -----
    Source: Yates (1987); Browne (2001).
    """
    raised = L**2 + epsilon
    means = np.exp(np.mean(np.log(raised), axis=1))
    return float(means.sum()), (2.0 / L.shape[1]) * L / raised * means[:, None]


def promax_turn(L: Array, power: int = 4) -> Array:
    """Transform ``T`` with ``L inv(T).T`` closest to the signed powers of varimax-rotated loadings ``L``.

    Notes
    -----
    Source: Hendrickson and White (1964).
    """
    U = np.linalg.lstsq(L, np.sign(L) * np.abs(L) ** power, rcond=None)[0]
    U = U * np.sqrt(np.diag(np.linalg.inv(U.T @ U)))
    return np.asarray(np.linalg.inv(U).T)
