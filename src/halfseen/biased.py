"""Predictions of models of the form mean + row bias + column bias + product of factors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator
from halfseen.data import Observed
from halfseen.data.arguments import bounds
from halfseen.data.prepared import PreparedTable
from halfseen.data.spread import weighted_mean
from halfseen.inference.linked import LEAST_LINKS, Linking, tell_groups
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss
from halfseen.parameters import BadArgument
from halfseen.solvers.block_ridge import RowsInBlocks


def usable_rank(rank: int, shape: tuple[int, int]) -> int:
    """The rank to fit: as given, cut to the shorter side of the table, above which no table has a rank."""
    return min(int(rank), *shape)


def check_same_table(model: Any, start: Any) -> None:
    """Refuse to begin at a model of another kind or of a table of another size."""
    if type(start) is not type(model) or not hasattr(start, "observed_shape_"):
        raise TypeError(f"start must be a fitted {type(model).__name__}; got {type(start).__name__}")
    if start.observed_shape_ != model.observed_shape_:
        raise ValueError(
            f"start was fitted to a table of shape {start.observed_shape_}, this one has {model.observed_shape_}; "
            "give a model of the same rows and columns"
        )


class BiasedPredictions(CompletionEstimator):
    """Pairs, blocks and new rows from ``mean_``, ``row_bias_``, ``col_bias_``, ``row_factors_``, ``col_factors_``."""

    _summary: ClassVar[str] = "halfseen.summary.biases:biases"

    mean_: float
    # arrays; of a fit to a prepared table RowsInBlocks, which behave as such
    row_bias_: Any
    col_bias_: FloatArray
    row_factors_: Any
    col_factors_: FloatArray
    bounds_: tuple[float, float] | None
    linking_: Linking | None

    def _begin(self, R: Any, clip: Any, precision: str | None = None) -> Observed:
        """The table in the arithmetic of the fit; loss, bounds and mean are set."""
        observed = self._observe(R, reset=True)
        observed = observed.astype(precision or observed.dtype)
        self.loss_ = get_loss("gaussian")
        self.bounds_ = bounds(clip, observed.values)
        self.mean_ = weighted_mean(observed)
        self.linking_ = tell_groups(self, observed, self._links) if self._links else None
        return observed

    def _begin_blocks(self, table: PreparedTable, clip: Any, precision: str | None = None) -> None:
        """The same for a prepared table, whose sums are known; its rows are known by their blocks."""
        if precision not in (None, table.dtype.name):
            raise BadArgument(
                "precision", precision, f"None, or {table.dtype.name!r} as the table was prepared",
                f"prepare it again with dtype={precision!r}",
            )  # fmt: skip
        sums = table.facts.sums
        self.loss_, self.mean_, self.linking_ = get_loss("gaussian"), table.mean, None
        self.bounds_ = bounds(clip, np.array([sums["low"], sums["high"]]))
        self._observe_blocks(table)

    def _learned_from_blocks(self, table: PreparedTable, visit: Any, C: FloatArray) -> dict[str, Any]:
        """Attributes of a fit to a prepared table."""
        factors, bias = (RowsInBlocks.of(table, visit, C, part) for part in ("factors", "bias"))
        cols = np.ascontiguousarray(C[:, :-1]), C[:, -1].copy()
        return {
            "row_factors_": factors, "row_bias_": bias, "col_factors_": cols[0], "col_bias_": cols[1],
            "stored_rows_": factors,
        }  # fmt: skip

    @property
    def _links(self) -> int:
        """Rows or columns in common that it takes to compare two groups of rows; 0: the model compares none."""
        return 1 if getattr(self, "rank", 1) == 0 else LEAST_LINKS

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        """Factors (n_new, k) and biases (n_new,) of new rows."""
        raise NotImplementedError

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        offsets = self.mean_ + self.row_bias_[rows] + self.col_bias_[cols]
        return offsets + pair_products(self.row_factors_, self.col_factors_, rows, cols)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self._table(self.row_factors_[rows], self.row_bias_[rows], cols)

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return self._table(*self._place(observed), np.arange(self.observed_shape_[1]))

    def _table(self, factors: FloatArray, bias: FloatArray, cols: IntArray) -> FloatArray:
        block = factors @ self.col_factors_[cols].T
        block += bias[:, None]
        block += self.mean_ + self.col_bias_[cols]
        return block

    def _bounded(self, linear: FloatArray) -> FloatArray:
        return linear if self.bounds_ is None else np.clip(linear, *self.bounds_)
