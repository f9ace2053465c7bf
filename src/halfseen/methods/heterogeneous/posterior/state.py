"""What is known about scores and loadings: means and covariances, with the hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.heterogeneous.posterior.cells import submatrices
from halfseen.methods.heterogeneous.posterior.families import Working

# Precision of an intercept that is held at 0.
LOCKED = 1e200


@storable
@dataclass(frozen=True)
class SourceLoadings:
    r"""Columns of one source: :math:`(\mu_j, v_j) \sim N(\cdot, C_j)`, in working units.

    Attributes
    ----------
    mean : ndarray (p, 1 + k)
        Intercept, loadings on the active common factors, loadings on the source's own factors.
    cov : ndarray (p, 1 + k, 1 + k)
    active : int array
        Which common factors the source takes part in.
    precision : ndarray (k,)
        :math:`\alpha_{sk}`.
    spread : float
        :math:`t_s`, prior variance of the intercepts.
    noise : ndarray (p,)
        :math:`\sigma^2_{sj}`.
    noise_prior : (float, float)
        Pseudo-count and centre of the noise variances.
    local : ndarray (p, k) or None
        Factors of the precision of single loadings.
    inclusion : ndarray (p, k) or None
        Probabilities that loadings come from the wide part of a mixture.
    row_noise : ndarray (n,)
        Factors of the noise variance of the rows.
    widening : ndarray (p,) or None
        By what intervals multiply the covariances; of a finished fit.
    """

    mean: FloatArray
    cov: FloatArray
    active: IntArray
    precision: FloatArray
    spread: float
    noise: FloatArray
    noise_prior: tuple[float, float]
    row_noise: FloatArray
    local: FloatArray | None = None
    inclusion: FloatArray | None = None
    widening: FloatArray | None = None

    @property
    def own_rank(self) -> int:
        """Number of the source's own factors."""
        return len(self.precision) - len(self.active)

    @property
    def size(self) -> FloatArray:
        """``sum_j E[v_jk^2]`` (k,)."""
        return np.square(self.mean[:, 1:]).sum(axis=0) + np.einsum("pkk->k", self.cov[:, 1:, 1:])

    def keep_order(self, order: IntArray) -> SourceLoadings:
        """The loadings in another order; ``active`` stays as it is."""
        return replace(self.keep(order), active=self.active)

    def keep(self, kept: IntArray) -> SourceLoadings:
        """Only some of the loadings (positions among the k)."""
        columns = np.concatenate([[0], 1 + kept])
        common = kept[kept < len(self.active)]
        return replace(
            self,
            mean=self.mean[:, columns],
            cov=submatrices(self.cov, columns),
            active=self.active[common],
            precision=self.precision[kept],
            local=None if self.local is None else self.local[:, kept],
            inclusion=None if self.inclusion is None else self.inclusion[:, kept],
        )


@storable
@dataclass(frozen=True)
class OwnScores:
    """A source's own factors, given the common ones: covariance ``given`` and slope ``-turn`` on these.

    Attributes
    ----------
    mean : ndarray (n, r)
    given : ndarray (n, r, r)
    turn : ndarray (n, r, R)
    """

    mean: FloatArray
    given: FloatArray
    turn: FloatArray


@storable
@dataclass(frozen=True)
class SampleScores:
    """Rows: common factors, and each source's own.

    Attributes
    ----------
    mean : ndarray (n, R)
    cov : ndarray (n, R, R)
    own : tuple of OwnScores
    widening : ndarray (n,) or None
        By what intervals multiply the covariances; of a finished fit.
    """

    mean: FloatArray
    cov: FloatArray
    own: tuple[OwnScores, ...]
    widening: FloatArray | None = None

    def of(self, place: int, active: IntArray) -> tuple[FloatArray, FloatArray]:
        """Means (n, k) and covariances (n, k, k) of the factors that a source takes part in."""
        own = self.own[place]
        is_all = np.array_equal(active, np.arange(self.mean.shape[1]))
        cov = self.cov if is_all else submatrices(self.cov, active)
        if not own.mean.shape[1]:
            return self.mean[:, active], cov
        cross = -self.cov[:, active] @ own.turn.transpose(0, 2, 1)
        whole = own.given + own.turn @ self.cov @ own.turn.transpose(0, 2, 1)
        upper = np.concatenate([cov, cross], axis=2)
        lower = np.concatenate([cross.transpose(0, 2, 1), whole], axis=2)
        return np.hstack([self.mean[:, active], own.mean]), np.concatenate([upper, lower], axis=1)

    def keep(self, kept: IntArray) -> SampleScores:
        """Only some of the common factors."""
        own = tuple(replace(scores, turn=scores.turn[:, :, kept]) for scores in self.own)
        return SampleScores(self.mean[:, kept], submatrices(self.cov, kept), own)

    def keep_own(self, place: int, kept: IntArray) -> SampleScores:
        """Only some of one source's own factors."""
        scores = self.own[place]
        less = OwnScores(scores.mean[:, kept], scores.given[:, kept[:, None], kept], scores.turn[:, kept])
        return replace(self, own=(*self.own[:place], less, *self.own[place + 1 :]))

    def stretched(self, common: FloatArray, own: list[FloatArray]) -> SampleScores:
        """Every factor divided by a number."""
        parts = []
        for scores, by in zip(self.own, own, strict=True):
            turn = scores.turn / by[:, None] * common
            parts.append(OwnScores(scores.mean / by, scores.given / (by[:, None] * by), turn))
        share = 1.0 / common
        return SampleScores(self.mean * share, self.cov * (share[:, None] * share), tuple(parts))

    def turned(self, R: FloatArray) -> SampleScores:
        """The common factors in other axes: scores times an orthogonal matrix."""
        own = tuple(replace(scores, turn=scores.turn @ R) for scores in self.own)
        return SampleScores(self.mean @ R, R.T @ self.cov @ R, own)

    def own_turned(self, place: int, R: FloatArray) -> SampleScores:
        """One source's own factors in other axes."""
        scores = self.own[place]
        fresh = OwnScores(scores.mean @ R, R.T @ scores.given @ R, R.T @ scores.turn)
        return replace(self, own=(*self.own[:place], fresh, *self.own[place + 1 :]))


@dataclass(frozen=True)
class PosteriorState:
    """Everything a sweep moves.

    Attributes
    ----------
    scores : SampleScores
    loadings : tuple of SourceLoadings
    working : tuple of Working
    sweep : int
        Sweeps done.
    is_turning : bool
        Whether the last look at rotations turned any pair of factors.
    linear : tuple of cell arrays
        Predictors at the seen cells, from the last update of the columns.
    """

    scores: SampleScores
    loadings: tuple[SourceLoadings, ...]
    working: tuple[Working, ...]
    sweep: int = 0
    is_turning: bool = False
    linear: tuple[FloatArray, ...] = ()
