"""Labels of rows and columns: made from what users give, looked up by what users ask for."""

from __future__ import annotations

import contextlib
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data.compressed import frozen, index_dtype
from halfseen.errors import UnknownLabelError, close_matches, shown

# Fixed-width text arrays take 4 bytes per character of the LONGEST label; beyond this many bytes per label, objects.
WIDEST_TEXT = 1024
# From 2^53 on a float stands for several whole numbers: identifiers would be merged without a word.
EXACT_FLOAT = 2**53
DATES = {"a date": "M8[D]", "a time": "M8[us]"}
ZONED = "a time with a zone"
PARTS_OF_TUPLES = (str, int, float, date, type(None))


def as_label_array(labels: Any, name: str) -> Labels:
    """Return labels as a 1-d array (a copy) of the kinds that can be numbered, looked up and stored.

    Whole numbers are int64 (uint64 where one needs it), whole floats too; text is fixed-width text, or objects where it
    is long or ends in NUL; dates are M8[D], times M8[us] (M8[ns] where they need it); times with a zone, UUIDs and
    periods are their text (ISO 8601); bytes are UTF-8 text; truth values, other floats and tuples of these stay.

    Raises
    ------
    ValueError
        For a missing label, mixed kinds, another kind of object, and floats and integers that have lost digits or have
        no 64-bit form; the first such label is named.
    """
    if _has_zone(labels):
        labels = list(labels)
    array = np.asarray(labels) if hasattr(labels, "__array__") else _listed(list(labels))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.dtype.kind == "S":
        array = np.asarray(array, dtype=object)
    if array.dtype == object or array.dtype.kind == "T":
        array = _plain(np.asarray(array, dtype=object), name)
    kind = array.dtype.kind
    if kind == "f":
        return np.array(_whole(array, name))
    if kind in "iu":
        return _narrowest(array)
    if kind == "M":
        return _dated(array, name)
    if kind not in "UmObT":
        raise ValueError(
            f"{name} has dtype {array.dtype}; labels must be whole numbers, text, dates, times, truth values or tuples "
            "of these"
        )
    return np.array(array)


def _has_zone(labels: Any) -> bool:
    """Tell whether a pandas or polars column holds times with a zone, which NumPy would move to UTC without a word."""
    dtype = getattr(labels, "dtype", None)
    return (getattr(dtype, "tz", None) or getattr(dtype, "time_zone", None)) is not None


def _listed(labels: list[Any]) -> np.ndarray:
    """Return a list as an array of integers if it starts with one and holds nothing else, else of objects."""
    if labels and type(labels[0]) is int and type(labels[-1]) is int:
        with contextlib.suppress(ValueError, OverflowError):
            array = np.asarray(labels)
            if array.dtype.kind in "iu":
                return array
    return _objects(labels)


def _objects(items: list[Any]) -> np.ndarray:
    """A one-dimensional array of objects, whatever the objects are."""
    array = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = item
    return array


def _narrowest(array: np.ndarray) -> np.ndarray:
    """Return whole numbers as int64, or as uint64 if one of them needs it."""
    if array.dtype.itemsize == 8 and array.dtype.kind == "u" and array.size and int(array.max()) >= 2**63:
        return array.astype(np.uint64)
    return array.astype(np.int64)


def _dated(array: np.ndarray, name: str) -> np.ndarray:
    """Return dates in days, times in microseconds, or in nanoseconds where they need them."""
    if np.isnat(array).any():
        raise ValueError(f"{name}[{int(np.isnat(array).argmax())}] is not a date (NaT); every label must be given")
    unit = np.datetime_data(array.dtype)[0]
    if unit in ("Y", "M", "W", "D"):
        return array.astype("M8[D]")
    if unit in ("ns", "ps", "fs", "as"):
        short = array.astype("M8[us]")
        return short if (short == array).all() else np.array(array)
    return array.astype("M8[us]")


