"""Ordinal columns: what not knowing their cuts does to intercepts, factors and mean responses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.losses import Loss, Ordinal, has_classes, members_of
from halfseen.losses.ordinal import PULL, bent, contrasts, safe, stiffness

Array = NDArray[Any]


@dataclass(frozen=True)
class CutNoise:
    r"""Cuts given the column's own parameters: :math:`\delta_c = G_j\,\delta_u + \varepsilon_j`, ``eps ~ N(0, V_j)``.

    Attributes
    ----------
    follow : ndarray (p, s, k)
        :math:`G_j = -H_{cc}^{-1} H_{cu}`; zero for columns without cuts.
    covariance : ndarray (p, s, s)
        :math:`H_{cc}^{-1}` on the directions that keep the cuts' mean.
    lost : ndarray (p, k, k)
        :math:`H_{uc} H_{cc}^{-1} H_{cu}`: what the unknown cuts take from the information of ``u``.
    """

    follow: Array
    covariance: Array
    lost: Array

    def turned(self, joint: Array) -> CutNoise:
        """In the coordinates ``joint' u`` of the columns' own parameters."""
        back = np.linalg.inv(joint)
        return replace(self, follow=self.follow @ back.T, lost=back @ self.lost @ back.T)


def cut_noise(passes: EntryPasses, linear: Array, features: Array) -> CutNoise | None:
    """The cuts' part of the expected information of every column; None where nothing of it was estimated.

    Parameters
    ----------
    passes : EntryPasses
    linear : ndarray (n_entries,)
        Linear predictors.
    features : ndarray (n, k)
        ``(1, x_i)``.
    """
    p, k = passes.shape[1], features.shape[1]
    members = _ordinal_members(passes.loss, p)
    if not members:
        return None
    width = getattr(passes.loss, "n_cuts", members[0][0].cuts.shape[1])
    out = CutNoise(np.zeros((p, width, k)), np.zeros((p, width, width)), np.zeros((p, k, k)))
    for member, chosen in members:
        H, cross = _blocks(member, passes, linear, features, chosen)
        Z = contrasts(H.shape[1])
        inverse = Z @ np.linalg.inv(safe(Z.T @ H @ Z)) @ Z.T
        s = H.shape[1]
        out.follow[chosen, :s] = -inverse @ cross
        out.covariance[chosen, :s, :s] = inverse
        out.lost[chosen] = np.swapaxes(cross, 1, 2) @ inverse @ cross
    return out


def _ordinal_members(loss: Loss, p: int) -> list[tuple[Ordinal, Array]]:
    """Losses whose cuts were estimated, with their columns."""
    members = ((m, np.arange(p) if chosen is None else chosen) for m, chosen in members_of(loss))
    return [(m, chosen) for m, chosen in members if has_classes(m) and m.is_estimated and chosen.size]


def _blocks(member: Ordinal, passes: EntryPasses, linear: Array, features: Array, chosen: Array) -> tuple[Array, Array]:
    """Expected information of the cuts (m, s, s), and between cuts and ``u`` (m, s, k), of the chosen columns."""
    observed = passes.observed
    mask = np.isin(observed.cols, chosen)
    cols = observed.cols[mask]
    weights = np.ones(len(cols)) if observed.weights is None else np.asarray(observed.weights[mask], dtype=float)
    own, stiff = member.at_columns(cols).cut_information(linear[mask])
    p, wide = passes.shape[1], np.zeros(observed.n_entries)

    def sums(g: Array) -> Array:
        return np.bincount(cols, weights=weights * g, minlength=p)[chosen]

    def moments(g: Array) -> Array:
        wide[mask] = weights * g
        return np.asarray(passes.to_cols(wide, features), dtype=float)[chosen]

    pull = PULL * bent(np.diff(np.asarray(member.cuts, dtype=float)[chosen], axis=1))
    springs = np.stack([sums(g) for g in stiff.T], axis=1) + pull
    H = stiffness(np.stack([sums(g) for g in own.T], axis=1), springs)
    return H, -np.stack([moments(g) for g in own.T], axis=1)


def efficient_extra(passes: EntryPasses, linear: Array, noise: CutNoise) -> Array:
    """``G_j' s_c`` of every entry: how the scores of the cuts enter the columns' own scores, (n_entries, k)."""
    observed, loss = passes.observed, passes.loss
    out = np.zeros((observed.n_entries, noise.follow.shape[2]))
    weights = np.ones(observed.n_entries) if observed.weights is None else np.asarray(observed.weights, dtype=float)
    for member, chosen in _ordinal_members(loss, passes.shape[1]):
        mask = np.isin(observed.cols, chosen)
        cols, y = observed.cols[mask], observed.values[mask]
        slopes = member.at_columns(cols).cut_slopes(y, linear[mask]) * weights[mask, None]
        out[mask] = np.einsum("et,etk->ek", slopes, noise.follow[cols][:, : slopes.shape[1]])
    return out
