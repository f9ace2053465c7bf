"""Balancing, aligning and trimming factors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sign_rule(Y: Array) -> Array:
    """Signs that make every column sum of ``Y`` non-negative (the ability sign).

    Examples
    --------
    >>> sign_rule(np.array([[1.0, -1.0], [2.0, -3.0]]))
    array([ 1., -1.])
    """
    return np.where(Y.sum(axis=0) < 0, -1.0, 1.0)


def balance(X: Array, Y: Array, rho: float = 1.0) -> tuple[Array, Array, Array]:
    r"""The factors of :math:`X Y^\top` with :math:`X^\top X = \rho\,Y^\top Y` diagonal.

    .. math:: X = Q_x R_x,\; Y = Q_y R_y,\; R_x R_y^\top = U S V^\top,\quad
              X \leftarrow \rho^{1/4} Q_x U S^{1/2},\; Y \leftarrow \rho^{-1/4} Q_y V S^{1/2}.

    Parameters
    ----------
    X : ndarray (n, r)
    Y : ndarray (p, r)
    rho : float

    Returns
    -------
    X, Y : ndarray
        Columns in the order of falling singular values, signs by :func:`sign_rule`.
    s : ndarray (r,)
        Singular values of the product.

    Notes
    -----
    O((n + p) r^2); the product never is formed. Computed in float64, returned in the dtype of the input.
    """
    dtype = np.result_type(X, Y)
    Qx, Rx = np.linalg.qr(np.asarray(X, dtype=float))
    Qy, Ry = np.linalg.qr(np.asarray(Y, dtype=float))
    U, s, Vt = np.linalg.svd(Rx @ Ry.T, full_matrices=False)
    r = X.shape[1]
    left, right = np.zeros((len(X), r)), np.zeros((len(Y), r))
    left[:, : len(s)] = Qx @ (U * np.sqrt(s)) * rho**0.25
    right[:, : len(s)] = Qy @ (Vt.T * np.sqrt(s)) * rho**-0.25
    signs = sign_rule(right)
    values = np.zeros(r)
    values[: len(s)] = s
    return (left * signs).astype(dtype), (right * signs).astype(dtype), values


def balancing_turn(moments: Array, Y: Array, rho: float = 1.0) -> tuple[Array, Array]:
    r"""``T`` with :math:`X \leftarrow X T`, :math:`Y \leftarrow Y T^{-\top}` balanced; of X the moments are known.

    .. math:: X^\top X = A A^\top,\; Y^\top Y = B B^\top,\; A^\top B = U S V^\top,\; T = \rho^{1/4} A^{-\top} U S^{1/2}

    Parameters
    ----------
    moments : ndarray (r, r)
        :math:`X^\top X`.
    Y : ndarray (p, r)
    rho : float
        As of :func:`balance`.

    Returns
    -------
    T : ndarray (r, r)
    s : ndarray (r,)
        Singular values of the product, falling.

    Examples
    --------
    >>> X, Y = np.array([[3.0], [4.0]]), np.array([[2.0]])
    >>> T, s = balancing_turn(X.T @ X, Y)
    >>> s.round(6).tolist(), (X @ T).T @ (X @ T) - (Y / T) ** 2 < 1e-9
    ([10.0], array([[ True]]))
    """
    # a component without length keeps a little of it, so that it has a place
    floor = np.eye(len(moments)) * (1e-14 * max(float(np.trace(moments)), 1e-300))
    A = np.linalg.cholesky(moments + floor)
    inner = Y.T.astype(float) @ Y.astype(float)
    B = np.linalg.cholesky(inner + np.eye(len(inner)) * (1e-14 * max(float(np.trace(inner)), 1e-300)))
    U, s, _ = np.linalg.svd(A.T @ B)
    return rho**0.25 * np.linalg.solve(A.T, U * np.sqrt(np.maximum(s, 1e-150))), s


def procrustes(X: Array, target: Array) -> Array:
    """The orthogonal matrix ``Q`` for which ``X @ Q`` is nearest to ``target`` in Frobenius norm."""
    U, _, Vt = np.linalg.svd(X.T @ target)
    return U @ Vt


def row_errors(X: Array, target: Array) -> Array:
    """Euclidean error of each row after the best orthogonal alignment; its maximum is the (2, infinity) error."""
    return np.linalg.norm(X @ procrustes(X, target) - target, axis=1)


def trim_rows(X: Array, multiple: float) -> Array:
    """Rows longer than ``multiple`` times the root mean square row length, shortened to it."""
    lengths = np.linalg.norm(X, axis=1)
    bound = multiple * np.sqrt(np.mean(lengths**2)) if len(X) else 0.0
    return X * np.where(lengths > bound, bound / np.maximum(lengths, 1e-300), 1.0)[:, None]
