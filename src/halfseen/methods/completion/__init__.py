"""What people complete tables with every day: alternating least squares, Bayesian factorization, nuclear norms."""

from __future__ import annotations

from halfseen.methods.completion.bayesian import BayesianFactorization, BayesianOptions
from halfseen.methods.completion.least_squares import AlternatingLeastSquares, LeastSquaresOptions
from halfseen.methods.completion.soft_impute import SoftImpute, SoftImputeOptions

__all__ = [
    "AlternatingLeastSquares",
    "BayesianFactorization",
    "BayesianOptions",
    "LeastSquaresOptions",
    "SoftImpute",
    "SoftImputeOptions",
]
