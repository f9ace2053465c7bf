"""Intervals for ranks of rows and columns, and tiers that surely stand in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.inference import (
    Intervals,
    dense_pair_maximum,
    independent_pairs,
    pair_maximum,
    printed_rank_intervals,
    rank_intervals,
    tie_groups,
    upper_quantile,
)
from halfseen.inference.ranks import PairScale
from halfseen.methods.factor.intervals.draws import NONE, FactorDraws
from halfseen.methods.factor.intervals.scores import ScoreTable, score_table
from halfseen.methods.factor.intervals.view import FactorView

Array = NDArray[Any]

RANK_KINDS = ("simultaneous", "per_item", "ties", "printed")
# Draws behind the standard error of a rank.
RANK_DRAWS = 200


@dataclass(frozen=True)
class Ranking:
    """What rows or columns are ranked by.

    Attributes
    ----------
    view : FactorView
    draws : FactorDraws
    of : int, "intercept" or "score"
    axis : int
    """

    view: FactorView
    draws: FactorDraws
    of: Any
    axis: int

    @cached_property
    def _table(self) -> ScoreTable:
        return score_table(self.view, self.axis, "again", None)

    def sizes(self, use_plug_in: bool = False) -> tuple[Array, Array, PairScale]:
        """Estimates, their standard errors, and those of all their differences."""
        if self.of == "score":
            estimate, variance, _, _ = self._table.intervals_parts(use_plug_in)
            return estimate, np.sqrt(variance), self._table.pair_scale(use_plug_in)
        estimate, se, _ = self.view.parameter(self.axis, self.of, use_plug_in, has_gauge=False)
        return estimate, se, independent_pairs(se)

    def errors(self, method: str, count: int | None = None) -> Iterator[Array]:
        """Errors (b, n) of what is ranked."""
        if self.of == "score":
            table = self._table
            pair = (table.own, table.other) if self.axis == 0 else (table.other, table.own)
            return table.errors(self.draws.batches(method, *pair, count=count))
        _, _, place = self.view.parameter(self.axis, self.of)
        every = np.arange(self.view.names.shape[self.axis])
        chosen = (every, NONE) if self.axis == 0 else (NONE, every)
        return (batch[self.axis][:, :, place] for batch in self.draws.batches(method, *chosen, count=count))

    def quantile(self, method: str) -> float:
        """Quantile of the largest studentised difference, from draws of the plug-in covariances."""
        _, se, scale = self.sizes(use_plug_in=self.draws.is_plain(method))
        errors, good = self.errors(method), np.isfinite(se) & (se > 0)
        if self.of == "score":
            maxima = [dense_pair_maximum(batch, scale) for batch in errors]
        else:
            maxima = [pair_maximum(batch[:, good], se[good]) for batch in errors]
        return upper_quantile(np.concatenate(maxima), self.view.level)

    def spread(self, estimate: Array) -> Array:
        """Standard deviation of each rank when the errors are drawn anew."""
        n = len(estimate)
        ranks = [
            np.argsort(np.argsort(-(estimate + batch), axis=1, kind="stable"), axis=1).astype(np.int32)
            for batch in self.errors("gaussian", RANK_DRAWS)
        ]
        spread = np.concatenate(ranks).std(axis=0)
        return np.where(self.view.blocks(self.axis).is_resolved, spread, np.sqrt((n**2 - 1) / 12.0))


def ranks(ranking: Ranking, kind: str, method: str) -> Intervals:
    """Intervals of the ranks of all rows or columns; see ``FactorInference.ranks``."""
    view = ranking.view
    view.check_order(ranking.axis, "ranks")
    estimate, se, scale = ranking.sizes()
    q = view.z if kind == "per_item" else ranking.quantile(method)
    extra: dict[str, Array] = {}
    if kind == "ties":
        extra["group"], places = tie_groups(estimate, scale, q)
    elif kind == "printed":
        places = printed_rank_intervals(estimate, se, q)
    else:
        places = rank_intervals(estimate, scale, q)
    name = f"rank by {ranking.of if isinstance(ranking.of, str) else f'component {ranking.of}'}"
    return Intervals(
        name, places.estimate, ranking.spread(estimate), places.low, places.high, view.level,
        view.names.column(ranking.axis), view.claim, "ranks", view.reliable(ranking.axis), extra, q, view.library,
    )  # fmt: skip
