"""What people complete tables with every day: alternating least squares, Bayesian factorization, nuclear norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.completion.bayesian import BayesianFactorization
from halfseen.methods.completion.least_squares import AlternatingLeastSquares
from halfseen.methods.completion.soft_impute import SoftImpute

__all__ = [
    "AlternatingLeastSquares",
    "BayesianFactorization",
    "SoftImpute",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
