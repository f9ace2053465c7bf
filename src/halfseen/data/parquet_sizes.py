"""What the pages of a Parquet file promise, read before Arrow decompresses them.

Arrow's own accessors of a column's metadata end the process on some damaged files, and its reader allocates what a page
header says. These functions read the footer and the page headers (Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) far enough for the sizes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from halfseen.data.limits import Budget

MAGIC = b"PAR1"
# Longer footers belong to files so large that their budget is, too.
LONGEST_FOOTER = 4 << 20
# A page header holds a few numbers and the statistics of its page.
LONGEST_HEADER = 1 << 16
DEEPEST = 12
MOST_PAGES = 100_000


class DamagedParquet(ValueError):
    """The metadata is no metadata."""


class Compact:
    """Reads structs of Thrift's compact protocol as dictionaries from field number to value.

    Examples
    --------
    >>> Compact(b"\\x15\\x04\\x15\\x0a\\x00").struct()
    {1: 2, 2: 5}
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The struct that begins here."""
        if depth > DEEPEST:
            raise DamagedParquet("its metadata is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():  # not an iteration: one field after the other, to the stop byte
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return struct.unpack("<d", self._bytes(8))[0]
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        raise DamagedParquet(f"its metadata has a value of kind {kind}")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        length, kind = head >> 4, head & 15
        length = self._varint() if length == 15 else length
        if length > len(self._data) - self.place:
            raise DamagedParquet(f"its metadata promises a list of {length} items")
        if depth > DEEPEST:
            raise DamagedParquet("its metadata is nested too deeply")
        if kind in (1, 2):  # truth values take a byte each in lists
            return [self._byte() == 1 for _ in range(length)]
        return [self._value(kind, depth + 1) for _ in range(length)]

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        piece = self._data[self.place : self.place + count]
        if len(piece) < count:
            raise DamagedParquet("its metadata ends too early")
        self.place += count
        return piece

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:  # not an iteration: seven bits at a time
            number, shift = number | (byte & 127) << shift, shift + 7
            if shift > 63:
                raise DamagedParquet("its metadata has a number of more than 64 bits")
        return number | byte << shift

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def unpacked_size(path: Path, columns: list[str]) -> int:
    """Bytes that the chunks of columns have when they are unpacked, as the footer says; 0 where it is too long to read.

    Raises
    ------
    ValueError
        `DamagedParquet` where there is no such metadata.
    """
    with path.open("rb") as file:
        facts = [_struct(_struct(chunk).get(3)) for chunk in _chunks(file)]
    return sum(max(_number(chunk_facts, 6), 0) for chunk_facts in facts if _is_of(chunk_facts, columns))


def check_pages(path: Path, columns: list[str], budget: Budget) -> None:
    """Compare what the pages of columns promise with the file and with a budget.

    Raises
    ------
    ValueError
        `DamagedParquet` where there is no such metadata; a plain one where a page would take more memory than the
        budget has.
    """
    with path.open("rb") as file:
        for chunk in _chunks(file):
            facts = _struct(_struct(chunk).get(3))
            if _is_of(facts, columns):
                _check_chunk(file, facts, file.seek(0, 2), budget)


def _chunks(file: Any) -> list[Any]:
    """The column chunks of all row groups; none where the footer is too long."""
    size = file.seek(0, 2)
    if size < 12:
        raise DamagedParquet(f"it has {size} bytes")
    file.seek(size - 8)
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length + 8 > size:
        raise DamagedParquet("it does not end as a Parquet file does")
    if length > LONGEST_FOOTER:
        return []
    file.seek(size - 8 - length)
    groups = _list(Compact(file.read(length)).struct().get(4))
    return [chunk for group in groups for chunk in _list(_struct(group).get(1))]


def _name(facts: dict[int, Any]) -> str:
    return b".".join(part for part in _list(facts.get(3)) if isinstance(part, bytes)).decode("utf-8", "replace")


def _is_of(facts: dict[int, Any], columns: list[str]) -> bool:
    name = _name(facts)
    return name in columns or name.split(".")[0] in columns


def _check_chunk(file: Any, facts: dict[int, Any], size: int, budget: Budget) -> None:
    """Follow the pages of one column chunk."""
    name = _name(facts)
    start, held = _number(facts, 9), _number(facts, 7)
    start = min(start, _number(facts, 11) or start)
    if start < 0 or held < 0 or start + held > size:
        raise DamagedParquet(f"column {name!r} lies outside the file")
    end = start + held
    for _ in range(MOST_PAGES):
        if start >= end:
            return
        file.seek(start)
        reader = Compact(file.read(min(LONGEST_HEADER, end - start)))
        header = reader.struct()
        whole, stored = _number(header, 2), _number(header, 3)
        if whole < 0 or stored < 0 or stored > size - start:
            raise DamagedParquet(f"a page of column {name!r} says that it has {whole} bytes, {stored} of them stored")
        budget.check(whole, f"a page of column {name!r}")
        start += reader.place + stored


def _number(fields: dict[int, Any], field: int) -> int:
    value = fields.get(field, 0)
    if not isinstance(value, int):
        raise DamagedParquet("its metadata has text where a number belongs")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise DamagedParquet("its metadata lacks a list")
    return value


def _struct(value: Any) -> dict[int, Any]:
    if not isinstance(value, dict):
        raise DamagedParquet("its metadata lacks a struct")
    return value
