"""Kept curvatures and residuals, and the products of the Hessian's off-diagonal halves with moves of one side."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen import kernels
from halfseen.kernels import reference
from kernel_problems import FAMILIES, assert_close, make_problem


def kept(P, family, weights=True):
    """The table with curvatures as values and residuals as weights."""
    w, g = np.full(len(P.view.values), np.nan, P.dtype), np.full(len(P.view.values), np.nan, P.dtype)
    kernels.curvatures(P.view, P.A, P.B, family=family, trials=2.0, curvature=w, residual=g, **P.offsets)
    return P.view.with_values(w, g)


@pytest.mark.parametrize("family", FAMILIES)
def test_curvatures_and_residuals_are_those_of_the_loss(backend, family):
    P = make_problem(k=5, family=family, weights=True)
    table = kept(P, family)
    m = kernels.at(P.view, P.A, P.B, **P.offsets)
    code = FAMILIES.index(family)
    assert_close(table.values, P.view.weights * reference.curvature(code, 2.0, m), P.dtype)
    assert_close(table.weights, P.view.weights * (reference.mean(code, 2.0, m) - P.view.values), P.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 4, 9, 32, 70])
def test_both_halves_are_those_of_the_full_product(backend, k, dtype):
    P = make_problem(k=k, family="bernoulli", dtype=dtype, weights=True)
    table, dA, dB = kept(P, "bernoulli"), P.normal(*P.A.shape), P.normal(*P.B.shape)
    d_col, zero_A, zero_B = P.normal(len(P.B)), np.zeros_like(P.A), np.zeros_like(P.B)

    def whole(dA, dB, d_col):
        out = np.empty_like(P.A), np.zeros_like(P.B), np.zeros(len(P.B), dtype)
        kernels.hessian_vector(
            P.view, P.A, P.B, dA, dB, family="bernoulli", trials=2.0, d_col=d_col,
            out_A=out[0], out_B=out[1], out_col=out[2], **P.offsets,
        )  # fmt: skip
        return out

    out_B, out_col, out_A = np.ones_like(P.B), np.ones(len(P.B), dtype), np.full_like(P.A, np.nan)
    for start, stop in ((0, 9), (9, 23)):  # as blocks of rows
        kernels.coupled_columns(table, P.A, P.B, dA, out_B=out_B, out_col=out_col, start=start, stop=stop)
        kernels.coupled_rows(table, P.A, P.B, dB, d_col=d_col, out_A=out_A, start=start, stop=stop)
    _, wanted_B, wanted_col = whole(dA, zero_B, 0 * d_col)
    assert_close(out_B - 1, wanted_B, dtype)
    assert_close(out_col - 1, wanted_col, dtype)
    assert_close(out_A, whole(zero_A, dB, d_col)[0], dtype)


def test_a_table_without_residuals_is_refused(backend):
    P = make_problem(k=3)
    with pytest.raises(ValueError, match="no residuals"):
        kernels.coupled_rows(P.view, P.A, P.B, P.B, out_A=np.empty_like(P.A))
