"""What every estimator of many sources shares: shared and unique parts, their readings, predictions by source."""

from __future__ import annotations

from halfseen.many.estimator import SourcesEstimator, SourcesModel, dtype_of
from halfseen.many.fitted import READINGS
from halfseen.many.parts import Parts, Placed, in_gauge

__all__ = ["READINGS", "Parts", "Placed", "SourcesEstimator", "SourcesModel", "dtype_of", "in_gauge"]
