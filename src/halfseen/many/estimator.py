"""The estimator behind every model of shared and unique parts."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from halfseen import kernels
from halfseen._typing import BoolArray, FloatArray
from halfseen.data import Observed, Sources, as_sources
from halfseen.data.checks import check_scale
from halfseen.inference.extremes import extremes
from halfseen.inference.linked import tell_sources
from halfseen.linalg.subspace import misalignment
from halfseen.many.fitted import SourceParts
from halfseen.many.parts import Parts
from halfseen.many.predictions import SourcePredictions
from halfseen.many.remembered import Remembered
from halfseen.parameters import Parametrised

# What every model of sources with heavy tails can be changed for.
ROBUST_SOURCES = "HeterogeneousFactorization(family='huber') (or family={{name: 'huber'}} for single sources)"


class SourcesModel(SourcePredictions, Parametrised, BaseEstimator):
    """An estimator that learns from many tables over the same rows.

    Subclasses give ``fit``, which calls :meth:`_observe_sources` first, and what `SourcePredictions` asks for.
    """

    def _observe_sources(self, S: Any) -> Sources:
        """Validate at the edge and remember names, rows and columns."""
        sources = as_sources(S)
        for name, table in sources.items():
            check_scale(table.values, f"S[{name!r}]")
        tell_sources(self, sources)
        self.source_names_ = sources.names
        self.n_rows_, self.row_labels_ = sources.n_rows, sources.row_labels
        self.col_labels_ = {name: table.col_labels for name, table in sources.items()}
        self.n_features_in_ = sum(table.shape[1] for table in sources.values())
        return sources

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        return tags


class SourcesEstimator(SourceParts, SourcesModel):
    r"""An estimator that writes every source as :math:`M_{(i)} \approx U_g V_{(i)g}^\top + U_{(i)} V_{(i)}^\top`.

    Subclasses give ``fit``, which calls :meth:`_observe_sources` first and :meth:`_keep` last.
    """

    _summary: ClassVar[str] = "halfseen.summary.sources:chapter"

    misalignment_: float
    shares_: dict[str, dict[str, float]]

    def _observe_sources(self, S: Any) -> Sources:
        """As every model of sources does, and keep the data at hand for readings."""
        sources = super()._observe_sources(S)
        self._seen = Remembered(sources)
        return sources

    def _keep(self, sources: Sources, parts: Parts, intercepts: dict[str, FloatArray] | None = None) -> None:
        """Set the learned attributes, in the dtype of the sources."""
        nothing: dict[str, FloatArray] = {name: np.zeros(table.shape[1]) for name, table in sources.items()}
        self._keep_parts(sources.names, parts, intercepts or nothing, dtype_of(sources))
        self.shares_ = {name: self._shares(name, table) for name, table in sources.items()}
        self._tell_extremes(sources)

    def _nothing_seen(self) -> Remembered:
        """No data at hand: they stay where they are."""
        return Remembered()

    def _keep_parts(self, names: list[str], parts: Parts, intercepts: dict[str, FloatArray], dtype: np.dtype) -> None:
        """The parts of them that need no data."""
        self.intercepts_ = {name: intercept.astype(dtype) for name, intercept in intercepts.items()}
        own = dict(zip(names, parts.own, strict=True))
        self.shared_basis_ = parts.shared_basis.astype(dtype)
        self.shared_loadings_ = {name: placed.shared_loadings.astype(dtype) for name, placed in own.items()}
        self.unique_basis_ = {name: placed.unique_basis.astype(dtype) for name, placed in own.items()}
        self.unique_loadings_ = {name: placed.unique_loadings.astype(dtype) for name, placed in own.items()}
        self.misalignment_ = misalignment([placed.unique_basis for placed in parts.own])

    def _follows_squares(self, name: str) -> bool:
        """Whether a source is fitted by least squares."""
        return True

    def _tell_extremes(self, sources: Sources) -> None:
        """Say that single values rule what the factors tell of a source, the one with most of it being described."""
        told = {}
        for name in filter(self._follows_squares, sources.names):
            placed, labels = self._parts(name), (self.row_labels_, self.col_labels_[name])
            rows = np.hstack([self.shared_basis_, placed.unique_basis])
            cols = np.hstack([placed.shared_loadings, placed.unique_loadings])
            found = extremes(sources[name], rows, cols, partial(self._at, name), labels)
            if found is not None:
                told[name] = found
        if told:
            worst = max(told, key=lambda name: told[name].share)
            others = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
            self._warn(told[worst].sentence(ROBUST_SOURCES, f"source {worst!r}{others}: "))

    def _shares(self, name: str, table: Observed) -> dict[str, float]:
        """How much of the sum of squares of the seen entries the parts explain, one after the other.

        Squares are those about the intercepts.
        """
        y, placed = table.values.astype(float) - self.intercepts_[name][table.cols], self._parts(name)
        total = float(y @ y) or 1.0

        def at_entries(U: FloatArray, V: FloatArray) -> FloatArray:
            A, B = (np.ascontiguousarray(part, dtype=table.dtype) for part in (U, V))
            return kernels.at(table.by_rows, A, B).astype(float, copy=False)

        shared = at_entries(self.shared_basis_, placed.shared_loadings)
        whole = shared + at_entries(placed.unique_basis, placed.unique_loadings)
        left = [float(np.sum(np.square(y - fit))) / total for fit in (shared, whole)]
        return {"shared": 1.0 - left[0], "unique": left[0] - left[1], "residual": left[1]}


def dtype_of(sources: Sources) -> np.dtype:
    """Single precision where all sources are, else double."""
    single = all(table.dtype == np.float32 for table in sources.values())
    return np.dtype(np.float32 if single else np.float64)


def column_means(table: Observed) -> FloatArray:
    """Means of the seen entries of every column (weighted, where entries have weights), 0 where nothing was seen.

    Examples
    --------
    >>> import halfseen as hs
    >>> column_means(hs.Observed.from_dense([[1.0, 2.0], [3.0, float("nan")]])).tolist()
    [2.0, 2.0]
    """
    weights = np.ones(table.n_entries) if table.weights is None else table.weights.astype(float)
    level = float(table.values.astype(float).mean())  # taken out first: no digit is lost to a high level
    p = table.shape[1]
    sums = np.bincount(table.cols, weights=weights * (table.values - level), minlength=p)
    total = np.bincount(table.cols, weights=weights, minlength=p)
    return np.where(total > 0, level + sums / np.where(total > 0, total, 1.0), 0.0)


def centred(table: Observed, means: FloatArray) -> Observed:
    """The table less a number per column, in double precision."""
    double = table.astype(np.float64)
    return double.with_values(double.values - means[double.cols])


def seen_mask(table: Observed) -> BoolArray:
    """True where an entry was observed, shape (n, p)."""
    mask = np.zeros(table.shape, dtype=bool)
    mask[table.rows, table.cols] = True
    return mask
