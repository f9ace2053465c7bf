"""The Gibbs sampler of matrix factorisation with biases: its state and one sweep."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.engines import EntryPasses
from halfseen.engines.draws import GaussianPrior, RowDraws, draw_rows
from halfseen.methods.completion.effects import EffectState, PriorMeans
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.solvers.loop import SweepResult

# What the prior of rows' noise may count as, in entries: from very unequal rows to hardly any difference between them.
FREEDOMS = np.array([4.0, 6.0, 9.0, 14.0, 20.0, 30.0, 45.0, 70.0, 110.0, 200.0, 500.0, 2000.0])


@dataclass(frozen=True)
class RowNoise:
    r"""Noise of its own for each row: precision :math:`\tau\alpha_i`, :math:`\alpha_i \sim G(\nu/2, \nu/2)`.

    How unequal rows are (:math:`\nu`) is drawn too, each of `FREEDOMS` being as likely before.

    Attributes
    ----------
    counts : int array (n,)
        Entries of the rows.
    """

    counts: IntArray

    def freedom(self, squares: FloatArray, precision: float, rng: np.random.Generator) -> float:
        r"""Draw :math:`\nu` given the squared residuals, all :math:`\alpha_i` being integrated out.

        Notes
        -----
        Each row's residuals then are multivariate t:
        :math:`\log p = \log\Gamma(\frac{\nu + n_i}2) - \log\Gamma(\frac\nu2) + \frac\nu2\log\nu -
        \frac{\nu + n_i}2\log(\nu + \tau\,\mathrm{SSE}_i)`.
        """
        nu, (n, repeats) = FREEDOMS[:, None], np.unique(self.counts, return_counts=True)
        both = (gammaln(0.5 * (nu + n)) - gammaln(0.5 * nu) + 0.5 * nu * np.log(nu)) @ repeats
        log = both - 0.5 * np.sum((nu + self.counts) * np.log(nu + precision * squares), axis=1)
        chance = np.exp(log - log.max())
        return float(rng.choice(FREEDOMS, p=chance / chance.sum()))

    def draw(self, squares: FloatArray, precision: float, freedom: float, rng: np.random.Generator) -> FloatArray:
        r"""Draw :math:`\alpha_i` given these: :math:`G((\nu + n_i)/2, (\nu + \tau\,\mathrm{SSE}_i)/2)`."""
        return rng.gamma(0.5 * (freedom + self.counts)) / (0.5 * (freedom + precision * squares))

    def expected(self, squares: FloatArray, precision: float, freedom: float) -> FloatArray:
        """The mean of that distribution."""
        return (freedom + self.counts) / (freedom + precision * squares)


@dataclass(frozen=True)
class GibbsState:
    """One state of the chain; the last column of the coefficients is the bias.

    Attributes
    ----------
    rows, cols : ndarray (n, k + 1), (p, k + 1)
    precision : float
        Of the noise of an entry of weight 1.
    row_prior : GaussianPrior or None
        From which the rows were drawn (without the effects of their features).
    effects : (EffectState or None, EffectState or None)
        Of the features of rows and of columns.
    row_weights : ndarray (n,) or None
        Noise precision of each row, as a multiple of the common one.
    freedom : float
        How many entries the prior of these counts as.
    """

    rows: FloatArray
    cols: FloatArray
    precision: float
    row_prior: GaussianPrior | None = None
    effects: tuple[EffectState | None, EffectState | None] = (None, None)
    row_weights: FloatArray | None = None
    freedom: float = np.inf


@dataclass(frozen=True)
class GibbsSweep:
    """Sweep: hyperprior and columns, hyperprior and rows, noise precision; the value is the mean squared residual.

    Rows come last, so that new rows are placed under the very conditions of the training rows.

    Attributes
    ----------
    passes : EntryPasses
    mean : float
    hyperprior : NormalWishart
    noise_shape, noise_rate : float
        Of the Gamma prior of the noise precision.
    seen : (bool array (n,), bool array (p,))
        Rows and columns that have entries; the others are drawn from the prior and do not inform it.
    n_entries : int
    rng : Generator
    prior_means : (PriorMeans or None, PriorMeans or None)
        Of rows and columns with features.
    row_noise : RowNoise or None
        None: all rows have the same.
    """

    passes: EntryPasses
    mean: float
    hyperprior: NormalWishart
    noise_shape: float
    noise_rate: float
    seen: tuple[BoolArray, BoolArray]
    n_entries: int
    rng: np.random.Generator
    prior_means: tuple[PriorMeans | None, PriorMeans | None] = (None, None)
    row_noise: RowNoise | None = None

    def __call__(self, state: GibbsState) -> SweepResult:
        state, rows = self.coefficients(state, state.precision)
        weighted = mean_square = max(rows.value, 0.0)
        squares = rows.squares
        if squares is not None:
            squares = np.maximum(squares, 0.0)  # rounding of exact fits
            mean_square = float(squares.sum())
            weighted = mean_square if state.row_weights is None else float(state.row_weights @ squares)
        shape, rate = self.noise_shape + 0.5 * self.n_entries, self.noise_rate + 0.5 * weighted
        precision = float(self.rng.gamma(shape, 1.0 / rate))
        state = replace(state, precision=precision)
        if self.row_noise is not None:
            assert squares is not None
            freedom = self.row_noise.freedom(squares, precision, self.rng)
            weights = self.row_noise.draw(squares, precision, freedom, self.rng)
            state = replace(state, row_weights=weights, freedom=freedom)
        return SweepResult(state, mean_square / self.n_entries, work=2.0)

    def coefficients(self, state: GibbsState, precision: float) -> tuple[GibbsState, RowDraws]:
        """Hyperprior and columns, hyperprior and rows; the state with both, and what was drawn of the rows."""
        col_effects, _, cols = self._side(1, state.cols, state.rows, precision, state)
        row_effects, prior, rows = self._side(0, state.rows, cols.coefficients, precision, state)
        return replace(
            state, rows=rows.coefficients, cols=cols.coefficients, row_prior=prior, effects=(row_effects, col_effects)
        ), rows

    def _side(
        self, axis: int, own: FloatArray, other: FloatArray, precision: float, state: GibbsState
    ) -> tuple[EffectState | None, GaussianPrior, RowDraws]:
        means, effects = self.prior_means[axis], state.effects[axis]
        left = own if effects is None else own - effects.shift
        prior = each = self.hyperprior.draw(left[self.seen[axis]], self.rng)
        if means is not None and effects is not None:
            effects = means.drawn(effects, own, prior, self.rng)
            each = GaussianPrior(effects.shift + prior.mean.astype(own.dtype), prior.precision.astype(own.dtype))
        # in float64 whatever the arithmetic: the same seed then is (nearly) the same chain in both precisions
        noise = self.rng.standard_normal(own.shape)
        is_interwoven = means is not None and means.is_interwoven
        want = ("s" if self.row_noise is not None and axis == 0 else "") + ("sn" if is_interwoven else "")
        draws = draw_rows(
            self.passes, axis, with_constant(other), noise, precision=precision, prior=each,
            minor_offset=other[:, -1] + other.dtype.type(self.mean), row_weights=state.row_weights, want=want,
        )  # fmt: skip
        if is_interwoven and means is not None and effects is not None:
            weights = None if axis else state.row_weights
            effects, draws = means.interwoven(effects, draws, precision, weights, self.rng)
        return effects, prior, draws


def with_constant(coefficients: FloatArray) -> FloatArray:
    """Features of the other side: the factors and a constant in the place of the bias."""
    features = coefficients.copy()
    features[:, -1] = 1.0
    return features
