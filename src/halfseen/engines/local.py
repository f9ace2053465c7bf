"""Engines: the order of results, and so every bit of a sum over them, never depends on the workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar, runtime_checkable

from halfseen.engines.cores import default_workers

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that may wait for their turn: a few, since each may hold an accumulator as large as the columns.
FEW = 8


@runtime_checkable
class Engine(Protocol):
    """Anything that applies a function to items and yields the results in the items' order.

    Functions are pure: they change neither their items nor anything else, so what counts is what comes back, and
    workers may be threads, processes or other machines. An engine whose workers are threads of this process may say so
    with an attribute ``shares_memory = True``, which spares a copy of results.
    """

    @property
    def workers(self) -> int: ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of ``items``."""
        ...


class Serial:
    """One item after the other, in the calling thread."""

    workers = 1
    shares_memory = True

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Lazily: a consumer that adds results up holds one of them at a time."""
        return map(function, items)

    def __repr__(self) -> str:
        return "Serial()"


class Threads:
    """A pool of threads; kernels release the interpreter lock, so two threads use two cores.

    Parameters
    ----------
    workers : int, optional
        Number of threads; by default one per core, and one inside a worker of joblib or Dask
        (:func:`halfseen.engines.cores.default_workers`).

    Notes
    -----
    A process that was forked, or an engine that was pickled into another one, starts threads of its own.
    """

    shares_memory = True

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1; got {workers}.")
        self._asked = workers
        self.workers = workers or default_workers()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yields in the items' order; only a few items more than there are workers are ahead of what was yielded."""
        return self._ahead(self._threads(), function, iter(items))

    def begun(self, function: Callable[[Item], Result], item: Item) -> Iterator[Result]:
        """An iterator of one result, which is being computed from now on."""
        future = self._threads().submit(function, item)
        return (each.result() for each in (future,))

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._process != os.getpid():  # the threads of a pool do not survive a fork
            self._process = os.getpid()
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="halfseen")
        return self._pool

    def _ahead(
        self, pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterator[Item]
    ) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > max(FEW, 2 * self.workers):
                    yield waiting.popleft().result()
            for _ in range(len(waiting)):
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def __getstate__(self) -> dict[str, int | None]:
        return {"workers": self._asked}

    def __setstate__(self, state: dict[str, int | None]) -> None:
        Threads.__init__(self, state["workers"])

    def __repr__(self) -> str:
        return f"Threads(workers={self.workers})"


def shares_memory(engine: Engine) -> bool:
    """Whether the engine's workers see this process's memory."""
    return bool(getattr(engine, "shares_memory", False))


def here(choice: str | Engine | None) -> Engine:
    """The engine that a choice means, if it computes in this process; else one that does."""
    chosen = resolve(choice)
    return chosen if shares_memory(chosen) else _SERIAL


_SERIAL = Serial()
_CURRENT: ContextVar[Engine] = ContextVar("halfseen_engine", default=_SERIAL)


def current_engine() -> Engine:
    """The engine of the innermost ``with hs.engine(...)`` block; serial outside of any."""
    return _CURRENT.get()


def resolve(choice: str | Engine | None, workers: int | None = None) -> Engine:
    """The engine that a user's choice means.

    Parameters
    ----------
    choice : {"serial", "threads"}, Engine or None
        None takes the engine of the surrounding ``with`` block.
    workers : int, optional
        Number of threads for ``"threads"``.

    Raises
    ------
    ValueError
        For a name that is not known.
    """
    if choice is None:
        return current_engine()
    if isinstance(choice, str):
        if choice == "serial":
            return _SERIAL
        if choice == "threads":
            return Threads(workers)
        raise ValueError(f"engine={choice!r} is not known; use 'serial', 'threads' or an Engine object.")
    if type(choice).__module__.split(".")[0] == "distributed":
        from halfseen.engines.cluster import DaskEngine

        return DaskEngine(choice)
    if not hasattr(choice, "map"):
        raise ValueError(f"engine={choice!r} has no map(function, items); use 'serial', 'threads' or an Engine object.")
    return choice


@contextmanager
def engine(choice: str | Engine, workers: int | None = None) -> Iterator[Engine]:
    """Compute everything inside the block on this engine.

    Parameters
    ----------
    choice : {"serial", "threads"} or Engine
    workers : int, optional
        Number of threads for ``"threads"``; by default one per core, and one inside a worker of joblib or Dask.

    Examples
    --------
    >>> import halfseen as hs
    >>> with hs.engine("threads", workers=2) as used:
    ...     used.workers
    2
    """
    chosen = resolve(choice, workers)
    token = _CURRENT.set(chosen)
    try:
        yield chosen
    finally:
        _CURRENT.reset(token)
