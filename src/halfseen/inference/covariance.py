"""Covariances of estimates that come in small blocks, one per row or column of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halfseen._typing import BoolArray, FloatArray

# A block whose smallest eigenvalue is this small against its largest leaves a direction without information.
SINGULAR = 1e-10
# Below this share of the information left after the other side's errors, expansions stop being one.
LOW_SHARE = 0.3
# No more than this share of a direction's information is taken away: the rest is a matter of rounding.
LARGEST_LOSS = 0.99


@dataclass(frozen=True)
class BlockCovariance:
    """Information and covariance of every row's (or column's) own parameters.

    Attributes
    ----------
    inverse : ndarray (m, k, k)
        Plug-in covariance: inverse information, zero where a block is not resolved.
    covariance : ndarray (m, k, k)
        The one that standard errors use.
    share : ndarray (m,)
        Smallest eigenvalue of ``Hc H^-1``: the share of the information that the errors of the other side leave.
    is_resolved : ndarray (m,)
        False where the entries do not determine the parameters; their standard errors are infinite.
    is_informed : ndarray (m,)
        False where the entries carry less information than there are parameters.
    """

    inverse: FloatArray
    covariance: FloatArray
    share: FloatArray
    is_resolved: BoolArray
    is_informed: BoolArray

    @property
    def is_reliable(self) -> BoolArray:
        """Resolved, informed, and with at least three tenths of the information left."""
        return self.is_resolved & self.is_informed & (self.share >= LOW_SHARE)

    def turned(self, T: FloatArray) -> BlockCovariance:
        """Blocks of the parameters ``T' u`` when these are of ``u``."""
        return replace(self, inverse=T.T @ self.inverse @ T, covariance=T.T @ self.covariance @ T)

    def variances(self) -> FloatArray:
        """Diagonals of the covariances, shape (m, k); infinite where a block is not resolved."""
        diagonals = np.einsum("ikk->ik", self.covariance)
        return np.where(self.is_resolved[:, None], np.maximum(diagonals, 0.0), np.inf)


def packed(vectors: FloatArray) -> FloatArray:
    """Upper triangles of the outer products of every row with itself, shape (m, k (k + 1) / 2)."""
    rows, cols = np.triu_indices(vectors.shape[1])
    return vectors[:, rows] * vectors[:, cols]


def packed_blocks(blocks: FloatArray) -> FloatArray:
    """Upper triangles of symmetric blocks."""
    rows, cols = np.triu_indices(blocks.shape[-1])
    return blocks[:, rows, cols]


def unpacked(triangles: FloatArray, k: int) -> FloatArray:
    """Symmetric (m, k, k) blocks from their upper triangles.

    Examples
    --------
    >>> unpacked(packed(np.array([[1.0, 2.0]])), 2)[0].tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    out = np.empty((len(triangles), k, k))
    rows, cols = np.triu_indices(k)
    out[:, rows, cols] = out[:, cols, rows] = triangles
    return out


def invert_blocks(information: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Inverses of symmetric positive semidefinite blocks, and which blocks have one.

    Parameters
    ----------
    information : ndarray (m, k, k)

    Returns
    -------
    inverse : ndarray (m, k, k)
        Zero for blocks that leave a direction without information.
    is_resolved : ndarray (m,)

    Examples
    --------
    >>> inverse, is_resolved = invert_blocks(np.array([[[4.0]], [[0.0]]]))
    >>> inverse.ravel().tolist(), is_resolved.tolist()
    ([0.25, 0.0], [True, False])
    """
    m, k = len(information), information.shape[-1]
    if not (m and k):
        return np.zeros((m, k, k)), np.ones(m, dtype=bool)
    values = np.linalg.eigvalsh(information)
    is_resolved = (values[:, 0] > SINGULAR * values[:, -1]) & (values[:, -1] > 0)
    safe = np.where(is_resolved[:, None, None], information, np.eye(k))
    return np.where(is_resolved[:, None, None], np.linalg.inv(safe), 0.0), is_resolved


def sandwich(inverse: FloatArray, meat: FloatArray) -> FloatArray:
    r"""Sandwich covariances :math:`V_i M_i V_i` with :math:`M_i` the sum of the outer products of the scores."""
    return inverse @ meat @ inverse


def second_order(
    information: FloatArray, inverse: FloatArray, C: FloatArray, Q: FloatArray, is_prior_used: bool = False
) -> tuple[FloatArray, FloatArray]:
    r"""Covariances that count the errors of the other side.

    .. math:: H_c = H - C, \qquad V_2 = H_c^{-1} H (H - Q)^{-1} H\, H_c^{-1}

    The features of a row are themselves estimated. ``C`` is the information those errors fake, ``Q`` the information
    they take away, entry by entry in proportion to how much the other side leans on the same entry. (To first order
    :math:`H (H - Q)^{-1} H` is :math:`H + Q`; the difference is that an entry which alone determines a feature tells
    nothing about the row.) Where ``Hc`` keeps less than three tenths of ``H`` in some direction the expansion is
    not to be trusted; there, and under a prior (whose posterior needs no such correction of the information), the
    lighter :math:`(H - Q)^{-1} + V C V` is taken.

    Parameters
    ----------
    information, inverse : ndarray (m, k, k)
        :math:`H` and :math:`V = H^{-1}` (zero where there is none).
    C, Q : ndarray (m, k, k)
        :math:`\sum_j w_j V_j` and :math:`\sum_j w_j^2 q_j\, y_j y_j^\top` over the entries of the row, with
        :math:`V_j` and :math:`q_j` the covariance of the features and the variance it gives the predictor.
    is_prior_used : bool

    Returns
    -------
    covariance : ndarray (m, k, k)
    share : ndarray (m,)
        Smallest eigenvalue of :math:`H_c H^{-1}`.

    Notes
    -----
    Exact to the next order for Gaussian responses without missing entries; O(m k^3). :math:`H - Q` is the information
    about a row left when its entries' columns are fitted too, the other rows held: the Schur complement of the joint
    information.
    """
    m, k = len(information), information.shape[-1]
    if not (m and k):
        return np.zeros((m, k, k)), np.ones(m)
    # eigenvalues of V C are those of L' C L, V = L L'; Hc H^-1 = I - C V has one minus these
    is_known = np.any(inverse, axis=(1, 2))[:, None, None]
    root = np.linalg.cholesky(np.where(is_known, inverse, np.eye(k)))
    share = 1.0 - np.linalg.eigvalsh(np.swapaxes(root, 1, 2) @ C @ root)[:, -1]
    taken, axes = np.linalg.eigh(np.swapaxes(root, 1, 2) @ Q @ root)
    axes = axes / np.sqrt(1.0 - np.clip(taken, 0.0, LARGEST_LOSS))[:, None, :]
    profile = np.where(is_known, root @ axes @ np.swapaxes(root @ axes, 1, 2), 0.0)
    light = profile + inverse @ C @ inverse
    if is_prior_used:
        return light, share
    is_good = is_known & (share >= LOW_SHARE)[:, None, None]
    corrected = np.linalg.inv(np.where(is_good, information - C, np.eye(k))) @ information
    return np.where(is_good, corrected @ profile @ np.swapaxes(corrected, 1, 2), light), share
