"""The fitted Bayesian model: predictions and their variances, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.heterogeneous.posterior.families import SourceFamily
from halfseen.methods.heterogeneous.posterior.state import SampleScores, SourceLoadings
from halfseen.solvers.loop import Run

# Pairs whose covariances are gathered at once.
PAIRS_AT_ONCE = 8192


@storable
@dataclass(frozen=True)
class SourceFit:
    """One source: what was taken out of it, and its columns.

    Attributes
    ----------
    level, scale : float
        The data are ``level + scale *`` working units.
    family : SourceFamily
    loadings : SourceLoadings
        In working units.
    counts : ndarray (p,) or None
        Entries of every column.
    offset, unit : ndarray (p,) or None
        Of every column, where units are unlike: the data are ``level + offset + scale * unit *`` working units.
    """

    level: float
    scale: float
    family: SourceFamily
    loadings: SourceLoadings
    counts: FloatArray | None = None
    offset: FloatArray | None = None
    unit: FloatArray | None = None

    @property
    def scales(self) -> FloatArray:
        """Working unit of every column (p,), in the units of the data."""
        return self.scale * (np.ones(len(self.loadings.mean)) if self.unit is None else self.unit)

    @property
    def levels(self) -> FloatArray:
        """What was taken out of every column (p,)."""
        return self.level + (np.zeros(len(self.loadings.mean)) if self.offset is None else self.offset)

    @property
    def intercepts(self) -> FloatArray:
        """Intercept of every column (p,), in the units of the linear predictor."""
        return self.levels + self.scales * self.loadings.mean[:, 0]

    @property
    def degrees(self) -> FloatArray:
        """Degrees of freedom behind each column's noise variance (p,); endless without noise."""
        loadings = self.loadings
        if not self.family.has_noise or self.counts is None:
            return np.full(len(loadings.noise), np.inf)
        used = 1.0 + len(loadings.precision)
        return np.maximum(self.counts + loadings.noise_prior[0] - used, 3.0)

    @property
    def noise(self) -> FloatArray:
        """Standard deviation of the noise of every column (p,); nan for families without one."""
        if not self.family.has_noise:
            return np.full(len(self.loadings.noise), np.nan)
        return self.scales * np.sqrt(self.loadings.noise)


