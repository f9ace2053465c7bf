"""What is not known of the gauge itself: the noise that all rows' factors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.methods.factor.intervals.covariances import Uncertainty

Array = NDArray[Any]


@dataclass(frozen=True)
class GaugeNoise:
    r"""Covariance of the move :math:`X \to (X - 1 b^\top)(I + K),\; Y \to Y (I - K^\top),\; \zeta \to \zeta + Yb`.

    Attributes
    ----------
    rank : int
    covariance : ndarray (r (r + 1), r (r + 1))
        Of ``K``, row by row, and ``b``.
    """

    rank: int
    covariance: Array

    @property
    def _parts(self) -> tuple[Array, Array, Array]:
        """Covariances of K with K (r, r, r, r), of K with b (r, r, r), of b with b."""
        r, C = self.rank, self.covariance
        return C[: r * r, : r * r].reshape(r, r, r, r), C[: r * r, r * r :].reshape(r, r, r), C[r * r :, r * r :]

    def turned(self, U: Array) -> GaugeNoise:
        """In the coordinates ``x' U`` of an orthogonal ``U``."""
        r = self.rank
        turn = np.zeros_like(self.covariance)
        turn[: r * r, : r * r], turn[r * r :, r * r :] = np.kron(U, U), U
        return GaugeNoise(r, turn.T @ self.covariance @ turn)

    def of_rows(self, x: Array, are_differences: bool = False) -> Array:
        """Covariances (n, r, r) that the rows' factors, or differences of such, have from the gauge."""
        KK, Kb, bb = self._parts
        noise = _through(x, np.swapaxes(KK, 1, 2))
        if are_differences:
            return noise
        cross = np.einsum("na,akb->nkb", x, Kb)
        return noise - cross - np.swapaxes(cross, 1, 2) + bb

    def of_cols(self, y: Array) -> Array:
        """Covariances (p, r, r) that the columns' factors, or differences of such, have from the gauge."""
        return _through(y, self._parts[0].transpose(1, 3, 0, 2))

    def of_intercepts(self, y: Array) -> Array:
        """Variances (p,) that the intercepts have from the rows' mean."""
        return np.einsum("jk,kl,jl->j", y, self._parts[2], y)

    def of_columns(self, g_cols: Array, y: Array) -> Array:
        r"""Variances (p,) of one number :math:`\tilde g_j^\top(\zeta_j, y_j)` per column."""
        turned = -(y[:, :, None] * g_cols[:, None, 1:]).reshape(len(y), -1)
        c = np.concatenate([turned, g_cols[:, :1] * y], axis=1)
        return np.maximum(np.einsum("jk,kl,jl->j", c, self.covariance, c), 0.0)

    def of_functional(self, g: Array, g_cols: Array, x: Array, y: Array) -> float:
        r"""Variance of :math:`\sum_i g_i^\top x_i + \sum_j \tilde g_j^\top(\zeta_j, y_j)`; 0 for entries' own."""
        c = np.append((x.T @ g - g_cols[:, 1:].T @ y).ravel(), g_cols[:, 0] @ y - g.sum(axis=0))
        return max(float(c @ self.covariance @ c), 0.0)


