"""Choices made on held-out entries or rows: parameters, the rank, and how well a model predicts."""

from __future__ import annotations

from halfseen.select.automatic_rank import RankSearch, automatic_rank, settled_rank
from halfseen.select.folds import progress
from halfseen.select.held_out import held_out_deviance
from halfseen.select.rank import RankChoice, choose_rank
from halfseen.select.search import Search, choose_parameters
from halfseen.select.searchcv import EntryFolds, EntryRegressor, NewRowScore
from halfseen.select.source_ranks import SourceRanks, choose_source_ranks
from halfseen.select.validation import CrossValidation, cross_validate

__all__ = [
    "CrossValidation",
    "EntryFolds",
    "EntryRegressor",
    "NewRowScore",
    "RankChoice",
    "RankSearch",
    "Search",
    "SourceRanks",
    "automatic_rank",
    "choose_parameters",
    "choose_rank",
    "choose_source_ranks",
    "cross_validate",
    "held_out_deviance",
    "progress",
    "settled_rank",
]
