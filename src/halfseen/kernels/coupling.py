"""Products with the off-diagonal halves of a Hessian, from curvatures and residuals that are kept per entry.

A solver that multiplies many times at one point evaluates the loss once, and may do so in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend
from halfseen.kernels.passes import _array, _entries_out, _major_out, _minor_out, _rank

if TYPE_CHECKING:
    from halfseen.data.compressed import Compressed

Array = NDArray[np.floating]


def curvatures(
    view: Compressed,
    A: Array,
    B: Array,
    *,
    family: str,
    curvature: Array,
    residual: Array,
    trials: float = 1.0,
    row_offset: ArrayLike | None = None,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
) -> None:
    """Curvature ``w_e psi''(m_e)`` and residual ``w_e (psi'(m_e) - y_e)`` of every entry, into the two arrays.

    Parameters as in :func:`halfseen.kernels.loss_and_gradient`; of ``curvature`` and ``residual``, one number per entry
    of the table, those of rows ``start .. stop`` are written. O(E k) time.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import curvatures
    >>> table = Compressed(np.array([0, 1]), np.array([0], np.int32), np.array([1.0]), None, 1)
    >>> w, g = np.zeros(1), np.zeros(1)
    >>> curvatures(table, np.zeros((1, 1)), np.ones((1, 1)), family="bernoulli", curvature=w, residual=g)
    >>> w.tolist(), g.tolist()
    ([0.25], [-0.5])
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    backend().curvatures(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.family_code(family),
        trials,
        check.cut_vector("row_offset", row_offset, rows, dtype),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        _entries_out(curvature, view, rows)[1],
        _entries_out(residual, view, rows)[1],
    )


def coupled_columns(
    view: Compressed,
    A: Array,
    B: Array,
    dA: Array,
    *,
    out_B: Array,
    out_col: Array | None = None,
    start: int = 0,
    stop: int | None = None,
) -> None:
    """What a move of the rows adds to the columns' gradients.

    ``out_B_j += sum_i w_e <dA_i, B_j> A_i + g_e dA_i`` and ``out_col_j += sum_i w_e <dA_i, B_j>``.

    Parameters
    ----------
    view : Compressed
        With the curvatures ``w`` as values and the residuals ``g`` as weights.
    A, B, dA : ndarray
        Factors (n_major, k) and (n_minor, k), and the move (n_major, k).
    out_B, out_col : ndarray (n_minor, k), (n_minor,)
        Added into.

    Notes
    -----
    O(E k) time, two thirds of a gradient pass.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import coupled_columns
    >>> table = Compressed(np.array([0, 1]), np.array([0], np.int32), np.array([2.0]), np.array([0.5]), 1)
    >>> out = np.zeros((1, 1))
    >>> coupled_columns(table, np.ones((1, 1)), np.full((1, 1), 3.0), np.ones((1, 1)), out_B=out)
    >>> out.item()
    6.5
    """
    rows = check.row_range(view, start, stop)
    b, k = check.block(view, rows, None), _rank(B)
    backend().coupled_columns(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.major("dA", dA, view, rows, k),
        _minor_out("out_B", out_B, view, k),
        _minor_out("out_col", out_col, view),
    )


def coupled_rows(
    view: Compressed,
    A: Array,
    B: Array,
    dB: Array,
    *,
    out_A: Array,
    d_col: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
) -> None:
    """What a move of the columns adds to the rows' gradients.

    ``out_A_i = sum_j w_e (<A_i, dB_j> + d_col_j) B_j + g_e dB_j``; parameters as in :func:`coupled_columns`. Rows
    ``start .. stop`` of ``out_A`` are written.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import coupled_rows
    >>> table = Compressed(np.array([0, 1]), np.array([0], np.int32), np.array([2.0]), np.array([0.5]), 1)
    >>> out = np.zeros((1, 1))
    >>> coupled_rows(table, np.ones((1, 1)), np.full((1, 1), 3.0), np.ones((1, 1)), out_A=out)
    >>> out.item()
    6.5
    """
    rows = check.row_range(view, start, stop)
    b, k = check.block(view, rows, None), _rank(B)
    backend().coupled_rows(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.minor("dB", dB, view, k),
        check.vector("d_col", d_col, view.n_minor, view.values.dtype),
        _major_out("out_A", out_A, view, rows, k),
    )
