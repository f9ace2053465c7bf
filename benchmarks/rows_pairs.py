"""Goal 8: the pair pass against two SciPy products, its memory, and passes of the fit against gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from halfseen.data import Compressed
from halfseen.kernels import pair_moments
from measure import Line, in_fresh_process, interleave

COLUMNS = 10_000
# rows, so that every size has some ten million pairs
SIZES = {2: 1_000_000, 5: 300_000, 10: 120_000, 20: 40_000, 50: 8_000}


def sparse_rows(entries: int, n: int, d: int = COLUMNS, dtype: str = "float64") -> Compressed:
    """Cells seen independently, ``entries`` a row on average; values from N(0, 1)."""
    rng = np.random.default_rng(0)
    gaps = rng.geometric(entries / d, size=int(n * entries * 1.02))
    cells = np.cumsum(gaps) - 1
    cells = cells[cells < n * d]
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(cells // d, minlength=n), out=indptr[1:])
    values = rng.normal(size=len(cells)).astype(dtype)
    return Compressed(indptr, (cells % d).astype(np.int32), values, None, d)


def two_products(view: Compressed) -> object:
    """Counts and sums by SciPy: both triangles, no squares."""
    from scipy.sparse import csr_array

    shape = (view.n_major, view.n_minor)
    table = csr_array((view.values, view.indices, view.indptr.astype(np.int32)), shape=shape)
    ones = csr_array((np.ones_like(view.values), table.indices, table.indptr), shape=shape)
    return ones.T @ ones, table.T @ table


MEMORY = """
import json, sys
sys.path.insert(0, {here!r})
from rows_pairs import held_and_peak, sparse_rows
from halfseen.kernels import pair_moments
view = sparse_rows({entries}, {rows})
pair_moments(sparse_rows(2, 100))
open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
before = held_and_peak()[0]
found = pair_moments(view)
output = sum(array.nbytes for array in found)
extra = float(held_and_peak()[1] - before)
print(json.dumps({{"extra": extra, "output": float(output), "entries": float(len(view.values))}}))
"""


def held_and_peak() -> tuple[int, int]:
    """Bytes of this process in memory, now and at most (Linux)."""
    with open("/proc/self/status", encoding="ascii") as lines:
        found = dict(line.split(":", 1) for line in lines)
    return tuple(1024 * int(found[name].split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def goal_8(here: str, rounds: int = 5) -> Iterator[Line]:
    """The pair pass: counts, sums and squares of the upper triangle."""
    for entries, n in SIZES.items():
        view = sparse_rows(entries, n)
        t = interleave({"scipy": partial(two_products, view), "halfseen": partial(pair_moments, view)}, rounds)
        counts = np.diff(view.indptr)
        pairs = int(np.sum(counts * (counts + 1) // 2))
        note = f"{1e9 * t.best('halfseen') / pairs:.1f} ns/pair, squares included"
        goals = (3.0 if entries == 10 else None, 6.0)
        measured = t.ratio("scipy", "halfseen")
        what = f"two SciPy products over pair pass, {entries} a row"
        yield Line("8", what, *goals, measured, is_upper=False, note=note)
    try:
        found = in_fresh_process(MEMORY.format(here=here, entries=10, rows=SIZES[10]))
        beyond = (found["extra"] - 8.0 * found["entries"]) / found["output"]
    except RuntimeError:  # no /proc
        beyond = None
    yield Line("8", "memory of the pass over its output, 10 a row", 1.2, 1.05, beyond, note="without 8 bytes per entry")
    yield from fit_against_descent()


def fit_against_descent() -> Iterator[Line]:
    """Passes over the pairs until XX' is within a thousandth of the minimiser's; both from the spectral start."""
    for kappa, d, n, entries, rank, floor in ((1, 2000, 100_000, 3, 3, 2.0), (100, 1000, 20_000, 20, 10, 10.0)):
        ours, descent = passes_needed(kappa, d, n, entries, rank)
        note = f"{ours:.0f} against {descent:.0f} passes"
        what = f"gradient descent over L-BFGS, condition {kappa}"
        yield Line("8", what, floor, None, descent / ours, is_upper=False, note=note)


def passes_needed(kappa: int, d: int, n: int, entries: int, rank: int) -> tuple[float, float]:
    """Work of L-BFGS and of descent with the tuned step, paper weights."""
    from sklearn.base import clone

    from halfseen import OneSidedCompletion, PairMoments
    from halfseen.data import Observed
    from halfseen.methods.moment import fitting
    from halfseen.methods.moment.problem import PairProblem
    from halfseen.methods.moment.targets import targets_of

    rng = np.random.default_rng(1)
    L = np.linalg.qr(rng.normal(size=(d, rank)))[0] * np.sqrt(np.geomspace(1, 1 / kappa, rank))
    places = sparse_rows(entries, n, d)
    rows = np.repeat(np.arange(n), np.diff(places.indptr))
    scores = rng.normal(size=(n, rank))
    values = np.einsum("ek,ek->e", scores[rows], L[places.indices])
    moments = PairMoments.from_rows(Observed(places.with_values(values)))
    settings = OneSidedCompletion(weights="paper", psi=0.0, incoherence=0.0, tol=1e-14, max_iter=3000)
    targets = targets_of(moments, "hajek", settings)
    best = fitting.fit_pairs(targets, rank, settings, np.random.default_rng(0)).X
    begin = fitting.starting_point(targets, rank, "spectral", np.random.default_rng(0))
    work = []
    for solver in ("lbfgs", "gd"):
        problem = PairProblem(fitting.normalised(targets) if solver == "gd" else targets, rank)
        sweep = fitting._sweep(problem, begin, clone(settings).set_params(solver=solver), np.random.default_rng(0))
        theta, total = begin.ravel(), 0.0
        for _ in range(1500):
            result = sweep(theta)
            theta, total = result.params, total + result.work
            if distance(theta.reshape(best.shape), best) < 1e-3:
                break
        work.append(total)
    return work[0], work[1]


def distance(X: np.ndarray, Y: np.ndarray) -> float:
    """``|XX' - YY'| / |YY'|`` without the large products."""
    size = np.sum((Y.T @ Y) ** 2)
    square = np.sum((X.T @ X) ** 2) + size - 2.0 * np.sum((X.T @ Y) ** 2)
    return float(np.sqrt(max(square, 0.0) / size))
