"""Generalized latent factor models with missing entries (Huang and Gu)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.model import GeneralizedFactorModel
from halfseen.methods.factor.problem import FactorPenalty

if TYPE_CHECKING:
    from halfseen.methods.factor.intervals.inference import FactorInference

__all__ = ["FactorInference", "FactorPenalty", "FactorPoint", "GeneralizedFactorModel"]


def __getattr__(name: str) -> Any:
    """Load what intervals need when it is asked for; a fit needs none of it."""
    if name == "FactorInference":
        from halfseen.methods.factor.intervals.inference import FactorInference

        return FactorInference
    from halfseen.submodules import submodule

    return submodule(__name__, name)
