"""Columns of a source given its rows: loadings, intercepts, noise, and the ridges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from halfseen import kernels
from halfseen._typing import FloatArray
from halfseen.methods.heterogeneous.posterior.cells import contracted, packed
from halfseen.methods.heterogeneous.posterior.families import Given, Working
from halfseen.methods.heterogeneous.posterior.settings import NO_NOISE, PosteriorSettings
from halfseen.methods.heterogeneous.posterior.state import LOCKED, SourceLoadings

# Pseudo-counts of the noise variances: between hardly any pull and one variance for all columns.
LEAST_PULL, MOST_PULL = 2.0, 1e4
# Variance of log noise variances below which they count as equal.
LEAST_UNEQUAL = 1e-3
# A column may lie this far from the median on the log scale; constant columns would else set the prior of all.
FARTHEST_LOG = 12.0
# Sweeps before single loadings are shrunk on their own: whole factors have to settle first.
SPARSE_FROM = 20
# Variance of the narrow part of the mixture, in units of the wide one's.
SPIKE = 0.01


@dataclass(frozen=True)
class RowMoments:
    """What columns need to know about rows: moments of the scores of one source.

    Attributes
    ----------
    mean : ndarray (n, k)
    cov : ndarray (n, k, k)
    factor : ndarray (n,)
        Precision of the rows (weights over row noise).
    power : float
        What the log likelihood of the source is multiplied by.
    """

    mean: FloatArray
    cov: FloatArray
    factor: FloatArray
    power: float = 1.0

    @property
    def design(self) -> FloatArray:
        """Ones and scores (n, 1 + k)."""
        return np.hstack([np.ones((len(self.mean), 1)), self.mean])


@dataclass(frozen=True)
class Misfit:
    """Expected squared residuals.

    Attributes
    ----------
    cols : ndarray (p,)
        Weighted sums by column.
    residual : cell array
        At the posterior means.
    linear : cell array
        Predictors at the means.
    value : float
        Minus the expected log likelihood of the source's normal (working) cells, up to a constant.
    """

    cols: FloatArray
    residual: FloatArray
    linear: FloatArray
    value: float


def column_step(
    given: Given, working: Working, rows: RowMoments, now: SourceLoadings, settings: PosteriorSettings, sweep: int
) -> tuple[SourceLoadings, Misfit]:
    """Loadings, then noise, then ridges, each in closed form given the rows.

    Notes
    -----
    O(entries k^2) products (through BLAS where the table is dense) and p systems of 1 + k unknowns.
    """
    fresh, sums, spread = solve_columns(given, working, rows, now)
    misfit = misfit_of(given, working, rows, fresh, sums, spread)
    if given.family.has_noise:
        noise, prior = shrunk_noise(misfit.cols / given.shrinkage(now.noise), given.cells.counts)
        fresh = replace(fresh, noise=np.maximum(noise, settings.least_noise), noise_prior=prior)
    # where column means were taken out one by one, intercepts near 0 say nothing about how far off a mean may be
    return with_ridges(fresh, settings, sweep, 1e-12 if given.unit is None else 1.0), misfit


def prior_diagonal(now: SourceLoadings) -> FloatArray:
    """Prior precision of intercept and loadings, (1 + k,) or (p, 1 + k)."""
    first = LOCKED if now.spread == 0.0 else 1.0 / now.spread
    if now.local is None:
        return np.concatenate([[first], now.precision])
    return np.hstack([np.full((len(now.mean), 1), first), now.local * now.precision])


def solve_columns(
    given: Given, working: Working, rows: RowMoments, now: SourceLoadings
) -> tuple[SourceLoadings, FloatArray, FloatArray]:
    """Means and covariances of intercepts and loadings.

    Returns
    -------
    loadings : SourceLoadings
    sums : ndarray (p, (1 + k) (2 + k) / 2)
        Upper triangles of :math:`H_j`.
    spread : ndarray (p, k (k + 1) / 2)
        The part of it that comes from the uncertainty of the scores.
    """
    cells, k = given.cells, rows.mean.shape[1]
    x = rows.design
    first = packed(x)
    size = first.shape[1]
    lines = cells.to_cols(working.weight, np.hstack([first, packed(rows.cov)]) * rows.factor[:, None])
    H, spread = lines[:, :size], lines[:, size:]
    H[:, 1 + k :] += spread  # behind its first row a triangle is that of the others
    right = cells.to_cols(working.target, x * rows.factor[:, None])
    moments = kernels.normal_moments(H, right, rows.power / now.noise, prior_diagonal(now))
    return replace(now, mean=moments.mean, cov=moments.cov), H, spread


def misfit_of(
    given: Given, working: Working, rows: RowMoments, now: SourceLoadings, sums: FloatArray, spread: FloatArray
) -> Misfit:
    r"""Expected squared residuals, :math:`\sum_i \omega_{ij} E[(y_{ij} - \mu_j - u_i^\top v_j)^2]` of every column.

    Around the residuals at the means, what the scores' and the loadings' uncertainty adds:
    :math:`\langle S_j, v_j v_j^\top\rangle + \langle H_j, C_j\rangle`.
    """
    cells, k = given.cells, rows.mean.shape[1]
    linear = cells.products(rows.design, now.mean)
    if not given.family.has_noise:
        residual = working.target - working.weight * linear
        safe = np.where(working.weight > 0, working.weight, 1.0)
        cols = cells.col_sums(np.square(residual) / safe)
        return Misfit(cols, residual / safe, linear, 0.5 * float(cols.sum()))
    residual = given.values - linear
    weight = working.weight if working.damp is None else working.weight * working.damp
    at_means = cells.col_sums(np.square(residual) * weight * cells.of_rows(rows.factor))
    unsure = contracted(spread, packed(now.mean[:, 1:]), k) + contracted(sums, packed(now.cov), 1 + k)
    cols = at_means + unsure
    count = np.maximum(cells.counts, 1.0)
    value = 0.5 * float(np.sum(cols / now.noise + count * np.log(now.noise)))
    return Misfit(cols, residual, linear, value)


def shrunk_noise(q: FloatArray, counts: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
    r"""Noise variances of columns, drawn towards their geometric mean by as much as they are alike.

    .. math:: \sigma^2_j = \frac{q_j + \nu_0 g}{n_j + \nu_0}, \qquad g = \exp\overline{\log s_j}, \qquad
              \nu_0 = \frac{2}{\operatorname{var}\log s_j - \overline{2/n_j}}, \qquad s_j = q_j/n_j

    with :math:`\nu_0` kept in [2, 10000].

    Examples
    --------
    >>> noise, (pull, centre) = shrunk_noise(np.array([9.0, 10.0, 11.0, 10.0]), np.full(4, 10.0))
    >>> pull, noise.round(2).tolist()
    (2000.0, [1.0, 1.0, 1.0, 1.0])
    """
    told = counts > 3
    if not told.any():
        told = counts > 0
    if not told.any():
        return np.ones(len(q)), (MOST_PULL, 1.0)
    logs = np.log(np.maximum(q[told] / counts[told], NO_NOISE))
    if np.ptp(logs) > FARTHEST_LOG:
        middle = float(np.median(logs))
        logs = np.clip(logs, middle - FARTHEST_LOG, middle + FARTHEST_LOG)
    unequal = float(logs.var() - np.mean(2.0 / counts[told])) if told.sum() > 3 else LEAST_UNEQUAL
    pull = float(np.clip(2.0 / max(unequal, LEAST_UNEQUAL), LEAST_PULL, MOST_PULL))
    centre = float(np.exp(logs.mean()))
    return np.maximum((q + pull * centre) / (counts + pull), NO_NOISE), (pull, centre)


def with_ridges(now: SourceLoadings, settings: PosteriorSettings, sweep: int, least: float = 1e-12) -> SourceLoadings:
    r"""Ridges from the loadings: :math:`\alpha_{sk} = p / \sum_j E[v_{jk}^2]`, :math:`t_s = \overline{E[\mu_j^2]}`."""
    p = len(now.mean)
    squares = np.square(now.mean[:, 1:]) + np.einsum("pkk->pk", now.cov[:, 1:, 1:])
    spread = 0.0
    if now.spread:
        spread = max(float(np.mean(np.square(now.mean[:, 0]) + now.cov[:, 0, 0])), least)
    local, inclusion = now.local, now.inclusion
    if settings.sparse_loadings is not None and sweep >= SPARSE_FROM:
        local, inclusion = single_ridges(squares, now, settings.sparse_loadings)
    size = (squares if local is None else local * squares).sum(axis=0)
    precision = np.minimum(p / np.maximum(size, 1e-300), 1e12)
    return replace(now, precision=precision, spread=spread, local=local, inclusion=inclusion)


def single_ridges(squares: FloatArray, now: SourceLoadings, kind: str) -> tuple[FloatArray, FloatArray | None]:
    r"""Factors of the precision of every loading.

    "ard": :math:`2/(1 + \alpha E[v^2])`, a Student's t prior with one degree of freedom. "spike-slab": with the
    posterior probability :math:`\gamma` of the wide normal, :math:`\gamma + (1 - \gamma)/\epsilon`.
    """
    scaled = now.precision * squares
    if kind == "ard":
        return 2.0 / (1.0 + scaled), None
    share = 0.5 if now.inclusion is None else np.clip(now.inclusion.mean(axis=0), 0.01, 0.99)
    odds = np.log(share / (1.0 - share)) + 0.5 * np.log(SPIKE) + 0.5 * scaled * (1.0 / SPIKE - 1.0)
    inclusion = expit(odds)
    return inclusion + (1.0 - inclusion) / SPIKE, inclusion
