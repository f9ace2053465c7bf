"""Choices made on held-out entries or rows: parameters, the rank, and how well a model predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfseen.select.held_out import held_out_deviance
from halfseen.select.options import SearchOptions
from halfseen.select.rank import RankChoice, choose_rank
from halfseen.select.search import Search, choose_parameters
from halfseen.select.searchcv import EntryFolds, EntryRegressor, NewRowScore
from halfseen.select.source_ranks import SourceRanks, choose_source_ranks
from halfseen.select.validation import CrossValidation, cross_validate

if TYPE_CHECKING:
    from halfseen.select.source_ranks import SourceRanks, choose_source_ranks

__all__ = [
    "CrossValidation",
    "EntryFolds",
    "EntryRegressor",
    "NewRowScore",
    "RankChoice",
    "Search",
    "SearchOptions",
    "SourceRanks",
    "choose_parameters",
    "choose_rank",
    "choose_source_ranks",
    "cross_validate",
    "held_out_deviance",
]


def __getattr__(name: str) -> Any:
    """Load the choice of two ranks when it is asked for."""
    if name not in ("SourceRanks", "choose_source_ranks"):
        raise AttributeError(f"module 'halfseen.select' has no attribute {name!r}")
    from halfseen.select import source_ranks

    return getattr(source_ranks, name)
