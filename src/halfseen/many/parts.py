"""Shared and unique factors of many sources, and the gauge in which they are handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.linalg.align import sign_rule
from halfseen.linalg.subspace import without


@dataclass(frozen=True)
class Placed:
    r"""The parts of one source, :math:`M \approx U_g V_g^\top + U V^\top`.

    Attributes
    ----------
    shared_loadings : ndarray (p, r1)
        :math:`V_g`, one line per column of the source.
    unique_basis : ndarray (n, r2)
        :math:`U`, orthonormal and orthogonal to the shared basis.
    unique_loadings : ndarray (p, r2)
        :math:`V`.
    intercepts : ndarray (p,) or None
        Added to every row; None where the model has none.
    """

    shared_loadings: FloatArray
    unique_basis: FloatArray
    unique_loadings: FloatArray
    intercepts: FloatArray | None = None


@dataclass(frozen=True)
class Parts:
    """The shared basis (n, r1) and every source's own parts, in the order of the sources."""

    shared_basis: FloatArray
    own: tuple[Placed, ...]


def in_gauge(shared: FloatArray, own: Sequence[Placed]) -> Parts:
    r"""The same fit with orthonormal bases, the unique ones orthogonal to the shared one.

    .. math:: R = (U_g^\top U_g)^{-1} U_g^\top U, \qquad U \leftarrow U - U_g R, \qquad V_g \leftarrow V_g + V R^\top

    leaves :math:`U_g V_g^\top + U V^\top` as it is. Then :math:`U_g` and each :math:`U` are made orthonormal, turned so
    that the loadings (those of all sources below each other, for the shared part) have orthogonal columns of falling
    length, and signed so that loadings have positive sums.

    Notes
    -----
    Source: the invariance behind Algorithm 1 of the paper. O(n r^2 + p r^2) per source.
    """
    basis, R = np.linalg.qr(shared) if shared.shape[1] else (shared, np.zeros((0, 0)))
    corrected = [_corrected(basis, R, placed) for placed in own]
    gram = sum((placed.shared_loadings.T @ placed.shared_loadings for placed in corrected), np.zeros((len(R), len(R))))
    turn = np.linalg.eigh(gram)[1][:, ::-1]
    total = sum((placed.shared_loadings.sum(axis=0) for placed in corrected), np.zeros(len(R))) @ turn
    turn = turn * sign_rule(total[None, :])
    turned = (
        Placed(placed.shared_loadings @ turn, placed.unique_basis, placed.unique_loadings) for placed in corrected
    )
    return Parts(basis @ turn, tuple(turned))


def _corrected(basis: FloatArray, R: FloatArray, placed: Placed) -> Placed:
    """One source against an orthonormal shared basis whose loadings are ``V_g R'``."""
    V, U = placed.unique_loadings, placed.unique_basis
    loadings = placed.shared_loadings @ R.T + V @ (U.T @ basis)
    if not U.shape[1]:
        return Placed(loadings, U, V)
    Q, T = np.linalg.qr(without(U, basis))
    left, s, right = np.linalg.svd(V @ T.T, full_matrices=False)
    short = U.shape[1] - len(s)  # fewer columns than unique factors: the loadings' last columns are 0
    turn = np.linalg.qr(right.T, mode="complete")[0] if short else right.T
    turn[:, : len(s)] = right.T
    V = np.pad(left * s, ((0, 0), (0, short)))
    signs = sign_rule(V)
    return Placed(loadings, Q @ (turn * signs), V * signs)
