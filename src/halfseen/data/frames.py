"""Data frames of any library, through narwhals: long and wide in, long out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from halfseen._typing import Labels
from halfseen.data.checks import as_numbers
from halfseen.data.columns import ARGUMENTS, picked, suspect, suspects_note, text_error
from halfseen.data.labels import unique_labels
from halfseen.data.words import NOTHING, Words, suggested, words_of
from halfseen.errors import UnknownLabelError, close_matches

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

STREAM = "__arrow_c_stream__"
MOST_WORDS = 20


class WideChoice(NamedTuple):
    """What of a wide frame becomes the table; as in `Observed.from_wide`."""

    columns: Any = None
    drop: Any = None
    row: str | None = None
    values: Any = None
    dtype: Any = None


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
    """Tell whether an object is a data frame or a stream of Arrow data, without importing any library for it."""
    if isinstance(table, np.ndarray) or hasattr(table, "tocoo"):
        return False
    if hasattr(table, STREAM) and not hasattr(table, "ndim"):
        return True
    return hasattr(table, "__narwhals_dataframe__") or (
        hasattr(table, "columns") and (hasattr(table, "dtypes") or hasattr(table, "schema"))
    )


def opened(frame: Any) -> Any:
    """A data frame of any library, through narwhals."""
    import narwhals as nw

    try:
        native = nw.from_native(frame)
    except TypeError as error:
        if not hasattr(frame, STREAM):
            raise ValueError(
                f"frame must be a pandas, polars or pyarrow table, got {type(frame).__name__}; anything else needs the "
                "Arrow stream interface (__arrow_c_stream__)"
            ) from error
        native = nw.from_native(_from_stream(frame))
    return native.collect() if isinstance(native, nw.LazyFrame) else native


def _from_stream(frame: Any) -> Any:
    """A pyarrow table of anything that exports a stream of Arrow data."""
    import pyarrow as pa

    try:
        return pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"the Arrow stream of {type(frame).__name__} is no table of columns: {error}") from error


def long_columns(frame: Any, names: dict[str, str | None], values: Any = None) -> dict[str, np.ndarray]:
    """Return the named columns of a long frame as arrays; missing labels and values are refused.

    Lines whose value is a word that means "not observed" are left out.
    """
    table, words = opened(frame), words_of(values)
    if not len(table):
        raise ValueError("frame has 0 rows; nothing was observed")
    columns = {}
    for role, name in names.items():
        if name is None:
            continue
        if name not in table.columns:
            raise UnknownLabelError(f"{role}={name!r} is not a column; {close_matches(name, table.columns)}")
        given = words if role == "value" else None
        columns[role] = _column(table.get_column(name), role, name, given)
    if words is None or not np.isnan(columns["value"]).any():
        return columns
    kept = ~np.isnan(columns["value"])
    if not kept.any():
        raise ValueError(f"column {names['value']!r}: all {len(kept)} values mean 'not observed'")
    return {role: column[kept] for role, column in columns.items()}


def _column(series: Any, role: str, name: str, words: Words | None = None) -> np.ndarray:
    if words is not None:
        return words.of_list(series.to_list(), name)
    missing = series.is_null()
    if missing.any():
        first = int(missing.to_numpy().argmax())
        raise ValueError(
            f"column {name!r} has {int(missing.sum())} missing values, first at row {first}; "
            "drop these rows: an entry that is not listed is missing"
        )
    if role in ("value", "weight", "trials"):
        _refuse_words(series, name)
        return as_numbers(series.to_numpy(), f"column {name!r}")
    # NumPy moves times with a zone to UTC, and drops NUL at the end of text, without a word: objects keep both.
    if getattr(series.dtype, "time_zone", None) or not (series.dtype.is_numeric() or series.dtype.is_temporal()):
        return _objects(series.to_list())
    array = series.to_numpy()
    return _objects(list(array)) if array.dtype == object else array


def _objects(items: list[Any]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = item
    return array


def _refuse_words(series: Any, name: str) -> None:
    """Say how a column of a few words becomes numbers."""
    import narwhals as nw

    if series.dtype not in (nw.String, nw.Categorical, nw.Enum):
        return
    words = list(dict.fromkeys(series.to_list()))
    if len(words) <= MOST_WORDS:
        raise ValueError(f"column {name!r} holds words, not numbers; say what they stand for: {suggested(words)}")


def wide_table(
    frame: Any, choice: WideChoice, what: str = "the wide table", call: str = ARGUMENTS
) -> tuple[np.ndarray, Any, Labels | None, tuple[str, ...]]:
    """Return a dense table (NaN = missing), row labels, column names (None if they only count) and notes.

    ``what`` and ``call`` are for refusals: what the table is called, and the call that takes the arguments they advise.

    Raises
    ------
    ValueError
        For columns of text (all are named), and choices that name no column.
    """
    import narwhals as nw

    try:
        table = opened(frame)
        columns = list(table.columns)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"the frame has two columns of one name; rename them ({error})") from error
    row_labels: Labels | None = None
    said: tuple[str, ...] = ()
    if choice.row is not None:
        if choice.row not in columns:
            raise UnknownLabelError(f"row={choice.row!r} is not a column; {close_matches(choice.row, columns)}")
        row_labels = _column(table.get_column(choice.row), "row", choice.row)
        columns.remove(choice.row)
    else:
        index = nw.maybe_get_index(table)
        if index is not None and not _is_default(index):
            row_labels, said = _labels_of(index if getattr(index, "tz", None) is not None else np.asarray(index))
    names = columns if choice.columns is None else picked(choice.columns, columns, "columns")
    if choice.drop is not None:
        out = set(picked(choice.drop, columns, "drop"))
        names = [name for name in names if name not in out]
    if not names:
        raise ValueError("no column is left of the wide table: row=, columns= and drop= take all of them")
    dense, notes = _dense(table, names, choice, what, call)
    return dense, row_labels, None if _is_default(names) else np.asarray(names, dtype=object), (*said, *notes)


def _labels_of(index: Any) -> tuple[Labels | None, tuple[str, ...]]:
    """The labels that an index gives; none, and a sentence, where it cannot name the rows."""
    try:
        return unique_labels(index, len(index), "the index"), ()
    except ValueError as error:
        return None, (f"rows have no labels: {error}",)


def _dense(
    table: Any, names: list[str], choice: WideChoice, what: str, call: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The chosen columns side by side, and a note on those that are no measurements in all likelihood."""
    words, parts, texts, suspects = words_of(choice.values), [], {}, {}
    for name in names:
        column = _wide_column(table.get_column(name), name, choice.dtype, words)
        if not isinstance(column, np.ndarray):
            texts[name] = column
            continue
        parts.append(column)
        if choice.columns is None and isinstance(name, str) and (seems := suspect(name, column)):
            suspects[name] = seems
    if texts:
        raise text_error(texts, len(names), what, call)
    kept = np.result_type(*parts)
    dense = np.empty((len(table), len(parts)), dtype=kept, order="F")
    for position, column in enumerate(parts):
        dense[:, position] = column
    return dense, suspects_note(suspects, len(names))


