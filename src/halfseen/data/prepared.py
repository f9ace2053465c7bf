"""A table as a folder of blocks of whole rows: larger than memory, and built again from its files anywhere."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.compressed import Compressed, index_dtype
from halfseen.data.keys import label_keys
from halfseen.data.labels import as_label_array, find_labels
from halfseen.data.limits import bytes_of
from halfseen.data.observed import Observed

FACTS, COLUMNS = "table.json", "columns.npz"
VERSION = 1
# Blocks whose checksum was compared in this process: (path, size, time of the last change).
_CHECKED: set[tuple[str, int, int]] = set()


class Recipe(NamedTuple):
    """How a block is built, by anybody who sees the folder."""

    folder: str
    number: int


class StoredBlock(NamedTuple):
    """Whole rows of a table: local rows, global columns.

    Attributes
    ----------
    number, first_row : int
        Place among the blocks, and of its first row among the rows.
    rows : Compressed
    """

    number: int
    first_row: int
    rows: Compressed

    @property
    def nbytes(self) -> int:
        arrays = (self.rows.indptr, self.rows.indices, self.rows.values, self.rows.weights)
        return sum(array.nbytes for array in arrays if array is not None)


@dataclass(frozen=True)
class TableFacts:
    """What `table.json` says: shapes, sums over all entries, and the size and checksum of every block's file."""

    n_rows: int
    n_cols: int
    n_entries: int
    dtype: str
    has_weights: bool
    bounds: tuple[int, ...]
    entries: tuple[int, ...]
    checksums: tuple[int, ...]
    sums: dict[str, float]
    hashed_as_text: bool
    row_kind: str

    @classmethod
    def read(cls, folder: str) -> TableFacts:
        path = Path(folder) / FACTS
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts.pop("version") != VERSION:
                raise ValueError(f"it was written by another version of halfseen (its format is not {VERSION})")
            lists = {name: tuple(facts[name]) for name in ("bounds", "entries", "checksums")}
            return cls(**{**facts, **lists})
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{folder} is no prepared table: it has no {FACTS}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} cannot be used: {error}; prepare the table again") from error


@lru_cache(maxsize=64)
def _facts(folder: str, _changed: int) -> TableFacts:
    return TableFacts.read(folder)


def facts_of(folder: str) -> TableFacts:
    """The facts of a folder, read again where the file has changed."""
    path = Path(folder) / FACTS
    return _facts(folder, path.stat().st_mtime_ns) if path.exists() else TableFacts.read(folder)


def block_path(folder: str, number: int) -> Path:
    return Path(folder) / "blocks" / f"part-{number:05d}.bin"


def label_path(folder: str, number: int) -> Path:
    return Path(folder) / "rows" / f"part-{number:05d}.npy"


def write_block(path: Path, rows: Compressed) -> int:
    """Write the arrays of a block one after the other; returns their checksum."""
    arrays = [rows.counts.astype(np.int32), rows.indices, rows.values]
    arrays += [] if rows.weights is None else [rows.weights]
    checksum, partial = 0, path.with_suffix(".partial")
    with partial.open("wb") as file:
        for array in arrays:
            data = np.ascontiguousarray(array).view(np.uint8).data
            checksum = zlib.crc32(data, checksum)
            file.write(data)
    os.replace(partial, path)
    return checksum


def open_block(recipe: Recipe) -> StoredBlock:
    """Read a block from its file.

    Raises
    ------
    ValueError
        Naming the file, if it is missing, cut off or changed: its size is compared whenever it is read, its checksum
        the first time in a process.

    Notes
    -----
    O(entries) time: two reads a byte. 8 bytes an entry (float32) and 12 a row.
    """
    facts, number = facts_of(recipe.folder), recipe.number
    path = block_path(recipe.folder, number)
    first, last, n_entries = facts.bounds[number], facts.bounds[number + 1], facts.entries[number]
    dtype, places = np.dtype(facts.dtype), np.dtype(index_dtype(facts.n_cols))
    parts = [(np.dtype(np.int32), last - first), (places, n_entries), (dtype, n_entries)]
    parts += [(dtype, n_entries)] if facts.has_weights else []
    size = sum(kind.itemsize * length for kind, length in parts)
    data = _bytes_of(path, size, facts.checksums[number])
    arrays, begin = [], 0
    for kind, length in parts:
        arrays.append(np.frombuffer(data, kind, length, begin))
        begin += kind.itemsize * length
    indptr = np.zeros(last - first + 1, np.int64)
    np.cumsum(arrays[0], out=indptr[1:])
    weights = arrays[3] if facts.has_weights else None
    return StoredBlock(number, first, Compressed.trusted(indptr, arrays[1], arrays[2], weights, facts.n_cols))


def _bytes_of(path: Path, size: int, checksum: int) -> np.ndarray:
    way_out = "copy the folder again, or prepare the table again"
    try:
        state = path.stat()
        if state.st_size != size:
            raise ValueError(
                f"{path} has {state.st_size} bytes, {size} are needed: it is cut off or changed; {way_out}"
            )
        data = np.empty(size, np.uint8)
        with path.open("rb", buffering=0) as file:
            done = file.readinto(data.data)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); {way_out}") from error
    key = str(path), state.st_size, state.st_mtime_ns
    if done != size or (key not in _CHECKED and zlib.crc32(data.data) != checksum):
        raise ValueError(f"{path} does not have the checksum that was written down: it is damaged; {way_out}")
    _CHECKED.add(key)
    return data