def _plain(array: np.ndarray, name: str) -> np.ndarray:
    """Give an object array its natural dtype; refuse mixed kinds and missing labels."""
    kinds: dict[str, int] = {}
    for position, label in enumerate(array):
        if label is None or (type(label) is not str and _is_missing(label)):
            raise ValueError(f"{name}[{position}] is missing ({shown(label)}); every label must be given")
        kinds.setdefault(_kind(label), position)
    if len(kinds) > 1:
        (first_kind, first), (second_kind, second) = list(kinds.items())[:2]
        raise ValueError(
            f"{name} mixes types: {name}[{first}] = {shown(array[first])} is {first_kind}, "
            f"{name}[{second}] = {shown(array[second])} is {second_kind}; "
            "turn all of them into text or all into integers"
        )
    kind = next(iter(kinds), "text")
    if kind == "an object":
        return _tuples(array, name)
    if kind == "an integer":
        return _integers(array, name)
    if kind == "a truth value":
        return array.astype(bool)
    if kind == "a number":
        return array.astype(np.float64)
    if kind in DATES:
        return _times(array) if kind == "a time" else array.astype("M8[D]")
    return _texts(array, name)


def _is_missing(label: Any) -> bool:
    """NaN, NaT, pandas' NA: what is not equal to itself."""
    try:
        return bool(label != label)
    except (TypeError, ValueError):
        return True


def _kind(label: Any) -> str:
    if isinstance(label, str | bytes | uuid.UUID) or type(label).__name__ == "Period":
        return "text"
    if isinstance(label, bool | np.bool_):
        return "a truth value"
    if isinstance(label, int | np.integer) or (isinstance(label, Decimal) and label == label.to_integral_value()):
        return "an integer"
    if isinstance(label, float | np.floating):
        return "a number"
    if isinstance(label, date):
        return ("a time" if label.tzinfo is None else ZONED) if isinstance(label, datetime) else "a date"
    if isinstance(label, np.datetime64):
        return "a date" if np.datetime_data(label.dtype)[0] in ("Y", "M", "W", "D") else "a time"
    return "an object"


def _texts(array: np.ndarray, name: str) -> np.ndarray:
    """Text of labels: as it is, decoded, or in the standard form of its kind."""
    texts = array
    if not all(type(label) is str for label in array):
        texts = np.empty(len(array), dtype=object)
        for position, label in enumerate(array):
            texts[position] = _text(label, name, position)
    widest = max(map(len, texts), default=1)
    # NumPy's fixed-width text drops NUL characters at the end: "a" and "a\0" would be one label.
    has_nul = any(label[-1:] == "\0" for label in texts)
    return texts.astype(str) if 4 * widest <= WIDEST_TEXT and not has_nul else np.array(texts)


def _text(label: Any, name: str, position: int) -> str:
    if isinstance(label, bytes):
        try:
            return label.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}[{position}] = {shown(label)} is not UTF-8 text; decode the labels first"
            ) from error
    if isinstance(label, datetime):
        return label.isoformat()
    return str(label)


def _integers(array: np.ndarray, name: str) -> np.ndarray:
    numbers = [int(label) for label in array]
    low, high = min(numbers), max(numbers)
    if low >= -(2**63) and high < 2**63:
        return np.array(numbers, dtype=np.int64)
    if low >= 0 and high < 2**64:
        return np.array(numbers, dtype=np.uint64)
    first = next(position for position, number in enumerate(numbers) if not -(2**63) <= number < 2**63)
    raise ValueError(
        f"{name}[{first}] = {numbers[first]} is beyond 64-bit integers; give the labels as text: "
        "[str(label) for label in labels]"
    )


def _times(array: np.ndarray) -> np.ndarray:
    """Times of objects; those that count nanoseconds (pandas) keep them."""
    if any(getattr(label, "nanosecond", 0) for label in array):
        return np.array(
            [getattr(label, "to_datetime64", lambda label=label: np.datetime64(label))() for label in array]
        )
    return array.astype("M8[us]")


