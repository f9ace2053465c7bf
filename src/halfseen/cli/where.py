"""Where a command computes: threads of this machine, workers of Dask; and where it keeps its iterations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from halfseen.cli.options import BlockOptions, EngineName
from halfseen.cli.threads import on_threads
from halfseen.data.prepared import is_prepared

# Seconds in which a scheduler has to answer, and workers to come.
PATIENCE = 20


def check_blocks(given: BlockOptions, data: list[str], command: str) -> None:
    """Refuse options that do not go together, or with the data.

    Raises
    ------
    ValueError
    """
    on_dask = given.engine is EngineName.dask
    if given.resume and given.checkpoint is None:
        raise ValueError("--resume needs --checkpoint DIR, the folder to go on from")
    if (given.scheduler or given.workers) and not on_dask:
        raise ValueError("--scheduler and --workers belong to --engine dask")
    if on_dask and bool(given.scheduler) == bool(given.workers):
        raise ValueError("--engine dask needs --scheduler ADDRESS, or --workers N for workers on this machine")
    if (given.memory is not None or on_dask) and not (len(data) == 1 and is_prepared(data[0])):
        option = "--engine dask" if on_dask else "--memory"
        raise ValueError(
            f"{option} is for a prepared table: run 'halfseen prepare RAW FOLDER', then 'halfseen {command} FOLDER'"
        )


@contextmanager
def computing(given: BlockOptions, threads: int | None) -> Iterator[None]:
    """The engine of everything inside: threads, or the workers of a Dask cluster."""
    if given.engine is not EngineName.dask:
        with on_threads(threads):
            yield
        return
    from halfseen.engines import engine

    with ExitStack() as stack:
        stack.enter_context(on_threads(1))
        stack.enter_context(engine(stack.enter_context(_client(given))))
        yield


@contextmanager
def _client(given: BlockOptions) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("--engine dask needs Dask: pip install 'halfseen[dask]'") from error
    with ExitStack() as stack:
        if given.scheduler:
            try:
                client = stack.enter_context(Client(given.scheduler, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                raise ValueError(f"--scheduler {given.scheduler}: no scheduler answers within {PATIENCE} s") from error
            if not client.scheduler_info()["workers"]:
                raise ValueError(f"--scheduler {given.scheduler} has no workers; start some first")
        else:
            client = stack.enter_context(_workers_here(int(given.workers or 1)))
        yield client


@contextmanager
def _workers_here(number: int) -> Iterator[Any]:
    """A scheduler in this process and worker processes of this machine, which end with it.

    Started as commands, not as copies of this process, and without a guard that restarts them: a fit goes on with those
    that are left. Dask's setting of the memory allocator, which costs a third more time an iteration, is left out.
    """
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        quiet: dict[str, Any] = {"dashboard_address": None, "silence_logs": 50}
        cluster = stack.enter_context(LocalCluster(n_workers=0, processes=False, protocol="tcp", **quiet))
        client = stack.enter_context(Client(cluster, timeout=PATIENCE))
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, "--nthreads", "1"]
        command += ["--no-nanny", "--no-dashboard", "--death-timeout", str(PATIENCE)]
        for _ in range(number):
            # a session of its own: Ctrl-C is for this process, which then ends them
            worker = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            stack.callback(_end, worker)
        try:
            client.wait_for_workers(number, timeout=3 * PATIENCE)
        except TimeoutError as error:
            raise ValueError(f"--workers {number}: they did not start within {3 * PATIENCE} s") from error
        yield client


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(5)
    except subprocess.TimeoutExpired:
        worker.kill()


def keeping(model: Any, folder: Path | None, name: str, resume: bool) -> dict[str, Any]:
    """What ``fit`` takes so that its iterations are kept: each fit of a command has a folder of its own."""
    if folder is None or "checkpoint" not in signature(model.fit).parameters:
        return {}
    own = folder / name
    return {"checkpoint": own, "resume": resume and (own / "about.json").exists()}
