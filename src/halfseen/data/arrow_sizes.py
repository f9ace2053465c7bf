"""What the messages of an Arrow file or stream promise, read before Arrow itself reads anything.

Arrow's own reader allocates what a message asks for. These few functions follow the messages (encapsulated FlatBuffers,
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc) far enough to
compare lengths with the file, and uncompressed sizes with a limit.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from halfseen.data.limits import Budget

MAGIC = b"ARROW1\0\0"
CONTINUATION = 0xFFFFFFFF
DICTIONARY, RECORD = 2, 3


class DamagedArrow(ValueError):
    """The messages contradict themselves or the file."""


class FlatTable:
    """A table of a FlatBuffer: fields by number, each bounded by the buffer."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        start = place - number(data, "<i", place)
        length = number(data, "<H", start)
        self._offsets = [number(data, "<H", start + 4 + 2 * k) for k in range(min(max(length - 4, 0) // 2, 64))]

    def _at(self, field: int) -> int | None:
        offset = self._offsets[field] if field < len(self._offsets) else 0
        return self._place + offset if offset else None

    def value(self, field: int, form: str) -> int:
        """A number; 0 where the field is left out."""
        place = self._at(field)
        return 0 if place is None else number(self._data, form, place)

    def table(self, field: int) -> FlatTable | None:
        """A table inside this one."""
        place = self._at(field)
        return None if place is None else FlatTable(self._data, place + number(self._data, "<I", place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two int64."""
        place = self._at(field)
        if place is None:
            return
        place += number(self._data, "<I", place)
        count = number(self._data, "<I", place)
        if place + 4 + 16 * count > len(self._data):
            raise DamagedArrow("a message lists more buffers than it has room for")
        for k in range(count):
            yield struct.unpack_from("<qq", self._data, place + 4 + 16 * k)


def number(data: bytes, form: str, place: int) -> int:
    """A number at a place of a buffer."""
    if not 0 <= place <= len(data) - struct.calcsize(form):
        raise DamagedArrow("a message points outside itself")
    return int(struct.unpack_from(form, data, place)[0])


def check_messages(source: BinaryIO, budget: Budget) -> None:
    """Follow the messages of a file or stream; refuse what the file cannot hold and what needs too much memory.

    Parameters
    ----------
    source : binary file
    budget : Budget

    Raises
    ------
    ValueError
        `DamagedArrow` where the messages are no messages; a plain one where they ask for more memory than the budget
        has.
    """
    size = os.fstat(source.fileno()).st_size
    source.seek(0)
    place = len(MAGIC) if source.read(len(MAGIC)) == MAGIC else 0
    held = 0
    while place + 4 <= size:  # not an iteration: walks through the file, message by message
        source.seek(place)
        first = _unsigned(source.read(4))
        is_marked = first == CONTINUATION
        length = _unsigned(source.read(4)) if is_marked else first
        place += 8 if is_marked else 4
        if length == 0:
            return
        if place + length > size:
            raise DamagedArrow(f"a message of {length} bytes begins {size - place} bytes before the end")
        message = FlatTable(*_root(source.read(length)))
        place += length
        body = message.value(3, "<q")
        if not 0 <= body <= size - place:
            raise DamagedArrow(f"a message has {body} bytes of data, {size - place} are left in the file")
        header = message.table(2)
        if header is not None:
            held += _promised(source, message.value(1, "<B"), header, (place, body), budget, held)
        place += body


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _root(data: bytes) -> tuple[bytes, int]:
    return data, number(data, "<I", 0)


def _promised(source: BinaryIO, kind: int, header: FlatTable, body: tuple[int, int], budget: Budget, held: int) -> int:
    """Check one message; return the bytes that stay in memory after it (those of dictionaries)."""
    if kind == DICTIONARY:
        if header.value(2, "<B"):
            raise DamagedArrow(
                "it grows its dictionaries as it goes (delta dictionaries), which halfseen does not read"
            )
        batch = header.table(1)
    else:
        batch = header if kind == RECORD else None
    if batch is None:
        return 0
    rows = batch.value(0, "<q")
    if rows < 0 or any(length < 0 for length, _ in batch.pairs(1)):
        raise DamagedArrow("a batch has fewer than 0 rows")
    is_compressed = batch.table(3) is not None
    total = 0
    for offset, length in batch.pairs(2):
        if offset < 0 or length < 0 or offset + length > body[1]:
            raise DamagedArrow("a buffer lies outside its message")
        total += _uncompressed(source, body[0] + offset, length) if is_compressed and length >= 8 else length
    budget.check(held + total, "one of its batches")
    return total if kind == DICTIONARY else 0


def _uncompressed(source: BinaryIO, place: int, length: int) -> int:
    """The size that a compressed buffer says it has; -1 means that it is not compressed after all."""
    source.seek(place)
    said = int.from_bytes(source.read(8), "little", signed=True)
    if said < -1:
        raise DamagedArrow(f"a compressed buffer says that it holds {said} bytes")
    return length if said == -1 else said


def checked_batch(batch: Any) -> Any:
    """Return a record batch after Arrow's full validation: offsets, text, and codes of dictionaries.

    Without it one wrong offset makes Arrow (and all that reads its memory) leave the buffer.
    """
    batch.validate(full=True)
    return batch
