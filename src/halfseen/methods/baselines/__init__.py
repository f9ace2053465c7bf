"""What users would pick instead: least squares by alternation, models of rows and columns alone, and joint models."""

from __future__ import annotations

from halfseen.methods.baselines.bayesian import BayesianFactorization, BayesianOptions
from halfseen.methods.baselines.bias import BiasModel, ColumnMean
from halfseen.methods.baselines.jive import JIVE, RobustJIVE
from halfseen.methods.baselines.least_squares import AlternatingLeastSquares, LeastSquaresOptions
from halfseen.methods.baselines.one_class import KronRidge, NeighbourProfile, Popularity, RowKernelRidge
from halfseen.methods.baselines.second_moments import SecondMoment, alternating_gradient, nuclear_norm_pairs
from halfseen.methods.baselines.shared_spaces import COBE, PersonalizedPCA, TwoStepSVD
from halfseen.methods.baselines.soft_impute import SoftImpute, SoftImputeOptions

__all__ = [
    "COBE",
    "JIVE",
    "AlternatingLeastSquares",
    "BayesianFactorization",
    "BayesianOptions",
    "BiasModel",
    "ColumnMean",
    "KronRidge",
    "LeastSquaresOptions",
    "NeighbourProfile",
    "PersonalizedPCA",
    "Popularity",
    "RobustJIVE",
    "RowKernelRidge",
    "SecondMoment",
    "SoftImpute",
    "SoftImputeOptions",
    "TwoStepSVD",
    "alternating_gradient",
    "nuclear_norm_pairs",
]
