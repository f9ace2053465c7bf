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
