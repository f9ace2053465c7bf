"""Leading singular triplets of large sparse or implicit matrices, and what to do with singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def truncated_svd(
    matrix: Any, n_triplets: int, rng: np.random.Generator, tol: float = 1e-8
) -> tuple[Array, Array, Array]:
    """Leading singular triplets, largest first.

    Parameters
    ----------
    matrix : ndarray, sparse array or LinearOperator (n, p)
        Only products with it and its transpose are taken.
    n_triplets : int
        How many; at most ``min(n, p)``.
    rng : numpy.random.Generator
        Draws the Lanczos start vector.
    tol : float
        Relative accuracy of the singular values; a start that is refined needs few digits.

    Returns
    -------
    U : ndarray (n, k)
    s : ndarray (k,)
    Vt : ndarray (k, p)

    Notes
    -----
    Implicitly restarted Lanczos (ARPACK through SciPy); when nearly all triplets are wanted, a dense SVD
    along the short side, whose size is then O((n + p) k).
    """
    n, p = matrix.shape
    k = min(n_triplets, n, p)
    if k == 0:
        return np.zeros((n, 0)), np.zeros(0), np.zeros((0, p))
    if k >= min(n, p) - 1:
        dense = matrix @ np.eye(p) if p <= n else (matrix.T @ np.eye(n)).T
        U, s, Vt = np.linalg.svd(np.asarray(dense), full_matrices=False)
        return U[:, :k], s[:k], Vt[:k]
    from scipy.sparse.linalg import LinearOperator, svds

    # in the matrix's own precision: SciPy would widen all its entries for a product with wider numbers
    dtype = np.promote_types(np.dtype(matrix.dtype or float), np.float32)
    start = rng.standard_normal(min(n, p)).astype(dtype)
    if not np.any(matrix @ rng.standard_normal(p).astype(dtype)):
        # zero with probability one, where Lanczos has no start: any orthonormal vectors will do
        return np.eye(n, k), np.zeros(k), np.eye(k, p)
    turned = matrix.T
    # as an operator: of a sparse array ARPACK's driver would make conjugate copies
    operator = LinearOperator(
        matrix.shape,
        dtype=matrix.dtype,
        matvec=lambda v: matrix @ v,
        rmatvec=lambda v: turned @ v,
        matmat=lambda V: matrix @ V,
        rmatmat=lambda V: turned @ V,
    )
    U, s, Vt = svds(operator, k=k, v0=start, tol=tol)
    order = np.argsort(-s)
    return U[:, order], s[order], Vt[order]


def soft_threshold(s: Array, threshold: float, keep: int = 0) -> Array:
    """``max(s - threshold, 0)``; if fewer than ``keep`` survive, the threshold is lowered so that they do.

    Examples
    --------
    >>> soft_threshold(np.array([5.0, 3.0, 1.0]), 2.0)
    array([3., 1., 0.])
    """
    if keep and len(s) >= keep and s[keep - 1] <= threshold:
        # a start of lower rank than asked for could never grow the missing directions
        threshold = float(s[keep]) if len(s) > keep and s[keep] < s[keep - 1] else 0.5 * float(s[keep - 1])
    return np.maximum(s - threshold, 0.0)


def optimal_shrinkage(s: Array, n: int, p: int, noise: float) -> Array:
    r"""Singular values shrunk so that the Frobenius error is least, for white noise.

    .. math:: \hat s = \frac{1}{s}\sqrt{(s^2 - (n + p)\sigma^2)^2 - 4 n p\,\sigma^4}
              \quad\text{for } s > (\sqrt n + \sqrt p)\,\sigma, \text{ else } 0.

    Parameters
    ----------
    s : ndarray
        Singular values of signal plus noise.
    n, p : int
        Shape of the matrix.
    noise : float
        Standard deviation :math:`\sigma` of an entry of the noise.

    Notes
    -----
    Source: Gavish and Donoho (2017), "Optimal shrinkage of singular values", equation (7) for general shapes.
    """
    variance = noise**2
    inside = np.square(np.square(s) - (n + p) * variance) - 4.0 * n * p * variance**2
    above = s > (np.sqrt(n) + np.sqrt(p)) * noise
    return np.where(above, np.sqrt(np.maximum(inside, 0.0)) / np.maximum(s, 1e-300), 0.0)
