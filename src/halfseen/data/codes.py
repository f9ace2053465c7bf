"""Columns that grow batch by batch, and the numbering of labels while a file streams by."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data.compressed import index_dtype
from halfseen.errors import shown

# Buffers grow by a twentieth: new pages are zeroed, so spare room costs real memory (resize moves pages, not bytes).
GROWTH = 1.05
CHUNK = 1 << 20


class Growing:
    """A one-dimensional array that items are appended to; widens its dtype when items need it.

    Parameters
    ----------
    dtype : dtype
        Of the first items.
    """

    def __init__(self, dtype: Any) -> None:
        self._buffer = np.empty(0, dtype=dtype)
        self.length = 0

    def append(self, items: np.ndarray) -> None:
        """Add items at the end."""
        dtype = np.promote_types(self._buffer.dtype, items.dtype)
        if dtype != self._buffer.dtype:
            self._buffer = self._buffer[: self.length].astype(dtype)
        needed = self.length + len(items)
        if needed > len(self._buffer):
            self._buffer.resize(max(needed, int(needed * GROWTH)), refcheck=False)
        self._buffer[self.length : needed] = items
        self.length = needed

    def take(self) -> np.ndarray:
        """Return the array, cut to its length; this object is empty afterwards."""
        buffer, self._buffer = self._buffer, np.empty(0, dtype=self._buffer.dtype)
        buffer.resize(self.length, refcheck=False)
        self.length = 0
        return buffer


class Coder(Protocol):
    """Numbers the labels of one axis while batches come in."""

    def add(self, labels: Any) -> None:
        """Take the next pyarrow array of labels (without nulls)."""

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and the distinct labels, in sorted order."""


def coder_for(dtype: Any, name: str, text_file: bool = False) -> Coder:
    """Return the coder for a pyarrow type of label column."""
    import pyarrow as pa

    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    if pa.types.is_integer(dtype):
        return IntegerCoder()
    is_text = pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype)
    if is_text or pa.types.is_date(dtype) or pa.types.is_timestamp(dtype) or pa.types.is_null(dtype):
        return TextCoder(name, numbers=text_file)
    raise ValueError(f"column {name!r} holds {dtype}; labels must be integers, text or dates")


