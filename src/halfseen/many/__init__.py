"""What every estimator of many sources shares: shared and unique parts, their readings, predictions by source."""

from __future__ import annotations

from halfseen.many.estimator import SourcesEstimator
from halfseen.many.fitted import READINGS
from halfseen.many.parts import Parts, Placed, in_gauge

__all__ = ["READINGS", "Parts", "Placed", "SourcesEstimator", "in_gauge"]
