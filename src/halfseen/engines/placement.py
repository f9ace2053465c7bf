"""Where the blocks of a prepared table are visited: here and on threads, streamed from their files as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from halfseen.data.prepared import PreparedTable, StoredBlock, open_block
from halfseen.engines.local import Engine, Serial, Threads, resolve, shares_memory
from halfseen.engines.tree import TreeSum, add_lists

# A visit of a block: pure, sent by value. ``visit(block, C, start) -> [numbers and arrays to be added up]``.
Visit = Callable[[StoredBlock, Any, Any], list[Any]]


class BlockPlacement(Protocol):
    """Rounds over all blocks of a table, wherever they are."""

    table: PreparedTable

    def round(self, visit: Visit, C: Any, starts: Any = None) -> list[Any]:
        """Visit every block with the columns' ``C`` (and its own item of ``starts``); sums in the order of the tree."""
        ...


class Streamed:
    """Blocks stay in memory while the budget lasts; the others are read in every round, one ahead of the computation.

    Parameters
    ----------
    table : PreparedTable
    engine : Serial or Threads
    """

    def __init__(self, table: PreparedTable, engine: Engine) -> None:
        self.table, self.engine = table, engine
        self._resident: dict[int, StoredBlock] = {}
        self._reader = Threads(1)

    def round(self, visit: Visit, C: Any, starts: Any = None) -> list[Any]:
        tree = TreeSum(add_lists)
        room = self.table.memory - self._working_memory(C)
        numbers = range(self.table.n_blocks)

        def visited(number: int, block: StoredBlock) -> list[Any]:
            return visit(block, C, None if starts is None else starts[number])

        if self.engine.workers == 1:
            # never more than one block is ahead: a reader's queue of results would hold many
            for number, block in self._ahead():
                self._keep(number, block, room)
                tree.push(visited(number, block))
            return list(tree.result())

        def read_and_visited(number: int) -> list[Any]:
            block = self._resident.get(number) or open_block(self.table.recipe(number))
            self._keep(number, block, room)
            return visited(number, block)

        for result in self.engine.map(read_and_visited, numbers):
            tree.push(result)
        return list(tree.result())

    def _ahead(self) -> Iterator[tuple[int, StoredBlock]]:
        """Blocks in their order; the next one is read while this one is computed on."""
        n_blocks, coming = self.table.n_blocks, self._fetch(0)
        for number in range(n_blocks):
            block = next(coming)
            if number + 1 < n_blocks:
                coming = self._fetch(number + 1)
            yield number, block
            del block

    def _fetch(self, number: int) -> Iterator[StoredBlock]:
        if number in self._resident:
            return iter((self._resident[number],))
        return self._reader.begun(open_block, self.table.recipe(number))

    def _keep(self, number: int, block: StoredBlock, room: int) -> None:
        if number not in self._resident and sum(each.nbytes for each in self._resident.values()) + block.nbytes <= room:
            self._resident[number] = block

    def _working_memory(self, C: Any) -> int:
        """What a round takes beside resident blocks: partial sums of the columns, and blocks in flight."""
        facts = self.table.facts
        p, k = C.shape
        statistics = p * k * (k + 3) * C.dtype.itemsize
        largest = max(facts.entries) * (facts.n_cols.bit_length() // 31 * 4 + 4 + 2 * C.dtype.itemsize)
        in_flight = self.engine.workers + 1
        return int(statistics * (self.table.n_blocks.bit_length() + in_flight) + largest * in_flight)


def place(table: PreparedTable, engine: str | Engine | None) -> BlockPlacement:
    """The placement of a table's blocks on an engine.

    Raises
    ------
    ValueError
        For an engine that can only apply functions to items: blocks of a prepared table stay where they are.
    """
    chosen = resolve(engine)
    if isinstance(chosen, Serial | Threads) or shares_memory(chosen):
        return Streamed(table, chosen)
    if hasattr(chosen, "place"):
        return chosen.place(table)
    raise ValueError(
        f"engine={chosen!r} has no place(table), so the blocks of a prepared table cannot stay with its workers; use "
        "'serial', 'threads' or a Dask client, or give the table as table.load()"
    )
