"""Blocks on Dask workers: each worker reads its own, keeps them, and sends sums that are as large as the columns."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from halfseen.data.limits import in_words
from halfseen.data.prepared import PreparedTable, Recipe, StoredBlock, open_block
from halfseen.engines.tree import TreeSum, add_lists, aligned

# Every wait for a worker ends: a round that takes longer than this is taken for lost and repeated.
TIMEOUT = float(os.environ.get("HALFSEEN_ROUND_TIMEOUT", "600"))
ATTEMPTS = 4
# From the second round on: a round that takes this many times as long as the longest before it, and this many seconds.
TIMES_AS_LONG, LEAST_WAIT = 20.0, 60.0
# Share of a worker's memory that its blocks may take; what is more is read again in every round.
SHARE_OF_MEMORY = 0.5
# How long a lost worker's replacement is waited for before the others take its blocks.
PATIENCE = 1.0
# The columns travel inside each task; beyond this they would pass through the scheduler too often.
LARGEST_ARGUMENT = 32 << 20

_HELD: dict[tuple[Recipe, int], StoredBlock] = {}
_LOCK = threading.Lock()


class RoundLost(RuntimeError):
    """A round over the blocks failed although it was repeated; what was fitted before it is not lost."""


def held_block(recipe: Recipe, changed: int, room: float = float("inf")) -> StoredBlock:
    """A block that stays in this worker, as long as all that stay are no larger than ``room`` bytes."""
    key = (recipe, changed)
    with _LOCK:
        block = _HELD.get(key)
    if block is None:
        block = open_block(recipe)
        with _LOCK:
            if sum(each.nbytes for each in _HELD.values()) + block.nbytes <= room:
                _HELD[key] = block
    return block


class Lookup(NamedTuple):
    """How a worker finds its blocks: when the table was written, and the memory for blocks that stay."""

    changed: int
    room: float


def visit_group(recipes: list[Recipe], lookup: Lookup, visit: Any, C: Any, starts: list[Any] | None) -> list[Any]:
    """The sum over an aligned range of blocks, a subtree of the tree over all."""
    tree = TreeSum(add_lists)
    for place, recipe in enumerate(recipes):
        tree.push(visit(held_block(recipe, *lookup), C, None if starts is None else starts[place]))
    return list(tree.result())


def added(a: list[Any], b: list[Any]) -> list[Any]:
    """The sum of two subtrees; arguments that came as results of other tasks stay as they are."""
    return [None if x is None else x + y for x, y in zip(a, b, strict=True)]


class InWorker:
    """What the engine of a cluster is inside one of its workers: one item after the other."""

    workers = 1
    shares_memory = True

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


class DaskEngine:
    """Applies functions on the workers of a Dask cluster, and places the blocks of prepared tables there.

    Parameters
    ----------
    client : distributed.Client

    Notes
    -----
    Tasks are pinned softly: a worker that is lost is replaced by another, which reads its blocks from their files
    again. The bits of a result do not depend on the workers, nor on their number.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    @property
    def workers(self) -> int:
        return max(1, len(self.live()))

    def live(self) -> list[str]:
        """Addresses of the workers."""
        return sorted(self.client.scheduler_info(n_workers=-1).get("workers", ()))

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Results in the items' order; every item travels, as far as it holds more than the way to its data.

        The first of some items always goes to the same worker, the second likewise: what they opened is open there.
        """
        given, live = list(items), self.live()
        homes: list[Any] = [[live[place * len(live) // len(given)]] if live else None for place in range(len(given))]
        futures = [
            self.client.submit(function, item, pure=False, workers=home, allow_other_workers=home is not None)
            for item, home in zip(given, homes, strict=True)
        ]
        for future in futures:
            yield future.result(timeout=TIMEOUT)

    def place(self, table: PreparedTable) -> DaskPlacement:
        return DaskPlacement(table, self)

    def __reduce__(self) -> tuple[Any, ...]:
        return InWorker, ()  # what a worker is sent computes there

    def __repr__(self) -> str:
        return f"DaskEngine({self.client!r})"


class DaskPlacement:
    """Aligned groups of blocks, each at home in one worker; see `BlockPlacement`."""

    def __init__(self, table: PreparedTable, engine: DaskEngine) -> None:
        self.table, self.engine = table, engine
        live = engine.live()
        if not live:
            raise ValueError("the Dask cluster has no workers; start some before the fit")
        self._groups, _ = aligned(table.n_blocks, len(live))
        room, self._longest, self._suspects = self._checked_memory(), 0.0, set[str]()
        self._lookup = Lookup(os.stat(os.path.join(table.folder, "table.json")).st_mtime_ns, room)
        self.n_repeated = 0

    def _checked_memory(self) -> float:
        """Bytes that blocks may keep in the smallest worker.

        Raises
        ------
        ValueError
            Where it cannot hold its largest block: Dask would pause it, and the fit would wait for ever.
        """
        workers = self.engine.client.scheduler_info(n_workers=-1).get("workers", {})
        limits = {address: float(each.get("memory_limit") or 0) or float("inf") for address, each in workers.items()}
        smallest = min(limits, key=lambda address: limits[address])
        facts = self.table.facts
        size = max(facts.entries) * (4 + self.table.dtype.itemsize * (1 + facts.has_weights))
        # the block, its columns' entries once more, and the checksum's reading
        needed = 3.0 * size
        if needed > SHARE_OF_MEMORY * limits[smallest]:
            least = in_words(int(needed / SHARE_OF_MEMORY))
            raise ValueError(
                f"worker {smallest} has {in_words(int(limits[smallest]))} of memory, and a block of "
                f"{self.table.folder} needs {least}: start workers with more (--memory-limit), or "
                "prepare the table with more blocks"
            )
        return SHARE_OF_MEMORY * limits[smallest]

    def round(self, visit: Any, C: Any, starts: Any = None) -> list[Any]:
        """One task a group, and a tree of sums; repeated with the workers that are left when some are lost."""
        problem: Exception | None = None
        for attempt in range(ATTEMPTS):
            try:
                return self._once(visit, C, starts)
            except (ValueError, FileNotFoundError):
                raise  # a damaged block says so itself, and would say so again
            except Exception as error:
                if not _is_loss(error):
                    raise
                problem, self.n_repeated = error, self.n_repeated + 1
                if attempt + 1 < ATTEMPTS:
                    self._wait_for_workers()
        raise RoundLost(
            f"a round over the {self.table.n_blocks} blocks of {self.table.folder} failed {ATTEMPTS} times; the last "
            f"reason: {type(problem).__name__}: {problem}. Workers left: {len(self._live_or_none())}. Look at the "
            "scheduler and the workers' memory, then go on from the last checkpoint, if there is one"
        ) from problem

    def _once(self, visit: Any, C: Any, starts: Any) -> list[Any]:
        client, label = self.engine.client, uuid.uuid4().hex[:8]
        live = [each for each in self.engine.live() if each not in self._suspects] or self.engine.live()
        if not live:
            raise TimeoutError("no worker is left")
        columns = client.scatter(C, broadcast=False, hash=False) if C.nbytes > LARGEST_ARGUMENT else C
        level, begun = [], time.perf_counter()
        for place, (first, last) in enumerate(self._groups):
            recipes = [self.table.recipe(number) for number in range(first, last)]
            own = None if starts is None else list(starts[first:last])
            home = live[place * len(live) // len(self._groups)]
            future = client.submit(
                visit_group, recipes, self._lookup, visit, columns, own, pure=False, workers=[home],
                allow_other_workers=True, key=f"halfseen-visit-{label}-{first}",
            )  # fmt: skip
            level.append((future, home))
        groups = list(level)
        # joined level by level as in the tree: an odd last one goes up as it is
        for _ in range(len(level).bit_length()):
            pairs = zip(level[::2], level[1::2], strict=False)
            joined = [
                (client.submit(added, a, b, pure=False, workers=[home], allow_other_workers=True), home)
                for (a, home), (b, _) in pairs
            ]
            level = joined + ([level[-1]] if len(level) % 2 else [])
        wait = min(TIMEOUT, max(LEAST_WAIT, TIMES_AS_LONG * self._longest)) if self._longest else TIMEOUT
        try:
            total = list(level[0][0].result(timeout=wait))
        except TimeoutError:
            # a worker that is stopped still counts as there: its groups go elsewhere
            late = {home for future, home in groups if not future.done()}
            self._suspects |= late if late != {home for _, home in groups} else set()
            client.cancel([future for future, _ in groups], force=True)
            raise
        self._longest = max(self._longest, time.perf_counter() - begun)
        return total

    def _wait_for_workers(self) -> None:
        """A moment for a replacement; then the round goes to the workers there are."""
        time.sleep(PATIENCE)

    def _live_or_none(self) -> list[str]:
        try:
            return self.engine.live()
        except Exception:
            return []


def _is_loss(error: Exception) -> bool:
    """Whether workers, the scheduler or a connection failed, and not the computation itself."""
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, TimeoutError | OSError) or bool(
        modules & {"distributed", "tornado", "asyncio", "concurrent"}
    )
