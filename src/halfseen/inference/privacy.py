"""Noise that makes a release differentially private, calibrated exactly."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def gaussian_delta(epsilon: float, sigma: float, sensitivity: float) -> float:
    r"""The :math:`\delta` that Gaussian noise of standard deviation ``sigma`` gives at ``epsilon``.

    .. math:: \delta = \Phi\Big(\frac{\Delta}{2\sigma} - \frac{\varepsilon\sigma}{\Delta}\Big)
              - e^{\varepsilon}\,\Phi\Big(-\frac{\Delta}{2\sigma} - \frac{\varepsilon\sigma}{\Delta}\Big)

    Notes
    -----
    Source: Balle and Wang (2018), "Improving the Gaussian mechanism for differential privacy", theorem 8.

    Examples
    --------
    >>> round(gaussian_delta(1.0, 3.73, 1.0), 6)
    1e-05
    """
    from scipy.special import log_ndtr

    half, tilt = sensitivity / (2.0 * sigma), epsilon * sigma / sensitivity
    first, second = float(log_ndtr(half - tilt)), epsilon + float(log_ndtr(-half - tilt))
    # the second term never exceeds the first; as logarithms both survive any epsilon
    return float(-np.exp(first) * np.expm1(min(second - first, 0.0)))


def analytic_gaussian_sigma(epsilon: float, delta: float, sensitivity: float = 1.0) -> float:
    """Smallest standard deviation of Gaussian noise that is (epsilon, delta)-differentially private.

    Parameters
    ----------
    epsilon : float
        Above 0.
    delta : float
        In (0, 1).
    sensitivity : float
        Largest Euclidean change of the released vector between neighbouring data sets.

    Raises
    ------
    ValueError
        For parameters that make no sense.

    Notes
    -----
    The analytic Gaussian mechanism: valid for every epsilon (the classical rule with the root of 2 ln(1.25/delta) is
    proved for epsilon up to 1 only, and adds more noise). Source: Balle and Wang (2018), algorithm 1; the root is
    bracketed and found by Brent's method, and rounded up.

    Examples
    --------
    >>> round(analytic_gaussian_sigma(1.0, 1e-5), 2)
    3.73
    """
    check_budget(epsilon, delta)
    if not sensitivity > 0 or not np.isfinite(sensitivity):
        raise ValueError(f"sensitivity must be a finite number above 0; got {sensitivity!r}")
    from scipy.optimize import brentq

    def excess(log_sigma: float) -> float:
        reached_delta = gaussian_delta(epsilon, float(np.exp(log_sigma)), 1.0)
        return (np.log(reached_delta) if reached_delta > 0 else -1e6) - np.log(delta)

    # at these ends the mechanism gives delta near 1, and far below any delta: the root lies between
    low, high = np.log(1e-6), np.log(40.0 * (1.0 + np.sqrt(-np.log(delta))) / min(epsilon, 1.0))
    root = brentq(excess, low, high, xtol=1e-12, rtol=1e-14, maxiter=200)
    return float(np.exp(root)) * (1.0 + 1e-9) * sensitivity


def check_budget(epsilon: Any, delta: Any) -> None:
    """Refuse privacy parameters that promise nothing."""
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ValueError(f"{name} must be a number; got {value!r}")
    if not 0 < epsilon < np.inf:
        raise ValueError(f"epsilon must be a finite number above 0; got {epsilon!r}. Smaller is more private")
    if not 0 < delta < 1:
        raise ValueError(
            f"delta must lie between 0 and 1; got {delta!r}. It is the chance that the promise fails: well below one "
            "over the number of rows"
        )
