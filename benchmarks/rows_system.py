"""Goals 6, 7 and 9: memory, import, threads."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from measure import Line, in_fresh_process, interleave
from problems import SIZES, problem

_MEMORY = """
import json, sys
sys.path.insert(0, {folder!r})
import numpy as np
import halfseen as hs
from halfseen import kernels
from problems import problem, ratings

def peak():
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def forget():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

P = problem("10M", {rank}, "float32")
view = P.view
{prepare}
input_bytes = view.indptr.nbytes + view.indices.nbytes + view.values.nbytes
forget()
before = peak()
{work}
print(json.dumps({{"above": (peak() - before) / input_bytes}}))
"""
_PASS = """
kernels.loss_and_gradient(view, P.A, P.B, family="bernoulli", col_offset=P.col_offset, grad_A=np.empty_like(P.A),
                          grad_B=np.zeros_like(P.B), grad_col=np.zeros_like(P.col_offset))
"""
# A tiny fit first: the code that is loaded on first use is no part of the data's memory.
_TABLE = """
hs.AlternatingLeastSquares(rank=1, max_iter=2, random_state=0).fit(np.eye(4) + 1)
rows = np.repeat(np.arange(view.n_major, dtype=np.int32), np.diff(view.indptr))
table = hs.Observed.from_triplets(rows, view.indices, view.values, shape=(view.n_major, view.n_minor))
view = table.by_rows
del rows, P
"""
_LEAST_SQUARES = """
hs.AlternatingLeastSquares(rank=16, max_iter=2, random_state=0).fit(table)
"""
_FACTOR_MODEL = """
import warnings
warnings.simplefilter("ignore")
hs.GeneralizedFactorModel(4, penalty="map", max_iter=3, random_state=0).fit(table)
"""
# What NumPy, SciPy and scikit-learn's base cost is paid before the clock starts: it is far more, and noisier.
_IMPORT = """
import json, time
import numpy, scipy, sklearn.base
start = time.process_time()
{statement}
print(json.dumps({{"seconds": time.process_time() - start}}))
"""
_PUBLIC = "import halfseen; halfseen.Observed, halfseen.GeneralizedFactorModel, halfseen.AlternatingLeastSquares"


def goal_6(folder: str) -> Iterator[Line]:
    """Peak memory above the CSR arrays, 10M entries."""
    for what, rank, prepare, work in (
        ("pass with its gradients, rank 32", 32, "", _PASS),
        ("alternating least squares, rank 16", 16, _TABLE, _LEAST_SQUARES),
        ("factor model, rank 4, starts and three Newton sweeps", 4, _TABLE, _FACTOR_MODEL),
    ):
        code = _MEMORY.format(folder=folder, rank=rank, prepare=prepare, work=work)
        try:
            measured, note = in_fresh_process(code)["above"], ""
        except RuntimeError as error:
            measured, note = None, f"target unmet: {error}"
        yield Line("6", f"peak above the input, {what}", 1.0, 0.5, measured, note=note)


def goal_7(rounds: int = 9) -> Iterator[Line]:
    """CPU seconds of the import above NumPy + SciPy + scikit-learn's base."""
    for statement, what in (("import halfseen", "import halfseen"), (_PUBLIC, "import and load the main estimators")):
        code = _IMPORT.format(statement=statement)
        extra = [in_fresh_process(code)["seconds"] for _ in range(rounds)]
        yield Line("7", what, 0.15, 0.05, float(np.median(extra)), "s", note=f"best {min(extra):.3f} s")


def goal_9(rounds: int = 9) -> Iterator[Line]:
    """Two threads against one: wall time, and the same bits."""
    from halfseen import Observed
    from halfseen.engines import EntryPasses, engine
    from halfseen.losses import get_loss

    P = problem("10M", 32, "float32")
    rows = np.repeat(np.arange(len(P.A)), np.diff(P.view.indptr))
    table = Observed.from_triplets(rows, P.view.indices, P.view.values, shape=SIZES["10M"][:2])
    passes = EntryPasses(table, get_loss("bernoulli"))
    results = {}

    def run(workers: int) -> None:
        with engine("threads", workers=workers):
            passes = EntryPasses(table, get_loss("bernoulli"))
            results[workers] = passes.loss_and_gradient(P.A, P.B, None, P.col_offset)

    del passes
    t = interleave({"one": lambda: run(1), "two": lambda: run(2)}, rounds, clock=time.perf_counter)
    best = t.best("one") / t.best("two")
    note = f"median {t.ratio('one', 'two'):.2f}"
    yield Line("9", "two threads, wall time", 1.7, 1.9, best, is_upper=False, note=note)
    same = all(
        np.array_equal(getattr(results[1], name), getattr(results[2], name)) for name in ("value", "A", "B", "col")
    )
    yield Line("9", "same bits with one and two threads", 1.0, 1.0, float(same), "", False)
