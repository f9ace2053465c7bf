"""Covariances of a fitted factor model: information blocks, second-order terms, and the gauge they are in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray
from halfseen.engines import EntryPasses
from halfseen.inference.covariance import (
    BlockCovariance,
    invert_blocks,
    packed,
    packed_blocks,
    second_order,
    unpacked,
)
from halfseen.inference.influence import Clustered, Influence
from halfseen.losses import at_columns
from halfseen.losses.derived import information
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.firth import tilts
from halfseen.methods.factor.identification import varimax
from halfseen.methods.factor.intervals.cuts import CutNoise, cut_noise, efficient_extra
from halfseen.methods.factor.problem import FactorPenalty

if TYPE_CHECKING:
    from halfseen.methods.factor.intervals.gauge import GaugeNoise

Array = NDArray[Any]

VARIANCES = ("second_order", "plug_in", "sandwich")
# Fisher information per parameter below which a row without a prior counts as separated: a logit of 14, where
# descents stop, has 1e-6 per entry.
SEPARATED = 0.01


@dataclass(frozen=True)
class Uncertainty:
    r"""One point of the model with the covariances of its rows and columns, all in one gauge.

    Attributes
    ----------
    factors : FactorPoint
    rows : BlockCovariance
        Of :math:`x_i`.
    cols : BlockCovariance
        Of :math:`(\zeta_j, y_j)`.
    scores : ndarray (n_entries,)
        Derivative of each entry's negative log-likelihood, over the dispersion.
    dispersion : float
    step : float
        Largest move that a Newton step of one row or column would still make, in standard errors.
    typical_step : float
        Root mean square of these moves.
    worst : tuple of int
        Side (0 rows, 1 columns) and position of the row or column that would move most.
    cuts : CutNoise or None
        Of ordinal columns.
    extra : ndarray (n_entries, r + 1) or None
        What the cuts' scores add to the columns' (see :class:`halfseen.inference.Influence`).
    gauge : GaugeNoise or None
        What is not known of the gauge; set last, in the gauge of the point.
    """

    factors: FactorPoint
    rows: BlockCovariance
    cols: BlockCovariance
    scores: Array
    dispersion: float
    step: float
    typical_step: float
    worst: tuple[int, int]
    cuts: CutNoise | None = None
    extra: Array | None = None
    gauge: GaugeNoise | None = None

    @property
    def features(self) -> Array:
        """:math:`\\tilde x_i = (1, x_i)`, shape (n, r + 1)."""
        return with_ones(self.factors.rows)

    def turned(self, T: Array, mean: Array | None = None) -> Uncertainty:
        r"""The same in the coordinates :math:`x = T^\top (u - mean)`, :math:`y = T^{-1} v`, the predictor unchanged."""
        r = self.factors.rank
        mean = np.zeros(r) if mean is None else mean
        back = np.linalg.inv(T)
        joint = np.zeros((r + 1, r + 1))
        joint[0, 0], joint[1:, 0], joint[1:, 1:] = 1.0, mean, back.T
        old = self.factors
        factors = FactorPoint(old.intercept + old.cols @ mean, (old.rows - mean) @ T, old.cols @ back.T)
        turned = replace(self, factors=factors, rows=self.rows.turned(T), cols=self.cols.turned(joint))
        if self.cuts is None or self.extra is None:
            return turned
        # scores are derivatives: they turn the other way
        extra = self.extra @ np.linalg.inv(joint).T
        return replace(turned, cuts=self.cuts.turned(joint), extra=extra)

    def influences(self, passes: EntryPasses) -> tuple[Influence, Influence]:
        """Influence values on the rows' and on the columns' parameters, with the plug-in inverses."""
        return (
            Influence(passes, 0, self.scores, self.factors.cols, self.rows.inverse),
            Influence(passes, 1, self.scores, self.features, self.cols.inverse, self.extra),
        )


def with_ones(rows: Array) -> Array:
    """``(1, x_i)`` for every row."""
    return np.concatenate([np.ones((len(rows), 1)), rows], axis=1)


@dataclass(frozen=True)
class StationaryPoint:
    """The stationary point in the solver's coordinates, and what it is a stationary point of.

    Attributes
    ----------
    at : FactorPoint
    penalty : FactorPenalty
    has_firth : bool
    dispersion : float
    """

    at: FactorPoint
    penalty: FactorPenalty
    has_firth: bool
    dispersion: float

    @property
    def has_prior(self) -> bool:
        return bool(self.penalty.ridge or self.penalty.intercept_ridge)


@dataclass
class Curvature:
    r"""Information of every row and column at a point, from its entries alone.

    .. math:: H_i = \sum_{j} w_{ij}\, y_j y_j^\top,\qquad
              \tilde H_j = \sum_{i} w_{ij}\, \tilde x_i \tilde x_i^\top,\qquad w_{ij} = \psi'(m_{ij}) / \phi,

    each plus its share of the penalty. Entries of rows or columns that they do not resolve are left out on the
    other side: they are fitted exactly and say nothing.

    Notes
    -----
    Two passes over the entries with r (r + 1) / 2 and (r + 1)(r + 2) / 2 columns.
    """

    passes: EntryPasses
    fit: StationaryPoint
    rows_ok: BoolArray = field(init=False)
    cols_ok: BoolArray = field(init=False)
    V_rows: Array = field(init=False)
    V_cols: Array = field(init=False)

    def __post_init__(self) -> None:
        at, observed = self.fit.at, self.passes.observed
        self.features, self.linear = with_ones(at.rows), self.passes.at(at.rows, at.cols, col_offset=at.intercept)
        weights = 1.0 if observed.weights is None else observed.weights
        loss = at_columns(self.passes.loss, observed.cols)
        self.w = weights * information(loss, self.linear) / self.fit.dispersion
        self.scores = weights * loss.gradient(observed.values, self.linear) / self.fit.dispersion
        self.cuts = cut_noise(self.passes, self.linear, self.features)
        self._invert()
        if not (self.rows_ok.all() and self.cols_ok.all()):
            kept = (self.rows_ok[observed.rows] & self.cols_ok[observed.cols]).astype(float)
            was = self.rows_ok, self.cols_ok
            self.w, self.scores = self.w * kept, self.scores * kept
            self._invert()
            self.rows_ok, self.cols_ok = self.rows_ok & was[0], self.cols_ok & was[1]
        self.q_cols = self.passes.quadratic(1, self.V_cols, self.features)
        self.q_rows = self.passes.quadratic(0, self.V_rows, at.cols) if at.rank else np.zeros_like(self.q_cols)

    def _invert(self) -> None:
        at, pen, phi, r = self.fit.at, self.fit.penalty, self.fit.dispersion, self.fit.at.rank
        self.H_rows = unpacked(self.passes.to_rows(self.w, packed(at.cols)), r)
        self.H_cols = unpacked(self.passes.to_cols(self.w, packed(self.features)), r + 1)
        if self.cuts is not None:
            self.H_cols -= self.cuts.lost
        self.H_rows += np.eye(r) * (pen.ridge / phi)
        self.H_cols += np.diag([pen.intercept_ridge / phi] + [pen.ridge / phi] * r)
        self.V_rows, self.rows_ok = invert_blocks(self.H_rows)
        self.V_cols, self.cols_ok = invert_blocks(self.H_cols)
        self._mass()

    def _mass(self) -> None:
        """Information per parameter; without a prior, a row whose fit has run to the edge of the support has none."""
        n, p = self.passes.shape
        r = self.fit.at.rank
        if self.passes.loss.has_dispersion or self.fit.has_prior:
            self.row_mass, self.col_mass = np.ones(n), np.ones(p)
            return
        self.row_mass = self.passes.to_rows(self.w, np.ones((p, 1)))[:, 0] / r if r else np.ones(n)
        self.col_mass = self.H_cols[:, 0, 0] / (r + 1)
        self.rows_ok, self.cols_ok = (
            self.rows_ok & (self.row_mass > SEPARATED),
            self.cols_ok & (self.col_mass > SEPARATED),
        )
        self.V_rows = self.V_rows * self.rows_ok[:, None, None]
        self.V_cols = self.V_cols * self.cols_ok[:, None, None]

    def second_order(self) -> tuple[BlockCovariance, BlockCovariance]:
        """Covariances that count the errors of the other side; see :func:`halfseen.inference.second_order`."""
        r, passes, prior = self.fit.at.rank, self.passes, self.fit.has_prior
        squared = np.square(self.w)
        C = unpacked(passes.to_rows(self.w, packed_blocks(self.V_cols[:, 1:, 1:])), r)
        Q = unpacked(passes.to_rows(squared * self.q_cols, packed(self.fit.at.cols)), r)
        C_cols = np.zeros_like(self.H_cols)
        C_cols[:, 1:, 1:] = unpacked(passes.to_cols(self.w, packed_blocks(self.V_rows)), r)
        Q_cols = unpacked(passes.to_cols(squared * self.q_rows, packed(self.features)), r + 1)
        of_rows = second_order(self.H_rows, self.V_rows, C, Q, prior)
        two = second_order(self.H_cols, self.V_cols, C_cols, Q_cols, prior)
        return (
            BlockCovariance(self.V_rows, *of_rows, self.rows_ok, self.row_mass >= 1.0),
            BlockCovariance(self.V_cols, *two, self.cols_ok, self.col_mass >= 1.0),
        )

    def influences(self) -> tuple[Influence, Influence]:
        """Influence values of the entries on both sides."""
        extra = None
        if self.cuts is not None:
            extra = efficient_extra(self.passes, self.linear, self.cuts) * (self.w > 0)[:, None]
        return (
            Influence(self.passes, 0, self.scores, self.fit.at.cols, self.V_rows),
            Influence(self.passes, 1, self.scores, self.features, self.V_cols, extra),
        )

    def covariances(self, variance: str | Clustered) -> tuple[BlockCovariance, BlockCovariance]:
        """The covariances named by ``variance``; the share of information is found for every choice."""
        rows, cols = self.second_order()
        if variance == "second_order":
            return rows, cols
        if variance == "plug_in":
            return replace(rows, covariance=rows.inverse), replace(cols, covariance=cols.inverse)
        own = self.influences()
        if variance == "sandwich":
            return replace(rows, covariance=own[0].sandwich()), replace(cols, covariance=own[1].sandwich())
        assert isinstance(variance, Clustered)
        sides = []
        for blocks, side, name, length in zip(
            (rows, cols), own, ("cols", "rows"), self.passes.shape[::-1], strict=True
        ):
            codes = variance.codes(name, length)
            if codes is None:
                sides.append(blocks)
                continue
            covariance, counts = side.clustered(codes)
            # a covariance of k parameters needs more groups than that to be one; a few more to be trusted
            k = covariance.shape[-1]
            is_informed = blocks.is_informed & (counts > 2 * k)
            resolved = blocks.is_resolved & (counts > k)
            sides.append(replace(blocks, covariance=covariance, is_informed=is_informed, is_resolved=resolved))
        return sides[0], sides[1]

    def _q_of_known_cuts(self) -> Array:
        """Variances that the columns give the predictors when their cuts are known: Firth's correction uses these."""
        if self.cuts is None:
            return self.q_cols
        return self.passes.quadratic(1, invert_blocks(self.H_cols + self.cuts.lost)[0], self.features)

    def steps_left(self) -> tuple[float, float, tuple[int, int]]:
        r"""Largest and typical :math:`(g_i^\top V_i\, g_i)^{1/2}` over rows and columns, ``g`` the gradient."""
        passes, fit, at = self.passes, self.fit, self.fit.at
        e = self.scores
        if fit.has_firth:
            weights = 1.0 if passes.observed.weights is None else passes.observed.weights
            tilt = tilts(passes, self.linear, self.q_rows + self._q_of_known_cuts())
            e = e - weights * tilt * (self.w > 0) / fit.dispersion
        g = passes.to_rows(e, at.cols) + (fit.penalty.ridge / fit.dispersion) * at.rows
        g_cols = passes.to_cols(e, self.features)
        g_cols[:, 1:] += (fit.penalty.ridge / fit.dispersion) * at.cols
        g_cols[:, 0] += (fit.penalty.intercept_ridge / fit.dispersion) * (at.intercept - fit.penalty.centre)
        steps = [np.einsum("mk,mkl,ml->m", g, V, g) for g, V in ((g, self.V_rows), (g_cols, self.V_cols))]
        side = int(steps[1].max(initial=0.0) > steps[0].max(initial=0.0))
        place = int(steps[side].argmax())
        typical = np.sqrt(np.mean(np.concatenate(steps)))
        return float(np.sqrt(steps[side][place])), float(typical), (side, place)

    def uncertainty(self, variance: str | Clustered) -> Uncertainty:
        rows, cols = self.covariances(variance)
        uncertainty = Uncertainty(self.fit.at, rows, cols, self.scores, self.fit.dispersion, *self.steps_left())
        return replace(uncertainty, cuts=self.cuts, extra=self.influences()[1].extra)


