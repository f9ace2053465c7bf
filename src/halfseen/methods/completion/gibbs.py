"""The Gibbs sampler of matrix factorisation with biases: hyperpriors, one sweep, and the draws that are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import BoolArray, FloatArray
from halfseen.engines import EntryPasses
from halfseen.engines.draws import GaussianPrior, draw_rows
from halfseen.solvers.loop import SweepResult


@dataclass(frozen=True)
class NormalWishart:
    r"""Hyperprior of one side: :math:`\Lambda \sim W(W_0, \nu_0)` and :math:`m \sim N(0, (\beta_0\Lambda)^{-1})`.

    Attributes
    ----------
    scale : ndarray (k,)
        Diagonal of :math:`W_0^{-1}`, in the unit of the squared coefficients.
    strength : float
        :math:`\beta_0`.
    freedom : float
        :math:`\nu_0`, at least k.
    """

    scale: FloatArray
    strength: float
    freedom: float

    def draw(self, rows: FloatArray, rng: np.random.Generator) -> GaussianPrior:
        r"""Draw :math:`(m, \Lambda)` from its distribution given the rows.

        Notes
        -----
        With N rows of mean :math:`\bar x` and scatter S: :math:`W^{-1} = W_0^{-1} + S + \frac{\beta_0 N}{\beta_0 + N}
        \bar x\bar x^\top`, :math:`\nu = \nu_0 + N`, mean :math:`N\bar x / (\beta_0 + N)`. Source: Salakhutdinov and
        Mnih (2008), equation 14.
        """
        n, k = rows.shape
        if n == 0:
            mean, scatter = np.zeros(k), np.zeros((k, k))
        else:
            mean = rows.mean(axis=0, dtype=float)
            centred = rows - mean.astype(rows.dtype)
            scatter = (centred.T @ centred).astype(float)
        total = self.strength + n
        inverse = np.diag(self.scale) + scatter + (self.strength * n / total) * np.outer(mean, mean)
        # Bartlett: with W^-1 = M M', Lambda = G G' for G = M^-T A, A lower triangular
        M = np.linalg.cholesky(inverse)
        A = np.tril(rng.standard_normal((k, k)), -1)
        A[np.diag_indices(k)] = np.sqrt(rng.chisquare(self.freedom + n - np.arange(k)))
        G = np.linalg.solve(M.T, A)
        away = M @ np.linalg.solve(A.T, rng.standard_normal(k))
        return GaussianPrior(n / total * mean + away / np.sqrt(total), G @ G.T)


@dataclass(frozen=True)
class GibbsState:
    """One state of the chain; the last column of the coefficients is the bias.

    Attributes
    ----------
    rows, cols : ndarray (n, k + 1), (p, k + 1)
    precision : float
        Of the noise of an entry of weight 1.
    row_prior : GaussianPrior or None
        From which the rows were drawn.
    """

    rows: FloatArray
    cols: FloatArray
    precision: float
    row_prior: GaussianPrior | None = None


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
    """

    passes: EntryPasses
    mean: float
    hyperprior: NormalWishart
    noise_shape: float
    noise_rate: float
    seen: tuple[BoolArray, BoolArray]
    n_entries: int
    rng: np.random.Generator

    def __call__(self, state: GibbsState) -> SweepResult:
        rows, cols, row_prior, squares = self.coefficients(state, state.precision)
        shape, rate = self.noise_shape + 0.5 * self.n_entries, self.noise_rate + 0.5 * max(squares, 0.0)
        precision = float(self.rng.gamma(shape, 1.0 / rate))
        return SweepResult(GibbsState(rows, cols, precision, row_prior), squares / self.n_entries, work=2.0)

    def coefficients(self, state: GibbsState, precision: float) -> tuple[FloatArray, FloatArray, GaussianPrior, float]:
        """Hyperprior and columns, hyperprior and rows; the rows' prior, and the sum of squared residuals."""
        cols, _, _ = self._side(1, state.cols, state.rows, precision)
        rows, row_prior, squares = self._side(0, state.rows, cols, precision)
        return rows, cols, row_prior, squares

    def _side(
        self, axis: int, own: FloatArray, other: FloatArray, precision: float
    ) -> tuple[FloatArray, GaussianPrior, float]:
        prior = self.hyperprior.draw(own[self.seen[axis]], self.rng)
        # in float64 whatever the arithmetic: the same seed then is (nearly) the same chain in both precisions
        noise = self.rng.standard_normal(own.shape)
        drawn, squares = draw_rows(
            self.passes, axis, with_constant(other), noise, precision=precision, prior=prior,
            minor_offset=other[:, -1] + other.dtype.type(self.mean),
        )  # fmt: skip
        return drawn, prior, squares


def with_constant(coefficients: FloatArray) -> FloatArray:
    """Features of the other side: the factors and a constant in the place of the bias."""
    features = coefficients.copy()
    features[:, -1] = 1.0
    return features
