"""Generalized latent factor models with missing entries (Huang and Gu)."""

from __future__ import annotations

from halfseen.methods.factor.intervals import FactorInference
from halfseen.methods.factor.model import GeneralizedFactorModel
from halfseen.methods.factor.options import FactorOptions, Factors
from halfseen.methods.factor.problem import Penalty

__all__ = ["FactorInference", "FactorOptions", "Factors", "GeneralizedFactorModel", "Penalty"]
