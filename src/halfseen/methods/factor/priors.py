"""How far parameters spread about their mean, from estimates with errors: an estimate that is never zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Values of the spread that are tried in each of two rounds, and estimates that are looked at (evenly spaced ones).
GRID, MOST = 48, 20_000
# The mode lies above this share of the noise over the number of estimates.
LOWEST = 0.1


def spread_beside_noise(estimates: Array, noise: Array) -> float:
    r"""Variance of parameters whose estimates have the variances ``noise``.

    .. math:: \hat\theta_j \sim N(\mu, \tau^2 + v_j),\qquad
              \hat\tau = \arg\max_\tau\; \log\tau + \log \int \prod_j N(\hat\theta_j; \mu, \tau^2 + v_j)\,d\mu

    Parameters
    ----------
    estimates, noise : ndarray (p,)
        At least three, with finite and positive variances.

    Returns
    -------
    float
        :math:`\hat\tau^2`, about a standard error above zero where the estimates spread no more than their errors say.

    Notes
    -----
    The difference of two variances is negative in half of all tables without spread, and a prior of no width then ties
    all parameters together. The factor :math:`\tau` moves the mode of the restricted likelihood by at most a standard
    error. O(100 p) for at most 20 000 estimates. Source: Chung, Rabe-Hesketh, Dorie, Gelman and Liu (2013), "A
    nondegenerate penalized likelihood estimator for variance parameters in multilevel models", Psychometrika 78.

    Examples
    --------
    >>> estimates = np.random.default_rng(0).normal(scale=1.5, size=2000)
    >>> round(spread_beside_noise(estimates, np.full(2000, 2.0)), 2)
    0.26
    """
    step = -(-len(estimates) // MOST)
    theta, v = np.asarray(estimates[::step], dtype=float), np.asarray(noise[::step], dtype=float)
    theta = theta - theta.mean()
    least = max(LOWEST * float(v.min()) / len(v), float(np.finfo(float).tiny))
    most = 10.0 * max(float(np.mean(np.square(theta))), float(v.max()), 10.0 * least)
    coarse = np.geomspace(least, most, GRID)
    best = int(np.argmax(_log_posterior(theta, v, coarse)))
    fine = np.geomspace(coarse[max(best - 1, 0)], coarse[min(best + 1, GRID - 1)], GRID)
    return float(fine[np.argmax(_log_posterior(theta, v, fine))])


def intercept_spread(zeta: Array, counts: Array, information: Array, dispersion: float) -> float:
    """Variance of the true intercepts of columns about their mean, for tables in memory and on blocks alike.

    Parameters
    ----------
    zeta : ndarray (p,)
        Intercepts of the model without factors, drawn to the overall mean by one pseudo-entry; they err by what factors
        and noise add to their columns.
    counts, information : ndarray (p,)
        Entries of every column, and the information of its intercept.
    dispersion : float
        Residual variance beside these intercepts; 1 for families without one.
    """
    seen = counts > 0
    if seen.sum() < 3:
        return 0.0
    noise = dispersion / np.maximum(np.asarray(information[seen], dtype=float), 1e-8)
    drawn = counts[seen] / (counts[seen] + 1.0)
    return spread_beside_noise((zeta[seen] - zeta[seen].mean()) / drawn, np.maximum(noise, 1e-300))


def narrowest(has_dispersion: bool, dispersion: float) -> float:
    """A floor of the spread, which keeps the prior from tying all intercepts together when columns look alike.

    A quarter on the logit scale, a thousandth of the residual variance otherwise.
    """
    return 0.001 * dispersion if has_dispersion else 0.25


def _log_posterior(theta: Array, v: Array, spread: Array) -> Array:
    """Restricted log-likelihood of every spread plus the logarithm of its root."""
    weight = 1.0 / (spread[:, None] + v)
    total = weight.sum(axis=1)
    away = np.square(theta - (weight @ theta / total)[:, None])
    fit = np.log(weight).sum(axis=1) - np.log(total) - np.einsum("gj,gj->g", weight, away)
    return np.asarray(0.5 * (fit + np.log(spread)))