@storable
@dataclass(frozen=True)
class SourcesPosterior:
    """What :func:`fit_posterior` found.

    Attributes
    ----------
    names : tuple of str
    fits : tuple of SourceFit
    rows : SampleScores
        Of common factors (in which several sources may take part), and of each source's own.
    activity : bool ndarray (K, N)
        Whether a source takes part in a factor.
    variance_explained : ndarray (N, K)
        R^2 by source and factor: of the variance about the column means, columns weighted by one over their noise.
    factor_names : tuple of str
        "shared 1", "rna+protein 1", "rna 1", ...
    run : Run
    powers : tuple of float
        What the log likelihoods of the sources were multiplied by.
    """

    names: tuple[str, ...]
    fits: tuple[SourceFit, ...]
    rows: SampleScores
    activity: BoolArray
    variance_explained: FloatArray
    factor_names: tuple[str, ...]
    run: Run
    powers: tuple[float, ...] = ()

    # ---- factors -----------------------------------------------------------------------------------------------

    @property
    def scores(self) -> FloatArray:
        """Posterior means of all factors (n, K): common ones, then each source's own."""
        return np.hstack([self.rows.mean, *(own_scores.mean for own_scores in self.rows.own)])

    @property
    def scores_se(self) -> FloatArray:
        """Posterior standard deviations of the scores (n, K)."""
        variances = [np.einsum("nkk->nk", self.rows.cov)]
        for place in range(len(self.names)):
            cov = self.rows.of(place, np.zeros(0, dtype=int))[1]
            variances.append(np.einsum("nkk->nk", cov) if cov.shape[1] else np.zeros((len(cov), 0)))
        wide = 1.0 if self.rows.widening is None else self.rows.widening[:, None]
        return np.sqrt(np.hstack(variances) * wide)

    def columns_of(self, name: str) -> IntArray:
        """Positions, among all factors, of those that a source has loadings on."""
        place = self.names.index(name)
        own = [scores.mean.shape[1] for scores in self.rows.own]
        begin = self.rows.mean.shape[1] + sum(own[:place])
        return np.concatenate([self.fits[place].loadings.active, begin + np.arange(own[place])])

    def loadings(self, name: str) -> FloatArray:
        """Posterior means of a source's loadings on all factors (p, K), 0 where it does not take part."""
        return self._spread(name, self._fit(name).loadings.mean[:, 1:])

    def loadings_se(self, name: str) -> FloatArray:
        """Posterior standard deviations of the loadings (p, K)."""
        loadings = self._fit(name).loadings
        wide = 1.0 if loadings.widening is None else loadings.widening[:, None]
        return self._spread(name, np.sqrt(np.einsum("pkk->pk", loadings.cov[:, 1:, 1:]) * wide))

    def inclusion(self, name: str) -> FloatArray | None:
        """Probabilities that loadings are not 0 (p, K); None unless these were asked for."""
        inclusion = self._fit(name).loadings.inclusion
        if inclusion is None:
            return None
        out = np.zeros((len(inclusion), self.activity.shape[0]))
        out[:, self.columns_of(name)] = inclusion
        return out

    def _spread(self, name: str, numbers: FloatArray) -> FloatArray:
        fit = self._fit(name)
        out = np.zeros((len(numbers), self.activity.shape[0]))
        out[:, self.columns_of(name)] = fit.scales[:, None] * numbers
        return out

    def _fit(self, name: str) -> SourceFit:
        return self.fits[self.names.index(name)]

    # ---- cells -------------------------------------------------------------------------------------------------

    def linear(self, name: str, rows: SampleScores | None = None) -> FloatArray:
        """Linear predictors of a source as a table (n, p), in the units of the data.

        Parameters
        ----------
        rows : SampleScores, optional
            Of other rows than those of the fit.
        """
        fit, place = self._fit(name), self.names.index(name)
        rows = self.rows if rows is None else rows
        loadings = fit.loadings
        mean = np.hstack([rows.mean[:, loadings.active], rows.own[place].mean])
        return fit.levels + fit.scales * (loadings.mean[:, 0] + mean @ loadings.mean[:, 1:].T)

    def cells(
        self, name: str, i: IntArray, j: IntArray, rows: SampleScores | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        r"""Linear predictors at cells, their posterior variances, and the noise variances there.

        .. math:: \operatorname{var} = v_j^\top C_i v_j + x_i^\top C_j x_i + \langle C_i, C_j\rangle
        """
        fit, place = self._fit(name), self.names.index(name)
        rows = self.rows if rows is None else rows
        loadings = fit.loadings
        mean, cov = rows.of(place, loadings.active)
        linear, variance = np.empty(len(i)), np.empty(len(i))
        for begin in range(0, len(i), PAIRS_AT_ONCE):
            part = slice(begin, begin + PAIRS_AT_ONCE)
            a, b = i[part], j[part]
            W, C, U, D = loadings.mean[b], loadings.cov[b], mean[a], cov[a]
            V = W[:, 1:]
            linear[part] = W[:, 0] + np.einsum("ek,ek->e", U, V)
            x = np.hstack([np.ones((len(a), 1)), U])
            wide_row = 1.0 if rows.widening is None else rows.widening[a]
            wide_col = 1.0 if loadings.widening is None else loadings.widening[b]
            variance[part] = (
                wide_row * np.einsum("ek,ekl,el->e", V, D, V)
                + wide_col * np.einsum("ek,ekl,el->e", x, C, x)
                + np.einsum("ekl,ekl->e", D, C[:, 1:, 1:])
            )
        noise = loadings.noise[j] if fit.family.has_noise else np.zeros(len(j))
        if rows is self.rows:
            noise = noise * loadings.row_noise[i]
        scales, square = fit.scales[j], np.square(fit.scales[j])
        return fit.levels[j] + scales * linear, square * variance, square * noise
