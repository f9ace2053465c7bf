"""Random errors of rows and columns, and of everything that is a function of them, drawn together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.inference import Clustered, GaussianDraws, MultiplierDraws
from halfseen.inference.draws import Errors
from halfseen.methods.factor.intervals.view import FactorView
from halfseen.parameters import BadArgument

Array = NDArray[Any]

METHODS = ("gaussian", "multiplier")
NONE = np.zeros(0, dtype=np.int64)


class FactorErrors(Protocol):
    """The errors of some numbers as functions of those of some rows and columns.

    Attributes
    ----------
    rows, cols : int arrays
        Positions of the rows and columns.
    is_linear : bool
        Whether the numbers are linear in their errors.
    """

    rows: IntArray
    cols: IntArray
    is_linear: bool

    def deviations(self, errors: Errors, size: str) -> Array:
        """Errors (b, m) over the standard errors they would have shown.

        Parameters
        ----------
        errors : (ndarray (b, rows, r), ndarray (b, cols, r + 1))
        size : {"inverse", "covariance"}
            Which covariances the errors were drawn with.
        """
        ...


@dataclass(frozen=True)
class FactorDraws:
    """Draws behind bands and ranks; the same for every call.

    Attributes
    ----------
    view : FactorView
    count, seed : int
    """

    view: FactorView
    count: int
    seed: int

    def batches(
        self, method: str, rows: IntArray, cols: IntArray, has_full_size: bool = False, count: int | None = None
    ) -> Iterator[Errors]:
        """Errors of chosen rows and columns.

        Gaussian draws of full size have the covariances asked for, all others the plug-in ones, which is enough
        for statistics that are linear in them.
        """
        uncertainty, rng = self.view.uncertainty, np.random.default_rng(self.seed)
        if method not in METHODS:
            raise BadArgument("method", method, f"one of {', '.join(map(repr, METHODS))}")
        n_draws = self.count if count is None else count
        V, V_cols = uncertainty.rows.inverse, uncertainty.cols.inverse
        if method == "gaussian" and has_full_size:
            return GaussianDraws(uncertainty.rows.covariance, uncertainty.cols.covariance).batches(
                n_draws, rng, rows, cols
            )
        if method == "gaussian":
            return GaussianDraws(V, V_cols).batches(n_draws, rng, rows, cols)
        own, groups = uncertainty.influences(self.view.passes), self.view.variance
        shared: tuple[Any, Any] = (None, None)
        if isinstance(groups, Clustered):
            n, p = self.view.passes.shape
            shared = (groups.codes("cols", p), groups.codes("rows", n))
        return MultiplierDraws(*own, *shared).batches(n_draws, rng, rows, cols)

    def is_plain(self, method: str) -> bool:
        """Whether draws have the plug-in covariances: all but those whose multipliers groups share."""
        return not (method == "multiplier" and isinstance(self.view.variance, Clustered))

    def together(self, parts: Sequence[FactorErrors], method: str) -> Iterator[Array]:
        """Deviations (b, m) of all numbers of all parts, from the same errors of rows and columns."""
        rows, cols = (_union([getattr(part, side) for part in parts]) for side in ("rows", "cols"))
        has_full_size = not all(part.is_linear for part in parts)
        has_own_size = (method == "gaussian" and has_full_size) or not self.is_plain(method)
        size = "covariance" if has_own_size else "inverse"
        places = [(_places(rows, part.rows), _places(cols, part.cols)) for part in parts]
        for of_rows, of_cols in self.batches(method, rows, cols, has_full_size):
            each = [
                part.deviations((of_rows[:, at_row], of_cols[:, at_col]), size)
                for part, (at_row, at_col) in zip(parts, places, strict=True)
            ]
            yield np.concatenate(each, axis=1) if len(each) > 1 else each[0]


def _union(parts: list[IntArray]) -> IntArray:
    """All positions, each once; a single part as it is."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def _places(union: IntArray, own: IntArray) -> IntArray | slice:
    return slice(None) if union is own else np.searchsorted(union, own)


def scaled(errors: Array, scale: Array) -> Array:
    """Errors (b, m) over their standard deviations (m,); numbers without a finite one are left out as zeros."""
    good = np.isfinite(scale) & (scale > 0)
    return np.asarray(errors * np.where(good, 1.0 / np.where(good, scale, 1.0), 0.0))
