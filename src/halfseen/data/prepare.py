"""Raw files of entries, in any order, dealt out once to blocks of whole rows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.checks import check_rule
from halfseen.data.codes import is_whole, listed, refuse_blank, refuse_null, whole_labels
from halfseen.data.files import ARROW, JSON, PARQUET, TEXT, TextFormat, kind_of, open_source, resolve, suffix_of, told
from halfseen.data.labels import as_label_array
from halfseen.data.observed import Observed
from halfseen.data.prepared import (
    COLUMNS,
    FACTS,
    VERSION,
    PreparedTable,
    TableFacts,
    block_numbers,
    block_path,
    label_path,
    write_block,
)
from halfseen.data.roles import WIDE_FROM, refuse_misread

# Entries handled at once: labels of so many are coded together.
BATCH = 1 << 20
# A block should hold 64 entries a column, and be short against memory: about so many entries unless told otherwise.
BLOCK_ENTRIES = 4_000_000
BYTES_PER_LINE = 20
LARGEST_VALUE = 1e140
ENDINGS = (*PARQUET, *ARROW, *JSON, *TEXT)


class RawReading(TypedDict, total=False):
    """How lines of raw files are meant; see `prepare`."""

    sep: str | None
    header: bool
    duplicates: str
    dtype: str
    wide: bool


def prepare(
    raw: Any,
    folder: str | os.PathLike[str],
    blocks: int | None = None,
    *,
    row: str | int | None = None,
    col: str | int | None = None,
    value: str | int | None = None,
    **reading: Unpack[RawReading],
) -> PreparedTable:
    """Deal the entries of raw files out to blocks of whole rows, for tables larger than memory or for Dask.

    Parameters
    ----------
    raw : path or list of paths
        A file, a folder of files (a Parquet data set, many CSVs), or several files, one entry per line, in any order;
        or, with ``wide=True``, a line per row and a column per column.
    folder : path
        New, or empty; it is written so that it can be used only when it is complete.
    blocks : int, optional
        A power of two is shared out best. By default one per four million entries.
    row, col, value : str, int or None
        Columns of the files; None: the first, second and third. Of wide files ``row`` alone.

    Other Parameters
    ----------------
    sep, header, duplicates
        As in `read_table`.
    dtype : {"float32", "float64"}, default "float32"
    wide : bool, default False
        Each line is a row, whose label is in the first column (or ``row``); empty cells were not observed.

    Returns
    -------
    PreparedTable
        As :func:`halfseen.read_table` opens it. Labels are text or whole numbers; rows come block by block, sorted
        inside each; the block of a row follows from a hash of its label, so no index over all rows is needed.

    Raises
    ------
    ValueError
        For a folder that is not empty, files without entries, labels or values that are missing, duplicates without a
        rule, and files whose columns are meant in another way than they would be read. The folder is left empty then.

    Notes
    -----
    One pass over the files and one over a copy of the entries as large as the blocks; memory: one block, and the
    distinct columns.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; give a new folder, or remove what is there")
    unknown = set(reading) - set(RawReading.__annotations__)
    if unknown:
        raise TypeError(f"prepare has no argument {sorted(unknown)[0]!r}")
    dtype = reading.get("dtype", "float32")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype={dtype!r} is not known; use 'float32' or 'float64'")
    files = raw_files(raw)
    n_blocks = blocks or default_blocks(files)
    if isinstance(n_blocks, bool) or not isinstance(n_blocks, int | np.integer) or n_blocks < 1:
        raise ValueError(f"blocks={blocks!r} is not a number of blocks; give a whole number of at least 1")
    is_wide = bool(reading.get("wide", False))
    if is_wide and (col, value) != (None, None):
        raise ValueError("col= and value= are for files with one entry per line; leave them or wide=True out")
    spill, was_there = target / "spill", target.exists()
    for part in ("spill", "blocks", "rows"):
        (target / part).mkdir(parents=True, exist_ok=True)
    dealer = Dealer(spill, int(n_blocks), np.dtype(dtype))
    try:
        for file in files:
            form = TextFormat(reading.get("sep"), reading.get("header", True))
            dealer.deal(file, (row,) if is_wide else (row, col, value), form)
        if not dealer.n_entries:
            raise ValueError(
                f"{files[0]} has no entries" + (f", nor have {len(files) - 1} other files" if files[1:] else "")
            )
        finish(dealer, target, check_rule(reading.get("duplicates", "error")))
    except BaseException:
        clear(target, was_there)
        raise
    finally:
        shutil.rmtree(spill, ignore_errors=True)
    return PreparedTable(target)


