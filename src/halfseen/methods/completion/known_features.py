"""What is known of rows and columns besides the table: made numbers of, and refused where it holds the values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.data.compressed import Compressed
from halfseen.data.features import FeatureCode, as_side_features, tell_identifiers
from halfseen.errors import shown
from halfseen.methods.completion.effects import FEW, implicit_weights

# A matrix of features of which fewer numbers than this differ from 0 (genres, say) is not centred: it stays sparse.
SPARSE_BELOW = 0.5
# Correlations with the table's own values from which features are these values.
SAME, SAME_MEAN = 0.999, 1.0 - 1e-6
# Rows (or columns) with fewer entries tell nothing about this.
LEAST_ENTRIES = 3


def learned_features(given: Any, observed: Observed, axis: int, model: Any) -> tuple[FeatureCode | None, Any]:
    """How the features of one side become numbers, and these numbers.

    Numbers of data frames are centred and divided by their standard deviations, categories become 0 and 1; all are then
    divided by one number, so that the squares of a row's features add up to 1 on average.

    Parameters
    ----------
    given : array, scipy.sparse, data frame, SideFeatures or None
    observed : Observed
    axis : {0, 1}
    model : estimator
        Which warns of columns that look like names of the lines.

    Raises
    ------
    ValueError
        For missing features, other lines than the table has, and features that are the table's own values.
    """
    if given is None:
        return None, None
    name, labels = ("row_features", "col_features")[axis], (observed.row_labels, observed.col_labels)[axis]
    side = as_side_features(given, name).aligned(observed.shape[axis], labels, name)
    side.refuse_missing(name)
    tell_identifiers(model, side, name)
    raw = FeatureCode.learn(side)
    refuse_values(raw.encode(side, name), raw.encoded_names(), observed, axis)
    matrix = side.matrix
    is_sparse = matrix is not None and not hasattr(matrix, "tocsr") and np.mean(matrix != 0) < SPARSE_BELOW
    code = FeatureCode.learn(side, "auto", not is_sparse)
    if code.names and code.centre is not None:
        is_number = np.array([encoded in code.names for encoded in code.encoded_names()])
        code = replace(code, centre=np.where(is_number, code.centre, 0.0))
    numbers = code.encode(side, name)
    size = np.sqrt((numbers.multiply(numbers) if hasattr(numbers, "tocsr") else numbers**2).sum() / max(side.n, 1))
    if size > 0 and code.scale is not None:
        code = replace(code, scale=code.scale * size)
        numbers = code.encode(side, name)
    return code, numbers


def features_of_new(code: FeatureCode, given: Any, n: int, labels: Labels | None) -> tuple[Any, list[str]]:
    """Numbers for the features of new rows, and what had to be replaced by the mean of the fit; None: all of them."""
    if given is None:
        means = np.zeros(code.n_columns) if code.means is None else code.means.copy()
        if code.centre is not None:
            means -= code.centre
        return np.tile(means if code.scale is None else means / code.scale, (n, 1)), ["all features"]
    filled: list[str] = []
    side = as_side_features(given, "row_features", may_miss=True).aligned(n, labels, "row_features")
    return code.encode(side, "row_features", filled), filled


def nothing_seen(shape: tuple[int, int], row_labels: Any, col_labels: Any, dtype: Any = float) -> Observed:
    """A table of rows of which no cell was seen: new rows that only their features tell of."""
    empty = Compressed(np.zeros(shape[0] + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, dtype), None, shape[1])
    return Observed(empty, row_labels, col_labels)


@dataclass(frozen=True)
class PartlyKnown:
    """Features of rows of which little was seen: what is known, and for the rest what is usual; never a whole table.

    Attributes
    ----------
    known : csr_array (n, p)
    unknown : ndarray (n,)
        Share of the usual in each row.
    usual : ndarray (p,)
    """

    known: Any
    unknown: FloatArray
    usual: FloatArray

    def __matmul__(self, effects: FloatArray) -> FloatArray:
        return np.asarray(self.known @ effects + np.outer(self.unknown, self.usual @ effects))


def implicit_features(observed: Observed, usual: FloatArray) -> PartlyKnown:
    """Which columns each new row has, weighted as in the fit.

    Parameters
    ----------
    observed : Observed
    usual : ndarray (p,)
        What the rows of the fit have on average: a row of which little was seen is taken to be like them, as far as it
        is not known.
    """
    from scipy import sparse

    view = observed.by_rows
    own = np.repeat(implicit_weights(view.counts), view.counts)
    known = sparse.csr_array((own, view.indices, view.indptr), shape=observed.shape)
    return PartlyKnown(known, FEW / (view.counts + FEW), usual)


def usual_features(observed: Observed) -> FloatArray:
    """Means of the implicit features over the rows that have entries, (p,)."""
    view = observed.by_rows
    weights = np.repeat(implicit_weights(view.counts), view.counts)
    sums = np.bincount(view.indices, weights, minlength=observed.shape[1])
    return np.asarray(sums / max(int(np.count_nonzero(view.counts)), 1), dtype=np.float32)


def refuse_values(features: Any, names: list[str], observed: Observed, axis: int) -> None:
    """Refuse features that are made of the table's own values: they would tell every entry its answer.

    Recognised are a matrix with a feature per column of the table (per row, for features of columns) that goes with the
    values within rows or within columns, and a feature that is the mean or the sum of each row's values.
    """
    own, other = (observed.cols, observed.rows) if axis else (observed.rows, observed.cols)
    name, what, across = (("row_features", "row", "column"), ("col_features", "column", "row"))[axis]
    way = f"Leave {{}} out: {what}s learn from their values anyway"
    if features.shape[1] == observed.shape[1 - axis] and observed.n_entries:
        at = np.asarray(features[own, other], dtype=float).ravel()
        if max(_agreement(at, observed.values, own), _agreement(at, observed.values, other)) > SAME:
            raise ValueError(
                f"{name} holds the table's own values (one feature per {across}, which agrees with the seen cells): a "
                f"fit would read each value off its {what}'s features and predict hidden ones badly. "
                f"{way.format('them')}; which cells a row has is known through implicit='both'"
            )
    counts = np.bincount(own, minlength=observed.shape[axis])
    sums = np.bincount(own, observed.values, minlength=observed.shape[axis])
    with_entries = counts >= LEAST_ENTRIES
    if with_entries.sum() <= LEAST_ENTRIES:
        return
    targets: dict[str, FloatArray] = {
        "mean": np.asarray(sums[with_entries] / counts[with_entries]),
        "sum": np.asarray(sums[with_entries]),
    }
    for word, target in targets.items():
        same = _correlations(features[np.flatnonzero(with_entries)], target)
        if len(same) and np.max(same) > SAME_MEAN:
            column = names[int(np.argmax(same))]
            raise ValueError(
                f"{name}: column {shown(column)} is the {word} of each {what}'s own values in the table; a fit would "
                f"count them twice, and hidden values would leak through it. {way.format('it')}"
            )


def _agreement(at: FloatArray, values: FloatArray, groups: IntArray) -> float:
    """Median over rows (or columns) of the absolute correlation of features with values; 0 where none is known."""
    count = np.bincount(groups)
    safe = np.maximum(count, 1)
    values = values.astype(float)
    x, y = (part - (np.bincount(groups, part) / safe)[groups] for part in (at, values))
    xx, yy, xy = (np.bincount(groups, product) for product in (x * x, y * y, x * y))
    known = (count >= LEAST_ENTRIES) & (yy > 0)
    if not known.any():
        return 0.0
    scale = np.sqrt(xx[known] * yy[known])
    return float(np.median(np.abs(xy[known]) / np.where(scale > 0, scale, np.inf)))


def _correlations(features: Any, target: FloatArray) -> FloatArray:
    """Absolute correlations of all columns of features with a target."""
    n, away = len(target), target - target.mean()
    total = float(away @ away)
    if total <= 0:
        return np.zeros(0)
    is_sparse = hasattr(features, "tocsr")
    squares = features.multiply(features) if is_sparse else np.square(features, dtype=float)
    means = np.asarray(features.mean(axis=0), dtype=float).ravel()
    spread = np.asarray(squares.sum(axis=0), dtype=float).ravel() - n * means**2
    product = np.asarray(features.T @ away, dtype=float).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.abs(product) / np.sqrt(np.maximum(spread, 0.0) * total)
    return np.where(spread > 1e-12 * np.maximum(means**2 * n, 1e-300), np.nan_to_num(found), 0.0)
