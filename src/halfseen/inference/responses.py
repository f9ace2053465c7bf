"""Responses not yet seen: their intervals, family by family; which families are yes/no answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.inference.ranks import chunks
from halfseen.losses import Binomial, Loss, Mixed, NegativeBinomial, Ordinal, Poisson, Probit

Array = NDArray[Any]

# Nodes of the Gauss-Hermite rule that averages over the predictor's error.
NODES = 21


def check_answers(loss: Loss, what: str) -> None:
    """Refuse families other than yes/no answers and counts out of N; ``what`` is who asks."""
    if not isinstance(loss, Binomial):
        raise ValueError(
            f"{what} needs yes/no answers or pass rates (family='bernoulli') or counts out of N "
            f"(family='binomial(N)'), not family={loss.name!r}."
        )


def response_ends(loss: Loss, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
    r"""Quantiles ``tail`` and ``1 - tail`` of a response whose predictor is :math:`N(m, v)`.

    Real numbers: :math:`m \pm z (v + \phi)^{1/2}`. Counts and classes: quantiles of the mixed distribution, a
    negative binomial of the mixture's mean and variance for counts, and for counts out of N, yes/no answers and
    ordered classes their probabilities averaged over Gauss-Hermite nodes; all hold at least the level.

    Parameters
    ----------
    loss : Loss
        At the cells' columns.
    linear, variance : ndarray (n_cells,)
    dispersion, tail : float
    """
    if isinstance(loss, Mixed):
        low, high = np.empty(len(linear)), np.empty(len(linear))
        for member, chosen in loss.groups():
            low[chosen], high[chosen] = response_ends(member, linear[chosen], variance[chosen], dispersion, tail)
        return low, high
    if isinstance(loss, Binomial):
        return _binomial_ends(int(loss.trials), linear, variance, tail)
    if isinstance(loss, Probit | Ordinal):
        return _class_ends(loss, linear, variance, tail)
    if isinstance(loss, Poisson | NegativeBinomial):
        return _count_ends(loss, linear, variance, tail)
    from scipy.special import ndtri

    reach = -ndtri(tail) * np.sqrt(variance + dispersion * loss.variance(linear))
    return linear - reach, linear + reach


def _count_ends(loss: Poisson | NegativeBinomial, linear: Array, variance: Array, tail: float) -> tuple[Array, Array]:
    from scipy.stats import nbinom, poisson

    # a spread beyond 3 on the log scale says "anything" already, and exp(v) must not overflow
    v = np.minimum(variance, 9.0)
    mean = np.exp(np.minimum(linear + 0.5 * v, 30.0))
    # squared coefficients of variation: of the mean, and of the counts around it beyond Poisson's
    own = 1.0 / np.asarray(loss.size, dtype=float) if isinstance(loss, NegativeBinomial) else np.zeros(1)
    excess = np.expm1(v) + own * np.exp(v)
    size = 1.0 / np.maximum(excess, 1e-9)
    ends = []
    for level in (tail, 1.0 - tail):
        mixed = nbinom.ppf(level, size, size / (size + mean))
        ends.append(np.where(excess > 1e-9, mixed, poisson.ppf(level, mean)))
    low, high = ends
    return np.where(np.isfinite(variance), low, 0.0), np.where(np.isfinite(variance), high, np.inf)


def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


def _class_ends(loss: Probit | Ordinal, linear: Array, variance: Array, tail: float) -> tuple[Array, Array]:
    nodes, weights = _rule()
    m = linear + nodes[:, None] * np.sqrt(np.minimum(variance, 100.0))
    if isinstance(loss, Ordinal):
        chances = np.einsum("q,qek->ek", weights, loss.probabilities(m))
        lowest = float(loss.range[0])
    else:
        yes = weights @ loss.mean(m)
        chances, lowest = np.stack([1.0 - yes, yes], axis=1), 0.0
    below = np.cumsum(chances, axis=1)
    # rounding must not push the last probability below its level
    below[:, -1] = 1.0
    return lowest + (below >= tail).argmax(axis=1), lowest + (below >= 1.0 - tail).argmax(axis=1)


def _binomial_ends(trials: int, linear: Array, variance: Array, tail: float) -> tuple[Array, Array]:
    from scipy.special import bdtr, expit

    nodes, weights = _rule()
    counts = np.arange(trials + 1)
    low, high = np.empty(len(linear)), np.empty(len(linear))
    spread = np.sqrt(np.minimum(variance, 100.0))
    for part in chunks(len(linear), (trials + 1) * len(nodes)):
        p = expit(linear[part, None] + spread[part, None] * nodes)
        below = np.einsum("q,eqk->ek", weights, bdtr(counts, trials, p[:, :, None]))
        # rounding must not push the last probability below its level
        below[:, -1] = 1.0
        low[part], high[part] = (below >= tail).argmax(axis=1), (below >= 1.0 - tail).argmax(axis=1)
    return low, high
