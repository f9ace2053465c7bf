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

    kind = pa.types
    if kind.is_dictionary(dtype):
        dtype = dtype.value_type
    if kind.is_integer(dtype):
        return IntegerCoder(dtype == pa.uint64())
    if kind.is_boolean(dtype) or (kind.is_timestamp(dtype) and dtype.tz is None):
        return CastCoder(name, dtype)
    if kind.is_floating(dtype):
        return FloatCoder(name)
    is_text = kind.is_string(dtype) or kind.is_large_string(dtype) or kind.is_string_view(dtype)
    is_bytes = kind.is_binary(dtype) or kind.is_large_binary(dtype) or kind.is_fixed_size_binary(dtype)
    is_listed = kind.is_date(dtype) or kind.is_timestamp(dtype) or kind.is_decimal(dtype) or kind.is_null(dtype)
    if is_text or is_bytes or is_listed:
        return TextCoder(name, numbers=text_file)
    raise ValueError(
        f"column {name!r} holds {dtype}; labels must be whole numbers, text, dates, times, truth values or floats"
    )


class IntegerCoder:
    """Keeps the integers themselves, as narrow as they allow, and numbers them at the end.

    Notes
    -----
    Memory: 4 (or 8) bytes per entry. Labels spread over a range not much longer than the column are numbered through
    a table, O(entries + range); others by binary search in the sorted distinct labels.

    Parameters
    ----------
    is_unsigned : bool
        Whether the column is uint64, whose numbers may not fit into int64.
    """

    def __init__(self, is_unsigned: bool = False) -> None:
        self._unsigned = is_unsigned
        # NumPy widens int64 and uint64 together to float64, which merges identifiers: uint64 stays by itself.
        self._items = Growing(np.uint64 if is_unsigned else np.int32)

    def add(self, labels: Any) -> None:
        """Take the next batch."""
        import pyarrow as pa

        if pa.types.is_dictionary(labels.type):
            labels = labels.dictionary_decode()
        items = labels.to_numpy(zero_copy_only=False)
        low, high = (int(items.min()), int(items.max())) if items.size else (0, 0)
        if high >= 2**63 and not self._unsigned:
            self._widen()
        if self._unsigned:
            self._refuse_negative(low)
            items = items.astype(np.uint64, copy=False)
        elif items.dtype.itemsize >= 4:
            items = items.astype(np.int32 if low >= -(2**31) and high < 2**31 else np.int64)
        self._items.append(items)

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and sorted labels."""
        items = self._items.take()
        low, high = int(items.min()), int(items.max())
        is_large = high >= 2**63
        if items.dtype == np.uint64 and not is_large:
            items = items.astype(np.int64 if high >= 2**31 else np.int32)
        if high - low <= 4 * len(items) + 1_000_000 and not is_large:
            return self._by_table(items, low, high)
        labels = self._distinct(items)
        codes = items if items.dtype == index_dtype(len(labels)) else np.empty(len(items), index_dtype(len(labels)))
        for start in range(0, len(items), CHUNK):
            codes[start : start + CHUNK] = np.searchsorted(labels, items[start : start + CHUNK])
        return codes, labels.astype(np.uint64 if is_large else np.int64)

    def _widen(self) -> None:
        """Go over to uint64 with what is held."""
        held = self._items.take()
        self._refuse_negative(int(held.min()) if held.size else 0)
        self._unsigned, self._items = True, Growing(np.uint64)
        self._items.append(held.astype(np.uint64))

    def _refuse_negative(self, low: int) -> None:
        if low < 0:
            raise ValueError(f"identifiers from {low} to beyond 2^63 do not fit into 64 bits; store them as text")

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


class FloatCoder:
    """Keeps floats and numbers them at the end; whole ones become integers, as everywhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._items = Growing(np.float32)

    def add(self, labels: Any) -> None:
        """Take the next batch."""
        items = _decoded(labels).to_numpy(zero_copy_only=False)
        self._items.append(items.astype(np.float32 if items.dtype == np.float16 else items.dtype, copy=False))

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and sorted labels."""
        from halfseen.data.labels import as_label_array

        labels, codes = np.unique(self._items.take(), return_inverse=True)
        return codes.astype(index_dtype(len(labels))), as_label_array(labels, f"column {self._name!r}")


class CastCoder:
    """Numbers truth values and times as the integers they are stored as."""

    def __init__(self, name: str, dtype: Any) -> None:
        self._name, self._dtype = name, dtype
        self._coder = IntegerCoder()

    def add(self, labels: Any) -> None:
        """Take the next batch."""
        import pyarrow as pa

        plain = _decoded(labels)
        self._coder.add(plain.cast(pa.int8() if pa.types.is_boolean(self._dtype) else pa.int64()))

    def finish(self) -> tuple[IntArray, Labels]:
        """Return codes and sorted labels."""
        import pyarrow as pa

        from halfseen.data.labels import as_label_array

        codes, labels = self._coder.finish()
        is_boolean = pa.types.is_boolean(self._dtype)
        dtype = np.dtype(bool) if is_boolean else np.dtype(f"M8[{self._dtype.unit}]")
        return codes, as_label_array(labels.astype(dtype), f"column {self._name!r}")


def _decoded(labels: Any) -> Any:
    import pyarrow as pa

    return labels.dictionary_decode() if pa.types.is_dictionary(labels.type) else labels


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
        names = listed(coded.dictionary, self._name)
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

        numbers = whole_labels(names) if self._numbers else None
        return as_label_array(names, f"column {self._name!r}") if numbers is None else numbers


def listed(items: Any, name: str) -> list[Any]:
    """Return a pyarrow array as a list of Python values; times of nanoseconds only where they are whole
    microseconds."""
    import pyarrow as pa

    if pa.types.is_timestamp(items.type) and items.type.unit == "ns":
        try:
            items = items.cast(pa.timestamp("us", items.type.tz))
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"column {name!r} holds times with a zone in nanoseconds; round them to microseconds, or store text"
            ) from error
    return items.to_pylist()


def whole_labels(names: list[Any]) -> Labels | None:
    """Return labels of a text file as integers if every one is a plain whole number of 64 bits, else None.

    >>> whole_labels(["7", "-1"]).tolist(), whole_labels(["007", "7"])
    ([7, -1], None)
    """
    if not all(is_whole(name) for name in names):
        return None
    numbers = [int(name) for name in names]
    low, high = min(numbers, default=0), max(numbers, default=0)
    if high >= 2**63:
        return np.array(numbers, dtype=np.uint64) if low >= 0 else None
    return np.array(numbers, dtype=np.int64)


def is_whole(text: Any) -> bool:
    """Tell whether text is how Python writes an int of 64 bits."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        return False
    return (digits[0] != "0" or text == "0") and -(2**63) <= int(text) < 2**64


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