class IntegerCoder:
    """Keeps the integers themselves, as narrow as they allow, and numbers them at the end.

    Notes
    -----
    Memory: 4 (or 8) bytes per entry. Labels spread over a range not much longer than the column are numbered through
    a table, O(entries + range); others by binary search in the sorted distinct labels.
    """

    def __init__(self) -> None:
        self._items = Growing(np.int32)

    def add(self, labels: Any) -> None:
        """Take the next batch."""
        import pyarrow as pa

        if pa.types.is_dictionary(labels.type):
            labels = labels.dictionary_decode()
        items = labels.to_numpy(zero_copy_only=False)
        if items.size and items.dtype.itemsize >= 4:
            low, high = int(items.min()), int(items.max())
            if high >= 2**63:
                raise ValueError(f"identifier {high} is beyond 64-bit integers; store the identifiers as text")
            items = items.astype(np.int32 if low >= -(2**31) and high < 2**31 else np.int64)
        self._items.append(items)

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and sorted labels."""
        items = self._items.take()
        low, high = int(items.min()), int(items.max())
        if high - low <= 4 * len(items) + 1_000_000:
            return self._by_table(items, low, high)
        labels = self._distinct(items)
        codes = items if items.dtype == index_dtype(len(labels)) else np.empty(len(items), index_dtype(len(labels)))
        for start in range(0, len(items), CHUNK):
            codes[start : start + CHUNK] = np.searchsorted(labels, items[start : start + CHUNK])
        return codes, labels.astype(np.int64)

    def _by_table(self, items: np.ndarray, low: int, high: int) -> tuple[IntArray, Labels]:
        present = np.zeros(high - low + 1, dtype=bool)
        for start in range(0, len(items), CHUNK):
            present[items[start : start + CHUNK].astype(np.int64) - low] = True
        labels = np.flatnonzero(present) + low
        dtype = index_dtype(len(labels))
        rank = np.cumsum(present, dtype=dtype)
        rank -= 1
        codes = items if items.dtype == dtype else np.empty(len(items), dtype)
        for start in range(0, len(items), CHUNK):
            codes[start : start + CHUNK] = rank[items[start : start + CHUNK].astype(np.int64) - low]
        return codes, labels

    def _distinct(self, items: np.ndarray) -> np.ndarray:
        """Sorted distinct items: of each half, then of both, so that memory follows the distinct ones."""
        if len(items) <= CHUNK:
            return np.unique(items)
        middle = len(items) // 2
        return np.union1d(self._distinct(items[:middle]), self._distinct(items[middle:]))


class TextCoder:
    """Numbers text labels in order of appearance through one table, and sorts them at the end.

    Parameters
    ----------
    name : str
        Column, for errors.
    numbers : bool
        If every label is a plain whole number (no sign but minus, no leading zeros), return integers: what a text
        file means by 17 is seventeen, but 007 stays text.
    """

    def __init__(self, name: str, numbers: bool = False) -> None:
        self._name = name
        self._numbers = numbers
        self._table: dict[Any, int] = {}
        self._codes = Growing(np.int32)

    def add(self, labels: Any) -> None:
        """Take the next batch, dictionary-coded or not."""
        import pyarrow as pa

        coded = labels if pa.types.is_dictionary(labels.type) else labels.dictionary_encode()
        table = self._table
        names = coded.dictionary.to_pylist()
        own = np.fromiter((table.setdefault(name, len(table)) for name in names), np.int64, len(names))
        indices = coded.indices.to_numpy(zero_copy_only=False)
        self._codes.append(own.astype(index_dtype(len(table)))[indices])

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and sorted labels."""
        codes = self._codes.take()
        used = np.zeros(len(self._table), dtype=bool)  # a dictionary may list labels that no entry has
        for start in range(0, len(codes), CHUNK):
            used[codes[start : start + CHUNK]] = True
        labels = self._labels(list(self._table))
        order = np.argsort(labels, kind="stable")
        order = order[used[order]]
        rank = np.empty(len(labels), dtype=codes.dtype)
        rank[order] = np.arange(len(order), dtype=codes.dtype)
        for start in range(0, len(codes), CHUNK):
            codes[start : start + CHUNK] = rank[codes[start : start + CHUNK]]
        return codes, labels[order]

    def _labels(self, names: list[Any]) -> Labels:
        from halfseen.data.labels import as_label_array

        if self._numbers and all(is_whole(name) for name in names):
            return np.array([int(name) for name in names], dtype=np.int64)
        return as_label_array(names, f"column {self._name!r}")


def is_whole(text: Any) -> bool:
    """Tell whether text is how Python writes an int of 64 bits."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return False
    return digits[0] != "0" or text == "0"


def refuse_null(labels: Any, name: str, offset: int) -> None:
    """Refuse nulls (and empty text) in a pyarrow array of labels."""
    import pyarrow.compute as pc

    if labels.null_count:
        first = pc.index(labels.is_null(), True).as_py()
        raise ValueError(f"column {name!r} has no label in entry {offset + first} (counted from 0); drop such lines")


def refuse_blank(coded: Any, name: str, offset: int) -> None:
    """Refuse empty labels of a dictionary-coded batch from a text file."""
    blank = [code for code, label in enumerate(coded.dictionary.to_pylist()) if label == ""]
    if blank:
        hits = np.flatnonzero(np.isin(coded.indices.to_numpy(zero_copy_only=False), blank))
        if hits.size:
            raise ValueError(
                f"column {name!r} has the empty label {shown('')} in entry {offset + int(hits[0])} (counted from 0); "
                "drop such lines"
            )
