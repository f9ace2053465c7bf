"""The passes over the entries: every backend against the plain formula and finite differences."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import naive
from halfseen import kernels
from halfseen.data import Compressed
from kernel_problems import FAMILIES, RANKS, assert_close, make_problem, use

DTYPES = (np.float32, np.float64)


def gradients(problem, family, trials=1.0, start=0, stop=None):
    """Value and the four gradients; what must be added into starts at one."""
    P = problem
    out = {
        "grad_A": np.full_like(P.A, np.nan),
        "grad_B": np.ones_like(P.B),
        "grad_row": np.full(len(P.A), np.nan, P.dtype),
        "grad_col": np.ones(len(P.B), P.dtype),
    }
    value = kernels.loss_and_gradient(
        P.view, P.A, P.B, family=family, trials=trials, start=start, stop=stop, **P.offsets, **out
    )
    return value, out


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_agrees_with_the_plain_formula(backend, family, dtype, weights):
    P = make_problem(k=5, family=family, dtype=dtype, weights=weights, offsets=weights)
    value, out = gradients(P, family, trials=2.0)
    wanted = naive.loss_and_gradient(P.view, P.A, P.B, family, 2.0, **P.offsets)
    assert_close(value, wanted[0], dtype)
    assert_close(out["grad_A"], wanted[1], dtype)
    assert_close(out["grad_B"] - 1, wanted[2], dtype)
    assert_close(out["grad_row"], wanted[3], dtype)
    assert_close(out["grad_col"] - 1, wanted[4], dtype)


@pytest.mark.parametrize("k", RANKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rank_agrees_with_the_twin(isa, monkeypatch, k, dtype):
    for family in FAMILIES:
        P = make_problem(n=40, p=150, k=k, family=family, dtype=dtype, density=0.6, weights=True)
        use("reference", monkeypatch)
        wanted, wanted_out = gradients(P, family, 3.0)
        use(isa, monkeypatch)
        value, out = gradients(P, family, 3.0)
        assert_close(value, wanted, dtype)
        for name, array in out.items():
            assert_close(array, wanted_out[name], dtype)
        assert value == pytest.approx(
            kernels.loss_and_gradient(P.view, P.A, P.B, family=family, trials=3.0, **P.offsets), rel=1e-12
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_is_the_derivative_of_the_value(backend, family):
    P = make_problem(k=3, family=family, weights=True)
    _, out = gradients(P, family, 2.0)
    rng = np.random.default_rng(5)
    move = {"A": rng.normal(size=P.A.shape), "B": rng.normal(size=P.B.shape)}
    slope = np.sum(out["grad_A"] * move["A"]) + np.sum((out["grad_B"] - 1) * move["B"])
    slope += np.sum(out["grad_row"]) + np.sum(out["grad_col"] - 1)
    step = 1e-5

    def value(t):
        offsets = {**P.offsets, "row_offset": P.offsets["row_offset"] + t, "col_offset": P.offsets["col_offset"] + t}
        A, B = P.A + t * move["A"], P.B + t * move["B"]
        return kernels.loss_and_gradient(P.view, A, B, family=family, trials=2.0, **offsets)

    assert (value(step) - value(-step)) / (2 * step) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_hessian_product_is_the_derivative_of_the_gradient(backend, family, dtype):
    P = make_problem(k=4, family=family, dtype=np.float64, weights=True)
    rng = np.random.default_rng(5)
    dA, dB, d_row, d_col = (rng.normal(size=s) for s in (P.A.shape, P.B.shape, len(P.A), len(P.B)))
    step = 1e-5

    def shifted(t):
        offsets = {
            "row_offset": P.offsets["row_offset"] + t * d_row,
            "col_offset": P.offsets["col_offset"] + t * d_col,
            "offset": P.offsets["offset"],
        }
        moved = type(P)(view=P.view, A=P.A + t * dA, B=P.B + t * dB, offsets=offsets, dtype=np.float64)
        return gradients(moved, family, 2.0)[1]

    high, low = shifted(step), shifted(-step)
    view = P.view.with_values(P.view.values.astype(dtype), P.view.weights.astype(dtype))
    cast = {name: array.astype(dtype) for name, array in P.offsets.items()}
    out = [np.full_like(P.A, np.nan, dtype), np.zeros_like(P.B, dtype), np.empty(len(P.A), dtype)]
    out_col = np.zeros(len(P.B), dtype)
    factors = [array.astype(dtype) for array in (P.A, P.B, dA, dB)]
    kernels.hessian_vector(
        view, *factors, family=family, trials=2.0, d_row=d_row, d_col=d_col,
        out_A=out[0], out_B=out[1], out_row=out[2], out_col=out_col, **cast,
    )  # fmt: skip
    scale = 1.0 if dtype == np.float32 else 1e4  # central differences in float64: 1e-6
    for found, name in zip([*out, out_col], ("grad_A", "grad_B", "grad_row", "grad_col"), strict=True):
        assert_close(found, (high[name] - low[name]) / (2 * step), dtype, scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [0, 1, 7, 32])
def test_operators_agree_with_dense_algebra(backend, k, dtype):
    P = make_problem(k=k, dtype=dtype)
    rows = np.repeat(np.arange(len(P.A)), np.diff(P.view.indptr))
    cols = P.view.indices
    m = (P.A @ P.B.T)[rows, cols] + P.offsets["row_offset"][rows] + P.offsets["col_offset"][cols] + P.offsets["offset"]
    assert_close(kernels.at(P.view, P.A, P.B, **P.offsets), m, dtype)
    g = P.normal(len(cols))
    dense = np.zeros((len(P.A), len(P.B)))
    dense[rows, cols] = g
    assert_close(kernels.to_rows(P.view, g, P.B), dense @ P.B, dtype)
    assert_close(kernels.to_cols(P.view, g, P.A, out=np.ones_like(P.B)), 1 + dense.T @ P.A, dtype)
    V = P.normal(len(P.A), k, k)
    V = V + V.transpose(0, 2, 1)
    assert_close(kernels.quadratic(P.view, V, P.B), np.einsum("ea,eab,eb->e", P.B[cols], V[rows], P.B[cols]), dtype)


def test_row_ranges_add_up_to_the_whole(backend):
    P = make_problem(k=6, family="poisson", weights=True)
    whole, out = gradients(P, "poisson")
    value, grad_A, grad_B = 0.0, np.full_like(P.A, np.nan), np.ones_like(P.B)
    m = np.full(len(P.view.values), np.nan)
    for start, stop in ((0, 1), (1, 2), (2, 2), (2, 15), (15, 23)):
        part = slice(P.view.indptr[start], P.view.indptr[stop])
        value += kernels.loss_and_gradient(
            P.view, P.A, P.B, family="poisson", start=start, stop=stop, grad_A=grad_A, grad_B=grad_B, **P.offsets
        )
        m[part] = kernels.at(P.view, P.A, P.B, start=start, stop=stop, **P.offsets)
    assert value == pytest.approx(whole)
    assert_close(grad_A, out["grad_A"], np.float64)
    assert_close(grad_B, out["grad_B"], np.float64)
    assert_close(m, kernels.at(P.view, P.A, P.B, **P.offsets), np.float64)
    assert_close(kernels.to_rows(P.view, m, P.B, start=2, stop=9), kernels.to_rows(P.view, m, P.B)[2:9], np.float64)


def test_column_blocks_change_nothing_but_rounding(isa, monkeypatch):
    # 6000 columns of rank 64 outgrow the block of the second-level cache several times over.
    P = make_problem(n=30, p=6000, k=64, family="bernoulli", density=0.2, hole=False)
    use("reference", monkeypatch)
    wanted, wanted_out = gradients(P, "bernoulli")
    use(isa, monkeypatch)
    value, out = gradients(P, "bernoulli")
    assert value == pytest.approx(wanted, rel=1e-12)
    for name, array in out.items():
        assert_close(array, wanted_out[name], np.float64)
    assert_close(kernels.at(P.view, P.A, P.B), np.einsum("ek,ek->e", *_gathered(P)), np.float64)


def _gathered(P):
    return P.A[np.repeat(np.arange(len(P.A)), np.diff(P.view.indptr))], P.B[P.view.indices]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_predictors_stay_finite_and_right(backend, family, dtype):
    m = np.array([-1e4, -100, -30, -1e-8, 0, 1e-8, 0.3, 29.9, 30.1, 60, 1e4], dtype)
    if family == "gaussian":
        m = np.clip(m, -1e3, 1e3)
    n = len(m)
    view = Compressed(np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, dtype), None, 1)
    A, B, grad = m[:, None].copy(), np.ones((1, 1), dtype), np.empty((n, 1), dtype)
    kernels.loss_and_gradient(view, A, B, family=family, grad_A=grad)
    parts = [naive.entry_loss(family, 1.0, 1.0, float(x)) for x in m]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(grad[:, 0], [p[1] - 1 for p in parts], rtol=30 * eps, atol=4 * eps)
    for i in range(n):
        value = kernels.loss_and_gradient(view, A, B, family=family, start=i, stop=i + 1)
        # the loss may cancel (tangent minus y m); compare against the size of its terms
        size = abs(parts[i][1]) * (1 + abs(float(m[i]))) + abs(float(m[i])) + 1
        assert abs(value - parts[i][0]) <= size * 30 * eps


def test_nan_in_a_factor_reaches_only_its_own_entries(backend):
    P = make_problem(k=5)
    P.B[7] = np.nan
    m = kernels.at(P.view, P.A, P.B, **P.offsets)
    assert np.array_equal(np.isnan(m), P.view.indices == 7)
    assert np.isnan(kernels.loss_and_gradient(P.view, P.A, P.B, family="bernoulli"))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 3)])
def test_tables_without_entries(backend, shape):
    n, p = shape
    view = Compressed(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0), None, p)
    A, B, grad_A, grad_B = np.ones((n, 2)), np.ones((p, 2)), np.full((n, 2), 5.0), np.full((p, 2), 5.0)
    assert kernels.loss_and_gradient(view, A, B, family="gaussian", grad_A=grad_A, grad_B=grad_B) == 0
    assert (grad_A == 0).all()
    assert (grad_B == 5).all()
    assert kernels.row_newton(view, A, B, family="gaussian", ridge=[1.0, 0.0]).out.tolist() == [[0.0, 1.0]] * n


def test_wide_indices_give_the_same_numbers(backend):
    P = make_problem(k=5)
    fields = ("indptr", "values", "weights", "n_minor")
    wide = SimpleNamespace(indices=P.view.indices.astype(np.int64), **{name: getattr(P.view, name) for name in fields})
    found = kernels.row_newton(wide, P.A, P.B, family="gaussian", ridge=np.ones(5))
    wanted = kernels.row_newton(P.view, P.A, P.B, family="gaussian", ridge=np.ones(5))
    assert np.array_equal(found.out, wanted.out)


def test_few_entries_of_a_very_wide_table_cost_no_pass_over_its_columns(backend):
    view = Compressed(np.array([0, 2]), np.array([5, 399_999], np.int32), np.ones(2, np.float32), None, 400_000)
    A, B = np.ones((1, 3), np.float32), np.ones((400_000, 3), np.float32)
    assert kernels.at(view, A, B).tolist() == [3.0, 3.0]
