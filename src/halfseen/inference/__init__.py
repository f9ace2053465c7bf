"""Uncertainty from small blocks: covariances, random errors, bands and rank intervals that any method can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.inference.covariance import BlockCovariance, invert_blocks, sandwich, second_order
from halfseen.inference.draws import GaussianDraws, MultiplierDraws, largest_deviations, upper_quantile
from halfseen.inference.grouped import GroupedInfluence, SubspaceError
from halfseen.inference.influence import Clustered, Influence
from halfseen.inference.intervals import Ellipsoids, Intervals, Span, Statement, normal_quantile
from halfseen.inference.listing import Listing
from halfseen.inference.privacy import analytic_gaussian_sigma, gaussian_delta
from halfseen.inference.ranks import (
    Ranks,
    dense_pair_maximum,
    drawn_rank_intervals,
    independent_pairs,
    pair_maximum,
    printed_rank_intervals,
    rank_intervals,
    tie_groups,
)
from halfseen.inference.table import CommonErrors, NotStated, TableInference, TableNames

__all__ = [
    "BlockCovariance",
    "Clustered",
    "CommonErrors",
    "Ellipsoids",
    "GaussianDraws",
    "GroupedInfluence",
    "Influence",
    "Intervals",
    "Listing",
    "MultiplierDraws",
    "NotStated",
    "Ranks",
    "Span",
    "Statement",
    "SubspaceError",
    "TableInference",
    "TableNames",
    "analytic_gaussian_sigma",
    "dense_pair_maximum",
    "drawn_rank_intervals",
    "gaussian_delta",
    "independent_pairs",
    "invert_blocks",
    "largest_deviations",
    "normal_quantile",
    "pair_maximum",
    "printed_rank_intervals",
    "rank_intervals",
    "sandwich",
    "second_order",
    "tie_groups",
    "upper_quantile",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
