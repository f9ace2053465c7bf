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
    r"""Best linear predictor of rows with second moment :math:`XX^\top + \Psi`.

    .. math:: z = (X_O^\top \Psi_O^{-1} X_O + I)^{-1} X_O^\top \Psi_O^{-1} x_O,\qquad \hat x = X z

    Attributes
    ----------
    X : ndarray (d, r)
    psi : ndarray (d,)
        Diagonal of :math:`\Psi`.
    """

    X: FloatArray
    psi: FloatArray

    @classmethod
    def of(cls, X: FloatArray, psi: float | FloatArray) -> LinearPredictor:
        """With psi (one for all columns, or one each) at least a ten-thousandth of the mean second moment."""
        least = LEAST_PSI * float(np.mean(np.sum(X.astype(float) ** 2, axis=1))) if X.size else 1.0
        return cls(X, np.maximum(np.broadcast_to(np.asarray(psi, dtype=float), (len(X),)), max(least, 1e-300)))

    def coordinates(self, rows: Observed, engine: str | Engine | None = None) -> FloatArray:
        """Coordinates z of rows, (n, r); 0 for a row without entries."""
        r = self.X.shape[1]
        blank = np.zeros((rows.shape[0], r))
        passes, X = self._scaled(rows, engine)
        return passes.newton(0, blank, X, ridge=np.ones(r), method="cholesky")[0].astype(self.X.dtype)

    def inverses(self, rows: Observed, engine: str | Engine | None = None) -> FloatArray:
        """:math:`K = (X_O^\\top \\Psi_O^{-1} X_O + I)^{-1}` of every row, (n, r, r)."""
        passes, X = self._scaled(rows, engine)
        blank = np.zeros((rows.shape[0], X.shape[1]))
        return np.linalg.inv(passes.information(0, blank, X) + np.eye(X.shape[1]))

    def _scaled(self, rows: Observed, engine: str | Engine | None) -> tuple[EntryPasses, FloatArray]:
        """Values and factors over the noise's standard deviations, in double precision."""
        sd = np.sqrt(self.psi)
        # a psi near zero makes these systems too stiff for single precision
        plain = rows.with_values(rows.values, weights=None).astype(np.float64)
        plain = plain.with_values(plain.values / sd[plain.cols])
        return EntryPasses(plain, get_loss("gaussian"), engine), self.X.astype(float) / sd[:, None]
