"""A table as a folder of blocks of whole rows: larger than memory, and built again from its files anywhere."""

from __future__ import annotations

import json
import os
import threading
import zlib
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.compressed import Compressed, index_dtype
from halfseen.data.keys import label_keys
from halfseen.data.labels import as_label_array, find_labels
from halfseen.data.limits import bytes_of
from halfseen.data.observed import Observed
from halfseen.data.prepared_checks import WAY_OUT, check_block, check_facts, read_columns, read_labels
from halfseen.data.storable import storable

FACTS, COLUMNS = "table.json", "columns.npz"
VERSION = 1
# Blocks whose checksum was compared in this process: (path, size, time of the last change).
_CHECKED: set[tuple[str, int, int]] = set()
_LATELY = threading.local()


@storable
@dataclass(frozen=True)
class HashedFold:
    """Some of a table's entries, drawn by a hash of their places: the same on every machine.

    Attributes
    ----------
    share : float
        Of the entries that are held out.
    seed : int
    is_held_out : bool
        Whether these are meant, or the others.
    within : HashedFold or None
        The part of which it is a part, where it is not one of the whole.
    """

    share: float
    seed: int
    is_held_out: bool
    within: HashedFold | None = None

    @property
    def depth(self) -> int:
        """How many parts it lies in."""
        return 0 if self.within is None else 1 + self.within.depth

    def has(self, rows: IntArray, cols: IntArray) -> NDArray[np.bool_]:
        """Whether the entries at these places belong to it."""
        with np.errstate(over="ignore"):  # splitmix64 of a number for every cell
            z = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + cols.astype(np.uint64)
            # a part of a part is drawn anew, also with the same seed
            z = z * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(2 * (self.seed + (self.depth << 32)) + 1) * np.uint64(
                0x94D049BB133111EB
            )
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        kept = ((z >> np.uint64(11)).astype(float) * 2.0**-53 < self.share) == self.is_held_out
        return kept if self.within is None else kept & self.within.has(rows, cols)

    def of(self, view: Compressed, first_row: int) -> Compressed:
        """Its entries of a block whose first row has this position."""
        rows = np.repeat(np.arange(view.n_major), view.counts)
        kept = self.has(rows + first_row, view.indices)
        indptr = np.zeros(view.n_major + 1, np.int64)
        np.cumsum(np.bincount(rows[kept], minlength=view.n_major), out=indptr[1:])
        weights = None if view.weights is None else view.weights[kept]
        return Compressed.trusted(indptr, view.indices[kept], view.values[kept], weights, view.n_minor)


class Recipe(NamedTuple):
    """How a block is built, by anybody who sees the folder."""

    folder: str
    number: int
    fold: HashedFold | None = None


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
            if isinstance(facts, dict) and facts.pop("version", None) != VERSION:
                raise ValueError(f"it was written by another version of halfseen (its format is not {VERSION})")
            check_facts(facts, {part.name for part in fields(cls)})
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{folder} is no prepared table: it has no {FACTS}") from error
        except (RecursionError, ValueError) as error:
            what = str(error).splitlines()[0]
            raise ValueError(f"{path} cannot be used: {what}; prepare the table again") from error
        read_columns(Path(folder) / COLUMNS, facts["n_cols"], headers_only=True)
        told: dict[str, Any] = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}
        return cls(**told)


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
        and the places of its entries the first time in a process.

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
    data, key = _bytes_of(path, size, facts.checksums[number])
    arrays, begin = [], 0
    for kind, length in parts:
        arrays.append(np.frombuffer(data, kind, length, begin))
        begin += kind.itemsize * length
    if key not in _CHECKED:  # the sum is right, but whoever wrote it may not have been this library
        try:
            check_block(arrays[0], (arrays[1], arrays[2], arrays[3] if facts.has_weights else None), facts.n_cols)
        except ValueError as error:
            raise ValueError(f"{path} is no block of this table: {error}; {WAY_OUT}") from error
        _CHECKED.add(key)
    indptr = np.zeros(last - first + 1, np.int64)
    np.cumsum(arrays[0], out=indptr[1:])
    weights = arrays[3] if facts.has_weights else None
    rows = Compressed.trusted(indptr, arrays[1], arrays[2], weights, facts.n_cols)
    return StoredBlock(number, first, rows if recipe.fold is None else recipe.fold.of(rows, first))


def opened_lately(recipe: Recipe) -> StoredBlock:
    """A block, from memory if this thread asked for it last: rows are often asked for piece by piece."""
    path = block_path(recipe.folder, recipe.number)
    key = recipe, path.stat().st_mtime_ns if path.exists() else 0
    if getattr(_LATELY, "key", None) != key:
        _LATELY.block = None  # two blocks never lie there at once
        _LATELY.block, _LATELY.key = open_block(recipe), key
    block: StoredBlock = _LATELY.block
    return block