def clear(folder: Path, was_there: bool) -> None:
    """Take away what was written to a folder that had been empty, or was not there."""
    for path in list(folder.iterdir()):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if not was_there:
        folder.rmdir()


def raw_files(raw: Any) -> list[Path]:
    """The files meant: one, several, or those of a folder in the order of their names."""
    given = [raw] if isinstance(raw, str | os.PathLike) else list(raw)
    files: list[Path] = []
    for path in map(Path, given):
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {path}")
        inside = (
            sorted(p for p in path.rglob("*") if p.is_file() and suffix_of(p) in ENDINGS) if path.is_dir() else [path]
        )
        if not inside:
            raise ValueError(f"{path} has no file that ends in {', '.join(ENDINGS)}")
        files += inside
    return files


def default_blocks(files: list[Path]) -> int:
    """A power of two, for blocks of about four million entries."""
    import pyarrow.parquet as pq

    n_entries = 0
    for file in files:
        is_parquet = suffix_of(file) in PARQUET
        n_entries += pq.read_metadata(file).num_rows if is_parquet else file.stat().st_size // BYTES_PER_LINE
    return 1 << max(0, int(np.ceil(np.log2(max(1.0, n_entries / BLOCK_ENTRIES)))))


@dataclass
class Dealer:
    """Deals batches of entries out to one file per block; columns are numbered as they appear.

    A part's file holds, batch by batch, the labels of its rows and, for every entry, the row's place among these
    labels, the column's number and the value.
    """

    spill: Path
    n_blocks: int
    dtype: np.dtype
    n_entries: int = 0
    is_text: bool | None = None
    may_be_wide: bool = False
    has_words: dict[str, bool] = field(default_factory=lambda: {"rows": False, "columns": False})
    columns: Any = None

    def deal(self, file: Path, wanted: Sequence[str | int | None], form: TextFormat) -> None:
        """All entries of a file."""
        kind = kind_of(file, form.sep)
        if kind == "npz":
            raise ValueError(
                f"{file.name}: arrays cannot be dealt out to blocks; give Parquet, Feather, CSV or JSON Lines"
            )
        source = open_source(file, kind, form)
        if len(wanted) == 1:
            names = [resolve(wanted[0], 0, source.names, "row", file), "column", "value"]
        else:
            roles = dict(zip(("row", "col", "value"), wanted, strict=True))
            refuse_misread(source, roles, file)
            names = [resolve(name, place, source.names, role, file) for place, (role, name) in enumerate(roles.items())]
            self.may_be_wide |= len(source.names) >= WIDE_FROM and not any(isinstance(name, str) for name in wanted)
        if self.is_text not in (None, source.text):
            raise ValueError(
                f"{file.name} is {'text' if source.text else 'typed'}, files before it are not; give one kind"
            )
        self.is_text, seen = source.text, 0
        if len(wanted) == 1:
            batches = wide_batches(source, names[0], file)
        else:
            batches = parquet_batches(file, names) if kind == "parquet" else source.batches(names)
        try:
            for batch in batches:
                self._add(batch, names, file, seen)
                seen += batch.num_rows
        except ValueError as error:
            if not self.may_be_wide:
                raise
            raise ValueError(f"{error}; if {file.name} is a wide table, a line per row, give wide=True") from error

    def _add(self, batch: Any, names: list[str], file: Path, offset: int) -> None:
        if not batch.num_rows:
            return
        rows, cols = (self._coded(batch.column(place), names[place], offset) for place in (0, 1))
        values = batch.column(2).to_numpy(zero_copy_only=False).astype(self.dtype, copy=False)
        if not np.isfinite(values).all():
            first = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{file.name}: the value of entry {offset + first} (counted from 0) is missing or "
                             "infinite; drop such lines")  # fmt: skip
        self._deal_out(rows, self._number(cols), values)
        self.n_entries += len(values)

    def _coded(self, labels: Any, name: str, offset: int) -> Any:
        import pyarrow as pa

        coded = labels if pa.types.is_dictionary(labels.type) else labels.dictionary_encode()
        refuse_null(coded, name, offset)
        if self.is_text:
            refuse_blank(coded, name, offset)
        kind = coded.dictionary.type
        if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise ValueError(f"column {name!r} holds {kind}; labels of a prepared table are text or whole numbers")
        wide = pa.int64() if pa.types.is_integer(kind) else pa.string()
        return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), coded.dictionary.cast(wide))

    def _number(self, cols: Any) -> IntArray:
        """Numbers of the columns, in the order in which they appear in the files."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.columns is None:
            self.columns = cols.dictionary.slice(0, 0)
        if self.columns.type != cols.dictionary.type:
            raise ValueError(
                f"column labels are {self.columns.type} in some files and {cols.dictionary.type} in others"
            )
        fresh = cols.dictionary.filter(pc.invert(pc.is_in(cols.dictionary, value_set=self.columns))).unique()
        if len(fresh):
            self.columns = pa.concat_arrays([self.columns, fresh])
        numbers = pc.index_in(cols.dictionary, value_set=self.columns).to_numpy(zero_copy_only=False)
        return numbers.astype(np.int32)[cols.indices.to_numpy(zero_copy_only=False)]

    def _deal_out(self, rows: Any, cols: IntArray, values: np.ndarray) -> None:
        import pyarrow as pa

        names = rows.dictionary
        labels = names.to_numpy(zero_copy_only=False)
        labels = labels if labels.dtype.kind in "iu" else labels.astype(str)
        part_of = block_numbers(labels, self.n_blocks)
        order = np.argsort(part_of, kind="stable").astype(np.int32)
        ends = np.concatenate([[0], np.cumsum(np.bincount(part_of, minlength=self.n_blocks))])
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        codes = rows.indices.to_numpy(zero_copy_only=False)
        parts = part_of.astype(np.uint16 if self.n_blocks < 2**16 else np.int64)[codes]
        sorting = np.argsort(parts, kind="stable")
        places, cols, values = place[codes[sorting]], cols[sorting], values[sorting]
        cuts = np.concatenate([[0], np.cumsum(np.bincount(parts, minlength=self.n_blocks))])
        for number in np.flatnonzero(np.diff(cuts)):
            own, first, last = slice(cuts[number], cuts[number + 1]), int(ends[number]), int(ends[number + 1])
            sink = pa.BufferOutputStream()
            chosen = pa.record_batch([names.take(pa.array(order[first:last]))], ["label"])
            with pa.ipc.new_stream(sink, chosen.schema) as stream:
                stream.write_batch(chosen)
            text = sink.getvalue()
            with (self.spill / f"{number}").open("ab") as file:
                file.write(np.array([len(text), own.stop - own.start], np.int64).data)
                file.write(text)
                for array in ((places[own] - first).astype(np.int32), cols[own], values[own]):
                    file.write(np.ascontiguousarray(array).data)

    def part(self, number: int) -> tuple[list[Any], list[tuple[np.ndarray, ...]]]:
        """Labels, and (places, columns, values), of every batch of a part."""
        import pyarrow as pa

        path, names, entries = self.spill / f"{number}", [], []
        data = path.read_bytes() if path.exists() else b""
        begin = 0
        while begin < len(data):  # not an iteration: walks through the file's batches
            size, count = np.frombuffer(data, np.int64, 2, begin)
            begin += 16
            names.append(
                pa.ipc.open_stream(pa.py_buffer(data)[begin : begin + int(size)]).read_all()["label"].combine_chunks()
            )
            begin += int(size)
            arrays = []
            for kind in (np.dtype(np.int32), np.dtype(np.int32), self.dtype):
                arrays.append(np.frombuffer(data, kind, int(count), begin))
                begin += int(count) * kind.itemsize
            entries.append(tuple(arrays))
        return names, entries


def parquet_batches(file: Path, names: list[str]) -> Iterator[Any]:
    """Large batches; text comes as it is coded in the file, without being spelled out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with told(file, "Parquet"):
        schema = pq.read_schema(file)
        text = [name for name in names[:2] if pa.types.is_string(schema.field(name).type)]
        with pq.ParquetFile(file, read_dictionary=text) as reader:
            for batch in reader.iter_batches(BATCH, columns=names, use_threads=False):
                yield batch.select(names)


