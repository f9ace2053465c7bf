"""One-sided completion over the blocks of a prepared table: pairs are added up where the blocks are, in one reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Compressed, Observed, PreparedTable, storable
from halfseen.data.prepared import HashedFold, StoredBlock, open_block
from halfseen.engines.placement import place
from halfseen.kernels import PairTable, merge_pairs, pair_moments
from halfseen.kernels.pairs import packed_size
from halfseen.methods.moment.moments import PairMoments, joined, profile_of, sum_profiles
from halfseen.methods.moment.rank import HELD_OUT_ROWS
from halfseen.methods.moment.rows import LinearPredictor
from halfseen.parameters import BadArgument
from halfseen.solvers.block_ridge import RowsInBlocks

# A pair in a list: partner, count, sum and sum of squares.
BYTES_PER_PAIR = 24
# Entries that warnings about values look at.
LOOKED_AT = 1_000_000


@dataclass(frozen=True)
class PairsOfColumns:
    """Pairs whose smaller column lies in a range; two of them can be added."""

    table: PairTable

    def __add__(self, other: PairsOfColumns) -> PairsOfColumns:
        return PairsOfColumns(merge_pairs(self.table, other.table))


@dataclass(frozen=True)
class Profile:
    """Rows by their number of entries, as in `PairMoments.profile`; two of them can be added."""

    counts: FloatArray

    def __add__(self, other: Profile) -> Profile:
        return Profile(sum_profiles(self.counts, other.counts))


@dataclass(frozen=True)
class PairVisit:
    """Pairs of a range of columns and the profile of a block's rows.

    Attributes
    ----------
    first, last : int
        Columns.
    rows : HashedFold or None
        The rows that count, where not all do; a hash of their place says which.
    """

    first: int
    last: int
    rows: HashedFold | None = None

    def __call__(self, block: StoredBlock, C: Any, start: Any) -> list[Any]:
        view = block.rows
        if self.rows is not None:
            numbers = block.first_row + np.arange(view.n_major)
            view = view.take_major(np.flatnonzero(self.rows.has(numbers, np.zeros_like(numbers))))
        return [PairsOfColumns(pair_moments(view, self.first, self.last)), Profile(profile_of(view)), view.n_major]


def moments_of_blocks(table: PreparedTable, engine: Any, rows: HashedFold | None = None) -> PairMoments:
    """The moments of a prepared table.

    Notes
    -----
    One reading where the sums of all pairs fit into the table's memory a few times over (as many partial sums are held
    as the tree of the blocks is high); else one for each range of columns that does.
    """
    places, p = place(table, engine), table.shape[1]
    ends = column_ranges(p, table.memory, table.n_blocks)
    parts, profile, n_rows = [], Profile(np.zeros((2, 1))), 0
    for first, last in ends:
        pairs, profile, n_rows = places.round(PairVisit(first, last, rows), np.zeros((1, 1)))
        parts.append(pairs.table)
    moments = PairMoments(n_rows, p, *joined(parts), profile=profile.counts, col_labels=table.col_labels)
    moments.pack_where_dense()
    return moments


def column_ranges(p: int, memory: int, n_blocks: int) -> list[tuple[int, int]]:
    """Ranges of columns whose pairs fit into the memory once for every level of the tree, and twice more.

    Examples
    --------
    >>> column_ranges(1000, 1 << 30, 8), len(column_ranges(20_000, 4 << 30, 64))
    ([(0, 1000)], 11)
    """
    at_once = max(memory // (BYTES_PER_PAIR * (n_blocks.bit_length() + 2)), p)
    n_ranges = min(p, -(-packed_size(p) // at_once))
    # column i has p - i partners: ranges of equal numbers of pairs
    ends = p * (1.0 - np.sqrt(1.0 - np.arange(n_ranges + 1) / n_ranges))
    cuts = np.unique(np.append(np.floor(ends[:-1]).astype(int), p))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


@storable
@dataclass(frozen=True)
class RowCoordinates:
    """Coordinates of rows by the best linear predictor, beside a column of zeros."""

    predictor: LinearPredictor

    def rows(self, view: Compressed, C: FloatArray) -> tuple[FloatArray, float]:
        """As :class:`halfseen.solvers.block_ridge.RowsInBlocks` asks for them."""
        z = self.predictor.coordinates(Observed(view), "serial")
        return np.column_stack([z, np.zeros(len(z), z.dtype)]), 0.0


def fitted_moments(model: Any, table: PreparedTable, settings: Any, rng: Any) -> tuple[PairMoments, PairMoments | None]:
    """Moments of all rows, or of those to fit and to judge ranks on; the model knows the table then.

    Raises
    ------
    BadArgument
        Under privacy, whose noise is made for rows in memory.
    ValueError
        For entries with weights.
    """
    if settings.privacy is not None:
        way_out = "fit table.load() if it fits into memory"
        raise BadArgument("privacy", settings.privacy, "None for a prepared table", way_out)
    if table.facts.has_weights:
        raise ValueError(
            "R has weights, and a pair of entries has no weight of its own; prepare the table without them"
        )
    model._observe_blocks(table)
    if settings.rank != "auto":
        return moments_of_blocks(table, settings.engine), None
    seed = int(rng.integers(2**31))
    train, held_out = (
        moments_of_blocks(table, settings.engine, HashedFold(HELD_OUT_ROWS, seed, is_held_out))
        for is_held_out in (False, True)
    )
    return train, held_out


def some_rows(table: PreparedTable) -> Observed:
    """Whole blocks of about a million entries or one block: rows are dealt to blocks by a hash, so these are any."""
    parts, n_entries = [], 0
    for number in range(table.n_blocks):
        parts.append(open_block(table.recipe(number)).rows)
        n_entries += len(parts[-1].values)
        if n_entries >= LOOKED_AT:
            break
    indptr = [parts[0].indptr]
    for part in parts[1:]:
        indptr.append(part.indptr[1:] + indptr[-1][-1])
    indices, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("indices", "values"))
    return Observed(Compressed.trusted(np.concatenate(indptr), indices, values, None, table.shape[1]))


def rows_of_blocks(model: Any, table: PreparedTable) -> RowsInBlocks:
    """Coordinates of the rows, computed where they are asked for."""
    X = np.ascontiguousarray(model.components_.T)
    C = np.column_stack([X, np.zeros(len(X), X.dtype)])
    return RowsInBlocks.of(table, RowCoordinates(model._predictor()), C)


def blocks_of(table: PreparedTable) -> Iterator[Observed]:
    """Its rows, block by block."""
    for number in range(table.n_blocks):
        yield Observed(open_block(table.recipe(number)).rows, None, table.col_labels)