def _bytes_of(path: Path, size: int, checksum: int) -> tuple[np.ndarray, tuple[str, int, int]]:
    """The bytes of a file, and by what it is known once it was checked."""
    try:
        state = path.stat()
        if state.st_size != size:
            raise ValueError(
                f"{path} has {state.st_size} bytes, {size} are needed: it is cut off or changed; {WAY_OUT}"
            )
        data = np.empty(size, np.uint8)
        with path.open("rb", buffering=0) as file:
            done = file.readinto(data.data)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); {WAY_OUT}") from error
    key = str(path), state.st_size, state.st_mtime_ns
    if done != size or (key not in _CHECKED and zlib.crc32(data.data) != checksum):
        raise ValueError(f"{path} does not have the checksum that was written down: it is damaged; {WAY_OUT}")
    return data, key


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

    def __init__(
        self, folder: str | os.PathLike[str], memory: int | str | None = None, fold: HashedFold | None = None
    ) -> None:
        self.folder, self.fold = os.path.abspath(os.fspath(folder)), fold
        self.memory = default_memory() if memory is None else bytes_of(memory, "memory")
        facts_of(self.folder)  # a folder that is none is refused here

    @property
    def facts(self) -> TableFacts:
        """Of the folder, or of the part of its entries that this table has."""
        return self._part[0] if self.fold is not None else facts_of(self.folder)

    @cached_property
    def _part(self) -> tuple[TableFacts, FloatArray]:
        """Facts and column weights of a part; one reading of the blocks."""
        whole, parts = facts_of(self.folder), []
        weights = np.zeros(whole.n_cols)
        for number in range(len(whole.entries)):
            view = open_block(self.recipe(number)).rows
            y = view.values.astype(float)
            w = np.ones_like(y) if view.weights is None else view.weights.astype(float)
            weights += view.minor_sums(view.weights)
            ends = float(y.min(initial=np.inf)), float(y.max(initial=-np.inf))
            parts.append((len(y), float(w.sum()), float(np.sum(w * y)), float(np.sum(w * y * y)), *ends))
        entries, mass, total, squares, low, high = np.array(parts).T
        mean = total.sum() / max(mass.sum(), 1e-300)
        sums = {"weights": float(mass.sum()), "values": float(total.sum()), "low": float(low.min())}
        sums |= {"squares": float(squares.sum() - mean * total.sum()), "high": float(high.max())}
        counts = tuple(int(count) for count in entries)
        return replace(whole, entries=counts, n_entries=sum(counts), sums={**whole.sums, **sums}), weights

    def split(self, held_out: float = 0.1, random_state: int = 0) -> tuple[PreparedTable, PreparedTable]:
        """Training and held-out entries as tables of the same folder: nothing is written, no entry moves.

        Parameters
        ----------
        held_out : float
            Share of the entries.
        random_state : int

        Returns
        -------
        train, test : PreparedTable
            With the rows and columns of the whole; either may leave some of them without entries.

        Notes
        -----
        A hash of its place says where an entry belongs. What such a table knows of itself takes one reading.
        """
        if not 0 < held_out < 1:
            raise ValueError(f"held_out={held_out!r} must lie between 0 and 1, such as 0.1")
        folds = (
            HashedFold(float(held_out), int(random_state), is_held_out, self.fold) for is_held_out in (False, True)
        )
        train, test = (PreparedTable(self.folder, self.memory, fold) for fold in folds)
        return train, test

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
        return dict(read_columns(Path(self.folder) / COLUMNS, self.facts.n_cols))

    @property
    def col_labels(self) -> Labels:
        return self._columns["labels"]

    @property
    def column_weights(self) -> FloatArray:
        """Number of entries (sum of their weights) of every column, shape (p,)."""
        return self._part[1] if self.fold is not None else self._columns["weights"]

    def recipe(self, number: int) -> Recipe:
        return Recipe(self.folder, number, self.fold)

    def row_labels(self, number: int) -> Labels:
        """Labels of a block's rows, in their order."""
        bounds = facts_of(self.folder).bounds
        return read_labels(label_path(self.folder, number), bounds[number + 1] - bounds[number])

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

    def labels_at(self, positions: IntArray) -> Labels:
        """Labels of the rows at these positions, shape as given; only their blocks' labels are read."""
        flat = positions.ravel()
        blocks = np.searchsorted(np.array(self.facts.bounds), flat, side="right") - 1
        out = np.empty(len(flat), object)
        for number in np.unique(blocks):
            own = blocks == number
            out[own] = self.row_labels(int(number))[flat[own] - self.facts.bounds[number]]
        return (as_label_array(out, "rows") if len(out) else out).reshape(positions.shape)

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