def wide_batches(source: Any, label: str, file: Path) -> Iterator[Any]:
    """The cells of wide lines that hold something, as entries: a label, the name of the column, a number."""
    import pyarrow as pa

    others = [name for name in source.names if name != label]
    if not others:
        raise ValueError(f"{file.name} has one column, {label!r}; a wide table has a label and at least one more")
    names = pa.array(others, pa.string())
    kinds = pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean
    for whole in source.batches([label, *others], ["label", *["number"] * len(others)]):
        for first in range(0, whole.num_rows, max(1, BATCH // len(others))):
            lines = whole.slice(first, max(1, BATCH // len(others)))
            for name, column in zip(others, lines.columns[1:], strict=True):
                if not any(is_of(column.type) for is_of in kinds):
                    raise ValueError(f"{file.name}: column {name!r} holds {column.type}, not numbers; leave it out")
            cells = np.column_stack([column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                                     for column in lines.columns[1:]])  # fmt: skip
            rows, cols = np.nonzero(~np.isnan(cells))
            labels = lines.column(0).take(pa.array(rows))
            coded = pa.DictionaryArray.from_arrays(pa.array(cols.astype(np.int32)), names)
            yield pa.record_batch([labels, coded, pa.array(cells[rows, cols])], ["row", "column", "value"])


def finish(dealer: Dealer, target: Path, duplicates: str) -> None:
    """Sort every part into a block, and write what the table is, last."""
    columns, rank = _sorted_labels(dealer.columns, bool(dealer.is_text), "column labels")
    totals, weights = np.zeros(3), np.zeros(len(columns))
    bounds, entries, checksums, kinds, limits = [0], [], [], set(), [np.inf, -np.inf]
    labels_of = []
    for number in range(dealer.n_blocks):
        names, parts = dealer.part(number)
        labels, block = _block(names, parts, rank, len(columns), duplicates, bool(dealer.is_text), dealer.dtype)
        labels_of.append(labels.dtype.kind)
        np.save(label_path(str(target), number), labels)
        checksums.append(write_block(block_path(str(target), number), block.by_rows))
        values = _of_any_use(block.values.astype(float))
        totals += [len(values), values.sum(), np.square(values).sum()]
        limits = [min(limits[0], values.min(initial=np.inf)), max(limits[1], values.max(initial=-np.inf))]
        weights += block.by_rows.minor_sums()
        bounds.append(bounds[-1] + len(labels))
        entries.append(block.n_entries)
        (dealer.spill / f"{number}").unlink(missing_ok=True)
    if dealer.may_be_wide and bounds[-1] == sum(entries) > 1:
        raise ValueError(
            "every row would have one entry: is the file a wide table, a line per row? Then give wide=True; else name "
            "the columns with row=, col= and value="
        )
    kinds = {kind for kind, a, b in zip(labels_of, bounds, bounds[1:], strict=False) if b > a}
    if dealer.is_text and len(kinds) > 1:  # whole numbers here, but not everywhere
        for number in range(dealer.n_blocks):
            np.save(label_path(str(target), number), np.load(label_path(str(target), number)).astype(str))
    np.savez(target / COLUMNS, labels=columns, weights=weights)
    n, total, squares = totals
    sums = {"weights": n, "values": total, "squares": squares - total**2 / n, "low": limits[0], "high": limits[1]}
    kind = "text" if "U" in kinds else "numbers"
    facts = TableFacts(
        bounds[-1], len(columns), sum(entries), dealer.dtype.name, False, tuple(bounds), tuple(entries),
        tuple(checksums), {key: float(x) for key, x in sums.items()}, bool(dealer.is_text), kind,
    )  # fmt: skip
    partial = target / f"{FACTS}.partial"
    partial.write_text(json.dumps({"version": VERSION, **asdict(facts)}), encoding="utf-8")
    os.replace(partial, target / FACTS)


def _of_any_use(values: FloatArray) -> FloatArray:
    """The values, if the sum of squares of a whole table of such is a number."""
    size = np.abs(values).max(initial=0.0)
    if size > LARGEST_VALUE:
        raise ValueError(f"values are up to {size:.3g}, and their squares are no numbers; divide them by {size:.0e}")
    return values


def _sorted_labels(names: Any, is_text: bool, what: str) -> tuple[Labels, IntArray]:
    """Distinct labels in sorted order, and the place of each given one among them."""
    spelled = listed(names, what)
    numbers = whole_labels(spelled) if is_text and all(map(is_whole, spelled)) else None
    labels = as_label_array(spelled, what) if numbers is None else numbers
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return labels[order], rank


def _block(
    names: list[Any], parts: list[tuple[np.ndarray, ...]], rank: IntArray, n_cols: int, duplicates: str, is_text: bool,
    dtype: np.dtype,
) -> tuple[Labels, Observed]:  # fmt: skip
    import pyarrow as pa

    if not parts:
        empty = np.zeros(0, np.int32)
        from halfseen.data.compressed import Compressed

        table = Compressed.trusted(np.zeros(1, np.int64), empty, np.zeros(0, dtype), None, n_cols)
        return np.zeros(0, np.int64), Observed(table)
    coded = pa.concat_arrays(names).dictionary_encode()
    labels, of_label = _sorted_labels(coded.dictionary, is_text, "row labels")
    places = of_label[coded.indices.to_numpy(zero_copy_only=False)]
    starts = np.cumsum([0, *(len(part) for part in names)])
    rows = np.concatenate([places[start:][part[0]] for start, part in zip(starts, parts, strict=False)])
    cols = rank[np.concatenate([part[1] for part in parts])]
    values = np.concatenate([part[2] for part in parts])
    return labels, Observed.from_triplets(rows, cols, values, shape=(len(labels), n_cols), duplicates=duplicates)
