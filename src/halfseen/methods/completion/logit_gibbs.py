"""Gibbs sampling of yes/no answers: Pólya-Gamma weights make their likelihood Gaussian."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.data.validate import check_support
from halfseen.engines import EntryPasses
from halfseen.losses import Loss, get_loss
from halfseen.methods.completion.gibbs import GibbsState, GibbsSweep, with_constant
from halfseen.solvers.loop import SweepResult
from halfseen.solvers.polya import polya_gamma

# Pólya-Gamma weight of an answer whose predictor is 0, on average.
FLAT = 0.25


def check_answers(observed: Observed, clip: object) -> None:
    """Refuse what has no Pólya-Gamma form."""
    check_support(observed, get_loss("bernoulli"), "family")
    if observed.weights is not None:
        raise ValueError(
            "family='bernoulli' draws one weight per answer and cannot take weights of its own; drop them with "
            "R.with_values(R.values, weights=None), or use GeneralizedFactorModel(rank, 'bernoulli')"
        )
    if clip is not None:
        raise ValueError(f"clip={clip!r} bounds real values; probabilities lie between 0 and 1 anyway: leave it out")


def base_rate(values: FloatArray) -> float:
    """Log odds of yes over all answers, finite for a table of one answer only."""
    return float(logit((np.sum(values, dtype=float) + 0.5) / (len(values) + 1.0)))


def linearised(passes: EntryPasses) -> EntryPasses:
    """Passes over the Gaussian responses that stand for the answers where every predictor is 0."""
    return weighted(passes, np.full(passes.observed.n_entries, FLAT))


def weighted(passes: EntryPasses, omega: FloatArray) -> EntryPasses:
    r"""Passes over :math:`(y - 1/2)/\omega`, with precisions :math:`\omega`."""
    observed = passes.observed
    values = (observed.values - 0.5) / omega
    table = observed.with_values(values.astype(passes.dtype), weights=omega.astype(passes.dtype))
    return EntryPasses(table, passes.loss, passes.engine)


@dataclass(frozen=True)
class LogitSweep:
    r"""Sweep: Pólya-Gamma weights given the predictors, then columns and rows as for Gaussian responses.

    .. math:: \omega_{ij} \sim \mathrm{PG}(1, m_{ij}),\qquad \frac{y_{ij} - 1/2}{\omega_{ij}} \sim
              N(m_{ij}, \omega_{ij}^{-1})

    The value is the mean log loss of the answers before the sweep.

    Attributes
    ----------
    gaussian : GibbsSweep
        Over the answers, with the gaussian loss; its noise is never drawn.
    loss : Loss
        The logistic one.

    Notes
    -----
    One draw of some .2 microseconds per entry beside a Gaussian sweep. Source: Polson, Scott and Windle (2013).
    """

    gaussian: GibbsSweep
    loss: Loss

    def __call__(self, state: GibbsState) -> SweepResult:
        passes = self.gaussian.passes
        offset = state.cols[:, -1] + state.cols.dtype.type(self.gaussian.mean)
        m = passes.at(state.rows, with_constant(state.cols), col_offset=offset)
        value = float(np.mean(self.loss.value(passes.observed.values, m), dtype=float))
        inner = weighted(passes, polya_gamma(m, self.gaussian.rng))
        state, _ = replace(self.gaussian, passes=inner).coefficients(state, 1.0)
        return SweepResult(state, value, work=3.0)


def probable(linear: FloatArray, mean: float) -> FloatArray:
    """Probability of yes at predictors without their mean, in double precision."""
    return expit(linear.astype(float) + mean)


def log_odds(probability: FloatArray, dtype: np.dtype) -> FloatArray:
    """Of probabilities, finite at 0 and 1."""
    tiny = np.finfo(float).tiny
    return logit(np.clip(probability, tiny, 1.0 - np.finfo(float).epsneg)).astype(dtype)
