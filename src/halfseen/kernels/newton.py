"""One small penalised problem per row: normal equations with curvature weights, solved by Cholesky or CG."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend
from halfseen.kernels.passes import _array, _rank

if TYPE_CHECKING:
    from halfseen.data.compressed import Compressed

Array = NDArray[np.floating]
# Forming a k x k matrix per row costs k/2 times a product with it; above this rank a few products are cheaper by far
# and the matrix no longer stays in the first-level cache.
CG_RANK = 128


class RowNewton(NamedTuple):
    """What :func:`row_newton` did.

    Attributes
    ----------
    value : float
        Sum of the rows' objectives (loss plus ridge) at the result.
    n_failed : int
        Rows whose normal matrix was singular at least once.
    out : ndarray
        The improved rows.
    """

    value: float
    n_failed: int
    out: Array


def row_newton(
    view: Compressed,
    X: Array,
    B: Array,
    *,
    family: str,
    trials: float = 1.0,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    ridge: ArrayLike | None = None,
    ridge_scale: ArrayLike | None = None,
    prior_rhs: ArrayLike | None = None,
    steps: int = 1,
    max_halvings: int = 8,
    method: str = "auto",
    cg_steps: int = 3,
    start: int = 0,
    stop: int | None = None,
    out: Array | None = None,
) -> RowNewton:
    """Improve every row of ``X`` by damped Newton steps against the fixed factors ``B``.

    Row i minimises ``f_i(x) = sum_e w_e l(<x, B_j> + col_offset_j + offset_e, y_e)
    + s_i (sum_c ridge_c x_c^2 / 2 - sum_c prior_rhs_c x_c)``, ``s = ridge_scale``, from ``x = X_i``.
    Gaussian: one step is the exact least-squares solution. A step that does not lower ``f_i`` is halved, at last
    refused. A row without entries gets the minimiser of its ridge, or stays as it was where the ridge is zero.

    Parameters
    ----------
    view : Compressed
        The observed entries.
    X, B : ndarray, shapes (n_major, k) and (n_minor, k)
        Where to start, and the features.
    family, trials, col_offset, offset, start, stop
        As in :func:`halfseen.kernels.loss_and_gradient`.
    ridge, prior_rhs : array_like or None, shape (k,)
        Penalty of each component, and its linear pull (``ridge * prior mean``). A ridge of shape (n_major, k) is each
        row's own.
    ridge_scale : array_like or None, shape (n_major,)
        Factor of both for each row; None means one.
    steps, max_halvings : int
        Newton steps per row, and halvings per step.
    method : {"auto", "cholesky", "cg"}
        "cg": ``cg_steps`` diagonally preconditioned conjugate-gradient steps (gaussian: from ``X``) in place of the
        exact solve; "auto": "cg" above rank 128.
    out : ndarray or None, shape (n_major, k)
        Rows ``start .. stop`` are written; may be ``X``. None: a new array of the range's rows.

    Returns
    -------
    RowNewton
        ``value``, ``n_failed`` and ``out``; a (near-)singular normal matrix gets the jitter sqrt(eps) * mean diagonal.

    Notes
    -----
    O(E k^2 / 2 + rows k^3 / 6) time per step (Cholesky), O(E k cg_steps) (CG).

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import row_newton
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> result = row_newton(table, np.zeros((1, 1)), np.ones((2, 1)), family="gaussian", ridge=[2.0])
    >>> result.out.item(), result.value
    (1.0, 3.0)
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    if method not in ("auto", "cholesky", "cg"):
        raise ValueError(f"method={method!r}; known: 'auto', 'cholesky', 'cg'")
    uses_cg = method == "cg" or (method == "auto" and k > CG_RANK)
    if steps < 0 or max_halvings < 0 or (uses_cg and cg_steps < 1):
        given = f"steps={steps}, max_halvings={max_halvings}, cg_steps={cg_steps}"
        raise ValueError(f"{given}; needed: counts, cg_steps >= 1")
    if out is None:
        out = np.empty((rows.stop - rows.start, k), dtype=dtype)
    value, n_failed = backend().row_newton(
        b,
        check.major("X", X, view, rows, k),
        check.minor("B", B, view, k),
        check.family_code(family),
        trials,
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        check.ridges(ridge, view, rows, k),
        check.cut_vector("ridge_scale", ridge_scale, rows, dtype),
        check.vector("prior_rhs", prior_rhs, k, dtype),
        steps,
        max_halvings,
        cg_steps if uses_cg else 0,
        check.writable("out", check.major("out", out, view, rows, k)),
    )
    return RowNewton(value, n_failed, out)


def information(
    view: Compressed,
    A: Array,
    B: Array,
    *,
    family: str,
    trials: float = 1.0,
    row_offset: ArrayLike | None = None,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
    out: Array | None = None,
    gradient: Array | None = None,
) -> Array:
    """Information matrix of every row, ``H_i = sum_e w_e psi''(m_e) B_j B_j'``, symmetric, stored in full.

    Parameters as in :func:`halfseen.kernels.loss_and_gradient`; rows ``start .. stop`` of ``out`` (n_major, k, k) are
    written, or a new array of the range's rows is returned. Rows of ``gradient`` (n_major, k), where it is given, get
    ``sum_e w_e (psi'(m_e) - y_e) B_j`` from the same pass. O(E k^2 / 2) time.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import information
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> information(table, np.zeros((1, 1)), np.array([[1.0], [2.0]]), family="gaussian").tolist()
    [[[5.0]]]
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    if out is None:
        out = np.empty((rows.stop - rows.start, k, k), dtype=dtype)
    backend().information(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.family_code(family),
        trials,
        check.cut_vector("row_offset", row_offset, rows, dtype),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        check.writable("out", check.major("out", out, view, rows, k, k)),
        None if gradient is None else check.writable("gradient", check.major("gradient", gradient, view, rows, k)),
    )
    return out
