"""Zip archives whose members may be compressed with zstd (method 93), read within a limit of bytes."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from halfseen.data.evals.access import parsed
from halfseen.data.evals.problems import RefusedFileError

STORED, DEFLATED, ZSTD = 0, 8, 93
# JSON of logs shrinks to a tenth, seldom to a hundredth; beyond this a large member is a bomb.
MOST_RATIO, RATIO_FROM = 300, 32 << 20
PIECE = 1 << 20
# What zipfile raises on files that are none.
UNREADABLE = (zipfile.BadZipFile, struct.error, ValueError, OSError, EOFError, NotImplementedError, IndexError)
DAMAGED = "it is damaged or cut off; copy it again"


class Archive:
    """The members of a zip file.

    Python's zipfile lists them, but before 3.14 cannot read zstd; the bytes are therefore taken from the file here.
    What a header promises is compared with the file and with the limit before anything is allocated.

    Parameters
    ----------
    path : path
    limit : int
        Most bytes that one member may have, unpacked.

    Raises
    ------
    RefusedFileError
        Not a zip file, cut off, or a member that is larger than allowed or not as its header says.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        try:
            self._size = path.stat().st_size
            with zipfile.ZipFile(path) as listing:
                self._members = {member.filename: member for member in listing.infolist()}
        except UNREADABLE as error:
            raise RefusedFileError(f"not a complete zip archive ({str(error)[:80]})", DAMAGED) from None

    @property
    def names(self) -> list[str]:
        """Names of the members, in their order."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def json(self, name: str, slim: bool = False) -> Any:
        """Return a member parsed as JSON."""
        return parsed(self.read(name), name, slim)

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        member = self._members[name]
        size, packed = member.file_size, member.compress_size
        if size > self._limit:
            what = f"{name} unpacks to {size:,} bytes, the limit is {self._limit:,}"
            raise RefusedFileError(what, f"give max_bytes={size} if that is right")
        if size > RATIO_FROM and size > MOST_RATIO * max(packed, 1):
            what = f"{name} claims {size:,} bytes from {packed:,}"
            raise RefusedFileError(what, "no log shrinks so far; leave it out")
        if packed > self._size or member.flag_bits & 1:
            raise RefusedFileError(f"{name} is encrypted or larger than the archive", DAMAGED)
        data = b"".join(self._unpacked(name, member, size))
        if len(data) != size:
            raise RefusedFileError(f"{name} unpacks to {len(data):,} bytes, not {size:,}", DAMAGED)
        if member.CRC and zlib.crc32(data) != member.CRC:
            raise RefusedFileError(f"the checksum of {name} is wrong", DAMAGED)
        return data

    def _unpacked(self, name: str, member: zipfile.ZipInfo, size: int) -> Iterator[bytes]:
        """Yield at most a little more than `size` bytes."""
        raw = self._raw(name, member)
        if member.compress_type == STORED:
            yield raw
        elif member.compress_type == DEFLATED:
            try:
                yield zlib.decompressobj(-15).decompress(raw, size + 1)
            except zlib.error as error:
                raise RefusedFileError(f"{name} cannot be unpacked ({error})", DAMAGED) from None
        elif member.compress_type == ZSTD:
            yield from _zstd(name, raw, size)
        else:
            method = member.compress_type
            raise RefusedFileError(f"{name} is compressed with method {method}", "pack it again with deflate or zstd")

    def _raw(self, name: str, member: zipfile.ZipInfo) -> bytes:
        with self._path.open("rb") as file:
            if not 0 <= member.header_offset <= self._size - 30:
                raise RefusedFileError(f"{name} lies outside the file", DAMAGED)
            file.seek(member.header_offset)
            head = file.read(30)
            if head[:4] != b"PK\x03\x04":
                raise RefusedFileError(f"{name} does not begin where it should", DAMAGED)
            skip = sum(struct.unpack("<HH", head[26:30]))
            file.seek(skip, 1)
            raw = file.read(member.compress_size)
        if len(raw) != member.compress_size:
            raise RefusedFileError(f"{name} is cut off", DAMAGED)
        return raw


def _zstd(name: str, raw: bytes, size: int) -> Iterator[bytes]:
    import pyarrow as pa

    left = size + 1
    try:
        with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
            while left > 0:  # not an iteration: piece after piece of a stream
                piece = stream.read(min(left, PIECE))
                if not piece:
                    return
                left -= len(piece)
                yield piece
    except (pa.ArrowException, OSError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0][:80]
        raise RefusedFileError(f"{name} cannot be unpacked ({first})", DAMAGED) from None
