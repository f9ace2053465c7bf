"""Labels of rows and columns: made from what users give, looked up by what users ask for."""

from __future__ import annotations

import contextlib
from datetime import date, datetime
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data.compressed import frozen, index_dtype
from halfseen.errors import UnknownLabelError, close_matches, shown

# Fixed-width text arrays take 4 bytes per character of the LONGEST label; beyond this many bytes per label, objects.
WIDEST_TEXT = 1024
DATES = {"a date": "M8[D]", "a time": "M8[us]"}


def as_label_array(labels: Any, name: str) -> Labels:
    """Return labels as a 1-d array of integers, fixed-width text, dates, floats or hashable objects (a copy)."""
    array = np.asarray(labels) if hasattr(labels, "__array__") else _listed(list(labels))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.dtype == object or array.dtype.kind == "T":
        array = _plain(np.asarray(array, dtype=object), name)
    if array.dtype.kind == "f":
        array = _whole(array, name)
    if array.dtype.kind == "M" and np.isnat(array).any():
        raise ValueError(f"{name}[{int(np.isnat(array).argmax())}] is not a date (NaT); every label must be given")
    if array.dtype.kind not in "iuUMmObSf":
        raise ValueError(f"{name} has dtype {array.dtype}; labels must be integers, text, dates or hashable objects")
    return np.array(array)


def _listed(labels: list[Any]) -> np.ndarray:
    """Return a list as an array of integers if it starts with one and holds nothing else, else of objects."""
    if labels and type(labels[0]) is int and type(labels[-1]) is int:
        with contextlib.suppress(ValueError, OverflowError):
            array = np.asarray(labels)
            if array.dtype.kind in "iu":
                return array
    if any(isinstance(label, tuple) for label in labels):
        array = np.empty(len(labels), dtype=object)
        array[:] = labels
        return array
    return np.asarray(labels, dtype=object)


def _plain(array: np.ndarray, name: str) -> np.ndarray:
    """Give an object array its natural dtype; refuse mixed kinds and missing labels."""
    kinds: dict[str, int] = {}
    for position, label in enumerate(array):
        if label is None or label != label:
            raise ValueError(f"{name}[{position}] is missing ({shown(label)}); every label must be given")
        kinds.setdefault(_kind(label), position)
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise ValueError(
            f"{name} mixes types: {name}[{first}] = {shown(array[first])} is {one}, "
            f"{name}[{second}] = {shown(array[second])} is {other}; turn all of them into text or all into integers"
        )
    kind = next(iter(kinds), "an object")
    if kind == "text":
        widest = max(map(len, array))
        return array.astype(str) if 4 * widest <= WIDEST_TEXT else array
    if kind == "an integer":
        return array.astype(np.int64)
    if kind == "a number":
        return array.astype(np.float64)
    if kind in DATES:
        return array.astype(DATES[kind])
    for position, label in enumerate(array):
        try:
            hash(label)
        except TypeError as error:
            raise ValueError(f"{name}[{position}] = {shown(label)} cannot be a label: it is not hashable") from error
    return array


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "text"
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return "an integer"
    if isinstance(label, float | np.floating):
        return "a number"
    if isinstance(label, date):
        return ("a time" if label.tzinfo is None else "an object") if isinstance(label, datetime) else "a date"
    return "an object"


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    """Turn whole floats into integers (identifiers that went through a float column)."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(f"{name}[{first}] is missing ({shown(array[first])}); every label must be given")
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
        one, two = first
        raise ValueError(
            f"{name} must differ from each other; {shown(array[one])} is given at positions {one} and {two}"
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
    unique = np.empty(len(table), dtype=object)
    unique[:] = list(table)
    return codes.astype(index_dtype(len(unique))), unique


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
    return codes.astype(index_dtype(len(unique))), unique


def _factorise_text(labels: np.ndarray) -> tuple[IntArray, Labels]:
    import pyarrow as pa

    coded = pa.array(labels.tolist(), type=pa.string()).dictionary_encode()
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
    if labels.dtype == object:
        table = {label: position for position, label in enumerate(labels)}
        positions = np.fromiter((table.get(label, -1) for label in asked), np.int64, len(asked))
    elif not _comparable(labels, asked):
        positions = np.full(len(asked), -1)
    else:
        order = np.argsort(labels, kind="stable")
        slots = np.searchsorted(labels, asked, sorter=order)
        positions = order[np.minimum(slots, len(labels) - 1)] if len(labels) else np.full(len(asked), -1)
        positions = np.where(labels[positions] == asked, positions, -1) if len(labels) else positions
    unknown = positions < 0
    if unknown.any():
        first = int(unknown.argmax())
        hint = close_matches(asked[first], labels.tolist())
        also = f" ({int(unknown.sum())} unknown in all)" if unknown.sum() > 1 else ""
        raise UnknownLabelError(f"unknown {axis} label {shown(asked[first])}{also}; {hint}")
    return positions.astype(np.int64)


def _asked(wanted: Any) -> np.ndarray:
    """Return the wanted labels as an array; a mixed list stays objects (np.asarray would turn [1, "a"] into text)."""
    if isinstance(wanted, np.ndarray) and wanted.dtype != object:
        return np.atleast_1d(wanted)
    if isinstance(wanted, str | bytes) or not hasattr(wanted, "__iter__"):
        return np.asarray([wanted])
    if hasattr(wanted, "__array__") and np.asarray(wanted).dtype != object:
        return np.atleast_1d(np.asarray(wanted))
    listed = list(wanted)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    kinds = {_kind(label) for label in listed}
    if kinds == {"text"}:
        return array.astype(str)
    if kinds == {"an integer"}:
        return array.astype(np.int64)
    if kinds == {"a number"}:
        return array.astype(np.float64)
    dates = [DATES[kind] for kind in kinds if kind in DATES]
    return array.astype(dates[0]) if len(dates) == len(kinds) == 1 else array


def _comparable(labels: Labels, asked: np.ndarray) -> bool:
    numbers = "iufb"
    if labels.dtype.kind in numbers:
        return asked.dtype.kind in numbers
    return labels.dtype.kind == asked.dtype.kind


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
