"""The noise that all rows' factors share: against errors drawn, projected and brought into the gauge one by one."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import BlockCovariance, Span
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.identification import to_gauge
from halfseen.methods.factor.intervals.covariances import Uncertainty
from halfseen.methods.factor.intervals.gauge import gauge_noise
from halfseen.methods.factor.intervals.scores import score_table

N, P, R, RHO = 40, 30, 2, 2.0


def uneven_point(rotation=None):
    """A point in its gauge whose rows are known very unevenly, with small errors: first order is all there is."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(N, R)) * [2.0, 1.0], rng.normal(size=(P, R))
    at = to_gauge(FactorPoint(rng.normal(size=P), X, Y), RHO, rotation)
    rows = [_precision(rng, R, scale) for scale in np.exp(rng.normal(size=N) * 1.5)]
    cols = [_precision(rng, R + 1, scale) for scale in np.exp(rng.normal(size=P))]
    V, W = np.linalg.inv(rows), np.linalg.inv(cols)
    sides = [BlockCovariance(v, v, np.ones(len(v)), np.ones(len(v), bool), np.ones(len(v), bool)) for v in (V, W)]
    return Uncertainty(at, *sides, np.zeros(0), 1.0, 0.0, 0.0, (0, 0))


def _precision(rng, k, scale):
    root = rng.normal(size=(k, 2 * k))
    return 1e6 * scale * root @ root.T


def without_gauge(errors, basis, precision):
    """Errors less their part along the gauge's directions, in the metric of the information."""
    metric = np.einsum("mkq,mkl->mlq", basis, precision)
    inner = np.einsum("mlq,mlk->qk", metric, basis)
    along = np.linalg.solve(inner, np.einsum("mlq,bml->qb", metric, errors))
    return errors - np.einsum("mkq,qb->bmk", basis, along)


def drawn_moves(found, n_draws=4000):
    """Moves of all rows, columns and intercepts by the gauge, drawn by plain linear algebra and `to_gauge`."""
    rng, at = np.random.default_rng(1), found.factors
    X, Y = at.rows, at.cols
    row_basis, col_basis = np.zeros((N, R, R * R + R)), np.zeros((P, R + 1, R * R + R))
    for k in range(R):
        for m in range(R):
            row_basis[:, m, k * R + m] = X[:, k]
            col_basis[:, 1 + k, k * R + m] = -Y[:, m]
        row_basis[:, k, R * R + k], col_basis[:, 0, R * R + k] = -1.0, Y[:, k]
    errors = []
    for blocks, basis in ((found.rows, row_basis), (found.cols, col_basis)):
        white = rng.normal(size=(n_draws, *basis.shape[:2]))
        drawn = np.einsum("mkl,bml->bmk", np.linalg.cholesky(blocks.covariance), white)
        errors.append(without_gauge(drawn, basis, np.linalg.inv(blocks.inverse)))
    moves = []
    for d, e in zip(*errors, strict=True):
        moved = to_gauge(FactorPoint(at.intercept + e[:, 0], X + d, Y + e[:, 1:]), RHO)
        moves.append((moved.rows - X - d, moved.cols - Y - e[:, 1:], moved.intercept - at.intercept - e[:, 0]))
    return [np.stack(part) for part in zip(*moves, strict=True)]


@pytest.mark.slow
def test_the_gauge_moves_as_drawn_errors_move_it():
    found = uneven_point()
    noise, (rows, cols, intercepts) = gauge_noise(found, RHO, None, 0.0), drawn_moves(found)
    for expected, moves in ((noise.of_rows(found.factors.rows), rows), (noise.of_cols(found.factors.cols), cols)):
        seen = np.einsum("bmk,bml->mkl", moves, moves) / len(moves)
        scale = np.sqrt(np.einsum("mkk->mk", expected))
        away = (seen - expected) / (scale[:, :, None] * scale[:, None, :])
        assert np.abs(away).max() < 0.15  # 4000 draws: a standard deviation of .022, 300 numbers
        assert abs(np.einsum("mkk->mk", away).mean()) < 0.03
    ratio = np.mean(intercepts**2, axis=0) / noise.of_intercepts(found.factors.cols)
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)


@pytest.mark.slow
def test_functionals_share_one_move():
    found = uneven_point()
    noise, (rows, cols, intercepts) = gauge_noise(found, RHO, None, 0.0), drawn_moves(found)
    rng = np.random.default_rng(2)
    g, g_cols = rng.normal(size=(N, R)), rng.normal(size=(P, R + 1))
    drawn = np.einsum("bmk,mk->b", rows, g) + np.einsum("bmk,mk->b", cols, g_cols[:, 1:]) + intercepts @ g_cols[:, 0]
    expected = noise.of_functional(g, g_cols, found.factors.rows, found.factors.cols)
    assert np.mean(drawn**2) == pytest.approx(expected, rel=0.1)
    # entries do not move with the gauge
    S = rng.normal(size=(N, P))
    features = np.column_stack([np.ones(N), found.factors.rows])
    entries = noise.of_functional(S @ found.factors.cols, S.T @ features, found.factors.rows, found.factors.cols)
    assert entries < 1e-12 * expected


