"""Draws of rows from their conditional distributions."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen import kernels
from halfseen.data import Compressed
from kernel_problems import RANKS, assert_close, make_problem, use

DTYPES = (np.float32, np.float64)


def options(P, k, seed=0):
    """A data precision, a prior with a full matrix and noise."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, k))
    prior = (root @ root.T / max(k, 1) + np.eye(k)).astype(P.dtype)
    columns = {name: value for name, value in P.offsets.items() if name != "row_offset"}
    noise = rng.normal(size=(len(P.A), k)).astype(P.dtype)
    return noise, {"precision": 1.7, "prior": prior, "pull": rng.normal(size=k), **columns}


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("k", RANKS)
def test_every_rank_agrees_with_the_twin(isa, monkeypatch, k, weights):
    for dtype in DTYPES:
        P = make_problem(n=40, p=150, k=k, dtype=dtype, density=0.6, weights=weights)
        noise, given = options(P, k)
        use("reference", monkeypatch)
        wanted = kernels.row_draws(P.view, P.B, noise, **given)
        use(isa, monkeypatch)
        found = kernels.row_draws(P.view, P.B, noise, **given)
        assert_close(found.out, wanted.out, dtype, 5)
        assert_close(found.value, wanted.value, dtype, 5)
        assert found.n_failed == wanted.n_failed == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_noise_a_row_is_its_conditional_mean(backend, dtype):
    P = make_problem(k=4, dtype=dtype, weights=True)
    noise, o = options(P, 4)
    found = kernels.row_draws(P.view, P.B, np.zeros_like(noise), **o)
    squares = 0.0
    for i in range(len(P.A)):
        own = slice(P.view.indptr[i], P.view.indptr[i + 1])
        B, w = P.B[P.view.indices[own]].astype(float), P.view.weights[own].astype(float)
        t = P.view.values[own] - o["col_offset"][P.view.indices[own]] - o["offset"][own]
        x = np.linalg.solve(1.7 * (B.T * w) @ B + o["prior"], 1.7 * B.T @ (w * t) + o["pull"])
        assert_close(found.out[i], x, dtype)
        squares += w @ (t - B @ x) ** 2
    assert_close(found.value, squares, dtype)


@pytest.mark.slow_cases("reference")
def test_the_spread_of_many_draws_is_the_inverse_of_the_precision_matrix(backend):
    P = make_problem(n=3, p=12, k=3, offsets=False, hole=False)
    _, o = options(P, 3)
    rng, n_draws = np.random.default_rng(5), 4000
    draws = np.array([kernels.row_draws(P.view, P.B, rng.normal(size=(3, 3)), **o).out for _ in range(n_draws)])
    for i in range(3):
        own = slice(P.view.indptr[i], P.view.indptr[i + 1])
        B = P.B[P.view.indices[own]]
        wanted = np.linalg.inv(1.7 * B.T @ B + o["prior"])
        # an element of a sample covariance of N normal draws has standard error <= sqrt(2 c_rr c_ss / N)
        scale = np.sqrt(2 * np.outer(np.diag(wanted), np.diag(wanted)) / n_draws)
        assert np.all(np.abs(np.cov(draws[:, i].T) - wanted) < 4.5 * scale)


def test_a_row_without_entries_is_a_draw_from_the_prior(backend):
    P = make_problem(k=3)
    noise, o = options(P, 3)
    empty = np.flatnonzero(np.diff(P.view.indptr) == 0)
    assert len(empty)
    L = np.linalg.cholesky(o["prior"])
    wanted = np.linalg.solve(o["prior"], o["pull"]) + np.linalg.solve(L.T, noise[empty].T).T
    assert_close(kernels.row_draws(P.view, P.B, noise, **o).out[empty], wanted, np.float64)


def test_blocks_of_rows_have_the_bits_of_the_whole(backend):
    P = make_problem(k=5, dtype=np.float32)
    noise, o = options(P, 5)
    whole = kernels.row_draws(P.view, P.B, noise, **o).out
    parts = np.empty_like(whole)
    for start, stop in ((0, 7), (7, 8), (8, len(whole))):
        kernels.row_draws(P.view, P.B, noise, start=start, stop=stop, out=parts, **o)
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_singular_row_is_counted_and_stays_finite(backend, dtype):
    P = make_problem(k=6, dtype=dtype, density=0.1, offsets=False)
    o = {"precision": 1.0, "prior": np.zeros((6, 6)), "pull": np.zeros(6)}
    counts = np.diff(P.view.indptr)
    keep = np.flatnonzero(counts > 0)
    view = P.view.take_major(keep)
    found = kernels.row_draws(view, P.B, np.zeros((len(keep), 6), dtype), **o)
    assert found.n_failed == np.sum(counts[keep] < 6)
    assert np.isfinite(found.out).all()


def test_a_prior_of_another_size_is_refused():
    P = make_problem(k=2, offsets=False)
    with pytest.raises(ValueError, match=r"prior has shape \(3, 3\); needed: \(2, 2\)"):
        kernels.row_draws(P.view, P.B, np.zeros_like(P.A), precision=1.0, prior=np.eye(3), pull=np.zeros(2))


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_of_rows_and_columns_are_those_of_their_entries(backend, dtype, weights):
    P = make_problem(k=5, dtype=dtype, weights=weights)
    noise, o = options(P, 5)
    rng, (n, p) = np.random.default_rng(3), (len(P.A), P.view.n_minor)
    alpha, beta = (rng.gamma(2.0, 0.5, size=size).astype(dtype) for size in (n, p))
    own = np.repeat(alpha, P.view.counts) * beta[P.view.indices]
    entry = own if P.view.weights is None else own * P.view.weights
    wanted = kernels.row_draws(Compressed(P.view.indptr, P.view.indices, P.view.values, entry, p), P.B, noise, **o)
    squares = np.empty(n)
    found = kernels.row_draws(P.view, P.B, noise, row_weights=alpha, col_weights=beta, squares=squares, **o)
    assert_close(found.out, wanted.out, dtype, 5)
    assert_close(found.value, wanted.value, dtype, 5)
    assert_close(alpha @ squares, wanted.value, dtype, 5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_row_may_have_a_prior_mean_of_its_own(backend, dtype):
    P = make_problem(k=4, dtype=dtype)
    noise, o = options(P, 4)
    pull = np.random.default_rng(1).normal(size=noise.shape).astype(dtype)
    found = kernels.row_draws(P.view, P.B, noise, **{**o, "pull": pull}).out
    for i in (0, len(pull) // 2, len(pull) - 1):
        alone = kernels.row_draws(P.view, P.B, noise, **{**o, "pull": pull[i]}).out[i]
        assert_close(found[i], alone, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_equations_are_those_of_the_entries(backend, dtype):
    P = make_problem(k=3, dtype=dtype, weights=True)
    noise, o = options(P, 3)
    n, beta = len(P.A), np.linspace(0.5, 2.0, P.view.n_minor).astype(dtype)
    gram, right = np.empty((n, 3, 3), dtype), np.empty((n, 3), dtype)
    kernels.row_draws(P.view, P.B, noise, col_weights=beta, gram=gram, right=right, **o)
    for i in range(n):
        own = slice(P.view.indptr[i], P.view.indptr[i + 1])
        cols = P.view.indices[own]
        B, w = P.B[cols].astype(float), P.view.weights[own].astype(float) * beta[cols]
        t = P.view.values[own] - o["col_offset"][cols] - o["offset"][own]
        assert_close(gram[i], (B.T * w) @ B, dtype)
        assert_close(right[i], B.T @ (w * t), dtype)
