"""Files of entries as blocks of whole rows: tables larger than memory go through one block after the other."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data.align import with_columns
from halfseen.data.codes import coder_for
from halfseen.data.collect import EntryCollector
from halfseen.data.files import TextFormat, kind_of, open_source, resolve
from halfseen.data.observed import Observed
from halfseen.data.roles import refuse_misread

# A block of this many entries holds about a quarter of a gigabyte while it is sorted.
BLOCK_ENTRIES = 4_000_000
# Knuth's multiplicative hash spreads identifiers that count upwards over the parts.
SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class BlockReading:
    """How the lines of a file are meant; as in `read_table`."""

    sep: str | None = None
    header: bool = True
    missing: float | None = None
    shift: float = 0.0
    duplicates: str = "error"


@dataclass
class RowBlocks:
    """The rows of a file, block by block, all over the same columns.

    A first look at the row and column identifiers finds the columns, and whether the rows come one after the other (in
    growing order). Then blocks are read straight from the file; otherwise entries are first dealt out to temporary
    files by row, so that all entries of a row meet again in one block.

    Parameters
    ----------
    path : path
        Parquet, Feather, Arrow, CSV or TSV, one entry per line.
    row, col, value : str, int or None
        Columns of the file; None: the first three.
    reading : BlockReading
    entries : int
        Per block, about.

    Attributes
    ----------
    col_labels : array (d,)
    n_entries : int
        Lines of the file, those of missing values included.
    is_grouped : bool
        Whether no temporary files are needed.

    Notes
    -----
    Two passes over the identifiers, one (or, dealt out, two) over everything. Memory: a block; disk, dealt out: the
    file once more, uncompressed.

    Examples
    --------
    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "visits.csv")
    >>> with open(file, "w") as out:
    ...     _ = out.write("who,where,how\\nb,x,1\\na,y,2\\nb,y,3\\n")
    >>> blocks = RowBlocks(file)
    >>> blocks.col_labels.tolist(), blocks.is_grouped, [block.n_entries for block in blocks]
    (['x', 'y'], False, [3])
    """

    path: Path
    row: str | int | None = None
    col: str | int | None = None
    value: str | int | None = None
    reading: BlockReading = field(default_factory=BlockReading)
    entries: int = BLOCK_ENTRIES

    col_labels: Labels = field(init=False)
    n_entries: int = field(init=False, default=0)
    is_grouped: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        kind = kind_of(self.path, self.reading.sep)
        if kind == "npz":
            raise ValueError(f"{self.path.name} cannot be read in blocks; read it whole with read_table")
        source = self._source()
        roles = (("row", self.row), ("col", self.col), ("value", self.value))
        refuse_misread(source, dict(roles), self.path)
        self._columns = [resolve(wanted, k, source.names, role, self.path) for k, (role, wanted) in enumerate(roles)]
        self._is_text = source.text
        self._look()

    def _source(self) -> Any:
        form = TextFormat(self.reading.sep, self.reading.header)
        return open_source(self.path, kind_of(self.path, self.reading.sep), form)

    def _look(self) -> None:
        """The first pass: distinct columns, and whether the rows are in order."""
        distinct, last = _Distinct(self._columns[1], self._is_text), None
        for batch in self._batches():
            if not batch.num_rows:
                continue
            self.n_entries += batch.num_rows
            distinct.add(batch.column(1))
            if self.is_grouped:
                self.is_grouped, last = _goes_on(batch.column(0), last)
        if not self.n_entries:
            raise ValueError(f"{self.path} has 0 entries: there is no line of data")
        self.col_labels = distinct.labels()

    def _batches(self) -> Iterator[Any]:
        yield from self._source().batches(self._columns)

    def __iter__(self) -> Iterator[Observed]:
        blocks = self._in_order() if self.is_grouped else self._dealt_out()
        yield from (block for block in blocks if block is not None)

    def _collector(self) -> EntryCollector:
        return EntryCollector(self._columns, self._is_text, self.reading.missing, self.reading.shift, None)

    def _finish(self, collector: EntryCollector) -> Observed | None:
        """The block over all columns; None if all of its values are missing."""
        if not collector.n_kept:
            return None
        table = collector.finish(self.path, self.reading.duplicates)
        labels = table.col_labels
        if labels is not None and labels.dtype.kind != self.col_labels.dtype.kind:
            # whole numbers here, but not everywhere in the file
            table = Observed(table.by_rows, table.row_labels, labels.astype(str).astype(self.col_labels.dtype))
        return with_columns(table, self.col_labels)

    def _in_order(self) -> Iterator[Observed | None]:
        collector, held, last = self._collector(), 0, None
        for batch in self._pieces():
            if held + batch.num_rows >= self.entries and held:
                cut = _first_of_new_row(batch.column(0), last)
                if cut < batch.num_rows:
                    collector.add(batch.slice(0, cut))
                    yield self._finish(collector)
                    collector, held = self._collector(), 0
                    batch = batch.slice(cut)
            collector.add(batch)
            held += batch.num_rows
            if batch.num_rows:
                last = batch.column(0)[batch.num_rows - 1].as_py()
        yield self._finish(collector)

    def _pieces(self) -> Iterator[Any]:
        """Batches of at most a block's entries."""
        for batch in self._batches():
            for start in range(0, batch.num_rows, self.entries):
                yield batch.slice(start, self.entries)

    def _dealt_out(self) -> Iterator[Observed | None]:
        """Deal entries out to files by row, then read file by file."""
        import pyarrow as pa

        parts = max(1, -(-self.n_entries // self.entries))
        with tempfile.TemporaryDirectory(prefix="halfseen-") as folder, ExitStack() as stack:
            paths = [Path(folder) / f"{k}.arrows" for k in range(parts)]
            writers: list[Any] = [None] * parts
            for batch in self._batches():
                part = _part_of(batch.column(0), parts)
                for k in np.unique(part).tolist():
                    if writers[k] is None:
                        writers[k] = stack.enter_context(pa.ipc.new_stream(str(paths[k]), batch.schema))
                    writers[k].write_batch(batch.filter(pa.array(part == k)))
            stack.close()
            for k, writer in enumerate(writers):
                if writer is None:
                    continue
                collector = self._collector()
                with pa.OSFile(str(paths[k])) as source:
                    for batch in pa.ipc.open_stream(source):
                        collector.add(batch)
                yield self._finish(collector)
                paths[k].unlink()


class _Distinct:
    """Distinct labels of a column, as `read_table` would number them."""

    def __init__(self, name: str, is_text_file: bool) -> None:
        self._name, self._is_text_file = name, is_text_file
        self._coder: Any = None

    def add(self, labels: Any) -> None:
        import pyarrow.compute as pc

        distinct = pc.unique(labels.dictionary_decode() if hasattr(labels, "dictionary") else labels).drop_null()
        if self._coder is None:
            self._coder = coder_for(labels.type, self._name, self._is_text_file)
        self._coder.add(distinct)

    def labels(self) -> Labels:
        return self._coder.finish()[1]


def _goes_on(rows: Any, last: Any) -> tuple[bool, Any]:
    """Whether a batch's rows never fall, and do not fall below the last one's; and its own last row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = rows.dictionary_decode() if pa.types.is_dictionary(rows.type) else rows
    if plain.null_count:
        return False, None
    rising = pc.all(pc.greater_equal(plain[1:], plain[:-1])).as_py() if len(plain) > 1 else True
    first, end = plain[0].as_py(), plain[len(plain) - 1].as_py()
    return bool(rising) and (last is None or first >= last), end


def _first_of_new_row(rows: Any, last: Any) -> int:
    """Position of the first entry of another row than ``last``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = rows.dictionary_decode() if pa.types.is_dictionary(rows.type) else rows
    place = pc.index(pc.not_equal(plain, pa.scalar(last, plain.type)), True).as_py()
    return len(plain) if place < 0 else int(place)


def _part_of(rows: Any, parts: int) -> IntArray:
    """Part of each entry, the same for all entries of a row."""
    import pyarrow as pa

    if pa.types.is_integer(rows.type):
        keys = rows.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    else:
        coded = rows if pa.types.is_dictionary(rows.type) else rows.dictionary_encode()
        hashes = [zlib.crc32(str(name).encode()) for name in coded.dictionary.to_pylist()]
        keys = np.array(hashes, dtype=np.uint64)[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    return ((keys * SPREAD) >> np.uint64(32)).astype(np.int64) % parts