def spent_freedom(curvature: Curvature) -> float:
    """Degrees of freedom of a penalised fit: the sum of the entries' leverages."""
    return float(np.minimum(curvature.w * (curvature.q_rows + curvature.q_cols), 1.0).sum())


def denoised(uncertainty: Uncertainty, rho: float, has_prior: bool) -> Uncertainty | None:
    r"""The gauge in which the true factors, not the noisy ones, are balanced.

    .. math:: G_X = X^\top X - \sum_i V_i,\; G_Y = Y^\top Y - \sum_j \tilde V_j^{YY},\;
              G_X = A A^\top,\; G_Y = B B^\top,\; A^\top B = U S V^\top,\;
              T = \rho^{1/4} A^{-\top} U S^{1/2},\quad X \leftarrow X T,\; Y \leftarrow Y T^{-\top}

    Errors lengthen estimated factors; on the short side of a table they do so much more. Under a prior the
    estimates are shortened instead, and the posterior's second moments :math:`X^\top X + \sum_i V_i` are balanced.

    Returns
    -------
    Uncertainty or None
        None where a side holds more noise than signal.

    Notes
    -----
    Rows and columns with too little information are left out of both moments. O((n + p) r^2).
    """
    sign = 1.0 if has_prior else -1.0
    V_rows, V_cols = uncertainty.rows.inverse, uncertainty.cols.inverse[:, 1:, 1:]
    roots = []
    for factor, V, blocks in (
        (uncertainty.factors.rows, V_rows, uncertainty.rows),
        (uncertainty.factors.cols, V_cols, uncertainty.cols),
    ):
        good = blocks.is_reliable
        moment = factor[good].T @ factor[good] + sign * V[good].sum(axis=0)
        if not good.any() or np.linalg.eigvalsh(moment)[0] <= 0:
            return None
        roots.append(np.linalg.cholesky(moment * (len(good) / good.sum())))
    A, B = roots
    U, s, _ = np.linalg.svd(A.T @ B)
    T = rho**0.25 * np.linalg.solve(A.T, U * np.sqrt(s))
    # the names of the components and their signs stay those of the fitted attributes
    return uncertainty.turned(T * np.where(np.diag(T) < 0, -1.0, 1.0))


