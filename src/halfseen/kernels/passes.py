"""One pass over the observed entries: values, gradients, Hessian products, and the three operators of the data.

All functions read the major rows ``start .. stop`` of a :class:`~halfseen.data.compressed.Compressed` table; arrays
have the dtype of its values and are C-contiguous. An array over the major rows has ``n_major`` rows (or only those of
the range). With the linear predictor ``m_e = <A_i, B_j> + row_offset_i + col_offset_j + offset_e`` the families are

======================  =======================================================
``family="gaussian"``   ``(m - y)^2 / 2``
``family="bernoulli"``  ``trials * log(1 + exp(m)) - y * m`` (binomial: trials > 1)
``family="poisson"``    ``exp(m) - y * m``, exp continued by its tangent above 30
======================  =======================================================

and every entry's loss is multiplied by the table's weight of that entry, if it has weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from halfseen.kernels import arguments as check
from halfseen.kernels.backend import backend

if TYPE_CHECKING:
    from halfseen.data.compressed import Compressed

Array = NDArray[np.floating]


def loss_and_gradient(
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
    grad_A: Array | None = None,
    grad_B: Array | None = None,
    grad_row: Array | None = None,
    grad_col: Array | None = None,
) -> float:
    """Sum the loss over the observed entries and, for each output given, its gradient, in one pass.

    ``value = sum_e w_e l(m_e, y_e)``, ``grad_A_i = sum_j g_e B_j``, ``grad_B_j += sum_i g_e A_i``,
    ``grad_row_i = sum_j g_e``, ``grad_col_j += sum_i g_e`` with ``g_e = w_e (psi'(m_e) - y_e)``.

    Parameters
    ----------
    view : Compressed
        The observed entries.
    A, B : ndarray, shapes (n_major, k) and (n_minor, k)
        Factors; ``k`` may be 0.
    family, trials : str, float
        The loss; see the module's table.
    row_offset, col_offset, offset : array_like or None, shapes (n_major,), (n_minor,), (E,)
        Added to the linear predictor.
    start, stop : int
        Major rows to read.
    grad_A, grad_row : ndarray or None
        Rows ``start .. stop`` are written.
    grad_B, grad_col : ndarray or None
        Added into.

    Returns
    -------
    float
        The summed loss (float64 total).

    Raises
    ------
    TypeError
        An array has another dtype than the table's values, or is not C-contiguous.
    ValueError
        A shape does not fit, or the family is unknown.

    Notes
    -----
    O(E k) time; O(n_minor k) scratch memory. No gradient at all: a faster value-only pass.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import loss_and_gradient
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> grad = np.zeros((2, 1))
    >>> loss_and_gradient(table, np.ones((1, 1)), np.ones((2, 1)), family="gaussian", grad_B=grad)
    2.0
    >>> grad.ravel().tolist()
    [0.0, -2.0]
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    return backend().loss_and_gradient(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.family_code(family),
        trials,
        check.cut_vector("row_offset", row_offset, rows, dtype),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        _major_out("grad_A", grad_A, view, rows, k),
        _minor_out("grad_B", grad_B, view, k),
        _major_out("grad_row", grad_row, view, rows),
        _minor_out("grad_col", grad_col, view),
    )


def hessian_vector(
    view: Compressed,
    A: Array,
    B: Array,
    dA: Array,
    dB: Array,
    *,
    family: str,
    out_A: Array,
    out_B: Array,
    trials: float = 1.0,
    row_offset: ArrayLike | None = None,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    d_row: ArrayLike | None = None,
    d_col: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
    out_row: Array | None = None,
    out_col: Array | None = None,
) -> None:
    """Multiply the full Hessian of the summed loss with a direction ``(dA, dB, d_row, d_col)``.

    ``dm_e = <dA_i, B_j> + <A_i, dB_j> + d_row_i + d_col_j``, ``t_e = w_e psi''(m_e) dm_e``,
    ``out_A_i = sum_j t_e B_j + g_e dB_j``, ``out_B_j += sum_i t_e A_i + g_e dA_i``,
    ``out_row_i = sum_j t_e``, ``out_col_j += sum_i t_e``.

    Parameters
    ----------
    view, A, B, family, trials, row_offset, col_offset, offset, start, stop
        As in :func:`loss_and_gradient`.
    dA, dB, d_row, d_col : ndarray
        The direction, shaped as A, B, row_offset, col_offset.
    out_A, out_row : ndarray
        Rows ``start .. stop`` are written.
    out_B, out_col : ndarray
        Added into.

    Notes
    -----
    O(E k) time, about twice a gradient; O(n_minor k) scratch memory.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import hessian_vector
    >>> table = Compressed(np.array([0, 1]), np.array([0], np.int32), np.array([1.0]), None, 1)
    >>> one, out_A, out_B = np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    >>> hessian_vector(table, one, one, one, 0 * one, family="gaussian", out_A=out_A, out_B=out_B)
    >>> out_A.item(), out_B.item()
    (1.0, 1.0)
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    backend().hessian_vector(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.major("dA", dA, view, rows, k),
        check.minor("dB", dB, view, k),
        check.family_code(family),
        trials,
        check.cut_vector("row_offset", row_offset, rows, dtype),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        check.cut_vector("d_row", d_row, rows, dtype),
        check.vector("d_col", d_col, view.n_minor, dtype),
        _major_out("out_A", out_A, view, rows, k),
        _minor_out("out_B", out_B, view, k),
        _major_out("out_row", out_row, view, rows),
        _minor_out("out_col", out_col, view),
    )


def at(
    view: Compressed,
    A: Array,
    B: Array,
    *,
    row_offset: ArrayLike | None = None,
    col_offset: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    start: int = 0,
    stop: int | None = None,
    out: Array | None = None,
) -> Array:
    """Linear predictor ``m_e = <A_i, B_j> + row_offset_i + col_offset_j + offset_e`` of the stored entries.

    Parameters as in :func:`loss_and_gradient`; returns the entries of rows ``start .. stop`` in the table's order
    (into ``out``, of all entries or of the range, when given). O(E k) time.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import at
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> at(table, np.full((1, 1), 2.0), np.array([[1.0], [5.0]])).tolist()
    [2.0, 10.0]
    """
    rows = check.row_range(view, start, stop)
    b, k, dtype = check.block(view, rows, _array(offset)), _rank(B), view.values.dtype
    out, part = _entries_out(out, view, rows)
    backend().at(
        b,
        check.major("A", A, view, rows, k),
        check.minor("B", B, view, k),
        check.cut_vector("row_offset", row_offset, rows, dtype),
        check.vector("col_offset", col_offset, view.n_minor, dtype),
        part,
    )
    return out


def to_rows(
    view: Compressed, g: ArrayLike, B: Array, *, start: int = 0, stop: int | None = None, out: Array | None = None
) -> Array:
    """Pull entry numbers back to the rows: ``out_i = sum_j g_e B_j``.

    ``g`` has one number per entry of the table, or of the range; rows ``start .. stop`` of ``out`` are written.
    Without ``out`` a new array of the range's rows is returned. O(E k) time.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import to_rows
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> to_rows(table, np.array([1.0, 2.0]), np.array([[1.0], [5.0]])).tolist()
    [[11.0]]
    """
    rows = check.row_range(view, start, stop)
    k = _rank(B)
    if out is None:
        out = np.empty((rows.stop - rows.start, k), dtype=view.values.dtype)
    part = check.writable("out", check.major("out", out, view, rows, k))
    b = check.block(view, rows, None)
    backend().to_rows(b, check.entries("g", g, view, rows), check.minor("B", B, view, k), part)
    return out


def to_cols(
    view: Compressed, g: ArrayLike, A: Array, *, start: int = 0, stop: int | None = None, out: Array | None = None
) -> Array:
    """Pull entry numbers back to the columns: ``out_j += sum_i g_e A_i``.

    ``g`` as in :func:`to_rows`; ``out``, shape (n_minor, k), is added into (zeros when not given). O(E k) time.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import to_cols
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> to_cols(table, np.array([1.0, 2.0]), np.array([[3.0]])).tolist()
    [[3.0], [6.0]]
    """
    rows = check.row_range(view, start, stop)
    k = _rank(A)
    if out is None:
        out = np.zeros((view.n_minor, k), dtype=view.values.dtype)
    part = check.writable("out", check.minor("out", out, view, k))
    b = check.block(view, rows, None)
    backend().to_cols(b, check.entries("g", g, view, rows), check.major("A", A, view, rows, k), part)
    return out


def quadratic(
    view: Compressed, V: Array, B: Array, *, start: int = 0, stop: int | None = None, out: Array | None = None
) -> Array:
    """Quadratic form ``q_e = B_j' V_i B_j`` of the stored entries, e.g. the variance of a linear predictor.

    ``V`` has shape (n_major, k, k), symmetric. O(E k^2) time. Returns the entries of rows ``start .. stop``.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.data.compressed import Compressed
    >>> from halfseen.kernels import quadratic
    >>> table = Compressed(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 3.0]), None, 2)
    >>> quadratic(table, np.full((1, 1, 1), 2.0), np.array([[1.0], [5.0]])).tolist()
    [2.0, 50.0]
    """
    rows = check.row_range(view, start, stop)
    k = _rank(B)
    out, part = _entries_out(out, view, rows)
    b = check.block(view, rows, None)
    backend().quadratic(b, check.major("V", V, view, rows, k, k), check.minor("B", B, view, k), part)
    return out


def _array(values: ArrayLike | None) -> Array | None:
    return None if values is None else np.asarray(values)


def _rank(factor: Array) -> int:
    if not isinstance(factor, np.ndarray) or factor.ndim != 2:
        raise ValueError(f"a factor has shape {np.shape(factor)}; needed: a 2-d array, one row per row of the table")
    return factor.shape[1]


def _major_out(name: str, array: Array | None, view: Compressed, rows: check.RowRange, *tail: int) -> Array | None:
    return None if array is None else check.writable(name, check.major(name, array, view, rows, *tail))


def _minor_out(name: str, array: Array | None, view: Compressed, *tail: int) -> Array | None:
    return None if array is None else check.writable(name, check.minor(name, array, view, *tail))


def _entries_out(out: Array | None, view: Compressed, rows: check.RowRange) -> tuple[Array, Array]:
    if out is None:
        out = np.empty(rows.last - rows.first, dtype=view.values.dtype)
    return out, check.writable("out", check.entries("out", out, view, rows))
