"""Scores on these columns and over columns like these, with their joint covariance over rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.inference import (
    CommonErrors,
    Intervals,
    dense_pair_maximum,
    drawn_rank_intervals,
    rank_intervals,
    tie_groups,
    upper_quantile,
)
from halfseen.inference.alike import ends_alike, never_sure, over_columns
from halfseen.inference.ranks import chunks
from halfseen.losses.derived import response_range
from halfseen.methods.factor.intervals.scores import ScoreTable, score_table
from halfseen.methods.factor.intervals.view import FactorView

Array = NDArray[Any]

RANK_DRAWS = 1000


@dataclass(frozen=True)
class JointScores:
    """Scores of all rows (columns) with their joint covariance.

    Attributes
    ----------
    view : FactorView
    axis : int
    about : {"these", "like-these"}
    estimate : ndarray (n,)
    covariance : ndarray (n, n)
    low, high : float
        Ends of the responses' range.
    n_others : int
    """

    view: FactorView
    axis: int
    about: str
    estimate: Array
    covariance: Array
    low: float
    high: float
    n_others: int

    @classmethod
    def of(cls, view: FactorView, axis: int, about: str, over: Any = None) -> JointScores:
        """Joint scores of a fit; ``about`` is "these" or "like-these"."""
        table = score_table(view, axis, "these", over)
        estimate = table.intervals_parts()[0]
        V, p = table.joint(), len(table.other)
        low, high = (
            float(np.min(response_range(view.passes.loss)[0])),
            float(np.max(response_range(view.passes.loss)[1])),
        )
        if about == "like-these":
            V = never_sure(over_columns(V, estimate, _blocks(view, table), p), estimate, low, high, p)
        return cls(view, axis, about, estimate, V, low, high, p)

    @property
    def se(self) -> Array:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def pair_se(self) -> Array:
        """Standard errors (n, n) of all differences."""
        v = np.diag(self.covariance)
        return np.sqrt(np.maximum(v[:, None] + v[None, :] - 2.0 * self.covariance, 0.0))

    def _errors(self) -> CommonErrors:
        return CommonErrors({"scores": _root(self.covariance)}, f"scores about {self.about!r}")

    def scores(self) -> Intervals:
        """Intervals of all scores over columns like these."""
        view, se = self.view, self.se
        ends = ends_alike(self.estimate, se, view.z, self.low, self.high, self.n_others)
        return Intervals(
            "score over columns like these", self.estimate, se, *ends, view.level, view.names.column(self.axis),
            view.claim, reliable=view.reliable_means(self.axis), quantile=view.z, library=view.library,
        )  # fmt: skip

    def differences(self, i: IntArray, l: IntArray) -> Intervals:  # noqa: E741
        """Intervals of differences, elementwise pairs."""
        view = self.view
        view.check_linked(self.axis, i, l)
        se, reliable = self.pair_se()[i, l], view.reliable_means(self.axis)
        names = {f"{key}_{end}": label for end, at in (("first", i), ("second", l))
                 for key, label in view.names.column(self.axis, at).items()}  # fmt: skip
        return Intervals.symmetric(
            "difference", self.estimate[i] - self.estimate[l], se, view.level, names, claim=view.claim,
            reliable=reliable[i] & reliable[l], library=view.library,
        )  # fmt: skip

    def ranks(self, kind: str, seed: int) -> Intervals:
        """Intervals of the ranks, or tiers."""
        view, pair = self.view, self.pair_se()
        view.check_order(self.axis, "ranks")
        normal = np.random.default_rng(seed).standard_normal((RANK_DRAWS, len(self.estimate)))
        errors = normal @ _root(self.covariance).T
        spread = drawn_rank_intervals(self.estimate, errors, view.level)[1]
        q, extra = view.z, {}
        if kind != "per_item":
            q = upper_quantile(dense_pair_maximum(errors, lambda rows: pair[rows]), view.level)
        if kind == "ties":
            extra["group"], places = tie_groups(self.estimate, lambda rows: pair[rows], q)
        else:
            places = rank_intervals(self.estimate, lambda rows: pair[rows], q)
        return Intervals(
            "rank by score", places.estimate, spread, places.low, places.high, view.level,
            view.names.column(self.axis), view.claim, "ranks", view.reliable(self.axis), extra, q, view.library,
        )  # fmt: skip


def _blocks(view: FactorView, table: ScoreTable) -> Iterator[tuple[Array, Array]]:
    """The table, seen responses as they are and the others as predicted, with the variances of the latter."""
    p, phi = len(table.other), table.uncertainty.dispersion
    for part in chunks(p, 4 * len(table.own)):
        block = ScoreTable(table.uncertainty, table.loss, table.axis, table.own, table.other[part], table.seen, False)
        cells, (_, values) = block._cells(slice(0, len(table.own))), block._known(table.own)
        yield cells.mean + values, phi * cells.noise


def _root(V: Array) -> Array:
    values, vectors = np.linalg.eigh(V)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
