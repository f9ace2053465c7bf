"""How many threads are free for this process, where other workers may share its cores."""

from __future__ import annotations

import multiprocessing
import os
import sys


def default_workers() -> int:
    """Number of threads that an engine starts unless told otherwise.

    The cores that this process may use (its affinity and its container's limit counted); inside a worker of joblib,
    loky, multiprocessing or Dask its share of them: as many as joblib gave the worker in ``OMP_NUM_THREADS``, else 1,
    since its neighbours have the other cores.

    Examples
    --------
    >>> from joblib import Parallel, delayed
    >>> Parallel(n_jobs=2, backend="threading")(delayed(default_workers)() for _ in range(2))
    [1, 1]
    """
    if not _is_worker():
        from joblib import cpu_count

        return int(cpu_count())
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given)) if _is_loky_worker() and given.isdigit() else 1


def _is_worker() -> bool:
    """Whether this code runs in a process or a thread that somebody's pool started."""
    if multiprocessing.parent_process() is not None:
        return True
    joblib = sys.modules.get("joblib.parallel")
    if joblib is not None and (getattr(joblib.get_active_backend()[0], "nesting_level", 0) or 0) > 0:
        return True
    dask = sys.modules.get("distributed.worker")
    return dask is not None and hasattr(dask.thread_state, "execution_state")


def _is_loky_worker() -> bool:
    names = ("joblib.externals.loky.process_executor", "loky.process_executor")
    return any(getattr(sys.modules.get(name), "_CURRENT_DEPTH", 0) > 0 for name in names)
