"""An engine that keeps to the protocol and whose worker is another process: what it is given and gives back travels."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import cloudpickle


def _begin(settings: dict[str, int]) -> None:
    from halfseen.engines import cuts

    for name, value in settings.items():
        setattr(cuts, name, value)


def _apply(packed: bytes) -> bytes:
    function, item = cloudpickle.loads(packed)
    return cloudpickle.dumps(function(item))


@cache
def _pool(settings: tuple[tuple[str, int], ...]) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(1, get_context("spawn"), _begin, (dict(settings),))
    atexit.register(pool.shutdown, cancel_futures=True)
    return pool


class Elsewhere:
    """Every function is applied in another process; ``settings`` are how tables are cut there.

    Attributes
    ----------
    n_asked : int
        Items that were sent.
    """

    workers = 2

    def __init__(self, **settings: int) -> None:
        self._settings, self.n_asked = tuple(sorted(settings.items())), 0

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.n_asked += 1
            packed = cloudpickle.dumps((function, item))
            yield cloudpickle.loads(_pool(self._settings).submit(_apply, packed).result(60))
