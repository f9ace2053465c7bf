"""Data frames of any library, through narwhals: long and wide in, long out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import Labels
from halfseen.data.checks import as_numbers
from halfseen.errors import UnknownLabelError, close_matches

if TYPE_CHECKING:
    from halfseen.data.observed import Observed


LIBRARIES = ("pyarrow", "pandas", "polars")


def library_of(table: Any) -> str:
    """The library whose frames belong with a table: pandas or polars for theirs, else pyarrow.

    Examples
    --------
    >>> library_of(np.zeros((2, 2)))
    'pyarrow'
    """
    name = str(getattr(table, "library", "") or type(table).__module__).split(".")[0]
    return name if name in LIBRARIES else "pyarrow"


def is_frame(table: Any) -> bool:
    """Tell whether an object is a data frame narwhals can read, without importing any library for it."""
    if isinstance(table, np.ndarray) or hasattr(table, "tocoo"):
        return False
    return hasattr(table, "__narwhals_dataframe__") or (
        hasattr(table, "columns") and (hasattr(table, "dtypes") or hasattr(table, "schema"))
    )


def _open(frame: Any) -> Any:
    import narwhals as nw

    try:
        native = nw.from_native(frame)
    except TypeError as error:
        raise ValueError(f"frame must be a pandas, polars or pyarrow table, got {type(frame).__name__}") from error
    return native.collect() if isinstance(native, nw.LazyFrame) else native


def long_columns(frame: Any, names: dict[str, str | None]) -> dict[str, np.ndarray]:
    """Return the named columns of a long frame as arrays; missing labels and values are refused."""
    table = _open(frame)
    if not len(table):
        raise ValueError("frame has 0 rows; nothing was observed")
    columns = {}
    for role, name in names.items():
        if name is None:
            continue
        if name not in table.columns:
            raise UnknownLabelError(f"{role}={name!r} is not a column; {close_matches(name, table.columns)}")
        columns[role] = _column(table.get_column(name), role, name)
    return columns


def _column(series: Any, role: str, name: str) -> np.ndarray:
    missing = series.is_null()
    if missing.any():
        first = int(missing.to_numpy().argmax())
        raise ValueError(
            f"column {name!r} has {int(missing.sum())} missing values, first at row {first}; "
            "drop these rows: an entry that is not listed is missing"
        )
    array = series.to_numpy()
    if role in ("value", "weight"):
        return as_numbers(array, f"column {name!r}")
    return array if array.dtype != object else np.asarray(array, dtype=object)


def wide_table(frame: Any, row: str | None, dtype: Any = None) -> tuple[np.ndarray, Any, Labels | None]:
    """Return a dense table (NaN = missing), row labels and column names of a wide frame (None if they only count)."""
    import narwhals as nw

    table = _open(frame)
    row_labels = None
    if row is not None:
        if row not in table.columns:
            raise UnknownLabelError(f"row={row!r} is not a column; {close_matches(row, table.columns)}")
        row_labels = _column(table.get_column(row), "row", row)
        table = table.drop(row)
    else:
        index = nw.maybe_get_index(table)
        if index is not None and not _is_default(index):
            row_labels = np.asarray(index)
    names = table.columns
    columns = [_wide_column(table.get_column(name), name, dtype) for name in names]
    shape = (len(table), len(columns))
    kept = np.result_type(*columns) if columns else np.dtype(np.float64)
    dense = np.empty(shape, dtype=kept, order="F")
    for position, column in enumerate(columns):
        dense[:, position] = column
    col_labels = None if _is_default(names) else np.asarray(names, dtype=object)
    return dense, row_labels, col_labels


def _is_default(index: Any) -> bool:
    values = np.asarray(index)
    return values.dtype.kind in "iu" and np.array_equal(values, np.arange(len(values)))


def _wide_column(series: Any, name: str, dtype: Any) -> np.ndarray:
    """Return one column as floats with NaN for nulls, or say which cell is not a number."""
    import narwhals as nw

    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        missing = series.is_null().to_numpy()
        if missing.any():
            series = series.cast(nw.Float64)
        column = series.to_numpy()
        column = as_numbers(column, f"column {name!r}", dtype)
        return np.where(missing, np.nan, column).astype(column.dtype) if missing.any() else column
    column = as_numbers(series.to_numpy(), f"column {name!r}", dtype)
    return column


def to_frame(observed: Observed, backend: str = "pyarrow") -> Any:
    """Return the entries as a long table with columns row, col, value (and weight)."""
    rows, cols = observed.rows, observed.cols
    columns = {
        "row": rows if observed.row_labels is None else observed.row_labels[rows],
        "col": cols if observed.col_labels is None else observed.col_labels[cols],
        "value": observed.values,
    }
    if observed.weights is not None:
        columns["weight"] = observed.weights
    if backend == "pandas":
        import pandas

        return pandas.DataFrame({name: column.copy() for name, column in columns.items()})
    if backend == "polars":
        import polars

        return polars.DataFrame({name: _listed(column) for name, column in columns.items()})
    if backend == "pyarrow":
        import pyarrow

        return pyarrow.table({name: _listed(column) for name, column in columns.items()})
    raise ValueError(f"backend must be 'pyarrow', 'pandas' or 'polars', got {backend!r}")


def _listed(column: np.ndarray) -> Any:
    return column.tolist() if column.dtype.kind in "OU" else column


def feature_columns(frame: Any, key: str | None, what: str) -> tuple[Labels | None, dict[str, np.ndarray]]:
    """Return row labels (of column ``key``, or a pandas index) and the other columns of a frame of side features.

    Numbers and truth values become floats; all else stays as it is, to be encoded by its categories.
    """
    import narwhals as nw

    table, labels = _open(frame), None
    if key is not None:
        if key not in table.columns:
            raise UnknownLabelError(f"{what}: key={key!r} is not a column; {close_matches(key, table.columns)}")
        labels = _column(table.get_column(key), "key", key)
        table = table.drop(key)
    else:
        index = nw.maybe_get_index(table)
        if index is not None and not _is_default(index):
            labels = np.asarray(index)
    if not len(table) or not table.columns:
        raise ValueError(f"{what} has {len(table)} rows and {len(table.columns)} columns of features")
    return labels, {name: _feature(table.get_column(name), name, what, labels) for name in table.columns}


def _feature(series: Any, name: str, what: str, labels: Labels | None) -> np.ndarray:
    import narwhals as nw

    is_number = series.dtype.is_numeric() or series.dtype == nw.Boolean
    missing = series.is_null().to_numpy()
    if is_number and not missing.any():
        column = series.to_numpy().astype(np.float64)
        missing = np.isnan(column)
    if missing.any():
        first = int(missing.argmax())
        row = first if labels is None else repr(labels[first])
        raise ValueError(
            f"{what}: column {name!r} has {int(missing.sum())} missing values, first at row {row}; fill them in (with "
            f"the column's mean, and a further column that says 1 where {name!r} was missing) or leave the column out"
        )
    return column if is_number else np.asarray([str(item) for item in series.to_list()])
