"""Rows integrated out: columns at the mode of their marginal posterior, against plain quadrature."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference.integrated import fits_in, integrate_rows
from halfseen.losses import get_loss

X = np.linspace(-8.0, 8.0, 801)
STEP = 1e-4


def answers(trials: int = 1, n: int = 14, p: int = 4) -> np.ndarray:
    rng = np.random.default_rng(3)
    linear = rng.normal(size=(n, 1)) * rng.lognormal(0.0, 0.4, p) + rng.normal(size=p)
    table = rng.binomial(trials, 1.0 / (1.0 + np.exp(-linear))).astype(float)
    table[:, 0] = trials  # a column that everybody answers alike: no finite estimate without a prior
    return np.where(rng.random((n, p)) < 0.8, table, np.nan)


def naive_densities(table: np.ndarray, trials: int, cols: np.ndarray) -> np.ndarray:
    """Joint density of every row's answers and its place, on a fine grid: (n, grid)."""
    out = np.zeros((len(table), len(X)))
    for i, row in enumerate(table):
        for j in np.flatnonzero(np.isfinite(row)):
            m = cols[j, 0] + cols[j, 1] * X
            out[i] += row[j] * m - trials * np.logaddexp(0.0, m)
    return np.exp(out - 0.5 * X**2) * (X[1] - X[0]) / np.sqrt(2 * np.pi)


def naive_value(table: np.ndarray, trials: int, flat: np.ndarray, fit) -> float:
    """Minus the log posterior of all columns."""
    cols = flat.reshape(-1, 2)
    marginal = np.log(naive_densities(table, trials, cols).sum(axis=1)).sum()
    return float(0.5 * (np.square(cols - fit.centre) / fit.spread).sum() - marginal)


def numerical_hessian(value, at: np.ndarray) -> np.ndarray:
    k, h = len(at), 1e-3
    e = h * np.eye(k)
    out = np.empty((k, k))
    for a in range(k):
        for b in range(k):
            corners = [value(at + s * e[a] + t * e[b]) * s * t for s in (1, -1) for t in (1, -1)]
            out[a, b] = sum(corners) / (4 * h * h)
    return out


@pytest.fixture(scope="module", params=[("bernoulli", 1), ("binomial(5)", 5)], ids=["yes-no", "counts out of 5"])
def case(request):
    family, trials = request.param
    table = answers(trials)
    fit = integrate_rows(hs.Observed.from_dense(table), get_loss(family), np.tile([0.0, 1.0], (table.shape[1], 1)))
    assert fit.converged
    return table, trials, fit


def test_columns_are_at_the_mode_of_the_marginal_posterior(case):
    table, trials, fit = case
    flat = fit.cols.ravel()
    for a in range(len(flat)):
        move = STEP * np.eye(len(flat))[a]
        slope = naive_value(table, trials, flat + move, fit) - naive_value(table, trials, flat - move, fit)
        # a step of EM that moves columns by less than 1e-4 leaves a slope of about that
        assert abs(slope / (2 * STEP)) < 5e-3


def test_errors_of_columns_are_those_of_the_whole_marginal_posterior(case):
    table, trials, fit = case
    H = numerical_hessian(lambda flat: naive_value(table, trials, flat, fit), fit.cols.ravel())
    V = np.linalg.inv(H).reshape(len(fit.cols), 2, len(fit.cols), 2)
    blocks = np.stack([V[j, :, j, :] for j in range(len(fit.cols))])
    np.testing.assert_allclose(fit.cols_covariance, blocks, rtol=5e-3, atol=2e-3)


def test_rows_have_their_posterior_means_and_the_columns_share_of_error(case):
    table, trials, fit = case

    def means(cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        density = naive_densities(table, trials, cols)
        density = density / density.sum(axis=1, keepdims=True)
        mean = density @ X
        return mean, density @ X**2 - mean**2

    mean, own = means(fit.cols)
    np.testing.assert_allclose(fit.rows[:, 0], mean, atol=1e-4)
    flat, moves = fit.cols.ravel(), STEP * np.eye(fit.cols.size)
    J = np.stack(
        [(means((flat + e).reshape(-1, 2))[0] - means((flat - e).reshape(-1, 2))[0]) / (2 * STEP) for e in moves]
    )
    V = np.linalg.inv(numerical_hessian(lambda at: naive_value(table, trials, at, fit), flat))
    np.testing.assert_allclose(fit.rows_covariance[:, 0, 0], own + np.einsum("an,ab,bn->n", J, V, J), rtol=5e-3)


def test_shares_with_trials_as_weights_are_counts(case):
    table, trials, fit = case
    counts = hs.Observed.from_dense(table)
    shares = counts.with_values(counts.values / trials, weights=np.full(counts.n_entries, float(trials)))
    again = integrate_rows(shares, get_loss("bernoulli"), np.tile([0.0, 1.0], (table.shape[1], 1)))
    np.testing.assert_allclose(again.cols, fit.cols, atol=1e-8)
    np.testing.assert_allclose(again.rows_covariance, fit.rows_covariance, atol=1e-8)


def test_large_tables_and_several_factors_are_left_to_other_ways():
    small = hs.Observed.from_dense(answers())
    assert fits_in(small, 1)
    assert not fits_in(small, 2)
    wide = hs.Observed.from_triplets([0, 1], [0, 1], [1.0, 1.0], shape=(5000, 5000))
    assert not fits_in(wide, 1)
