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
# A worker that takes so many times as long as the others, and this many seconds, in so many rounds on end is slow: its
# groups go to the others.
SLOW_TIMES, SLOW_SECONDS, SLOW_ROUNDS = 3.0, 1.0, 3
# How often a round that is waited for is asked whether a worker has been paused for want of memory.
LOOK = 2.0
# The columns travel inside each task; beyond this they would pass through the scheduler too often.
LARGEST_ARGUMENT = 32 << 20

_HELD: dict[tuple[Recipe, int], StoredBlock] = {}
_LOCK = threading.Lock()


class RoundLost(RuntimeError):
    """A round over the blocks failed although it was repeated; what was fitted before it is not lost."""


class AllPaused(RuntimeError):
    """No worker takes a task, for want of memory; what was fitted before is not lost."""


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

    def told(self) -> dict[str, Any]:
        """What the scheduler says of each worker."""
        return dict(self.client.scheduler_info(n_workers=-1).get("workers", {}))

    def live(self) -> list[str]:
        """Addresses of the workers."""
        return sorted(self.told())

    def paused(self) -> set[str]:
        """Workers that take no tasks: Dask pauses those that have used most of their memory."""
        return {address for address, each in self.told().items() if each.get("status") == "paused"}

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
        self._late_rounds: dict[str, int] = {}
        self._lookup = Lookup(os.stat(os.path.join(table.folder, "table.json")).st_mtime_ns, room)
        self.n_repeated = 0

    def _checked_memory(self) -> float:
        """Bytes that blocks may keep in the smallest worker.

        Raises
        ------
        ValueError
            Where it cannot hold its largest block: Dask would pause it, and the fit would wait for ever.
        """
        limits = self._limits()
        smallest = min(limits, key=lambda address: limits[address])
        needed = self._needed()
        if needed > SHARE_OF_MEMORY * limits[smallest]:
            least = in_words(int(needed / SHARE_OF_MEMORY))
            raise ValueError(
                f"worker {smallest} has {in_words(int(limits[smallest]))} of memory, and a block of "
                f"{self.table.folder} needs {least}: start workers with more (--memory-limit), or "
                "prepare the table with more blocks"
            )
        return SHARE_OF_MEMORY * limits[smallest]

    def _limits(self) -> dict[str, float]:
        """Memory of the workers, in bytes."""
        told = self.engine.told()
        return {address: float(each.get("memory_limit") or 0) or float("inf") for address, each in told.items()}

    def _needed(self) -> float:
        """Bytes that the largest block takes: itself, its columns' entries once more, and the checksum's reading."""
        facts = self.table.facts
        return 3.0 * max(facts.entries) * (4 + self.table.dtype.itemsize * (1 + facts.has_weights))

    def round(self, visit: Any, C: Any, starts: Any = None) -> list[Any]:
        """One task a group, and a tree of sums; repeated with the workers that are left when some are lost."""
        problem: Exception | None = None
        for attempt in range(ATTEMPTS):
            try:
                return self._once(visit, C, starts)
            except (ValueError, FileNotFoundError, AllPaused):
                raise  # a damaged block says so itself, and would say so again
            except Exception as error:
                if not _is_loss(error):
                    raise
                problem, self.n_repeated = error, self.n_repeated + 1
                if attempt + 1 < ATTEMPTS:
                    self._wait_for_workers()
        raise RoundLost(
            f"a round over the {self.table.n_blocks} blocks of {self.table.folder} failed {ATTEMPTS} times; the last "
            f"reason: {type(problem).__name__}: {problem}. Workers left: {len(self._live_or_none())}"
            f"{self._memory_words()}. Look at the scheduler and the workers' memory, then go on from the last "
            "checkpoint, if there is one"
        ) from problem

    def _once(self, visit: Any, C: Any, starts: Any) -> list[Any]:
        client, label = self.engine.client, uuid.uuid4().hex[:8]
        live = self._homes()
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
        finished: dict[str, float] = {}
        for future, home in groups:
            future.add_done_callback(lambda _, home=home: finished.__setitem__(home, time.perf_counter() - begun))
        try:
            total = self._awaited(level[0][0], groups)
        except TimeoutError:
            # a worker that is stopped still counts as there: its groups go elsewhere
            late = {home for future, home in groups if not future.done()}
            self._suspects |= late if late != {home for _, home in groups} else set()
            client.cancel([future for future, _ in groups], force=True)
            raise
        self._longest = max(self._longest, time.perf_counter() - begun)
        self._look_for_slow(finished)
        return total

    def _homes(self) -> list[str]:
        """Workers that groups are given to.

        Raises
        ------
        AllPaused
            Where every worker has used most of its memory: nothing would ever be computed.
        TimeoutError
            Where none is left.
        """
        live, paused = self.engine.live(), self.engine.paused()
        if not live:
            raise TimeoutError("no worker is left")
        able = [each for each in live if each not in paused]
        if not able:
            raise AllPaused(
                f"all {len(live)} workers are paused: they have used most of their memory{self._memory_words()}. Start "
                "workers with more memory (--memory-limit), or prepare the table with more blocks; what was fitted is "
                "in the last checkpoint, if there is one"
            )
        return [each for each in able if each not in self._suspects] or able

    def _awaited(self, total: Any, groups: list[tuple[Any, str]]) -> list[Any]:
        """The round's sum; no longer than a round may take, nor beyond the moment at which a worker is paused."""
        wait = min(TIMEOUT, max(LEAST_WAIT, TIMES_AS_LONG * self._longest)) if self._longest else TIMEOUT
        until = time.perf_counter() + wait
        for look in iter(lambda: min(LOOK, until - time.perf_counter()), None):
            try:
                return list(total.result(timeout=max(look, 0.01)))
            except TimeoutError:
                waiting = {home for future, home in groups if not future.done()}
                stuck = waiting & self.engine.paused()
                if stuck or look <= 0.0:
                    why = "are paused for want of memory" if stuck else f"did not answer within {wait:.0f} s"
                    raise TimeoutError(f"workers {', '.join(sorted(stuck or waiting))} {why}") from None
        raise AssertionError

    def _look_for_slow(self, finished: dict[str, float]) -> None:
        """Workers that have been far behind the others for some rounds are given nothing any more."""
        for home, seconds in finished.items():
            others = sorted(value for other, value in finished.items() if other != home)
            usual = others[len(others) // 2] if others else seconds
            is_late = seconds > max(SLOW_TIMES * usual, SLOW_SECONDS)
            self._late_rounds[home] = self._late_rounds.get(home, 0) + 1 if is_late else 0
            if self._late_rounds[home] >= SLOW_ROUNDS:
                self._suspects.add(home)

    def _memory_words(self) -> str:
        """What the workers have, and what a block needs."""
        try:
            finite = [limit for limit in self._limits().values() if limit < float("inf")]
        except Exception:  # the scheduler is gone
            return ""
        least = f" of {in_words(int(min(finite)))} each at least" if finite else ""
        return f"{least}; the largest block needs about {in_words(int(self._needed()))}"

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
