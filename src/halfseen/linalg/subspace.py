"""Subspaces that several tables share, and what is left to each: projections, errors, the orthogonal gauge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.linalg.svd import truncated_svd

Array = NDArray[Any]

# Up to this short side the Gram matrix and its eigenvectors cost less than Lanczos vectors do.
GRAM_SIDE = 400
# A start needs directions, not digits: more powers save no sweep of a fit, and from the exact SVD fewer badly
# conditioned fits arrive (24 draws at a condition number of 30: 24 with one power, 23 with two).
EXTRA, POWERS = 6, 1


def orthonormal(U: Array) -> Array:
    """An orthonormal basis of the columns of ``U``; the same number of columns even where these are dependent."""
    return np.linalg.qr(U)[0] if U.shape[1] else U


def without(U: Array, basis: Array) -> Array:
    """``(I - B B') U`` for an orthonormal ``B``, twice, so that rounding leaves nothing of ``B`` behind."""
    once = U - basis @ (basis.T @ U)
    return once - basis @ (basis.T @ once)


def polar(U: Array) -> Array:
    """The orthonormal matrix nearest to ``U`` (its polar factor)."""
    left, _, right = np.linalg.svd(U, full_matrices=False)
    return left @ right


def leading_left(matrix: Any, rank: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Leading left singular vectors and singular values.

    Parameters
    ----------
    matrix : ndarray or sparse array (n, p)
    rank : int
        At most ``min(n, p)`` are returned.
    rng : numpy.random.Generator
        Draws the Lanczos start vector where one is needed.

    Returns
    -------
    U : ndarray (n, k)
    s : ndarray (k,)

    Notes
    -----
    Through the Gram matrix of the short side up to 400, followed by one power step with its QR (which takes the
    squared condition number of the Gram matrix back out); by Lanczos beyond. No dense SVD of a large table.
    """
    n, p = matrix.shape
    k = min(rank, n, p)
    if min(n, p) > GRAM_SIDE:
        U, s, _ = truncated_svd(matrix, k, rng)
        return U, s
    turned = matrix.T
    gram = (matrix @ turned) if n <= p else (turned @ matrix)
    gram = np.asarray(gram.toarray() if hasattr(gram, "toarray") else gram, dtype=float)
    vectors = np.linalg.eigh(gram)[1][:, ::-1][:, :k]
    U = vectors if n <= p else np.asarray(matrix @ vectors)
    U = orthonormal(np.asarray(matrix @ (turned @ orthonormal(U)), dtype=float))
    inner = np.asarray(turned @ U, dtype=float)
    turn, s, _ = np.linalg.svd(inner.T, full_matrices=False)
    return U @ turn, s


def sketched_left(
    shape: tuple[int, int],
    forward: Callable[[Array], Array],
    backward: Callable[[Array], Array],
    rank: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Leading left singular vectors and values, about: a block power iteration from random vectors.

    Parameters
    ----------
    shape : tuple of int
        (n, p) of the matrix ``M``.
    forward, backward : callable
        ``M @ X`` of (p, k) and ``M.T @ Y`` of (n, k).
    rank : int
        At most ``min(n, p)`` are returned.
    rng : numpy.random.Generator

    Returns
    -------
    U : ndarray (n, k)
    s : ndarray (k,)

    Notes
    -----
    ``2 POWERS + 2`` products with ``rank + EXTRA`` vectors: with the passes over entries a tenth of the cost of
    :func:`leading_left` at 120 x 100. Exact for a matrix of that rank; else the error falls with the (2 POWERS + 1)st
    power of the gap. Source: Halko, Martinsson, Tropp (2011), Algorithm 4.3.

    Examples
    --------
    >>> M, rng = np.outer([3.0, 4.0], [1.0, 0.0, 0.0]), np.random.default_rng(0)
    >>> U, s = sketched_left(M.shape, lambda X: M @ X, lambda Y: M.T @ Y, 1, rng)
    >>> np.abs(U[:, 0]).round(6).tolist(), s.round(6).tolist()
    ([0.6, 0.8], [5.0])
    """
    n, p = shape
    k = min(rank, n, p)
    Q = orthonormal(np.asarray(forward(rng.standard_normal((p, min(rank + EXTRA, n, p)))), dtype=float))
    for _ in range(POWERS):
        Q = orthonormal(np.asarray(forward(backward(Q)), dtype=float))
    turn, s, _ = np.linalg.svd(np.asarray(backward(Q), dtype=float).T, full_matrices=False)
    return (Q @ turn)[:, :k], s[:k]


def joint_basis(bases: Sequence[Array], rank: int) -> tuple[Array, Array]:
    """The ``rank`` directions that orthonormal bases have most in common.

    Eigenvectors of the sum of the projections (left singular vectors of the bases side by side).

    Returns
    -------
    basis : ndarray (n, rank)
    shares : ndarray
        All eigenvalues over the number of bases, falling: 1 for a direction that every basis holds.

    Examples
    --------
    >>> one, two = np.eye(3)[:, :2], np.eye(3)[:, [0, 2]]
    >>> basis, shares = joint_basis([one, two], 1)
    >>> np.abs(basis[:, 0]).tolist(), shares.round(2).tolist()
    ([1.0, 0.0, 0.0], [1.0, 0.5, 0.5])
    """
    side = np.hstack(list(bases))
    if side.shape[1] > 2 * side.shape[0]:  # many bases: the eigenvectors themselves, whose gaps are no smaller
        shares, U = np.linalg.eigh(side @ side.T)
        return U[:, ::-1][:, :rank], np.maximum(shares[::-1], 0.0) / len(bases)
    U, s, _ = np.linalg.svd(side, full_matrices=False)
    return U[:, :rank], s**2 / len(bases)


def misalignment(bases: Sequence[Array]) -> float:
    r"""How far subspaces are from having a direction in common.

    .. math:: \theta = 1 - \lambda_{\max}\Bigl(\tfrac1N \sum_i P_{U_i}\Bigr)

    Parameters
    ----------
    bases : sequence of ndarray (n, r_i)
        Orthonormal; those without columns count as empty subspaces.

    Returns
    -------
    float
        0 where one direction lies in all of them (then shared and unique parts cannot be told apart); at most
        1 - 1/N as soon as one of them is not empty.

    Notes
    -----
    Source: Definition 1 of the paper on heterogeneous matrix factorization (after personalized PCA).

    Examples
    --------
    >>> misalignment([np.eye(3)[:, :1], np.eye(3)[:, 1:2]])
    0.5
    """
    if not sum(basis.shape[1] for basis in bases):
        return 1.0
    s = np.linalg.svd(np.hstack(list(bases)), compute_uv=False)
    return float(1.0 - s[0] ** 2 / len(bases))


def projection_error(U: Array, truth: Array) -> float:
    r"""Squared distance of two subspaces of one dimension, :math:`\|P_U - P_{U^\star}\|_F^2`.

    Parameters
    ----------
    U, truth : ndarray (n, r)
        Need not be orthonormal.

    Notes
    -----
    Computed as :math:`2\|(I - P^\star)\hat U\|_F^2`, which is accurate down to the square of the rounding error; the
    difference of the projections itself stops at it.

    Examples
    --------
    >>> projection_error(np.eye(3)[:, :1], np.eye(3)[:, 1:2])
    2.0
    """
    U, truth = orthonormal(np.asarray(U, dtype=float)), orthonormal(np.asarray(truth, dtype=float))
    if U.shape != truth.shape:
        raise ValueError(f"U has shape {U.shape}, truth {truth.shape}; both need the same")
    return 2.0 * float(np.sum(np.square(without(U, truth))))


def balancing(left: Array, right: Array) -> tuple[Array, Array]:
    r"""The turn that balances two factors, from their Gram matrices alone.

    .. math:: T^\top G_u T = T^{-1} G_v T^{-\top} = D

    so that :math:`U T` and :math:`V T^{-\top}` have the same product as :math:`U V^\top` and the least sum of squares.

    Parameters
    ----------
    left, right : ndarray (r, r)
        :math:`G_u = U^\top U` and :math:`G_v = V^\top V`.

    Returns
    -------
    T, T_inverse_transposed : ndarray (r, r)

    Examples
    --------
    >>> T, back = balancing(np.array([[4.0]]), np.array([[1.0]]))
    >>> (T.T @ [[4.0]] @ T).round(6).item(), (back.T @ [[1.0]] @ back).round(6).item()
    (2.0, 2.0)
    """
    r = len(left)
    if r == 0:
        return np.zeros((0, 0)), np.zeros((0, 0))
    # directions that a ridge has emptied keep a size of their own, or their turn would be infinite
    L = np.linalg.cholesky(left + (1e-14 * np.trace(left) / r + 1e-300) * np.eye(r))
    size, W = np.linalg.eigh(L.T @ right @ L)
    root = np.maximum(size, 1e-14 * max(size[-1], 1e-300)) ** 0.25
    return np.linalg.solve(L.T, W * root), L @ (W / root)
