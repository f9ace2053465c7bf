"""Many small symmetric systems whose matrices are stored as packed lower triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

AT_ONCE = 4096


def solve_packed(packed: Array, ridge: Array, right: Array) -> Array:
    r"""Solve :math:`(H_j + \mathrm{diag}(\rho_j)) x_j = g_j` for every j, in double precision.

    Parameters
    ----------
    packed : ndarray (p, k (k + 1) / 2)
        Lower triangles of the H, row by row.
    ridge : ndarray (p, k)
    right : ndarray (p, k)

    Returns
    -------
    ndarray (p, k), float64

    Notes
    -----
    O(p k^3) time. A system without any entry and without ridge has the solution 0.

    Examples
    --------
    >>> solve_packed(np.array([[2.0, 1.0, 2.0]]), np.zeros((1, 2)), np.array([[3.0, 3.0]])).round(12).tolist()
    [[1.0, 1.0]]
    """
    p, k = right.shape
    out = np.empty((p, k))
    for first in range(0, p, AT_ONCE):
        part = slice(first, min(first + AT_ONCE, p))
        matrices = _whole(packed[part], k)
        diagonal = np.einsum("jkk->jk", matrices)
        diagonal += ridge[part]
        # as in the kernels: what no entry and no penalty says stays where it is
        diagonal += np.where(diagonal > 0, 0.0, 1.0)
        out[part] = np.linalg.solve(matrices, right[part, :, None].astype(float))[..., 0]
    return out


def draw_packed(packed: Array, prior: Array, right: Array, noise: Array) -> Array:
    r"""Draws :math:`P_j^{-1} q_j + L_j^{-\top} z_j`, :math:`P_j = H_j + \Lambda = L_j L_j^\top`, in double precision.

    Parameters
    ----------
    packed : ndarray (p, k (k + 1) / 2)
        Lower triangles of the H, row by row.
    prior : ndarray (k, k)
        :math:`\Lambda`.
    right, noise : ndarray (p, k)
        q, and independent standard normal numbers; zeros give the means.

    Returns
    -------
    ndarray (p, k), float64

    Notes
    -----
    O(p k^3) time.

    Examples
    --------
    >>> draw_packed(np.array([[3.0]]), np.eye(1), np.array([[8.0]]), np.array([[1.0]])).tolist()
    [[2.5]]
    """
    p, k = right.shape
    out = np.empty((p, k))
    for first in range(0, p, AT_ONCE):
        part = slice(first, min(first + AT_ONCE, p))
        matrices = _whole(packed[part], k)
        matrices += prior
        L = np.linalg.cholesky(matrices)
        half = np.linalg.solve(L, right[part, :, None].astype(float)) + noise[part, :, None]
        out[part] = np.linalg.solve(np.swapaxes(L, 1, 2), half)[..., 0]
    return out


def _whole(packed: Array, k: int) -> Array:
    """Symmetric matrices (p, k, k) of their lower triangles."""
    i, j = np.tril_indices(k)
    matrices = np.empty((len(packed), k, k))
    matrices[:, i, j] = packed
    matrices[:, j, i] = packed
    return matrices
