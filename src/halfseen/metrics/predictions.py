"""How far predictions are from responses."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray


def _pair(y: Any, prediction: Any, weights: Any) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return float64 arrays of one shape, or say which differ."""
    y, prediction = np.asarray(y, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.shape != prediction.shape:
        raise ValueError(f"y and its predictions must have one shape, got {y.shape} and {prediction.shape}")
    if not y.size:
        raise ValueError("0 responses were given; at least one is needed")
    if weights is None:
        return y, prediction, None
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != y.shape:
        raise ValueError(f"weights must have the shape of y, {y.shape}, got {weights.shape}")
    if not (weights >= 0).all() or not weights.any():
        raise ValueError("weights must not be negative and not all zero")
    return y, prediction, weights


def rmse(y: Any, prediction: Any, weights: Any = None) -> float:
    r"""Return the root mean squared error :math:`\sqrt{\sum_e w_e (y_e - \hat y_e)^2 / \sum_e w_e}`.

    Parameters
    ----------
    y, prediction : array-like of one shape
    weights : array-like of that shape or None

    Examples
    --------
    >>> rmse([1.0, 3.0], [1.0, 1.0])
    1.4142135623730951
    """
    y, prediction, weights = _pair(y, prediction, weights)
    return float(np.sqrt(np.average((y - prediction) ** 2, weights=weights)))


def mae(y: Any, prediction: Any, weights: Any = None) -> float:
    r"""Return the mean absolute error :math:`\sum_e w_e |y_e - \hat y_e| / \sum_e w_e`.

    Examples
    --------
    >>> mae([1.0, 3.0], [1.0, 1.0])
    1.0
    """
    y, prediction, weights = _pair(y, prediction, weights)
    return float(np.average(np.abs(y - prediction), weights=weights))


def log_loss(y: Any, probability: Any, weights: Any = None) -> float:
    r"""Return the mean of :math:`-y \log q - (1 - y) \log(1 - q)` for responses in [0, 1].

    Parameters
    ----------
    y : array-like
        0, 1, or a share in between.
    probability : array-like
        Predicted q; kept half an epsilon away from 0 and 1, so that the loss of a sure error is large but finite.
    weights : array-like or None

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 6)
    0.693147
    """
    y, q, weights = _pair(y, probability, weights)
    if ((y < 0) | (y > 1)).any() or ((q < 0) | (q > 1)).any():
        raise ValueError("log_loss needs responses and probabilities between 0 and 1")
    margin = np.finfo(np.float64).eps / 2
    q = np.clip(q, margin, 1 - margin)
    return float(np.average(-y * np.log(q) - (1 - y) * np.log1p(-q), weights=weights))


def mean_deviance(y: Any, linear: Any, family: Any = "gaussian", weights: Any = None) -> float:
    r"""Return the mean deviance :math:`2 (\ell(y, m) - \min_m \ell(y, m))`.

    Parameters
    ----------
    y : array-like
    linear : array-like
        Linear predictors m, not means.
    family : str or Loss
        As for `halfseen.losses.get_loss`.
    weights : array-like or None

    Examples
    --------
    >>> mean_deviance([1.0, 3.0], [1.0, 1.0])
    2.0
    """
    from halfseen.losses import get_loss

    y, linear, weights = _pair(y, linear, weights)
    return float(np.average(get_loss(family).deviance(y, linear), weights=weights))


def explained_deviance(y: Any, linear: Any, baseline: Any, family: Any = "gaussian", weights: Any = None) -> float:
    """Return the share of a baseline's deviance that a prediction removes: 1 is perfect, 0 no better, less is worse.

    Parameters
    ----------
    y, linear, family, weights :
        As in `mean_deviance`.
    baseline : array-like
        Linear predictors of the baseline, such as the intercepts alone.

    Examples
    --------
    >>> explained_deviance([0.0, 2.0], [0.0, 1.0], [1.0, 1.0])
    0.5
    """
    reference = mean_deviance(y, baseline, family, weights)
    if reference == 0:
        raise ValueError("the baseline predicts perfectly; nothing is left to explain")
    return 1.0 - mean_deviance(y, linear, family, weights) / reference
