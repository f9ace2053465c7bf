"""Tables filled in and handed back in the type they came in; no library is imported that the table does not bring."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray
from halfseen.data.frames import is_frame, library_of, texts_of_numbers
from halfseen.data.observed import DENSE_LIMIT, Observed


def missing_cells(given: Observed) -> BoolArray:
    """True where a cell was not observed, shape (n, p)."""
    missing = np.ones(given.shape, dtype=bool)
    missing[given.rows, given.cols] = False
    return missing


def fingerprint(observed: Observed) -> int:
    """A number that two tables share only if they have the same entries (up to chance, one in four billion)."""
    number = observed.shape[1]
    for part in (observed.by_rows.indptr, observed.by_rows.indices, observed.values):
        number = zlib.crc32(np.ascontiguousarray(part).data, number)
    return number


def check_size(X: Any, given: Observed, name: str = "X") -> None:
    """Refuse to fill a table that is held by its entries and too large to be held by its cells.

    Raises
    ------
    ValueError
        Above 100 million cells.
    """
    n, p = given.shape
    if n * p <= DENSE_LIMIT or not (isinstance(X, Observed) or hasattr(X, "tocoo")):
        return
    rows = max(1, DENSE_LIMIT // p)
    raise ValueError(
        f"{name} has {n} x {p} cells, too many to hold when all are filled (at most {DENSE_LIMIT}); complete at most "
        f"{rows} rows at a time ({name}.take_rows(range({rows})) of an Observed), or ask for chosen cells: "
        "predict(rows, cols)"
    )


def filled(X: Any, given: Observed, missing: BoolArray, values: FloatArray) -> Any:
    """The table with numbers in its missing cells and all others as they were, in the type it came in.

    Parameters
    ----------
    X : array, masked array, data frame, xarray DataArray, AnnData, scipy.sparse, Observed, list of lists
        A sparse matrix comes back as an array: nothing is missing in it any more.
    given : Observed
        The same, as the library read it.
    missing : bool array (n, p)
        Where it lacks a number.
    values : array (number of missing cells,)
        Row by row.

    Returns
    -------
    table of the type, labels and dtype of X
        A column of integers (or truth values) with missing cells becomes floats: expectations are no whole numbers.
    """
    if hasattr(X, "dims") and hasattr(X, "coords"):
        return X.copy(data=put(np.array(X.values), missing, values))
    if hasattr(X, "obs_names") and hasattr(X, "var_names"):
        annotated = X.copy()
        dense = np.asarray(X.X.toarray() if hasattr(X.X, "toarray") else X.X)
        annotated.X = put(np.array(dense), missing, values)
        return annotated
    if is_frame(X):
        return filled_frame(X, missing, values, given)
    if isinstance(X, Observed) or hasattr(X, "tocoo") or not hasattr(X, "__array__"):
        dense = put(np.zeros(given.shape, given.dtype), missing, values)
        dense[given.rows, given.cols] = given.values
        if not isinstance(X, Observed):
            return dense
        return Observed.from_dense(dense, row_labels=given.row_labels, col_labels=given.col_labels)
    if isinstance(X, np.ma.MaskedArray):
        whole = put(np.array(X.data), missing, values)
        return np.ma.masked_array(whole, mask=np.zeros(whole.shape, dtype=bool))
    return put(np.array(X), missing, values)


def put(array: np.ndarray, missing: BoolArray, values: FloatArray) -> np.ndarray:
    """The array with numbers in the missing cells; whole numbers become floats where something is missing."""
    if not missing.any():
        return array
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    array[missing] = values.astype(array.dtype, copy=False)
    return array


def filled_frame(X: Any, missing: BoolArray, values: FloatArray, given: Observed) -> Any:
    """A data frame with numbers in the missing cells of its columns; numbers that were kept as text become numbers."""
    order = np.flatnonzero(missing.any(axis=0))
    # values come row by row; columns are what frames are made of
    table = np.full(missing.shape, np.nan)
    table[missing] = values
    columns: Columns = {int(place): (missing[:, place], table[missing[:, place], place], None) for place in order}
    for place in texts_of_numbers(X):
        whole, seen = table[:, place].copy(), given.cols == place
        whole[given.rows[seen]] = given.values[seen]
        columns[place] = (missing[:, place], table[missing[:, place], place], whole)
    library = library_of(X)
    if library == "pandas":
        return _pandas(X, columns)
    return _polars(X, columns) if library == "polars" else _arrow(X, columns)


# By place: the missing cells, their numbers, and all numbers of a column that was kept as text.
Columns = dict[int, tuple[BoolArray, FloatArray, FloatArray | None]]


def _pandas(X: Any, columns: Columns) -> Any:
    import pandas as pd

    frame = X.copy()
    dtype: Any
    for place, (missing, values, numbers) in columns.items():
        column = X.iloc[:, place]
        if numbers is not None:
            whole, dtype = numbers, np.float64
        elif column.dtype == object:
            whole, dtype = column.to_numpy(copy=True), object
        else:
            whole, dtype = column.to_numpy(dtype=float, na_value=np.nan, copy=True), _float_like(column.dtype)
        whole[missing] = values
        frame.isetitem(place, pd.Series(whole, index=X.index, dtype=dtype))
    return frame


def _float_like(dtype: Any) -> Any:
    """The dtype itself if it holds floats, else the floats of its kind."""
    name = str(dtype)
    if "[pyarrow]" in name:
        return dtype if name.startswith(("float", "double", "half")) else "double[pyarrow]"
    if isinstance(dtype, np.dtype):
        return dtype if dtype.kind == "f" else np.float64
    return dtype if name.startswith("Float") else "Float64"


def _polars(X: Any, columns: Columns) -> Any:
    import polars as pl

    frame = X.collect() if isinstance(X, pl.LazyFrame) else X.clone()
    filled_columns = []
    for place, (missing, values, numbers) in columns.items():
        column = frame.to_series(place)
        dtype = column.dtype if column.dtype.is_float() else pl.Float64
        whole = column.cast(pl.Float64).to_numpy().copy() if numbers is None else numbers
        whole[missing] = values
        filled_columns.append(pl.Series(column.name, whole).cast(dtype))
    return frame.with_columns(filled_columns)


def _arrow(X: Any, columns: Columns) -> Any:
    import narwhals as nw
    import pyarrow as pa

    table = X if isinstance(X, pa.Table) else pa.table(X) if hasattr(X, "__arrow_c_stream__") else None
    table = nw.from_native(X).to_arrow() if table is None else table
    for place, (missing, values, numbers) in columns.items():
        field, column = table.schema.field(place), table.column(place)
        kind = column.type if pa.types.is_floating(column.type) else pa.float64()
        whole = numbers
        if whole is None:
            whole = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
        whole[missing] = values
        table = table.set_column(place, field.with_type(kind), pa.array(whole).cast(kind))
    return table


def with_columns(X: Any, names: list[str], columns: FloatArray) -> Any:
    """The table with further columns of floats on its right side.

    Raises
    ------
    ValueError
        For tables that are neither arrays nor data frames.
    """
    if not names:
        return X
    if is_frame(X):
        import narwhals as nw

        frame = nw.from_native(X)
        space = nw.get_native_namespace(frame)
        parts = [nw.new_series(name, columns[:, k].copy(), backend=space) for k, name in enumerate(names)]
        index = nw.maybe_get_index(frame)
        parts = parts if index is None else [nw.maybe_set_index(part, index=index) for part in parts]
        return frame.with_columns(*parts).to_native()
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.hstack([X, columns.astype(X.dtype)])
    if isinstance(X, np.ndarray):
        return np.hstack([X, columns.astype(X.dtype if X.dtype.kind == "f" else np.float64)])
    raise ValueError(
        f"indicators of missing cells are further columns, which a {type(X).__name__} does not take; give an array or "
        "a data frame, or leave add_indicator=False"
    )
