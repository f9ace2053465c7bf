"""Tables drawn from the generalized latent factor model, with the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import Compressed, Observed
from halfseen.data.compressed import index_dtype

if TYPE_CHECKING:
    from halfseen.losses import Loss

BLOCK = 4_000_000


@dataclass(frozen=True)
class FactorData:
    r"""A simulated table and the parameters it was drawn from.

    Attributes
    ----------
    observed : Observed
        The entries that were seen.
    intercept : array of shape (p,)
        :math:`\zeta`, one per column.
    row_factors : array of shape (n, rank)
        X, with centred columns and :math:`X^\top X = Y^\top Y` diagonal, decreasing.
    col_factors : array of shape (p, rank)
        Y.
    family : str or Loss
        As given, such as "bernoulli" or "binomial(4)".
    dispersion : float
        Variance of gaussian entries; 1 for other families.
    loss : Loss or None
        The loss that drew the entries, with its parameters per column.
    """

    observed: Observed
    intercept: FloatArray
    row_factors: FloatArray
    col_factors: FloatArray
    family: Any
    dispersion: float = 1.0
    loss: Loss | None = None

    @property
    def linear(self) -> FloatArray:
        """The linear predictor of all n x p cells, intercept included (dense)."""
        return self.intercept + self.row_factors @ self.col_factors.T

    @property
    def mean(self) -> FloatArray:
        """The expected response of all n x p cells (dense)."""
        from halfseen.losses import at_columns, get_loss

        loss = get_loss(self.family) if self.loss is None else self.loss
        return at_columns(loss, np.arange(len(self.intercept))).mean(self.linear)


def make_factor_data(
    n: int,
    p: int,
    rank: int = 2,
    family: Any = "bernoulli",
    strength: float = 1.0,
    observed: float = 0.5,
    *,
    intercept: float | FloatArray = -0.6,
    random_state: RandomState = None,
) -> FactorData:
    r"""Draw a table from the generalized latent factor model.

    .. math:: R_{ij} \sim P(\cdot \mid m_{ij}), \quad m_{ij} = \zeta_j + x_i^\top y_j, \quad
              X Y^\top = c\, \bar U E_U S^2 E_V^\top

    with :math:`\bar U E_U` uniform among orthonormal n x rank matrices of centred columns, :math:`E_V` uniform among
    orthonormal p x rank matrices, S diagonal, falling from :math:`\sqrt{3/2}` to 1, and c such that
    :math:`\lVert X Y^\top \rVert_F = \lambda \sqrt{np}`; X and Y share the singular values equally.

    Parameters
    ----------
    n, p : int
        Rows and columns.
    rank : int
        0 <= rank < min(n, p).
    family : str, Loss or sequence
        As for `halfseen.losses.get_loss`. "ordinal" draws five classes with cuts one apart, "negative_binomial" size 2;
        other parameters come in a loss: ``Ordinal(cuts, lowest=1)``, ``NegativeBinomial(size)``.
    strength : float
        lambda, the root mean square of :math:`x_i^\top y_j`.
    observed : float in (0, 1]
        Probability of each cell to be seen, independently.
    intercept : float or array of shape (p,)
        zeta.
    random_state : int, Generator or None

    Returns
    -------
    FactorData

    Raises
    ------
    ValueError
        For a rank or share out of range, or when no cell at all was seen.

    Notes
    -----
    O(n p) time, memory O(entries + (n + p) rank) and a block of rows. Source: Huang and Gu, section 6.1 (with two
    factors; in between the singular values are spaced evenly for other ranks).

    Examples
    --------
    >>> data = make_factor_data(100, 50, strength=1.0, observed=0.5, random_state=0)
    >>> data.observed.shape, data.row_factors.shape
    ((100, 50), (100, 2))
    >>> bool(np.isclose(np.linalg.norm(data.row_factors @ data.col_factors.T), 1.0 * (100 * 50) ** 0.5))
    True
    """
    from halfseen.losses import get_loss

    if not 0 <= rank < min(n, p):
        raise ValueError(f"rank must be at least 0 and below min(n, p) = {min(n, p)}, got {rank}")
    if not 0 < observed <= 1:
        raise ValueError(f"observed must lie in (0, 1], got {observed}")
    loss: Any = get_loss(family)
    loss = loss.illustrated() if hasattr(loss, "illustrated") else loss
    rng = as_generator(random_state)
    zeta = np.broadcast_to(np.asarray(intercept, dtype=np.float64), (p,)).copy()
    X, Y = _factors(n, p, rank, strength, rng)
    return FactorData(_draw(loss, zeta, X, Y, observed, rng), zeta, X, Y, family, loss=loss)


def _factors(n: int, p: int, rank: int, strength: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw X and Y, balanced; the sign of each factor makes the sum of its column of Y positive."""
    gaussian = rng.standard_normal((n, rank))
    left = _orthonormal(gaussian - gaussian.mean(axis=0))
    right = _orthonormal(rng.standard_normal((p, rank)))
    # X = sqrt(np) U S and Y = sqrt(np) V S give X Y' = np U S^2 V', which is its own SVD.
    singular = np.linspace(np.sqrt(1.5), 1.0, rank) ** 2 if rank > 1 else np.ones(rank)
    if rank:
        singular *= strength * np.sqrt(n * p) / np.linalg.norm(singular)
    signs = np.where(right.sum(axis=0) < 0, -1.0, 1.0)
    return left * signs * np.sqrt(singular), right * signs * np.sqrt(singular)


def _orthonormal(gaussian: FloatArray) -> FloatArray:
    """Orthonormal columns, uniformly distributed: QR with the signs of R's diagonal undone."""
    q, r = np.linalg.qr(gaussian)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def _draw(
    loss: Loss, zeta: FloatArray, X: FloatArray, Y: FloatArray, observed: float, rng: np.random.Generator
) -> Observed:
    """Draw which cells are seen and their responses, block of rows by block."""
    from halfseen.losses import at_columns

    n, p = len(X), len(Y)
    indices, values, counts = [], [], []
    block_rows = max(1, BLOCK // p)
    for start in range(0, n, block_rows):
        rows = X[start : start + block_rows]
        row, col = np.nonzero(rng.random((len(rows), p)) < observed)
        linear = (rows @ Y.T)[row, col] + zeta[col]
        values.append(np.asarray(at_columns(loss, col).sample(linear, rng), dtype=np.float64))
        indices.append(col.astype(index_dtype(p)))
        counts.append(np.bincount(row, minlength=len(rows)))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    if not indptr[-1]:
        raise ValueError(f"no cell of {n} x {p} was seen with observed={observed}; use a larger share")
    return Observed(Compressed(indptr, np.concatenate(indices), np.concatenate(values), None, p))
