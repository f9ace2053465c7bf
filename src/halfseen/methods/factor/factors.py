"""One point of the model: intercepts and factors of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable

Array = NDArray[Any]


@storable
@dataclass(frozen=True)
class FactorPoint:
    r"""One point of the model: :math:`m_{ij} = \zeta_j + \langle x_i, y_j\rangle`.

    Attributes
    ----------
    intercept : ndarray (p,)
    rows : ndarray (n, r)
    cols : ndarray (p, r)
    """

    intercept: Array
    rows: Any
    cols: Array

    @property
    def rank(self) -> int:
        return int(self.rows.shape[1])

    def block(self, rows: Array | slice, cols: Array | slice) -> Array:
        """Linear predictor of the chosen rows and columns, as a table."""
        return self.intercept[cols] + self.rows[rows] @ self.cols[cols].T

    def pairs(self, rows: Array, cols: Array) -> Array:
        """Linear predictor of chosen cells, elementwise."""
        return self.intercept[cols] + np.einsum("ek,ek->e", self.rows[rows], self.cols[cols])

    def without_factors(self) -> FactorPoint:
        """The intercept-only model of the same shape."""
        return replace(self, rows=self.rows[:, :0], cols=self.cols[:, :0])
