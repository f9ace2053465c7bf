"""How well a fitted model predicts entries that it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator
from halfseen.data import Observed

CELLS_AT_ONCE = 1_000_000  # new rows are completed whole; this bounds the memory of a block of them


def held_out_deviance(model: CompletionEstimator, held_out: Observed) -> float:
    """Mean deviance (weighted, where entries have weights) of further entries of the training rows.

    Parameters
    ----------
    model : fitted estimator
    held_out : Observed
        With the training table's shape, or its row labels.

    Returns
    -------
    float
        Smaller is better. For the gaussian loss the mean squared error.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> model = hs.ColumnMean().fit(np.array([[1.0, np.nan], [3.0, 5.0]]))
    >>> held_out_deviance(model, hs.Observed.from_triplets([0], [1], [4.0], shape=(2, 2)))
    1.0
    """
    return _mean_deviance(model, held_out, model._linear_entries(held_out))


def entry_deviances(model: CompletionEstimator, held_out: Observed) -> FloatArray:
    """Deviance of every held-out entry, times its weight over the mean weight; their mean is the mean deviance."""
    each: FloatArray = model._loss_at(held_out).deviance(held_out.values, model._linear_entries(held_out))
    return each if held_out.weights is None else each * (held_out.weights / held_out.weights.mean())


def clustered_error(parts: list[tuple[FloatArray, IntArray]]) -> float:
    r"""Standard error of the mean over splits of the mean over entries, entries of one row being dependent.

    .. math:: \Bigl(\tfrac{G}{G - 1}\sum_i \bigl(\tfrac1S\sum_s \tfrac1{n_s}
              \sum_{e \in (s, i)} (d_e - \bar d_s)\bigr)^2\Bigr)^{1/2}

    Parameters
    ----------
    parts : list of (numbers, rows)
        Of every split.

    Returns
    -------
    float
        nan where fewer than two rows have entries, or a number is not finite.

    Examples
    --------
    >>> round(clustered_error([(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 1, 2, 3]))]), 4)
    1.291
    """
    sums = np.zeros(1 + max((int(rows.max(initial=0)) for _, rows in parts), default=0))
    seen = np.zeros(len(sums), dtype=bool)
    for numbers, rows in parts:
        if not len(numbers) or not np.isfinite(numbers).all():
            return float("nan")
        share = (numbers - numbers.mean()) / (len(numbers) * len(parts))
        sums += np.bincount(rows, weights=share, minlength=len(sums))
        seen[rows] = True
    groups = int(seen.sum())
    return float(np.sqrt(groups / (groups - 1) * np.sum(np.square(sums)))) if groups > 1 else float("nan")


def new_row_deviance(model: CompletionEstimator, shown: Observed, hidden: Observed) -> float:
    """Mean deviance of the entries ``hidden`` of new rows, placed by their other entries ``shown``."""
    rows_at_once = max(1, CELLS_AT_ONCE // hidden.shape[1])
    used = np.flatnonzero(hidden.by_rows.counts)
    predicted = []
    for begin in range(0, len(used), rows_at_once):
        block = used[begin : begin + rows_at_once]
        wanted = hidden.take_rows(block)
        predicted.append(model._linear_rows(shown.take_rows(block))[wanted.rows, wanted.cols])
    return _mean_deviance(model, hidden, model._bounded(np.concatenate(predicted)))


def _mean_deviance(model: CompletionEstimator, held_out: Observed, linear: FloatArray) -> float:
    return float(np.average(model._loss_at(held_out).deviance(held_out.values, linear), weights=held_out.weights))


def as_frame(columns: dict[str, Any], backend: str) -> Any:
    """Columns as a table of pyarrow, pandas or polars."""
    if backend == "pyarrow":
        import pyarrow

        return pyarrow.table(columns)
    if backend == "pandas":
        import pandas

        return pandas.DataFrame(columns)
    if backend == "polars":
        import polars

        return polars.DataFrame(columns)
    raise ValueError(f"backend must be 'pyarrow', 'pandas' or 'polars', got {backend!r}")
