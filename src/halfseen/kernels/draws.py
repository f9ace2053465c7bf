"""One draw per row from the Gaussian distribution of its coefficients given the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend
from halfseen.kernels.newton import Array, RowNewton
from halfseen.kernels.passes import _array, _rank

if TYPE_CHECKING:
    from halfseen.data.compressed import Compressed


def row_draws(
    view: Compressed,
    B: Array,
    noise: Array,
    *,
    precision: float,
    prior: Array,
    pull: ArrayLike,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    row_weights: ArrayLike | None = None,
    col_weights: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
    out: Array | None = None,
    squares: Array | None = None,
    gram: Array | None = None,
    right: Array | None = None,
) -> RowNewton:
    r"""Draw every row from its Gaussian conditional distribution given the fixed factors ``B``.

    .. math::

        x_i \sim N(P_i^{-1} q_i, P_i^{-1}),\quad P_i = \tau\alpha_i\sum_e w_e\beta_e b_e b_e^\top + \Lambda,\quad
        q_i = \tau\alpha_i\sum_e w_e\beta_e b_e (y_e - o_e) + \Lambda m_i

    as :math:`P_i^{-1} q_i + L_i^{-\top} z_i` with :math:`P_i = L_i L_i^\top` and ``noise`` row :math:`z_i`: with zeros,
    the conditional mean. A row without entries is a draw from the prior.

    Parameters
    ----------
    view : Compressed
        The observed entries.
    B : ndarray (n_minor, k)
    noise : ndarray (n_major, k)
        Independent standard normal numbers; that they are given, and not drawn here, makes the result the same for any
        division of the rows among threads.
    precision : float
        :math:`\tau`, of one entry of weight 1.
    prior : ndarray (k, k)
        :math:`\Lambda`, symmetric positive definite.
    pull : array_like (k,) or ndarray (n_major, k)
        :math:`\Lambda m`, of all rows or of each.
    row_weights, col_weights : array_like (n_major,), (n_minor,), optional
        :math:`\alpha` and :math:`\beta`: factors of the weights of all entries of a row, of a column.
    col_offset, offset, start, stop
        As in :func:`halfseen.kernels.loss_and_gradient`.
    out : ndarray or None, shape (n_major, k)
        Rows ``start .. stop`` are written. None: a new array of the range's rows.
    squares : float64 ndarray (n_major,), optional
        Filled with each row's sum of squared residuals at the draw (without :math:`\alpha_i`).
    gram, right : ndarray (n_major, k, k), (n_major, k), optional
        Filled with :math:`\sum_e w_e\beta_e b_e b_e^\top` and :math:`\sum_e w_e\beta_e b_e (y_e - o_e)`.

    Returns
    -------
    RowNewton
        ``value`` is the weighted sum of squared residuals at the draws; ``n_failed`` counts rows whose precision
        matrix was singular in this arithmetic (they get the jitter sqrt(eps) * mean diagonal).

    Notes
    -----
    O(E k^2 / 2 + rows k^3 / 6) time. Source: Salakhutdinov and Mnih (2008), equations 11 to 13.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> found = row_draws(table, np.ones((2, 1)), np.zeros((1, 1)), precision=1.0, prior=2 * np.eye(1), pull=[0.0])
    >>> found.out.item(), found.value
    (1.0, 4.0)
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    matrix = np.ascontiguousarray(prior, dtype=dtype)
    if matrix.shape != (k, k):
        raise ValueError(f"prior has shape {matrix.shape}; needed: ({k}, {k})")
    if out is None:
        out = np.empty((rows.stop - rows.start, k), dtype=dtype)
    value, n_failed = backend().row_draws(
        b,
        check.minor("B", B, view, k),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        float(precision),
        matrix,
        _pull(pull, view, rows, k),
        check.major("noise", noise, view, rows, k),
        check.cut_vector("row_weights", row_weights, rows, dtype),
        check.vector("col_weights", col_weights, view.n_minor, dtype),
        check.writable("out", check.major("out", out, view, rows, k)),
        None if squares is None else check.filled("squares", squares, rows, np.dtype(float)),
        None if gram is None else check.filled("gram", gram, rows, dtype, k, k),
        None if right is None else check.filled("right", right, rows, dtype, k),
    )
    return RowNewton(value, n_failed, out)


def _pull(pull: ArrayLike, view: Compressed, rows: check.RowRange, k: int) -> Array:
    """Of all rows, or those of the range."""
    if np.ndim(pull) == 1:
        common = check.vector("pull", pull, k, view.values.dtype)
        assert common is not None
        return common
    return check.major("pull", np.asarray(pull), view, rows, k)
