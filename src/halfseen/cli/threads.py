"""The threads that a command computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def available_cores() -> int:
    """Cores that this process may use: 1 where a worker of joblib or Dask runs the command."""
    from halfseen.engines.cores import default_workers

    return default_workers()


@contextmanager
def on_threads(number: int | None) -> Iterator[None]:
    """Row blocks on so many threads (all cores where none are given), and none inside BLAS calls."""
    from threadpoolctl import threadpool_limits

    from halfseen.engines import engine

    workers = number or available_cores()
    with threadpool_limits(1, "blas"), engine("threads", workers) if workers > 1 else engine("serial"):
        yield
