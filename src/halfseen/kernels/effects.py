"""Draws of the effects that features have on the coefficients of the rows that have them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen.kernels.arguments import _of_dtype, writable
from halfseen.kernels.backend import backend
from halfseen.kernels.newton import Array

IntArray = NDArray[np.integer[Any]]


class FeatureColumns(NamedTuple):
    """Features of rows, grouped by feature: entry e says how much of the feature row ``indices[e]`` has.

    Attributes
    ----------
    indptr : int64 ndarray (n_features + 1,)
    indices : int32 ndarray (n_stored,)
        Rows, each at most once per feature.
    values : ndarray (n_stored,) or None
        None: 1.
    row_scale : ndarray (n_rows,) or None
        What all features of a row are multiplied by; None: 1.
    """

    indptr: IntArray
    indices: IntArray
    values: Array | None
    row_scale: Array | None


def effect_draws(
    features: FeatureColumns,
    residuals: Array,
    effects: Array,
    noise: Array,
    *,
    precision: Array,
    mean: Array,
    first: int = 0,
    last: int | None = None,
) -> None:
    r"""Draw the effects of all features in turn, in place, given the rows' coefficients.

    .. math::

        w_{jc} \sim N\Big(\frac{l_c(\sum_i a_{ij} d_{ic} + s_j w_{jc}) + m_c}{s_j l_c + 1},\ \frac1{s_j l_c + 1}\Big),
        \quad s_j = \sum_i a_{ij}^2,\quad d_i = x_i - \textstyle\sum_j a_{ij} w_j

    Parameters
    ----------
    features : FeatureColumns
        :math:`a_{ij}`.
    residuals : ndarray (n_rows, k)
        :math:`d`; follows the effects.
    effects : ndarray (n_features, k)
        :math:`w`, in coordinates in which their prior precision is the identity and that of the rows diagonal.
    noise : ndarray (n_features, k)
        Standard normal; zeros give the conditional means.
    precision, mean : ndarray (k,)
        :math:`l` of the rows, :math:`m` of the effects.
    first, last : int
        The coordinates to draw; they do not depend on each other.

    Notes
    -----
    4 k multiplications per stored number.

    Examples
    --------
    >>> import numpy as np
    >>> features = FeatureColumns(np.array([0, 2]), np.array([0, 1], np.int32), None, None)
    >>> d, w = np.array([[1.0], [3.0]]), np.zeros((1, 1))
    >>> effect_draws(features, d, w, np.zeros((1, 1)), precision=np.ones(1), mean=np.zeros(1))
    >>> w.round(3).tolist(), d.round(3).tolist()
    ([[1.333]], [[-0.333], [1.667]])
    """
    k, dtype = residuals.shape[1], residuals.dtype
    shape = (len(features.indptr) - 1, k)
    for name, array in (("effects", effects), ("noise", noise)):
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}; needed: {shape}")
        _of_dtype(name, array, dtype)
    backend().effect_draws(
        *_checked(features, dtype), np.ascontiguousarray(precision, dtype), np.ascontiguousarray(mean, dtype), noise,
        int(first), int(k if last is None else last), writable("residuals", residuals), writable("effects", effects),
    )  # fmt: skip


def shift_draws(
    features: FeatureColumns,
    right: Array,
    rows: Array,
    effects: Array,
    noise: Array,
    *,
    precision: float,
    prior: Array,
    pull: Array,
    gram: Array,
    row_weights: Array | None = None,
) -> int:
    r"""Draw the effects of all features in turn, in place, given the entries; rows move with their features' effects.

    .. math::

        w_j \sim N(Q^{-1} q, Q^{-1}),\quad Q = \Lambda_g + \tau\sum_i \alpha_i a_{ij}^2 G_i,\quad
        q = \Lambda_g m_g + \tau\sum_i \alpha_i a_{ij}(h_i + a_{ij} G_i w_j)

    Parameters
    ----------
    features : FeatureColumns
    right : ndarray (n_rows, k)
        :math:`h_i`: right sides of the rows' normal equations less :math:`G_i v_i`; follows the effects.
    rows : ndarray (n_rows, k)
        Coefficients :math:`v_i`; they follow.
    effects, noise : ndarray (n_features, k)
    precision : float
        :math:`\tau`.
    prior, pull : float64 ndarray (k, k), (k,)
        :math:`\Lambda_g` and :math:`\Lambda_g m_g`.
    gram : ndarray (n_rows, k, k)
        :math:`G_i`, as `row_draws` gives them.
    row_weights : ndarray (n_rows,), optional
        :math:`\alpha`.

    Returns
    -------
    int
        Features whose matrix was singular in this arithmetic; their effects stay.

    Notes
    -----
    2 k^2 multiplications per stored number. The non-centred half of an interweaving sampler (Yu and Meng, 2011).

    Examples
    --------
    >>> import numpy as np
    >>> features = FeatureColumns(np.array([0, 2]), np.array([0, 1], np.int32), None, None)
    >>> h, v, w = np.array([[1.0], [3.0]]), np.zeros((2, 1)), np.zeros((1, 1))
    >>> prior, gram = np.eye(1), np.ones((2, 1, 1))
    >>> shift_draws(features, h, v, w, np.zeros((1, 1)), precision=1.0, prior=prior, pull=np.zeros(1), gram=gram)
    0
    >>> w.round(3).tolist(), v.round(3).tolist(), h.round(3).tolist()
    ([[1.333]], [[1.333], [1.333]], [[-0.333], [1.667]])
    """
    dtype = rows.dtype
    for name, array in (("right", right), ("effects", effects), ("noise", noise), ("gram", gram)):
        _of_dtype(name, array, dtype)
    weights = None if row_weights is None else np.ascontiguousarray(row_weights, dtype)
    n_failed = backend().shift_draws(
        *_checked(features, dtype), float(precision), np.ascontiguousarray(prior, float),
        np.ascontiguousarray(pull, float), noise, weights, gram, writable("right", right), writable("rows", rows),
        writable("effects", effects),
    )  # fmt: skip
    return int(n_failed)


def _checked(features: FeatureColumns, dtype: np.dtype) -> tuple[IntArray, IntArray, Array | None, Array | None]:
    """The features' arrays in the arithmetic of the rows."""
    values, scale = (
        None if part is None else np.ascontiguousarray(part, dtype) for part in (features.values, features.row_scale)
    )
    return features.indptr, np.ascontiguousarray(features.indices, np.int32), values, scale
