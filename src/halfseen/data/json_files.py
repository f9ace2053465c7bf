"""JSON Lines, and JSON files that hold a list of records (or a list per column), as a stream of record batches."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from halfseen.data.limits import Budget
from halfseen.errors import shown

BATCH = 1 << 16
# Records whose keys are the columns of the file; later ones may add none that were not asked for.
LOOKED_AT = 100
# Python's objects take up to this many times the bytes of their JSON text (lists without items are the worst).
OBJECTS = 24
LONGEST_LINE = 16 << 20
KINDS = {str: "text", bool: "a truth value", int: "a whole number", float: "a number"}


class JsonSource:
    """Records of a JSON Lines file (one object per line), or of one JSON list; plain or gzipped.

    Parameters
    ----------
    path : Path
    budget : Budget or None
        A JSON list is parsed as a whole, and must fit; lines are read one after the other.

    Notes
    -----
    Types are those of the file: 7 is a number, "7" and "007" are text.
    """

    text = False

    def __init__(self, path: Path, budget: Budget | None = None) -> None:
        self.path, self._budget = path, budget or Budget.of(path)
        self._gz = path.suffix.lower() == ".gz"
        names: dict[str, None] = {}
        for _, (_, record) in zip(range(LOOKED_AT), self._records(), strict=False):
            names.update(dict.fromkeys(record))
        self.names = list(names)
        if not self.names:
            raise ValueError(f"{path} has 0 entries: there is no record in it")

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as raw:
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw)) if self._gz else raw

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every record with its number: that of its line, or its place in the list, from 1."""
        try:
            with self._open() as source:
                yield from self._of_lines(source)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{self.path} cannot be read as JSON: {error} (is it cut off or damaged?)") from error

    def _of_lines(self, source: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        while line := source.readline(LONGEST_LINE + 1):  # not an iteration: reads the file line by line
            number += 1
            text = line.strip()
            if not text:
                continue
            if text[:1] == b"[" or (number == 1 and not _is_object(text)):
                yield from self._of_whole(line + self._rest(source), number)
                return
            if len(line) > LONGEST_LINE:
                raise ValueError(f"{self.path}: line {number} has more than {LONGEST_LINE >> 20} MiB")
            record = self._parsed(text, f"line {number}")
            if number == 1 and isinstance(record, dict) and _is_columns(record):
                yield from self._of_columns(record)
                return
            yield number, self._checked(record, f"line {number}")

    def _rest(self, source: BinaryIO) -> bytes:
        most = self._budget.limit // OBJECTS
        rest = source.read(most + 1)
        self._budget.check(OBJECTS * len(rest), "its one JSON value")
        return rest

    def _of_whole(self, text: bytes, line: int) -> Iterator[tuple[int, dict[str, Any]]]:
        value = self._parsed(text, f"the text from line {line} on")
        if isinstance(value, dict) and _is_columns(value):
            yield from self._of_columns(value)
            return
        records = [value] if isinstance(value, dict) else value
        if not isinstance(records, list):
            raise ValueError(
                f"{self.path} holds {shown(value)}; needed: one JSON object per line, or a list of objects"
            )
        for place, record in enumerate(records, 1):
            yield place, self._checked(record, f"record {place}")

    def _of_columns(self, columns: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:6])
            raise ValueError(f"{self.path}: its columns must be equally long, got lengths {text}")
        for place, items in enumerate(zip(*columns.values(), strict=True), 1):
            yield place, dict(zip(columns, items, strict=True))

    def _parsed(self, text: bytes, place: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise ValueError(f"{self.path} cannot be read as JSON: {place}: {why}") from error

    def _checked(self, record: Any, place: str) -> dict[str, Any]:
        if not isinstance(record, dict):
            raise ValueError(
                f"{self.path}: {place} is {shown(record)}; needed: an object such as "
                '{"row": "ann", "col": "tea", "value": 5}'
            )
        return record

    def batches(self, columns: list[str], kinds: list[str] | None = None) -> Iterator[Any]:
        """Yield record batches of the named columns, in that order; every column of one type throughout."""
        held: list[list[Any]] = [[] for _ in columns]
        known: list[type | None] = [None] * len(columns)
        for number, record in self._records():
            for position, name in enumerate(columns):
                item = record.get(name)
                known[position] = self._type(known[position], item, name, number)
                held[position].append(item)
            if len(held[0]) >= BATCH:
                yield self._batch(columns, held, known)
                held = [[] for _ in columns]
        if held[0]:
            yield self._batch(columns, held, known)

    def _type(self, known: type | None, item: Any, name: str, number: int) -> type | None:
        """The type of a column after one more item."""
        kind = type(item)
        if kind is known or item is None:
            return known
        if kind not in KINDS:
            raise ValueError(f"{self.path}: record {number}: {name!r} is {shown(item)}; needed: text or a number")
        if known is None or (known is int and kind is float):
            return kind
        if known is float and kind is int:
            return known
        raise ValueError(
            f"{self.path}: column {name!r} mixes types: record {number} has {shown(item)}, {KINDS[kind]}, the ones "
            f"before {KINDS[known]}; write all of them alike"
        )

    def _batch(self, columns: list[str], held: list[list[Any]], known: list[type | None]) -> Any:
        import pyarrow as pa

        arrays = []
        for name, items, kind in zip(columns, held, known, strict=True):
            if kind is int:
                arrays.append(self._integers(name, items))
                continue
            types: dict[Any, Any] = {str: pa.string(), bool: pa.bool_(), float: pa.float64(), None: pa.null()}
            try:
                arrays.append(pa.array(items, type=types[kind]))
            except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
                raise ValueError(f"{self.path}: column {name!r}: {error}") from error
        return pa.RecordBatch.from_arrays(arrays, names=columns)

    def _integers(self, name: str, items: list[Any]) -> Any:
        """Whole numbers of 64 bits, signed or not; larger ones are refused rather than rounded."""
        import pyarrow as pa

        given = [item for item in items if item is not None]
        low, high = min(given, default=0), max(given, default=0)
        if low >= -(2**63) and high < 2**64 and (low >= 0 or high < 2**63):
            return pa.array(items, type=pa.int64() if high < 2**63 else pa.uint64())
        wrong = high if high >= 2**63 else low
        raise ValueError(
            f"{self.path}: column {name!r} holds {wrong}, which is beyond 64-bit integers; write it as text"
        )


def _is_object(text: bytes) -> bool:
    """Tell whether a first line is a whole object, as in JSON Lines, and not the start of a longer text."""
    return text[:1] == b"{" and text[-1:] == b"}"


def _is_columns(record: dict[str, Any]) -> bool:
    return bool(record) and all(isinstance(item, list) for item in record.values())