def _tuples(array: np.ndarray, name: str) -> np.ndarray:
    """Tuples of plain parts; anything else could be numbered, but a model could not be saved with it."""
    for position, label in enumerate(array):
        parts = label if isinstance(label, tuple) else (label,)
        items = [part.item() if isinstance(part, np.generic) else part for part in parts]
        odd = next((item for item in items if not isinstance(item, PARTS_OF_TUPLES)), None)
        if odd is None and isinstance(label, tuple):
            continue
        why = (
            "it is not hashable; give" if not _is_hashable(label) else f"a {type(odd).__name__} cannot be stored; give"
        )
        raise ValueError(
            f"{name}[{position}] = {shown(label)} cannot be a label: {why} whole numbers, text, dates, times, truth "
            "values or tuples of these, such as str(label)"
        )
    return np.array(array)


def _is_hashable(label: Any) -> bool:
    try:
        hash(label)
    except TypeError:
        return False
    return True


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    """Turn whole floats into integers (identifiers that went through a float column)."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(f"{name}[{first}] is missing ({shown(array[first])}); every label must be given")
    large = np.abs(array) >= EXACT_FLOAT
    if large.any():
        first = int(large.argmax())
        raise ValueError(
            f"{name}[{first}] = {shown(array[first])} is a float of 2^53 or more, where floats no longer tell whole "
            "numbers "
            "apart; read the identifiers as integers or as text"
        )
    whole = array.astype(np.int64)
    return whole if np.array_equal(whole, array) else array


def unique_labels(labels: Any, length: int, name: str) -> Labels:
    """Return given axis labels as a read-only array of the right length without repeats."""
    array = as_label_array(labels, name)
    if len(array) != length:
        raise ValueError(f"{name} has {len(array)} labels; the table has {length}: give one label each")
    order = None if array.dtype == object else np.argsort(array, kind="stable")
    first = _first_repeat(array, order)
    if first is not None:
        earlier, later = first
        raise ValueError(
            f"{name} must differ from each other; {shown(array[earlier])} is given at positions {earlier} and {later}"
        )
    return frozen(array)


def _first_repeat(array: np.ndarray, order: IntArray | None) -> tuple[int, int] | None:
    if order is None:
        seen: dict[Any, int] = {}
        for position, label in enumerate(array):
            if seen.setdefault(label, position) != position:
                return seen[label], position
        return None
    same = np.flatnonzero(array[order[1:]] == array[order[:-1]])
    return (int(order[same[0]]), int(order[same[0] + 1])) if same.size else None


def factorise(labels: Any, name: str) -> tuple[IntArray, Labels]:
    """Number the distinct labels, in sorted order where they can be sorted, else in order of appearance.

    Returns
    -------
    codes : int array
        ``unique[codes]`` gives the labels back.
    unique : array
    """
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        return _factorise_integers(labels)
    array = as_label_array(labels, name)
    if array.dtype.kind in "iu":
        return _factorise_integers(array)
    if array.dtype.kind == "U":
        return _factorise_text(array)
    if array.dtype != object:
        unique, codes = np.unique(array, return_inverse=True)
        return codes.astype(index_dtype(len(unique))), unique
    table: dict[Any, int] = {}
    codes = np.fromiter((table.setdefault(label, len(table)) for label in array), np.int64, len(array))
    return _in_order(codes, list(table))


def _in_order(codes: IntArray, names: list[Any]) -> tuple[IntArray, Labels]:
    """Codes of names in sorted order, if they can be sorted."""
    unique, dtype = _objects(names), index_dtype(len(names))
    try:
        order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    except TypeError:
        return codes.astype(dtype), unique
    rank = np.empty(len(names), dtype=dtype)
    rank[order] = np.arange(len(names), dtype=dtype)
    return rank[codes], unique[order]


def _factorise_integers(labels: np.ndarray) -> tuple[IntArray, Labels]:
    if not labels.size:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
    low, high = int(labels.min()), int(labels.max())
    if high - low <= 4 * labels.size + 1_000_000 and high < 2**63:
        table = np.zeros(high - low + 1, dtype=np.int64)
        table[labels.astype(np.int64) - low] = 1
        unique = np.flatnonzero(table) + low
        np.cumsum(table, out=table)
        return (table[labels.astype(np.int64) - low] - 1).astype(index_dtype(len(unique))), unique
    unique, codes = np.unique(labels, return_inverse=True)
    return codes.astype(index_dtype(len(unique))), _narrowest(unique)


def _factorise_text(labels: np.ndarray) -> tuple[IntArray, Labels]:
    import pyarrow as pa

    try:
        coded = pa.array(labels.tolist(), type=pa.string()).dictionary_encode()
    except UnicodeEncodeError:  # lone surrogates, as in names of files that are not UTF-8
        unique, codes = np.unique(labels, return_inverse=True)
        return codes.astype(index_dtype(len(unique))), unique
    names = np.asarray(coded.dictionary.to_pylist(), dtype=str)
    order = np.argsort(names, kind="stable")
    rank = np.empty(len(order), dtype=index_dtype(len(order)))
    rank[order] = np.arange(len(order), dtype=rank.dtype)
    return rank[coded.indices.to_numpy(zero_copy_only=False)], names[order]


def find_labels(labels: Labels, wanted: Any, axis: str = "row") -> IntArray:
    """Return the positions of wanted labels.

    Parameters
    ----------
    labels : array of shape (n,)
        Distinct labels of an axis.
    wanted : label or sequence of labels
        Of the kinds that `as_label_array` takes: a UUID finds its text, a time with a zone its ISO text, a whole float
        its integer (below 2^53, where floats are exact).
    axis : str
        "row" or "column", for the error.

    Returns
    -------
    positions : int64 array

    Raises
    ------
    UnknownLabelError
        A ValueError that names the first unknown label and those close to it.

    Notes
    -----
    O((n + m) log n) for sorted kinds, O(n + m) for hashed objects.

    Examples
    --------
    >>> find_labels(np.array(["a", "c", "b"]), ["b", "a"]).tolist()
    [2, 0]
    """
    asked = _asked(wanted)
    if labels.dtype == object or asked.dtype == object:
        table = {label: position for position, label in enumerate(labels.tolist())}
        positions = np.fromiter((_position(table, label) for label in asked), np.int64, len(asked))
    elif not _comparable(labels, asked):
        positions = np.full(len(asked), -1)
    else:
        known, exact = _as_kind(asked, labels.dtype)
        positions = np.where(exact, _searched(labels, known), -1)
    unknown = positions < 0
    if unknown.any():
        first = int(unknown.argmax())
        hint = close_matches(asked[first], labels.tolist())
        also = f" ({int(unknown.sum())} unknown in all)" if unknown.sum() > 1 else ""
        raise UnknownLabelError(f"unknown {axis} label {shown(asked[first])}{also}; {hint}")
    return positions.astype(np.int64)


def _position(table: dict[Any, int], label: Any) -> int:
    is_lossy = isinstance(label, float | np.floating) and not abs(float(label)) < EXACT_FLOAT
    try:
        return -1 if is_lossy else table.get(label, -1)
    except TypeError:  # what cannot be hashed is no label
        return -1


def _searched(labels: Labels, asked: np.ndarray) -> IntArray:
    """Positions of labels of one kind, -1 for those that are not there."""
    if not len(labels):
        return np.full(len(asked), -1, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    slots = np.searchsorted(labels, asked, sorter=order)
    positions = order[np.minimum(slots, len(labels) - 1)]
    return np.where(labels[positions] == asked, positions, -1)


def _as_kind(asked: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return wanted labels in the dtype of the known ones, and which of them have an exact form there.

    NumPy itself would compare uint64 with int64 as floats, in which identifiers beyond 2^53 are alike.
    """
    exact = np.ones(len(asked), dtype=bool)
    if dtype.kind not in "iufb" or asked.dtype == dtype:
        return asked, exact
    if asked.dtype.kind == "f":
        exact = (asked == np.trunc(asked)) & (np.abs(asked) < EXACT_FLOAT) if dtype.kind != "f" else exact
    elif asked.dtype == np.uint64:
        exact = asked < np.uint64(2**53 if dtype.kind == "f" else 2**63) if dtype != np.uint64 else exact
    elif dtype.kind == "f":
        exact = np.abs(asked.astype(np.int64)) < EXACT_FLOAT
    kept = np.where(exact, asked, np.zeros(1, asked.dtype))
    if dtype == np.uint64:
        exact = exact & ~np.signbit(kept.astype(np.float64))
        kept = np.where(exact, kept, np.zeros(1, kept.dtype))
    if dtype.kind == "b":
        exact &= (kept == 0) | (kept == 1)
    return kept.astype(dtype), exact


