"""Files of results: found in folders, opened within a limit of bytes, told apart by what stands in them."""

from __future__ import annotations

import csv
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from halfseen.data.evals.access import mapping, parsed, sequence
from halfseen.data.evals.archive import Archive
from halfseen.data.evals.problems import Problem, RefusedFileError, counted
from halfseen.data.files import told
from halfseen.data.parquet_sizes import unpacked_size

ENDINGS = (".eval", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".csv", ".tsv")
SKIPPED_FOLDERS = frozenset((".git", "__pycache__", "node_modules", ".venv", ".ipynb_checkpoints"))
HEAD = 1 << 16
# Bytes that a row of a Parquet file takes once it is in memory, at least; run-length coding can promise any number.
ROW_BYTES = 64
AGAIN = "write or download it again"


@dataclass
class Shared:
    """What the files of one reading share: the limit, files read beside others, and lines that were left out."""

    limit: int
    beside: dict[Path, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class LogFile:
    """One file: its kind is told from its first bytes, its content is read when asked for, once.

    Parameters
    ----------
    path : path
    name : str
        As it is shown and stands in the column `source`.
    shared : Shared
    """

    def __init__(self, path: Path, name: str, shared: Shared) -> None:
        self.path, self.name, self.shared = path, name, shared
        self.is_gzipped = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and name, from the root."""
        return self.path.parts

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        name = self.path.name.removesuffix(".gz")
        return next((name[: -len(end)] for end in ENDINGS if name.lower().endswith(end)), name)

    @cached_property
    def head(self) -> bytes:
        """The first bytes, unpacked if the file is gzipped."""
        try:
            mode = self.path.stat()
            if not stat.S_ISREG(mode.st_mode):
                raise RefusedFileError("is no regular file", "leave it out")
            if mode.st_size == 0:
                raise RefusedFileError("is empty (0 bytes)", AGAIN)
            with self.path.open("rb") as file:
                head = file.read(HEAD)
        except OSError as error:
            raise RefusedFileError(f"cannot be opened ({error.strerror})", "make it readable") from None
        self.is_gzipped = head[:2] == b"\x1f\x8b"
        if self.is_gzipped:
            return next(_gunzipped(self.path, HEAD), b"")
        return head

    @cached_property
    def kind(self) -> str:
        """What the bytes are: "zip", "parquet", "json" (one value), "lines" (a JSON object a line) or "text"."""
        head = self.head
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return "zip"
        if head[:4] == b"PAR1":
            return "parquet"
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] == b"[":
            return "json"
        if text[:1] != b"{":
            return "text"
        return "lines" if self._first_line_is_whole() else "json"

    def _first_line_is_whole(self) -> bool:
        """Whether the first line is a JSON object and the file goes on behind it (or its name says so)."""
        by_name = self.path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))
        first, newline, rest = self.head.partition(b"\n")
        if not newline:
            return by_name
        if not first.strip().endswith(b"}"):
            return False
        try:
            parsed(first)
        except RefusedFileError:
            return False
        return by_name or bool(rest.strip())

    def content(self) -> bytes:
        """Return all bytes, unpacked, if the limit allows it."""
        limit, size = self.shared.limit, os.path.getsize(self.path)
        if size > limit:
            raise RefusedFileError(f"has {size:,} bytes, the limit is {limit:,}", f"give max_bytes={size}")
        head = self.head
        if self.is_gzipped:
            return b"".join(_gunzipped(self.path, limit, whole=True))
        return head if len(head) < HEAD else self.path.read_bytes()

    @cached_property
    def json(self) -> Any:
        """The parsed content."""
        if self.kind == "lines":
            return None
        return parsed(self.content(), "the file")

    @cached_property
    def first(self) -> dict[str, Any]:
        """The first object of the file: the file itself, its first element, or its first line."""
        if self.kind == "json":
            value = self.json
            return mapping(value) or mapping(next(iter(sequence(value)), None))
        if self.kind == "lines":
            return mapping(next(self.lines(), None))
        return {}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the objects of a JSON Lines file (or of a JSON array); lines that are none are counted and told."""
        if self.kind == "json":
            yield from (item for item in sequence(self.json) if isinstance(item, dict))
            return
        wrong, number = [], 0
        with self._opened() as file:
            for line in iter(lambda: file.readline(self.shared.limit + 1), b""):
                number += 1
                if not line.strip():
                    continue
                try:
                    value = parsed(line, f"line {number}")
                except RefusedFileError:
                    value = None
                if isinstance(value, dict):
                    yield value
                else:
                    wrong.append(number)
        if wrong:
            what = f"line {wrong[-1]} is cut off" if wrong == [number] else f"{counted(len(wrong), 'line')} of no use"
            problem = Problem(self.name, f"{what}, first line {wrong[0]}; the others were read", AGAIN)
            if problem not in self.shared.problems:
                self.shared.problems.append(problem)

    def _opened(self) -> Any:
        return io.BytesIO(self.content()) if self.head and self.is_gzipped else self.path.open("rb")

    def rows(self) -> Iterator[list[str]]:
        """Yield the lines of a CSV or TSV file as lists of text."""
        first = self.head.split(b"\n")[0].decode("utf-8", "replace")
        sep = max(",\t;", key=first.count)
        try:
            with io.TextIOWrapper(self._opened(), encoding="utf-8-sig", newline="") as text:
                csv.field_size_limit(1 << 20)
                yield from csv.reader(text, delimiter=sep)
        except UnicodeDecodeError:
            raise RefusedFileError("is not UTF-8 text", "convert it to UTF-8") from None
        except csv.Error as error:
            raise RefusedFileError(f"is no table of text ({error})", "write it as plain CSV") from None

    @cached_property
    def archive(self) -> Archive:
        """The listing of a zip archive."""
        return Archive(self.path, self.shared.limit)

    @cached_property
    def header(self) -> list[str]:
        """The names of the columns of a CSV or TSV file; none if it is no table."""
        if self.kind != "text" or b"\0" in self.head[:1024]:
            return []
        return [name.strip() for name in next(self.rows(), [])]

    @cached_property
    def parquet(self) -> Any:
        """The opened Parquet file; what its footer promises is compared with the limit."""
        import pyarrow.parquet as pq

        with told(self.path, "Parquet"):
            opened = pq.ParquetFile(self.path, pre_buffer=False)
            rows = opened.metadata.num_rows
        if rows < 0 or rows * ROW_BYTES > self.shared.limit:
            what = f"promises {rows:,} rows, too many for the limit of {self.shared.limit:,} bytes"
            raise RefusedFileError(what, f"give max_bytes={max(rows, 1) * ROW_BYTES} if that is right")
        return opened

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns of a Parquet file."""
        if self.kind != "parquet":
            return []
        try:
            return list(self.parquet.schema_arrow.names)
        except ValueError as error:
            raise _damaged(error) from None

    def records(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a Parquet file, some columns of them."""
        try:
            self._check_sizes(columns)
            with told(self.path, "Parquet"):
                for batch in self.parquet.iter_batches(4096, columns=columns, use_threads=False):
                    yield from batch.to_pylist()
        except (ValueError, OverflowError, KeyError) as error:
            raise _damaged(error) from None

    def _check_sizes(self, columns: list[str]) -> None:
        # Not from Arrow's metadata of columns: it ends the process on some damaged files.
        size = unpacked_size(self.path, columns)
        if size > self.shared.limit:
            what = f"unpacks to {size:,} bytes, the limit is {self.shared.limit:,}"
            raise RefusedFileError(what, f"give max_bytes={size} if that is right")

    def beside(self, name: str, up: int = 0) -> Any:
        """Return the parsed JSON of another file, `up` folders above this one; None if there is none to read."""
        if up >= len(self.path.parents):
            return None
        path = self.path.parents[up] / name
        if path not in self.shared.beside:
            try:
                other = LogFile(path, path.name, self.shared)
                self.shared.beside[path] = other.json if path.is_file() and other.kind == "json" else None
            except RefusedFileError:
                self.shared.beside[path] = None
        return self.shared.beside[path]


def _damaged(error: Exception) -> RefusedFileError:
    if isinstance(error, RefusedFileError):
        return error
    cause = error.__cause__ or error
    first = (str(cause).splitlines() or [type(cause).__name__])[0]
    return RefusedFileError(f"cannot be read as Parquet ({first[:120]})", AGAIN)


def _gunzipped(path: Path, limit: int, whole: bool = False) -> Iterator[bytes]:
    """Yield the first `limit` unpacked bytes; with `whole`, refuse a file that has more."""
    unpack = zlib.decompressobj(47)
    try:
        with path.open("rb") as file:
            data = unpack.decompress(file.read(-1 if whole else HEAD), limit + 1)
    except zlib.error as error:
        raise RefusedFileError(f"is no complete gzip file ({error})", AGAIN) from None
    if whole and len(data) > limit:
        raise RefusedFileError(f"unpacks to more than {limit:,} bytes", "give a larger max_bytes= if that is right")
    if whole and not unpack.eof:
        raise RefusedFileError("is a gzip file that is cut off", AGAIN)
    yield data


def found_files(paths: list[Path], shared: Shared) -> Iterator[LogFile]:
    """Yield the files given, and those of the folders given whose ending may be results, by name."""
    roots: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {path}")
        if not path.is_dir():
            yield LogFile(path, _short(path), shared)
            continue
        # the folder's own name is enough to know it by, unless another one has the same
        shown = path.resolve().name or path.as_posix()
        shown = shown if roots.setdefault(shown, path) == path else path.as_posix()
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if name not in SKIPPED_FOLDERS)
            inside = Path(folder).relative_to(path)
            for name in sorted(files):
                if name.lower().removesuffix(".gz").endswith(ENDINGS):
                    yield LogFile(Path(folder, name), Path(shown, inside, name).as_posix(), shared)


def _short(path: Path) -> str:
    return Path(*path.parts[-2:]).as_posix() if path.is_absolute() else path.as_posix()