def test_equally_good_rows_leave_the_gauge_nothing():
    found = uneven_point()
    same = [
        BlockCovariance(v, v, np.ones(m), np.ones(m, bool), np.ones(m, bool))
        for v, m in ((np.tile(1e-6 * np.eye(R), (N, 1, 1)), N), (np.tile(1e-6 * np.eye(R + 1), (P, 1, 1)), P))
    ]
    even = Uncertainty(found.factors, *same, np.zeros(0), 1.0, 0.0, 0.0, (0, 0))
    own = np.sqrt(np.einsum("mkk->mk", even.rows.covariance))
    moved = np.sqrt(np.maximum(np.einsum("mkk->mk", gauge_noise(even, RHO, None, 0.0).of_rows(found.factors.rows)), 0))
    assert (moved < 2e-3 * own).all()  # what is left is the product of two errors
    uneven = gauge_noise(found, RHO, None, 0.0).of_rows(found.factors.rows)
    assert np.einsum("mkk->m", uneven).mean() > 0.05 * np.einsum("mkk->m", found.rows.covariance).mean()


def test_a_known_rotation_leaves_scale_and_mean():
    found = uneven_point("varimax")
    noise = gauge_noise(found, RHO, "varimax", 0.0)
    KK = noise.covariance[: R * R, : R * R].reshape(R, R, R, R)
    np.testing.assert_allclose(KK, KK.transpose(1, 0, 2, 3), atol=1e-12 * KK.max())  # K is symmetric
    assert np.linalg.eigvalsh(noise.covariance)[0] > -1e-12 * np.abs(noise.covariance).max()


def test_well_known_rows_take_the_gauge_into_their_intervals():
    data = hs.datasets.make_factor_data(150, 120, rank=2, family="poisson", observed=0.5, intercept=0.0, random_state=3)
    model = hs.GeneralizedFactorModel(2, "poisson", penalty="none", random_state=0).fit(data.observed)
    i = model.inference(random_state=0)
    x, own = i.row_factors(), np.sqrt(i._view.uncertainty.rows.variances())
    share = 1.0 - np.square(own / x.se)
    best = own.mean(axis=1) < np.quantile(own.mean(axis=1), 0.1)
    assert share[best].mean() > 3 * share[~best].mean()
    published = model.inference(variance="plug_in", random_state=0)
    np.testing.assert_allclose(
        published.row_factors().se ** 2, published._view.uncertainty.rows.variances(), rtol=1e-12
    )


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, np.inf), (-np.inf, 2.0), (-np.inf, np.inf)])
def test_intervals_on_a_span_stay_inside_and_are_symmetric_on_its_scale(low, high):
    s, se = np.array([0.02, 0.5, 0.97]), np.array([0.05, 0.1, 0.3])
    span = Span(np.full(3, low), np.full(3, high))
    ends = span.around(s, se, 2.0)
    assert ((ends[0] > low) & (ends[0] < s)).all()
    assert ((ends[1] > s) & (ends[1] < high)).all()
    at, scale = span.scaled(s, se)
    for end, sign in zip(ends, (-1, 1), strict=True):
        np.testing.assert_allclose(span.scaled(end, se)[0], at + sign * 2.0 * scale, rtol=1e-6)
    h = 1e-6
    slope = (span.scaled(s + h, se)[0] - span.scaled(s - h, se)[0]) / (2 * h)
    np.testing.assert_allclose(scale, slope * se, rtol=1e-6)


def test_what_is_known_has_no_width_and_what_is_not_has_the_whole_span():
    span = Span(np.zeros(3), np.array([1.0, 1.0, np.inf]))
    low, high = span.around(np.array([1.0, 0.3, 0.3]), np.array([0.0, np.inf, np.inf]), 1.96)
    np.testing.assert_array_equal(low, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(high, [1.0, 1.0, np.inf])


def test_score_deviations_keep_the_second_order_term():
    """Against plain loops: errors and standard errors at the drawn factors, a row at a time."""
    data = hs.datasets.make_factor_data(120, 100, rank=2, observed=0.8, random_state=4)
    model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", random_state=0).fit(data.observed)
    i = model.inference(random_state=0)
    found, table = i._view.uncertainty, score_table(i._view, 0, "again", None)
    rng = np.random.default_rng(0)
    own, other = 0.3 * rng.normal(size=(3, 120, 2)), 0.1 * rng.normal(size=(3, 100, 3))
    (seen,) = table.deviations(iter([(own, other)]))
    x, y, p = found.features, found.factors.cols, 100
    m = found.factors.intercept + found.factors.rows @ y.T
    mean = 1 / (1 + np.exp(-m))
    w, bend = mean * (1 - mean), mean * (1 - mean) * (1 - 2 * mean)
    for row in (0, 7, 31):
        V, A = found.rows.covariance[row], np.einsum("j,jk,jl->kl", bend[row], y, y) / p
        fixed = sum(w[row, j] ** 2 * x[row] @ found.cols.covariance[j] @ x[row] for j in range(p)) / p**2
        fixed += 0.5 * np.trace(A @ V @ A @ V)
        for b in range(3):
            d, c = own[b, row], w[row] @ y / p
            error = c @ d + 0.5 * d @ A @ d + sum(w[row, j] * x[row] @ other[b, j] for j in range(p)) / p
            moved = c + A @ d
            assert seen[b, row] == pytest.approx(error / np.sqrt(moved @ V @ moved + fixed), rel=1e-9)
