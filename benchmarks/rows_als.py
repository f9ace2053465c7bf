"""Goal 4: one epoch of alternating least squares at rank 16, against implicit and cmfrec."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np

from halfseen import kernels
from measure import NOT_INSTALLED, Line, Timings
from problems import SIZES, ratings, transposed

RANK = 16
EXTRA_EPOCHS = 4


def kernel_epochs(size: str, bordered: bool) -> Callable[[int], None]:
    """Two row-wise least-squares half-sweeps per epoch; bordered: a constant feature fits the biases jointly."""
    by_rows = ratings(size, "float32")
    by_cols = transposed(by_rows)
    n, p, _ = SIZES[size]
    k = RANK + bordered
    ridge = np.full(k, 1.1, np.float32)
    scales = [np.sqrt(np.diff(view.indptr)).astype(np.float32) for view in (by_rows, by_cols)]

    def run(epochs: int) -> None:
        rng = np.random.default_rng(0)
        X, Y = (rng.normal(scale=0.1, size=(m, k)).astype(np.float32) for m in (n, p))
        bias = np.zeros(n, np.float32), np.zeros(p, np.float32)
        for _ in range(epochs):
            for side, (view, own, other) in enumerate(((by_cols, Y, X), (by_rows, X, Y))):
                offset = None
                if bordered:  # features (y_j, 1), target r - d_j
                    offset = bias[side]
                    other[:, -1] = 1.0
                kernels.row_newton(
                    view, own, other, family="gaussian", col_offset=offset, ridge=ridge,
                    ridge_scale=scales[1 - side], out=own,
                )  # fmt: skip
                if bordered:
                    bias[1 - side][:] = own[:, -1]

    return run


def estimator_epochs(size: str) -> Callable[[int], None]:
    """The public estimator, its biases included."""
    import halfseen as hs

    view = ratings(size, "float32")
    rows = np.repeat(np.arange(view.n_major), np.diff(view.indptr))
    table = hs.Observed.from_triplets(rows, view.indices, view.values, shape=(view.n_major, view.n_minor))

    def run(epochs: int) -> None:
        hs.AlternatingLeastSquares(rank=RANK, max_iter=epochs, random_state=0).fit(table)

    return run


def implicit_epochs(size: str, use_cg: bool) -> Callable[[int], None]:
    """implicit's compiled solver on the same ratings."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    n, p, _ = SIZES[size]
    view = ratings(size, "float32")
    table = csr_matrix((view.values.copy(), view.indices.copy(), view.indptr.astype(np.int32)), shape=(n, p))

    def run(epochs: int) -> None:
        model = AlternatingLeastSquares(
            factors=RANK, iterations=epochs, use_cg=use_cg, num_threads=1, dtype=np.float32, random_state=0
        )
        model.fit(table, show_progress=False)

    return run


def cmfrec_epochs(size: str, use_cg: bool) -> Callable[[int], None]:
    """cmfrec's explicit-feedback model with biases."""
    from cmfrec import CMF
    from scipy.sparse import coo_matrix

    n, p, _ = SIZES[size]
    view = ratings(size, "float32")
    rows = np.repeat(np.arange(n), np.diff(view.indptr)).astype(np.int32)
    table = coo_matrix((view.values.copy(), (rows, view.indices.copy())), shape=(n, p))

    def run(epochs: int) -> None:
        model = CMF(
            k=RANK, niter=epochs, use_cg=use_cg, nthreads=1, use_float=True, precompute_for_predictions=False,
            finalize_chol=False, lambda_=1.1, random_state=0, verbose=False,
        )  # fmt: skip
        model.fit(table)

    return run


OTHERS = {
    "implicit, conjugate gradients": ("implicit", lambda size: implicit_epochs(size, True), 8.0, 12.0),
    "implicit, Cholesky": ("implicit", lambda size: implicit_epochs(size, False), 8.0, 12.0),
    "cmfrec, conjugate gradients": ("cmfrec", lambda size: cmfrec_epochs(size, True), 6.0, 10.0),
    "cmfrec, Cholesky": ("cmfrec", lambda size: cmfrec_epochs(size, False), 6.0, 10.0),
}


def goal_4(size: str, rounds: int) -> Iterator[Line]:
    """CPU time of one epoch: the difference between runs of 1 and of 5 epochs, shared out."""
    runs = {
        "biases removed first": kernel_epochs(size, False),
        "joint biases": kernel_epochs(size, True),
        "estimator": estimator_epochs(size),
    }
    for name, (package, make, _, _) in OTHERS.items():
        if find_spec(package):
            runs[name] = make(size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = _epochs(runs, rounds)
    for ours in ("biases removed first", "joint biases", "estimator"):
        note = f"{1e3 * t.typical(ours):.1f} ms an epoch"
        yield Line("4", f"epoch, {ours}, {size}: million entries a second", None, None,
                   SIZES[size][2] / t.typical(ours) / 1e6, "M/s", False, note)  # fmt: skip
        for name, (_, _, floor, aim) in OTHERS.items():
            measured = t.ratio(name, ours)
            note = "" if measured is not None else NOT_INSTALLED
            goals = (floor, aim) if ours != "joint biases" else (None, None)
            yield Line("4", f"{name} over {ours}, {size}", *goals, measured, is_upper=False, note=note)


def _epochs(runs: dict[str, Callable[[int], None]], rounds: int) -> Timings:
    timings = Timings()
    timings.seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds = []
            for epochs in (1, 1 + EXTRA_EPOCHS):
                start = time.process_time()
                run(epochs)
                seconds.append(time.process_time() - start)
            timings.seconds[name].append((seconds[1] - seconds[0]) / EXTRA_EPOCHS)
    return timings
