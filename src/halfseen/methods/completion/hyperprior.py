"""The hyperprior of normally distributed coefficients, and its draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.engines.draws import GaussianPrior


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
            return self.drawn(0, np.zeros(k), np.zeros((k, k)), rng)
        mean = rows.mean(axis=0, dtype=float)
        centred = rows - mean.astype(rows.dtype)
        return self.drawn(n, mean, (centred.T @ centred).astype(float), rng)

    def drawn(self, n: int, mean: FloatArray, scatter: FloatArray, rng: np.random.Generator) -> GaussianPrior:
        """The same where of the rows their number, mean and scatter about it are known."""
        k = len(mean)
        total = self.strength + n
        inverse = np.diag(self.scale) + scatter + (self.strength * n / total) * np.outer(mean, mean)
        # Bartlett: with W^-1 = M M', Lambda = G G' for G = M^-T A, A lower triangular
        M = np.linalg.cholesky(inverse)
        A = np.tril(rng.standard_normal((k, k)), -1)
        A[np.diag_indices(k)] = np.sqrt(rng.chisquare(self.freedom + n - np.arange(k)))
        G = np.linalg.solve(M.T, A)
        away = M @ np.linalg.solve(A.T, rng.standard_normal(k))
        return GaussianPrior(n / total * mean + away / np.sqrt(total), G @ G.T)
