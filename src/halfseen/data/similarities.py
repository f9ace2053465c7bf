"""Features from similarities: kernel principal components, which extend to new rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.data.checks import as_numbers
from halfseen.data.features import SideFeatures
from halfseen.data.labels import unique_labels
from halfseen.errors import shown
from halfseen.telling import levels_up

# How far from symmetric a matrix of similarities may be, as a share of its largest entry: measures of sequences are
# seldom exactly symmetric.
ASYMMETRY = 0.2
# Eigenvalues below this share of the largest are rounding.
ROUNDING = 1e-10
# Share of negative eigenvalues, of the sum of all sizes, from which it is said that they are left out.
TOLD = 0.01


class SimilarityFeatures(SideFeatures):
    r"""Features of rows (or columns) from how similar they are.

    .. math:: X = V \Lambda^{1/2},\qquad K = V \Lambda V^\top

    Products of these features are the similarities themselves, as far as the kept eigenvalues go. New rows get features
    from their similarities to the old ones (:meth:`of`), :math:`K_{new} V \Lambda^{-1/2}`.

    Parameters
    ----------
    similarity : array (n, n)
        Larger is more alike; made symmetric by the mean of both halves.
    rank : int, optional
        Number of features.
    share : float, optional
        Or as many as have this share of the sum of the positive eigenvalues; .95 where neither is given.
    labels : sequence of n labels, optional
        Who the rows are, to be found by the labels of a table.

    Attributes
    ----------
    matrix : ndarray (n, rank)
    eigenvalues : ndarray (rank,)
        Of the features, the largest first.
    negative_share : float
        Share of the eigenvalues' sizes that is negative and left out: a measure of similarity need not be a kernel.

    Raises
    ------
    ValueError
        For a matrix that is not square, far from symmetric, with missing entries, or without a positive eigenvalue.

    Notes
    -----
    O(n^3) time. Source: Schölkopf, Smola and Müller (1998), without centring (models centre features themselves);
    Nyström's extension for new rows.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> F = hs.SimilarityFeatures(X @ X.T, rank=2)
    >>> bool(np.allclose(F.matrix @ F.matrix.T, X @ X.T))
    True
    >>> new = np.array([[0.6, 0.8]])
    >>> bool(np.allclose(F.of(new @ X.T) @ F.matrix.T, new @ X.T))
    True
    """

    eigenvalues: FloatArray
    negative_share: float

    def __init__(
        self, similarity: Any, rank: int | None = None, *, share: float | None = None, labels: Any = None
    ) -> None:
        K = symmetric(similarity)
        if rank is not None and share is not None:
            raise ValueError("both rank and share are given; needed: one of them")
        if rank is not None and int(rank) < 1:
            raise ValueError(f"rank={rank!r} is not allowed; needed: a whole number of at least 1")
        wanted = 0.95 if share is None else float(share)
        if not 0.0 < wanted <= 1.0:
            raise ValueError(f"share={share!r} is not allowed; needed: a number above 0 and at most 1")
        values, vectors = np.linalg.eigh(K)
        values, vectors = values[::-1], vectors[:, ::-1]
        positive = values > ROUNDING * max(values[0], 0.0)
        if not positive.any():
            raise ValueError("similarity has no positive eigenvalue; give similarities, not distances")
        negative = float(-values[values < 0].sum() / np.abs(values).sum())
        reached = np.cumsum(values[positive]) / values[positive].sum()
        kept = int(np.searchsorted(reached, wanted - 1e-12)) + 1 if rank is None else int(rank)
        kept = min(kept, int(positive.sum()))
        if negative > TOLD:
            warnings.warn(
                f"{100 * negative:.1f} % of the eigenvalues' sizes are negative (the similarities are no inner "
                "products); they are left out",
                stacklevel=levels_up(),
            )
        own: Labels | None = None if labels is None else unique_labels(np.asarray(labels), len(K), "labels")
        top, axes = values[:kept], vectors[:, :kept]
        super().__init__(axes * np.sqrt(top), {}, own)
        for name, value in (("eigenvalues", top), ("negative_share", negative), ("_turn", axes / np.sqrt(top))):
            object.__setattr__(self, name, value)

    def of(self, similarity: Any) -> FloatArray:
        """Features (m, rank) of new rows, from their similarities (m, n) to the old ones."""
        K = as_numbers(np.asarray(similarity), "similarity")
        turn: FloatArray = self._turn  # type: ignore[attr-defined]
        if K.ndim != 2 or K.shape[1] != len(turn):
            raise ValueError(f"similarity has shape {K.shape}; needed: a line per new row, {len(turn)} columns")
        if not np.isfinite(K).all():
            raise ValueError(f"similarity has {int((~np.isfinite(K)).sum())} missing or infinite entries")
        return np.asarray(K @ turn)


def symmetric(similarity: Any) -> FloatArray:
    """A square array of finite similarities, made symmetric."""
    K = as_numbers(np.asarray(similarity), "similarity").astype(float)
    if K.ndim != 2 or K.shape[0] != K.shape[1]:
        raise ValueError(f"similarity has shape {K.shape}; needed: one line and one column for every row")
    bad = ~np.isfinite(K)
    if bad.any():
        i, j = divmod(int(bad.argmax()), len(K))
        raise ValueError(f"similarity has {int(bad.sum())} missing or infinite entries, first at {i}, {j}")
    gap = np.abs(K - K.T)
    if gap.max() > ASYMMETRY * np.abs(K).max():
        i, j = divmod(int(gap.argmax()), len(K))
        raise ValueError(
            f"similarity is not symmetric: {shown(K[i, j])} at {i}, {j} and {shown(K[j, i])} at {j}, {i}; give "
            "(K + K.T) / 2 if that is what you mean"
        )
    return 0.5 * (K + K.T)
