"""Tables and factors that the kernel tests share, and the backends that this machine can run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from halfseen.data import Compressed
from halfseen.kernels import arrowhead, columns, coupling, draws, effects, newton, pairs, passes
from halfseen.kernels import backend as choice

try:
    from halfseen.kernels import _native
except ImportError:
    ISAS = []
else:
    ISAS = _native.available_isas()

RANKS = (0, 1, 2, 3, 5, 8, 16, 17, 32, 33, 64, 100)
FAMILIES = ("gaussian", "bernoulli", "poisson")
TOLERANCE = {np.float32: 2e-4, np.float64: 1e-10}


def use(name, monkeypatch):
    """Make the wrappers call one backend."""
    chosen = choice._reference() if name == "reference" else choice.native(name)
    for module in (arrowhead, coupling, draws, effects, passes, newton, columns, pairs):
        monkeypatch.setattr(module, "backend", lambda: chosen)


def make_table(n, p, density, family, dtype, seed=0, weights=False, hole=True):
    """A random table; row 1 and column 2 are empty."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n, p)) < density
    if hole and n > 1:
        seen[1] = False
    if hole and p > 2:
        seen[:, 2] = False
    counts = seen.sum(1)
    cols = np.nonzero(seen)[1]
    size = len(cols)
    draw = {
        "gaussian": lambda: rng.normal(size=size),
        "bernoulli": lambda: rng.integers(0, 2, size),
        "poisson": lambda: rng.poisson(1.5, size),
    }
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    w = rng.uniform(0.5, 2.0, size).astype(dtype) if weights else None
    values = draw[family]().astype(dtype)
    return Compressed(indptr, cols.astype(np.int32), values, w, p)


def make_problem(n=23, p=37, k=5, family="gaussian", dtype=np.float64, seed=0, density=0.4, offsets=True, **options):
    """A table, factors and offsets; linear predictors of order one."""
    view = make_table(n, p, density, family, dtype, seed, **options)
    rng = np.random.default_rng(seed + 1)
    scale = 1.0 / max(k, 1) ** 0.25

    def normal(*shape):
        return (scale * rng.normal(size=shape)).astype(dtype)

    extra = {"row_offset": normal(n), "col_offset": normal(p), "offset": normal(len(view.values))} if offsets else {}
    return SimpleNamespace(view=view, A=normal(n, k), B=normal(p, k), offsets=extra, normal=normal, dtype=dtype)


def assert_close(found, wanted, dtype, scale=1.0):
    """Close relative to the largest wanted number: sums of many terms cancel."""
    wanted = np.asarray(wanted)
    size = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=scale * size * TOLERANCE[dtype])