def rotated(uncertainty: Uncertainty) -> Uncertainty:
    """The varimax position, signs as in :func:`to_gauge`; the rotation counts as known."""
    turn = varimax(uncertainty.factors.cols)
    signs = np.where((uncertainty.factors.cols @ turn).sum(axis=0) < 0, -1.0, 1.0)
    return uncertainty.turned(turn * signs)


def rotation_noise(uncertainty: Uncertainty, rotation: str | None) -> Array:
    r"""How much of each component's variance comes from not knowing the rotation, against that of its rows.

    For every pair the standard deviation of the angle is found from the blocks (see Notes); the result is
    :math:`\max_{sides} \sum_l \mathrm{var}(\tau_{lk})\, \mathrm{mean}_i(x_{il}^2 / V_{i,kk})`, shape (r,).

    Notes
    -----
    The off-diagonals of the noise in both second moments, :math:`P = X^\top E + E^\top X` and ``Q`` likewise, turn
    the components by :math:`\tau_{lk} = (S_k Q + S_l P) / (S_k^2 - S_l^2)`: the first-order perturbation of a pair
    of balanced factors with second moments ``S``. For varimax the angle is that of Kaiser's planar rotation.
    """
    X, Y = uncertainty.factors.rows, uncertainty.factors.cols
    rows, cols = uncertainty.rows.inverse, uncertainty.cols.inverse[:, 1:, 1:]
    angles = _varimax_angles(Y, cols) if rotation == "varimax" else _order_angles(X, Y, rows, cols)
    noise = []
    for factor, V in ((X, rows), (Y, cols)):
        v = np.einsum("mkk->mk", V)
        relative = np.divide(1.0, v, out=np.zeros_like(v), where=v > 0)
        noise.append(np.einsum("lk,ml,mk->k", angles, np.square(factor), relative) / max(len(factor), 1))
    return np.maximum(*noise)