def gauge_noise(uncertainty: Uncertainty, rho: float, rotation: str | None, share: float) -> GaugeNoise:
    r"""Noise of the gauge :math:`1^\top X = 0`, :math:`X^\top X = \rho\, Y^\top Y = \mathrm{diag}(d)`.

    The gauge is found from all rows' and columns' errors, so it moves the whole table by the mean ``b`` of the rows'
    errors and by (first-order perturbation)

    .. math:: K_{kl} = \frac{(\rho P_Y - P_X)_{kl}}{2 (d_k + d_l)}
                       - [k \ne l]\, \frac{(P_X + \rho P_Y)_{kl}}{2 (d_k - d_l)},\qquad
              P_X = \sum_i (x_i \delta_i^\top + \delta_i x_i^\top + \delta_i\delta_i^\top - V_i)

    Errors along the gauge's own directions, in the metric of the information, are no errors of the fit and are
    projected out: with equally good rows nothing is left. A row that is known much better than the others (hundreds
    of counts) is known better than the gauge.

    Parameters
    ----------
    uncertainty : Uncertainty
        In its final gauge.
    rho : float
    rotation : str or None
        Of a rotated fit only the first, symmetric part of K counts: the rotation is taken as known.
    share : float
        Times the summed errors' covariances, what the gauge took off the second moments: 1 for the denoised gauge, 0
        for the plain one, -1 for a posterior's.

    Returns
    -------
    GaugeNoise

    Notes
    -----
    O((n + p) r^4 + r^6) time, memory of (n + p) r^2 and r^4 numbers.
    """
    r = uncertainty.factors.rank
    turn = np.eye(r)
    if rotation is not None:
        turn = np.linalg.eigh(uncertainty.factors.rows.T @ uncertainty.factors.rows)[1]
        uncertainty = uncertainty.turned(turn)
    good, chosen = uncertainty.rows.is_resolved, uncertainty.cols.is_resolved
    X, V, inverse = uncertainty.factors.rows[good], uncertainty.rows.covariance[good], uncertainty.rows.inverse[good]
    Y, W, inverse_cols = (
        uncertainty.factors.cols[chosen],
        uncertainty.cols.covariance[chosen],
        uncertainty.cols.inverse[chosen],
    )
    d = np.maximum(np.square(X).sum(axis=0) - share * np.einsum("ikk->k", inverse), 1e-300)
    even, gap = 0.5 / (d[:, None] + d[None, :]), d[:, None] - d[None, :]
    odd = np.divide(0.5, gap, out=np.zeros_like(gap), where=gap != 0) * (rotation is None)
    of_rows = _rest(_row_moments(X, V), _row_moments(X, np.linalg.inv(inverse)), _row_moments(X, np.eye(r)))
    of_cols = _rest(_col_moments(Y, W), _col_moments(Y, np.linalg.inv(inverse_cols)), _col_moments(Y, np.eye(r + 1)))
    of_rows[: r * r, : r * r] += _row_products(V)
    of_cols[: r * r, : r * r] += _row_products(W[:, 1:, 1:])
    of_cols[r * r :] = of_cols[:, r * r :] = 0.0
    row_moves, col_moves = _to_moves(even + odd, 1.0 / max(len(X), 1)), _to_moves(rho * (even - odd), 0.0)
    return GaugeNoise(r, row_moves @ of_rows @ row_moves.T + col_moves @ of_cols @ col_moves.T).turned(turn.T)


def _through(z: Array, moves: Array) -> Array:
    """``sum_ab z_a z_b moves[a, b]`` of every row."""
    r = z.shape[1]
    products = (z[:, :, None] * z[:, None, :]).reshape(len(z), r * r)
    return np.asarray((products @ moves.reshape(r * r, r * r)).reshape(len(z), r, r))


def _rest(noise: Array, information: Array, plain: Array) -> Array:
    """``sum G' V G`` less what lies along the directions G in the metric of ``sum G' H G``."""
    return noise - plain @ np.linalg.pinv(information, hermitian=True) @ plain.T


def _row_moments(X: Array, B: Array) -> Array:
    r""":math:`\sum_i G_i^\top B_i G_i` for :math:`G_i (K, b) = K^\top x_i - b`."""
    n, r = X.shape
    B = np.broadcast_to(B, (n, r, r))
    out = np.empty((r * r + r, r * r + r))
    out[: r * r, : r * r] = np.einsum("il,im,ikn->lkmn", X, X, B, optimize=True).reshape(r * r, r * r)
    cross = -np.einsum("il,ikn->lkn", X, B).reshape(r * r, r)
    out[: r * r, r * r :], out[r * r :, : r * r], out[r * r :, r * r :] = cross, cross.T, B.sum(axis=0)
    return out


def _col_moments(Y: Array, B: Array) -> Array:
    r""":math:`\sum_j G_j^\top B_j G_j` for :math:`G_j (K, b) = (y_j^\top b,\; -K y_j)`."""
    p, r = Y.shape
    B = np.broadcast_to(B, (p, r + 1, r + 1))
    out = np.empty((r * r + r, r * r + r))
    out[: r * r, : r * r] = np.einsum("jl,jn,jkm->klmn", Y, Y, B[:, 1:, 1:], optimize=True).reshape(r * r, r * r)
    cross = -np.einsum("jl,jn,jk->kln", Y, Y, B[:, 1:, 0], optimize=True).reshape(r * r, r)
    out[: r * r, r * r :], out[r * r :, : r * r] = cross, cross.T
    out[r * r :, r * r :] = np.einsum("jl,jn,j->ln", Y, Y, B[:, 0, 0])
    return out


def _row_products(V: Array) -> Array:
    """Half the covariances of the entries of ``sum_i d_i d_i'``, before they are made symmetric."""
    r = V.shape[1]
    return 0.5 * np.einsum("ilm,ikn->lkmn", V, V, optimize=True).reshape(r * r, r * r)


def _to_moves(weights: Array, per_row: float) -> Array:
    """The map from the forms ``(f, -sum d)`` to ``(-weights (f + f'), mean d)``."""
    r = len(weights)
    out = np.zeros((r * r + r, r * r + r))
    places = np.arange(r * r).reshape(r, r)
    np.add.at(out, (places.ravel(), places.ravel()), -weights.ravel())
    np.add.at(out, (places.ravel(), places.T.ravel()), -weights.ravel())
    out[r * r :, r * r :] = -per_row * np.eye(r)
    return out
