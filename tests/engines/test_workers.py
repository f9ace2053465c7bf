"""Engines beside other people's workers: after a fork, inside joblib, loky and Dask."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from joblib import Parallel, delayed

import halfseen as hs
from halfseen.engines import Threads
from halfseen.engines.cores import default_workers

FORKED = """
import os, sys
import numpy as np, halfseen as hs
table = np.random.default_rng(0).normal(size=(60, 20))
def fit():
    return hs.AlternatingLeastSquares(rank=2, random_state=0).fit(table).predict_table()
with hs.engine("threads", workers=2) as engine:
    here = fit()
    list(engine.map(abs, [1, 2]))
    child = os.fork()
    if child == 0:
        sys.exit(0 if np.array_equal(fit(), here) and list(engine.map(abs, [-1, -2])) == [1, 2] else 5)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), np.array_equal(fit(), here))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_inside_an_active_engine_gets_a_pool_of_its_own():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]  # 3.12 warns of forks with threads
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", "True"], done.stderr


def test_a_pickled_engine_counts_the_cores_where_it_arrives(monkeypatch):
    default, asked = pickle.dumps(Threads()), pickle.dumps(Threads(3))
    monkeypatch.setattr("halfseen.engines.local.default_workers", lambda: 7)
    assert (pickle.loads(default).workers, pickle.loads(asked).workers) == (7, 3)


def test_a_process_of_its_own_uses_the_cores_it_may():
    code = "from halfseen.engines.cores import default_workers; print(default_workers())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= int(done.stdout) <= cores


def workers_of_a_default_engine(_):
    with hs.engine("threads") as engine, hs.engine("threads", workers=2) as told:
        return engine.workers, told.workers


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_inside_joblib_an_engine_takes_its_share_and_what_it_is_told(backend, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    got = Parallel(n_jobs=2, backend=backend)(delayed(workers_of_a_default_engine)(at) for at in range(2))
    assert got == [(1, 2), (1, 2)]


def test_a_loky_worker_takes_the_share_that_joblib_gave_it(monkeypatch):
    loky = pytest.importorskip("joblib.externals.loky.process_executor")
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert default_workers() == 1
    monkeypatch.setattr(loky, "_CURRENT_DEPTH", 1)
    assert default_workers() == 8


def test_inside_a_dask_worker_an_engine_has_one_thread():
    distributed = pytest.importorskip("distributed", reason="needs dask")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        assert client.submit(default_workers, pure=False).result() == 1


def test_row_blocks_in_joblib_threads_have_the_bits_of_one_process():
    table = np.random.default_rng(0).normal(size=(60, 20))
    fit = delayed(lambda: hs.AlternatingLeastSquares(rank=2, random_state=0).fit(table).predict_table())
    here = hs.AlternatingLeastSquares(rank=2, random_state=0).fit(table).predict_table()
    for there in Parallel(n_jobs=2, backend="threading")([fit(), fit()]):
        assert np.array_equal(there, here)
