"""Variances from groups of rows: each group's share of the scores, its influence on the estimates, and their spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray


@dataclass(frozen=True)
class SubspaceError:
    """How far a fitted subspace may be from the true one, in degrees.

    Attributes
    ----------
    angles : ndarray (r,)
        Root mean square angle between each fitted direction and the true space.
    largest : float
        With probability ``level`` the largest principal angle is below this.
    level : float
    """

    angles: FloatArray
    largest: float
    level: float


@dataclass(frozen=True)
class GroupedInfluence:
    r"""What each of G groups of rows did to an estimate :math:`\hat\theta`: :math:`\Delta_g = H^{-1} s_g`.

    The covariance is :math:`\frac{G}{G-1}\sum_g \Delta_g\Delta_g^\top`, the row-clustered sandwich with rows added up
    in groups: the same expectation, a chi-square of G - 1 degrees of freedom instead of n - 1.

    Attributes
    ----------
    moves : ndarray (G, ...)
        Influences, in the shape of the estimate.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(1000, 1))
    >>> groups = GroupedInfluence.centred((rows - rows.mean()).reshape(100, 10).sum(axis=1)[:, None] / 1000)
    >>> bool(abs(groups.se(groups.moves[:, 0]) * 1000**0.5 - 1) < 0.2)
    True
    """

    moves: FloatArray

    @classmethod
    def centred(cls, moves: FloatArray) -> GroupedInfluence:
        """From influences whose mean is not exactly zero (a regulariser, an early stop)."""
        return cls(moves - moves.mean(axis=0))

    @property
    def n_groups(self) -> int:
        """Number of groups G."""
        return len(self.moves)

    def se(self, changes: FloatArray) -> FloatArray:
        """Standard errors of functions of the estimate from their first-order changes, groups along the first axis."""
        factor = self.n_groups / (self.n_groups - 1.0)
        return np.sqrt(factor * np.sum(np.square(changes), axis=0))

    def quantile(self, level: float) -> float:
        """Two-sided Student quantile of G - 1 degrees of freedom."""
        from scipy.special import stdtrit

        return float(stdtrit(self.n_groups - 1, 0.5 + 0.5 * level))

    def loadings(self, changes: FloatArray) -> FloatArray:
        """Loadings (m, G) of functions of the estimate, from their first-order changes (G, m): one normal per group."""
        return np.sqrt(self.n_groups / (self.n_groups - 1.0)) * changes.T

    def draws(self, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Gaussian draws of the estimate's error, (n_draws, ...): random combinations of the influences."""
        factor = np.sqrt(self.n_groups / (self.n_groups - 1.0))
        signs = rng.standard_normal((n_draws, self.n_groups)) * factor
        return np.tensordot(signs, self.moves, axes=1)

    def subspace_error(self, basis: FloatArray, level: float, n_draws: int, rng: np.random.Generator) -> SubspaceError:
        """Angles between the span of an orthonormal ``basis`` (n, r), whose moves these are, and the true one."""
        across = self.moves - np.einsum("ik,lk,glm->gim", basis, basis, self.moves)
        outside = GroupedInfluence(across)
        tangents = np.sqrt(np.sum(np.square(outside.se(across)), axis=0))
        largest = np.linalg.norm(outside.draws(n_draws, rng), ord=2, axis=(1, 2))
        bound = float(np.quantile(largest, level))
        return SubspaceError(np.degrees(np.arctan(tangents)), float(np.degrees(np.arctan(bound))), level)
