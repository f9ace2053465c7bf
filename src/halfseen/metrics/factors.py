"""How far estimated matrices, factors and subspaces are from others."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray


def _matrix(value: Any, name: str) -> FloatArray:
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"{name} must be a matrix, got shape {matrix.shape}")
    return matrix


def _same_shape(first: FloatArray, second: FloatArray, names: tuple[str, str]) -> None:
    if first.shape != second.shape:
        raise ValueError(f"{names[0]} and {names[1]} must have one shape, got {first.shape} and {second.shape}")


def relative_frobenius_error(estimate: Any, truth: Any) -> float:
    r"""Return :math:`\lVert \hat M - M \rVert_F / \lVert M \rVert_F`.

    Parameters
    ----------
    estimate, truth : matrix of shape (n, p), or a pair (left, right) of factors whose product left @ right.T it is
        If both are pairs nothing of size n x p is made.

    Notes
    -----
    Pairs: :math:`[\hat X, -X] [\hat Y, Y]^\top` has the norm of the product of the two R factors of QR;
    O((n + p) r^2) time.

    Examples
    --------
    >>> X, Y = np.ones((3, 1)), np.ones((4, 1))
    >>> round(relative_frobenius_error((2 * X, Y), (X, Y)), 12)
    1.0
    """
    if isinstance(estimate, tuple) and isinstance(truth, tuple):
        (left, right), (true_left, true_right) = estimate, truth
        stacked = np.hstack([left, -np.asarray(true_left)]), np.hstack([right, true_right])
        return _ratio(_product_norm(*stacked), _product_norm(true_left, true_right))
    full, true = (
        np.asarray(value[0]) @ np.asarray(value[1]).T if isinstance(value, tuple) else _matrix(value, name)
        for name, value in (("estimate", estimate), ("truth", truth))
    )
    _same_shape(full, true, ("estimate", "truth"))
    return _ratio(float(np.linalg.norm(full - true)), float(np.linalg.norm(true)))


def _product_norm(left: Any, right: Any) -> float:
    """Frobenius norm of left @ right.T from the R factors."""
    first = np.linalg.qr(np.asarray(left, dtype=np.float64))[1]
    second = np.linalg.qr(np.asarray(right, dtype=np.float64))[1]
    return float(np.linalg.norm(first @ second.T))


def _ratio(error: float, size: float) -> float:
    if size == 0:
        raise ValueError("truth is zero; a relative error is not defined")
    return error / size


def _aligned_difference(X: Any, target: Any) -> FloatArray:
    """Return X Q - target for the orthogonal Q that makes it smallest in Frobenius norm."""
    X, target = _matrix(X, "X"), _matrix(target, "target")
    _same_shape(X, target, ("X", "target"))
    left, _, right = np.linalg.svd(X.T @ target, full_matrices=False)
    return X @ (left @ right) - target


def procrustes_error(X: Any, target: Any, relative: bool = True) -> float:
    r"""Return :math:`\min_{Q'Q = I} \lVert X Q - X^* \rVert_F`, divided by the norm of the target if relative.

    Parameters
    ----------
    X, target : matrices of shape (n, r)
    relative : bool

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> round(procrustes_error(X[:, ::-1], X), 12)
    0.0
    """
    error = float(np.linalg.norm(_aligned_difference(X, target)))
    return _ratio(error, float(np.linalg.norm(np.asarray(target)))) if relative else error


def row_wise_error(X: Any, target: Any, relative: bool = False) -> float:
    r"""Return the (2, infinity) error :math:`\max_i \lVert (X Q - X^*)_i \rVert` after the best orthogonal alignment.

    Parameters
    ----------
    X, target : matrices of shape (n, r)
    relative : bool
        Divide by the longest row of the target.

    Notes
    -----
    Q is the Frobenius-optimal alignment, as in the theory; the best Q for the maximum itself has no closed form.

    Examples
    --------
    >>> X = np.array([[1.0], [-2.0]])
    >>> row_wise_error(-X, X)
    0.0
    """
    error = float(np.linalg.norm(_aligned_difference(X, target), axis=1).max())
    if not relative:
        return error
    return _ratio(error, float(np.linalg.norm(np.asarray(target), axis=1).max()))


def subspace_distance(first: Any, second: Any, norm: str = "spectral") -> float:
    r"""Return the distance of two column spaces of one dimension, from the sines of their principal angles.

    Parameters
    ----------
    first, second : matrices of shape (n, r)
        Any bases; they are orthonormalised.
    norm : {"spectral", "frobenius"}
        Largest sine, or root of the sum of squares (which is :math:`\lVert P_1 - P_2 \rVert_F / \sqrt 2`).

    Notes
    -----
    The sines come from :math:`(I - P_1) Q_2`, not from the cosines: small angles keep their digits.

    Examples
    --------
    >>> subspace_distance([[1.0], [0.0]], [[0.0], [3.0]])
    1.0
    """
    if norm not in ("spectral", "frobenius"):
        raise ValueError(f"norm must be 'spectral' or 'frobenius', got {norm!r}")
    first, second = _matrix(first, "first"), _matrix(second, "second")
    _same_shape(first, second, ("first", "second"))
    P, Q = np.linalg.qr(first)[0], np.linalg.qr(second)[0]
    sines = np.linalg.svd(Q - P @ (P.T @ Q), compute_uv=False)
    return float(sines.max(initial=0.0)) if norm == "spectral" else float(np.linalg.norm(sines))