def _is_default(index: Any) -> bool:
    values = np.asarray(index)
    return values.dtype.kind in "iu" and np.array_equal(values, np.arange(len(values)))


def _wide_column(series: Any, name: str, dtype: Any, words: Words | None) -> Any:
    """Return one column as floats with NaN for nulls; of a column of text, its distinct texts."""
    import narwhals as nw

    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        missing = series.is_null().to_numpy()
        if missing.any():
            series = series.cast(nw.Float64)
        column = series.to_numpy()
        column = as_numbers(column, f"column {name!r}", dtype)
        return np.where(missing, np.nan, column).astype(column.dtype) if missing.any() else column
    if words is not None:
        return as_numbers(words.of_list(series.to_list(), name), f"column {name!r}", dtype)
    given, first = series.drop_nulls(), _first(series)
    if first is None or (series.dtype == nw.Object and not isinstance(first, str | bytes)):
        return as_numbers(series.to_numpy(), f"column {name!r}", dtype)
    texts = [text for text in dict.fromkeys(map(str, given.to_list())) if text.strip() and text not in NOTHING]
    if texts and series.dtype not in (nw.Date, nw.Datetime, nw.Duration, nw.Time) and all(map(_is_number, texts)):
        return as_numbers(_numbers(series.to_list()), f"column {name!r}", dtype)
    return texts or [first]


def _first(series: Any) -> Any:
    """The first value that is not null."""
    given = series.drop_nulls()
    return given[0] if len(given) else None


def texts_of_numbers(frame: Any) -> list[int]:
    """Places of the columns that hold text, which a wide table takes if all of it says numbers."""
    import narwhals as nw

    places = []
    for place, series in enumerate(opened(frame).iter_columns()):
        if series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object) and isinstance(_first(series), str):
            places.append(place)
    return places


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and np.isfinite(float(text))
    except ValueError:
        return False


def _numbers(texts: list[Any]) -> np.ndarray:
    """Numbers that were kept as text, as files keep them; what stands for nothing is missing."""
    empty = [text is None or not str(text).strip() or str(text) in NOTHING for text in texts]
    return np.array([np.nan if no else float(text) for text, no in zip(texts, empty, strict=True)])


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


def feature_columns(
    frame: Any, key: str | None, what: str
) -> tuple[Labels | None, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return row labels (of column ``key``, or a pandas index) and the other columns of a frame of side features.

    Numbers and truth values become floats; all else stays as it is, to be encoded by its categories. The last part
    says which lines of a column are missing.
    """
    import narwhals as nw

    table, labels = opened(frame), None
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
    columns, missing = {}, {}
    for name in table.columns:
        columns[name], gone = _feature(table.get_column(name))
        if gone.any():
            missing[name] = gone
    return labels, columns, missing


def _feature(series: Any) -> tuple[np.ndarray, np.ndarray]:
    """A column as floats (NaN where missing) or text ("" where missing), and which lines are missing."""
    import narwhals as nw

    missing = np.array(series.is_null().to_numpy(), dtype=bool)
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        if missing.any() and not series.dtype.is_float():
            column = np.array([np.nan if item is None else float(item) for item in series.to_list()])
        else:
            column = series.to_numpy().astype(np.float64)
        missing |= ~np.isfinite(column)
        return column, missing
    text = np.asarray(["" if item is None or item != item else str(item) for item in series.to_list()])
    return text, missing
