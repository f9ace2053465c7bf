"""Features as a linear map from weights to preactivations, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class FeatureMap:
    r"""One side's features: :math:`Z = F U + 1 b^\top` and its transpose, the intercept :math:`b` as U's last row.

    Parameters
    ----------
    features : ndarray or csr_array (n, d), or None
        None stands for one-hot features, the identity: every row has weights of its own.
    n : int
        Number of rows.
    has_intercept : bool
    dtype : dtype

    Notes
    -----
    O(nnz(F) k) per product; nothing but the result is allocated.

    Examples
    --------
    >>> side = FeatureMap(np.array([[1.0, 2.0]]), 1, True, np.dtype(float))
    >>> side.forward(np.array([[1.0], [1.0], [0.5]])).tolist(), side.pull(np.array([[2.0]])).ravel().tolist()
    ([[3.5]], [2.0, 4.0, 2.0])
    """

    def __init__(self, features: Any, n: int, has_intercept: bool, dtype: np.dtype) -> None:
        self.n, self.has_intercept, self.dtype = n, has_intercept, dtype
        self.features: Any = None if features is None else features.astype(dtype)
        if isinstance(self.features, np.ndarray):
            self.features = np.ascontiguousarray(self.features)
        self.is_sparse = hasattr(self.features, "tocsr")
        # the transpose by rows: its product reads memory in order
        self._turned = self.features.T.tocsr() if self.is_sparse else None
        self.d = n if features is None else int(self.features.shape[1])

    @property
    def size(self) -> int:
        """Rows of the weights, intercept included."""
        return self.d + self.has_intercept

    def forward(self, U: Array) -> Array:
        """Preactivations (n, k)."""
        Z = np.array(U[: self.d]) if self.features is None else self.features @ U[: self.d]
        if self.has_intercept:
            Z += U[self.d]
        return Z

    def pull(self, G: Array) -> Array:
        """Gradient with respect to the weights (size, k), given the one with respect to the preactivations."""
        out = np.empty((self.size, G.shape[1]), dtype=G.dtype)
        if self.features is None:
            out[: self.d] = G
        elif self.is_sparse:
            out[: self.d] = self._turned @ G
        else:
            np.matmul(self.features.T, G, out=out[: self.d])
        if self.has_intercept:
            # summed in double: a column of float32 numbers is long
            out[self.d] = G.sum(axis=0, dtype=float)
        return out

    def is_same(self, other: FeatureMap) -> bool:
        """Whether the rows of another map have the very same features."""
        if (self.n, self.size, self.is_sparse) != (other.n, other.size, other.is_sparse):
            return False
        if self.features is None or other.features is None:
            return self.features is other.features
        if self.is_sparse:
            return (self.features != other.features).nnz == 0
        return bool(np.array_equal(self.features, other.features))

    def lines(self, places: Array) -> Array:
        """Features of chosen rows as a dense array (len(places), size), the intercept's 1 last."""
        out = np.zeros((len(places), self.size), dtype=self.dtype)
        if self.features is None:
            out[np.arange(len(places)), places] = 1
        else:
            chosen = self.features[places]
            out[:, : self.d] = chosen.toarray() if self.is_sparse else chosen
        if self.has_intercept:
            out[:, self.d] = 1
        return out

    def line_size(self) -> float:
        """Root mean squared length of a row, intercept included."""
        if self.features is None:
            squares = 1.0
        elif self.is_sparse:
            squares = float(np.sum(np.asarray(self.features.data, dtype=float) ** 2)) / self.n
        else:
            squares = float(np.sum(self.features**2, dtype=float)) / self.n
        return float(np.sqrt(squares + self.has_intercept)) or 1.0
