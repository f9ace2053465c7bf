"""What every model is judged against: means, biases, joint models of many sources, one-class rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.comparisons.bias import BiasModel, ColumnMean
from halfseen.methods.comparisons.items import EASE, ItemNeighbours
from halfseen.methods.comparisons.jive import JIVE, RobustJIVE
from halfseen.methods.comparisons.kernel_ridge import KronRidge, RowKernelRidge
from halfseen.methods.comparisons.one_class import NeighbourProfile, Popularity
from halfseen.methods.comparisons.second_moments import SecondMoment, alternating_gradient, nuclear_norm_pairs
from halfseen.methods.comparisons.shared_spaces import COBE, PersonalizedPCA, TwoStepSVD

__all__ = [
    "COBE",
    "EASE",
    "JIVE",
    "BiasModel",
    "ColumnMean",
    "ItemNeighbours",
    "KronRidge",
    "NeighbourProfile",
    "PersonalizedPCA",
    "Popularity",
    "RobustJIVE",
    "RowKernelRidge",
    "SecondMoment",
    "TwoStepSVD",
    "alternating_gradient",
    "nuclear_norm_pairs",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
