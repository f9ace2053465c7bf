"""Predictive quantiles of responses whose linear predictor is only known up to a normal error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from halfseen.losses.protocol import Array

# Nodes of the Gauss-Hermite rule that averages over the predictor's error.
NODES = 21
# Beyond this variance a predictor on the logit scale says "anything" already.
WIDEST = 100.0
NUMBERS_AT_ONCE = 1 << 22


def hermite_rule() -> tuple[Array, Array]:
    """Nodes and weights (of sum 1) for a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


def normal_quantiles(linear: Array, variance: Array, noise: Array | float, tail: float) -> tuple[Array, Array]:
    r"""Real numbers: :math:`m \pm z_{1-\mathrm{tail}}\,(v + \phi)^{1/2}`."""
    from scipy.special import ndtri

    reach = -ndtri(tail) * np.sqrt(variance + noise)
    return linear - reach, linear + reach


def count_quantiles(linear: Array, variance: Array, own: Array | float, tail: float) -> tuple[Array, Array]:
    """Counts with a log link: the negative binomial of the mixture's mean and variance.

    Parameters
    ----------
    linear, variance : ndarray (n,)
    own : float or ndarray
        Squared coefficient of variation of the counts around their mean beyond Poisson's.
    tail : float
    """
    from scipy.stats import nbinom, poisson

    # a spread beyond 3 on the log scale says "anything" already, and exp(v) must not overflow
    v = np.minimum(variance, 9.0)
    mean = np.exp(np.minimum(linear + 0.5 * v, 30.0))
    excess = np.expm1(v) + own * np.exp(v)
    size = 1.0 / np.maximum(excess, 1e-9)
    ends = []
    for level in (tail, 1.0 - tail):
        mixed = nbinom.ppf(level, size, size / (size + mean))
        ends.append(np.where(excess > 1e-9, mixed, poisson.ppf(level, mean)))
    low, high = ends
    return np.where(np.isfinite(variance), low, 0.0), np.where(np.isfinite(variance), high, np.inf)


def class_quantiles(loss: Any, linear: Array, variance: Array, lowest: float, tail: float) -> tuple[Array, Array]:
    """Ordered classes (or no and yes): their probabilities averaged over the predictor's error.

    ``loss.masses(m)`` gives the chance of every class along a further axis.
    """
    nodes, weights = hermite_rule()
    m = linear + nodes[:, None] * np.sqrt(np.minimum(variance, WIDEST))
    below = np.cumsum(np.einsum("q,qek->ek", weights, loss.masses(m)), axis=1)
    return _crossings(below, lowest, tail)


def binomial_quantiles(trials: int, linear: Array, variance: Array, tail: float) -> tuple[Array, Array]:
    """Counts out of N with a logit link: their probabilities averaged over the predictor's error."""
    from scipy.special import bdtr, expit

    nodes, weights = hermite_rule()
    counts = np.arange(trials + 1)
    low, high = np.empty(len(linear)), np.empty(len(linear))
    spread = np.sqrt(np.minimum(variance, WIDEST))
    for part in _parts(len(linear), (trials + 1) * len(nodes)):
        p = expit(linear[part, None] + spread[part, None] * nodes)
        below = np.einsum("q,eqk->ek", weights, bdtr(counts, trials, p[:, :, None]))
        low[part], high[part] = _crossings(below, 0.0, tail)
    return low, high


def _crossings(below: Array, lowest: float, tail: float) -> tuple[Array, Array]:
    # rounding must not push the last probability below its level
    below[:, -1] = 1.0
    return lowest + (below >= tail).argmax(axis=1), lowest + (below >= 1.0 - tail).argmax(axis=1)


def _parts(n: int, width: int) -> Iterator[slice]:
    size = max(1, NUMBERS_AT_ONCE // max(width, 1))
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))