def _moment_noise(X: Array, V: Array) -> Array:
    """Variances of the entries of ``X'E + E'X`` for errors with covariances ``V_i``."""
    v = np.einsum("mkk->mk", V)
    parts = np.einsum("mk,ml->kl", np.square(X), v)
    return parts + parts.T + 2.0 * np.einsum("mk,ml,mkl->kl", X, X, V)


def _order_angles(X: Array, Y: Array, rows: Array, cols: Array) -> Array:
    """Variances ``var(tau_lk)`` in the gauge of ordered singular values, shape (l, k), zero on the diagonal."""
    # in the coordinates where both second moments are equal; rho drops out of the products
    scale = (np.square(X).sum(axis=0) / np.maximum(np.square(Y).sum(axis=0), 1e-300)) ** 0.25
    X, rows = X / scale, rows / np.outer(scale, scale)
    Y, cols = Y * scale, cols * np.outer(scale, scale)
    S = np.square(X).sum(axis=0)
    P, Q = np.sqrt(np.maximum(_moment_noise(X, rows), 0)), np.sqrt(np.maximum(_moment_noise(Y, cols), 0))
    gap = np.abs(np.square(S)[None, :] - np.square(S)[:, None])
    spread = S[None, :] * Q + S[:, None] * P
    angles = np.square(np.divide(spread, gap, out=np.full_like(spread, np.inf), where=gap > 0))
    np.fill_diagonal(angles, 0.0)
    return angles


def _varimax_angles(Y: Array, cols: Array) -> Array:
    """Variances of the planar varimax angles: noise of the criterion's slope over its curvature."""
    r = Y.shape[1]
    out = np.zeros((r, r))
    for k in range(r):
        for m in range(k):
            first, second = Y[:, k], Y[:, m]
            u, v = first**2 - second**2, 2.0 * first * second
            u, v = u - u.mean(), v - v.mean()
            slope = 2.0 * np.stack([2.0 * first * v + 2.0 * second * u, -2.0 * second * v + 2.0 * first * u], axis=1)
            curve = 4.0 * float(np.sum(u**2 - v**2))
            noise = float(np.einsum("jk,jkl,jl->", slope, cols[:, [k, m]][:, :, [k, m]], slope))
            out[k, m] = out[m, k] = noise / curve**2 if curve > 0 else np.inf
    return out
