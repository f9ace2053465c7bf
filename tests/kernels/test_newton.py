"""Row-wise Newton and the information matrices."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from halfseen import kernels
from kernel_problems import FAMILIES, RANKS, assert_close, make_problem, use

DTYPES = (np.float32, np.float64)


def options(P, k, weights=True):
    ridge = {"ridge": np.linspace(0.5, 1.5, k), "prior_rhs": np.linspace(-1, 1, k)}
    return {**ridge, "ridge_scale": np.linspace(1, 2, len(P.A)), **_no_row(P.offsets)}


def _no_row(offsets):
    return {name: value for name, value in offsets.items() if name != "row_offset"}


@pytest.mark.fast_cases("0", "1", "3", "8", "17", "33")
@pytest.mark.parametrize("method", ["cholesky", "cg"])
@pytest.mark.parametrize("k", RANKS)
def test_every_rank_agrees_with_the_twin(isa, monkeypatch, k, method):
    for dtype in DTYPES:
        for family in FAMILIES:
            P = make_problem(n=40, p=150, k=k, family=family, dtype=dtype, density=0.6, weights=True)
            arguments = {"family": family, "trials": 2.0, "method": method, "steps": 2, **options(P, k)}
            use("reference", monkeypatch)
            wanted = kernels.row_newton(P.view, P.A, P.B, **arguments)
            use(isa, monkeypatch)
            found = kernels.row_newton(P.view, P.A, P.B, **arguments)
            assert_close(found.out, wanted.out, dtype, 5)
            assert_close(found.value, wanted.value, dtype, 5)
            assert found.n_failed == wanted.n_failed == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_gaussian_step_is_the_least_squares_solution(backend, dtype):
    P = make_problem(k=4, dtype=dtype, weights=True)
    o = options(P, 4)
    found = kernels.row_newton(P.view, P.A, P.B, family="gaussian", **o)
    value = 0.0
    for i in range(len(P.A)):
        own = slice(P.view.indptr[i], P.view.indptr[i + 1])
        B, w = P.B[P.view.indices[own]].astype(float), P.view.weights[own].astype(float)
        t = P.view.values[own] - o["col_offset"][P.view.indices[own]] - o["offset"][own]
        scale = o["ridge_scale"][i]
        H = (B.T * w) @ B + scale * np.diag(o["ridge"])
        x = np.linalg.solve(H, B.T @ (w * t) + scale * o["prior_rhs"])
        assert_close(found.out[i], x, dtype)
        value += naive.row_objective(
            P.view, found.out, P.B, i, "gaussian", 1.0, o["ridge"], scale, o["prior_rhs"], o["col_offset"], o["offset"]
        )
    assert_close(found.value, value, dtype)


@pytest.mark.parametrize("method", ["cholesky", "cg"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_ridge_of_the_rows_own_is_that_of_a_call_for_this_row(backend, family, method):
    P = make_problem(n=12, p=15, k=5, family=family, weights=True)
    ridges = np.random.default_rng(0).random((len(P.A), 5)) + 0.2
    given = {"family": family, "method": method, "steps": 3, **_no_row(P.offsets)}
    found = kernels.row_newton(P.view, P.A, P.B, ridge=ridges, **given)
    value = 0.0
    for i in range(len(P.A)):
        alone = kernels.row_newton(P.view, P.A, P.B, ridge=ridges[i], **given)
        assert_close(found.out[i], alone.out[i], np.float64)
        value += kernels.row_newton(P.view, P.A, P.B, ridge=ridges[i], start=i, stop=i + 1, **given).value
    assert_close(found.value, value, np.float64)
    part = kernels.row_newton(P.view, P.A, P.B, ridge=ridges, start=3, stop=7, **given)
    assert_close(part.out, found.out[3:7], np.float64)


@pytest.mark.parametrize("method", ["cholesky", "cg"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_goes_down_even_from_a_bad_start(backend, family, method):
    P = make_problem(k=3, family=family, offsets=False)
    X = 6 * P.A  # far off: full Newton steps overshoot
    o = {"ridge": np.full(3, 0.1)}
    before = [naive.row_objective(P.view, X, P.B, i, family, 1.0, o["ridge"]) for i in range(len(X))]
    found = kernels.row_newton(P.view, X, P.B, family=family, method=method, **o)
    after = [naive.row_objective(P.view, found.out, P.B, i, family, 1.0, o["ridge"]) for i in range(len(X))]
    assert all(b <= a + 1e-9 * (1 + abs(a)) for a, b in zip(before, after, strict=True))
    assert found.value == pytest.approx(sum(after), rel=1e-10)


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_many_steps_reach_a_stationary_point(backend, family):
    P = make_problem(k=3, family=family)
    o = _no_row(P.offsets)
    X = kernels.row_newton(P.view, P.A, P.B, family=family, ridge=np.full(3, 0.1), steps=30, **o).out
    grad = np.empty_like(X)
    kernels.loss_and_gradient(P.view, X, P.B, family=family, grad_A=grad, **o)
    assert np.abs(grad + 0.1 * X).max() < 1e-8


@pytest.mark.parametrize("dtype", DTYPES)
def test_singular_rows_are_counted_and_stay_finite(backend, dtype):
    P = make_problem(k=6, dtype=dtype, density=0.1, offsets=False)
    counts = np.diff(P.view.indptr)
    found = kernels.row_newton(P.view, P.A, P.B, family="gaussian")
    assert found.n_failed == np.sum((counts > 0) & (counts < 6))
    assert np.isfinite(found.out).all()
    assert np.array_equal(found.out[counts == 0], P.A[counts == 0])
    # fewer entries than unknowns: the fit is exact, but for the jitter where the row's own matrix is ill-conditioned
    residual = kernels.at(P.view, found.out, P.B) - P.view.values
    short = np.repeat(counts < 6, counts)
    assert np.median(np.abs(residual[short])) < 30 * np.sqrt(np.finfo(dtype).eps)


def test_features_of_zero_leave_the_row_as_it_was(backend):
    P = make_problem(k=3, offsets=False)
    found = kernels.row_newton(P.view, P.A, np.zeros_like(P.B), family="gaussian")
    assert np.array_equal(found.out, P.A)
    assert found.value == pytest.approx(0.5 * np.sum(P.view.values**2))


def test_output_may_be_the_input_and_only_the_range_is_written(backend):
    P = make_problem(k=4, family="bernoulli", offsets=False)
    X = P.A.copy()
    part = kernels.row_newton(P.view, X, P.B, family="bernoulli", ridge=np.ones(4), start=3, stop=9, out=X)
    whole = kernels.row_newton(P.view, P.A, P.B, family="bernoulli", ridge=np.ones(4)).out
    assert part.out is X
    assert_close(X[3:9], whole[3:9], np.float64)
    assert np.array_equal(np.delete(X, slice(3, 9), 0), np.delete(P.A, slice(3, 9), 0))


def test_long_rows_cross_many_tiles(isa, monkeypatch):
    P = make_problem(n=3, p=40_000, k=2, family="bernoulli", density=0.9, hole=False)
    use("reference", monkeypatch)
    wanted = kernels.row_newton(P.view, P.A, P.B, family="bernoulli", steps=3)
    use(isa, monkeypatch)
    found = kernels.row_newton(P.view, P.A, P.B, family="bernoulli", steps=3)
    assert_close(found.out, wanted.out, np.float64)
    assert found.value == pytest.approx(wanted.value)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_information_agrees_with_the_plain_formula(backend, family, dtype, weights):
    for k in (0, 1, 5, 17):
        P = make_problem(k=k, family=family, dtype=dtype, weights=weights)
        found = kernels.information(P.view, P.A, P.B, family=family, trials=2.0, **P.offsets)
        assert_close(found, naive.information(P.view, P.A, P.B, family, 2.0, **P.offsets), dtype)
        assert np.array_equal(found, found.transpose(0, 2, 1))


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_information_pass_gives_the_rows_gradients_too(backend, family, dtype, weights):
    for k in (0, 1, 5, 17):
        P = make_problem(k=k, family=family, dtype=dtype, weights=weights)
        slope, more = np.full_like(P.A, np.nan), {"family": family, "trials": 2.0, **P.offsets}
        bare = kernels.information(P.view, P.A, P.B, **more)
        assert np.array_equal(kernels.information(P.view, P.A, P.B, gradient=slope, **more), bare)
        wanted = np.empty_like(slope)
        kernels.loss_and_gradient(P.view, P.A, P.B, grad_A=wanted, **more)
        assert_close(slope, wanted, dtype)
