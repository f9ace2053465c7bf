"""Products of pairs of factor rows."""

from __future__ import annotations

import numpy as np

from halfseen._typing import FloatArray, IntArray

PAIRS_AT_ONCE = 65536  # bounds the memory of gathered factors, and keeps them in cache


def pair_products(A: FloatArray, B: FloatArray, rows: IntArray, cols: IntArray) -> FloatArray:
    r"""Inner products :math:`\langle a_{i_t}, b_{j_t}\rangle` of the pairs ``(rows[t], cols[t])``.

    Parameters
    ----------
    A, B : ndarray (n, k), (p, k)
    rows, cols : int arrays (N,)

    Returns
    -------
    ndarray (N,)

    Notes
    -----
    O(N k) time; beyond the result, memory for 65 536 gathered pairs.

    Examples
    --------
    >>> A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> pair_products(A, B, np.array([0, 1]), np.array([0, 1])).tolist()
    [3.0, 8.0]
    """
    out = np.empty(len(rows), np.result_type(A, B))
    for begin in range(0, len(rows), PAIRS_AT_ONCE):
        part = slice(begin, begin + PAIRS_AT_ONCE)
        np.einsum("ek,ek->e", A[rows[part]], B[cols[part]], out=out[part])
    return out