def _asked(wanted: Any) -> np.ndarray:
    """Return the wanted labels as an array; what cannot be one kind of labels stays objects (and is then unknown)."""
    if isinstance(wanted, str | bytes) or not hasattr(wanted, "__iter__") or getattr(wanted, "ndim", 1) == 0:
        wanted = [wanted]
    elif isinstance(wanted, np.ndarray) and wanted.dtype.kind in "iu" and wanted.ndim == 1:
        return wanted
    try:
        return as_label_array(wanted, "labels")
    except (ValueError, OverflowError):
        return _objects(list(wanted))


def _comparable(labels: Labels, asked: np.ndarray) -> bool:
    numbers = "iufb"
    if labels.dtype.kind in numbers:
        return asked.dtype.kind in numbers
    return labels.dtype.kind == asked.dtype.kind


def labels_from_text(given: list[Any], labels: Labels | None) -> np.ndarray:
    """Return labels that came as text (words on a command line, cells of a text file) in the kind of known labels.

    Parameters
    ----------
    given : list
        Text, or values as a typed file holds them.
    labels : array or None
        The known labels; None: positions.

    Returns
    -------
    array
        What does not fit the kind stays text, so that the search can name it.

    Examples
    --------
    >>> labels_from_text(["7", "12"], np.array([7, 12])).tolist(), labels_from_text(["007"], np.array(["007"])).tolist()
    ([7, 12], ['007'])
    """
    kind = "i" if labels is None else labels.dtype.kind
    texts = [str(label) for label in given]
    with contextlib.suppress(ValueError, OverflowError, KeyError):
        if kind in "iu":
            return as_label_array([int(text) for text in texts], "labels")
        if kind == "f":
            return np.array([float(text) for text in texts])
        if kind == "b":
            return np.array([{"true": True, "false": False}[text.lower()] for text in texts])
        if kind == "M" and labels is not None:
            return np.array(given, dtype=labels.dtype)
    is_text = kind != "O" or labels is None or all(isinstance(label, str) for label in labels)
    return _objects(texts if is_text else given)


def find_positions(length: int, wanted: Any, axis: str = "row") -> IntArray:
    """Check 0-based positions against an axis without labels and return them as int64."""
    array = np.atleast_1d(np.asarray(wanted))
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind == "f" and np.array_equal(array, np.trunc(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise UnknownLabelError(
            f"unknown {axis} {shown(array.flat[0])}: the {axis}s have no labels; "
            f"give positions 0..{length - 1}, or fit on data with labels"
        )
    bad = (array < 0) | (array >= length)
    if bad.any():
        first = int(bad.argmax())
        raise UnknownLabelError(f"{axis} {shown(array[first])} is outside 0..{length - 1}")
    return array.astype(np.int64)
