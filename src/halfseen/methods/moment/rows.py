"""Rows placed by the best linear predictor, given the columns' second moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed, storable
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import get_loss

# Rows with fewer entries than factors need some psi: this share of the mean second moment is its least (moments are
# known to no better than a per cent).
LEAST_PSI = 1e-4


@storable
@dataclass(frozen=True)
class LinearPredictor:
    r"""Best linear predictor of rows with second moment :math:`XX^\top + \psi I`.

    .. math:: z = (X_O^\top X_O + \psi I)^{-1} X_O^\top x_O,\qquad \hat x = X z

    Attributes
    ----------
    X : ndarray (d, r)
    psi : float
    """

    X: FloatArray
    psi: float

    @classmethod
    def of(cls, X: FloatArray, psi: float) -> LinearPredictor:
        """With psi at least a ten-thousandth of the mean second moment."""
        least = LEAST_PSI * float(np.mean(np.sum(X.astype(float) ** 2, axis=1))) if X.size else 1.0
        return cls(X, max(float(psi), least, 1e-300))

    def coordinates(self, rows: Observed, engine: str | Engine | None = None) -> FloatArray:
        """Coordinates z of rows, (n, r); 0 for a row without entries."""
        dtype, r = self.X.dtype, self.X.shape[1]
        # a psi near zero makes these systems too stiff for single precision
        plain = rows.with_values(rows.values, weights=None).astype(np.float64)
        passes = EntryPasses(plain, get_loss("gaussian"), engine)
        blank = np.zeros((rows.shape[0], r))
        return passes.newton(0, blank, self.X, ridge=np.full(r, self.psi), method="cholesky")[0].astype(dtype)

    def inverses(self, rows: Observed, engine: str | Engine | None = None) -> FloatArray:
        """:math:`(X_O^\\top X_O + \\psi I)^{-1}` of every row, (n, r, r)."""
        X = self.X.astype(float)
        passes = EntryPasses(rows.with_values(rows.values, weights=None).astype(float), get_loss("gaussian"), engine)
        blank = np.zeros((rows.shape[0], X.shape[1]))
        return np.linalg.inv(passes.information(0, blank, X) + self.psi * np.eye(X.shape[1]))