class PreparedTable:
    """A table that was prepared: its entries stay in files, block by block.

    Parameters
    ----------
    folder : path
        As written by :func:`halfseen.prepare`.
    memory : int, str or None
        Largest memory that passes over the table may take, such as ``"4GB"``; blocks that fit stay in memory, others
        are read again in every pass. None: half of the machine's.

    Attributes
    ----------
    shape : (int, int)
    n_entries, n_blocks : int
    dtype : numpy.dtype
    col_labels : ndarray (p,)
    memory : int
        In bytes.

    Examples
    --------
    >>> import os, tempfile, halfseen as hs
    >>> folder = tempfile.mkdtemp()
    >>> with open(os.path.join(folder, "ratings.csv"), "w") as out:
    ...     _ = out.write("user,item,rating\\nann,7,5\\nbob,9,3\\n")
    >>> table = hs.prepare(os.path.join(folder, "ratings.csv"), os.path.join(folder, "ratings"), blocks=2)
    >>> table.shape, table.n_entries, table.col_labels.tolist()
    ((2, 2), 2, [7, 9])
    """

    def __init__(self, folder: str | os.PathLike[str], memory: int | str | None = None) -> None:
        self.folder = os.path.abspath(os.fspath(folder))
        self.facts = facts_of(self.folder)
        self.memory = default_memory() if memory is None else bytes_of(memory, "memory")

    def __repr__(self) -> str:
        n, p = self.shape
        return f"PreparedTable({self.folder!r}: {n} x {p}, {self.n_entries} entries in {self.n_blocks} blocks)"

    @property
    def shape(self) -> tuple[int, int]:
        return self.facts.n_rows, self.facts.n_cols

    @property
    def n_entries(self) -> int:
        return self.facts.n_entries

    @property
    def n_blocks(self) -> int:
        return len(self.facts.entries)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.facts.dtype)

    @property
    def mean(self) -> float:
        """(Weighted) mean of the values."""
        return self.facts.sums["values"] / self.facts.sums["weights"]

    @property
    def spread(self) -> float:
        """(Weighted) standard deviation of the values; of a constant table its size, so that it can be a unit."""
        sums = self.facts.sums
        spread = float(np.sqrt(max(sums["squares"] / sums["weights"], 0.0)))
        return (abs(self.mean) or 1.0) if spread <= 1e-14 * abs(self.mean) else spread

    @cached_property
    def _columns(self) -> dict[str, Any]:
        with np.load(Path(self.folder) / COLUMNS) as file:
            return dict(file)

    @property
    def col_labels(self) -> Labels:
        return self._columns["labels"]

    @property
    def column_weights(self) -> FloatArray:
        """Number of entries (sum of their weights) of every column, shape (p,)."""
        return self._columns["weights"]

    def recipe(self, number: int) -> Recipe:
        return Recipe(self.folder, number)

    def row_labels(self, number: int) -> Labels:
        """Labels of a block's rows, in their order."""
        return np.load(label_path(self.folder, number))

    def find_rows(self, wanted: Any) -> IntArray:
        """Positions of rows by their labels: a hash says in which block to look.

        Raises
        ------
        UnknownLabelError
            A ValueError, for a label that no row has.
        """
        asked = as_label_array(np.atleast_1d(np.asarray(wanted)), "rows")
        blocks = block_numbers(asked.astype(str) if self.facts.hashed_as_text else asked, self.n_blocks)
        positions = np.empty(len(asked), np.int64)
        for number in np.unique(blocks):
            own = blocks == number
            positions[own] = self.facts.bounds[number] + find_labels(self.row_labels(int(number)), asked[own])
        return positions

    def load(self) -> Observed:
        """The whole table in memory, its rows in the order of the blocks."""
        parts = [open_block(self.recipe(number)).rows for number in range(self.n_blocks)]
        starts = np.cumsum([0, *(int(part.indptr[-1]) for part in parts)])
        indptr = np.concatenate([[0], *(part.indptr[1:] + start for part, start in zip(parts, starts, strict=False))])
        weights = np.concatenate([part.weights for part in parts]) if self.facts.has_weights else None
        indices, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("indices", "values"))
        rows = Compressed.trusted(indptr, indices, values, weights, self.shape[1])
        labels = np.concatenate([self.row_labels(number) for number in range(self.n_blocks)])
        return Observed(rows, labels, self.col_labels)


def block_numbers(labels: Labels, n_blocks: int) -> IntArray:
    """The block of each row label: by a hash that is the same on every machine and in every process."""
    return (label_keys(labels, len(labels)) % np.uint64(n_blocks)).astype(np.int64)


def is_prepared(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder that was prepared."""
    return os.fspath(path) != "-" and (Path(path) / FACTS).is_file()


def default_memory() -> int:
    """Half of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else 4 << 30
