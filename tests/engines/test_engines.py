"""Engines keep the order; passes give the same bits on any of them and agree with the naive sums."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

import halfseen as hs
from contracts.test_losses import LOSSES
from halfseen.engines import EntryPasses, Serial, Threads, current_engine, cuts, resolve
from halfseen.losses import Gaussian


def test_threads_keep_the_order_of_the_items():
    engine = Threads(2)
    assert list(engine.map(lambda k: (time.sleep(0.01 * (3 - k)), k)[1], range(4))) == [0, 1, 2, 3]


def test_threads_use_other_threads():
    assert threading.main_thread().name not in set(Threads(2).map(lambda _: threading.current_thread().name, range(4)))


def test_an_engine_is_in_force_inside_its_block_only():
    assert isinstance(current_engine(), Serial)
    with hs.engine("threads", workers=3) as used:
        assert current_engine() is used
        assert used.workers == 3
        with hs.engine("serial"):
            assert isinstance(current_engine(), Serial)
        assert current_engine() is used
    assert isinstance(current_engine(), Serial)


@pytest.mark.parametrize("choice", ["dask", 3])
def test_an_unknown_engine_is_refused(choice):
    with pytest.raises(ValueError, match="'serial', 'threads'"):
        resolve(choice)


def test_no_worker_is_too_few():
    with pytest.raises(ValueError, match="at least 1"):
        Threads(0)


@pytest.fixture
def setting(request, monkeypatch):
    """A weighted table in several blocks, with offsets of all kinds, for one loss."""
    monkeypatch.setattr(cuts, "ENTRIES_PER_BLOCK", 150)
    loss, rng = request.param, np.random.default_rng(0)
    n, p, k = 40, 30, 3
    A, B = 0.5 * rng.normal(size=(n, k)), 0.5 * rng.normal(size=(p, k))
    row, col, extra = 0.1 * rng.normal(size=n), 0.1 * rng.normal(size=p), rng.normal(size=(n, p))
    m = A @ B.T + row[:, None] + col + extra
    y = np.asarray(loss.sample(m, rng), dtype=float)
    seen = rng.random((n, p)) < 0.6
    rows, cols = np.nonzero(seen)
    weights = rng.uniform(0.5, 2.0, len(rows))
    R = hs.Observed.from_triplets(rows, cols, y[seen], weights=weights, shape=(n, p))
    found = {e: EntryPasses(R, loss, e, extra[seen]) for e in ("serial", Threads(2), Threads(3))}
    dense = {"seen": seen, "y": y, "W": np.where(seen, 0.0, 0.0), "extra": extra}
    dense["W"][rows, cols] = weights
    return loss, list(found.values()), (A, B, row, col), dense


every_setting = pytest.mark.parametrize("setting", LOSSES, ids=lambda loss: loss.name, indirect=True)


def dense_parts(loss, factors, dense):
    A, B, row, col = factors
    m = A @ B.T + row[:, None] + col + dense["extra"]
    value = np.sum(dense["W"] * loss.value(dense["y"], m))
    return value, dense["W"] * loss.gradient(dense["y"], m), dense["W"] * loss.curvature(dense["y"], m)


@every_setting
class TestPasses:
    def test_the_gradient_is_that_of_the_dense_formula(self, setting):
        loss, many, (A, B, row, col), dense = setting
        assert len(many[0].blocks(0)) > 2
        value, g, _ = dense_parts(loss, (A, B, row, col), dense)
        got = many[0].loss_and_gradient(A, B, row, col)
        assert got.value == pytest.approx(value, rel=1e-10)
        for name, want in {"A": g @ B, "B": g.T @ A, "row": g.sum(1), "col": g.sum(0)}.items():
            np.testing.assert_allclose(getattr(got, name), want, rtol=1e-9, atol=1e-9)

    def test_every_number_of_workers_gives_the_same_bits(self, setting):
        _, many, (A, B, row, col), _ = setting
        results = [each.loss_and_gradient(A, B, row, col) for each in many]
        for other in results[1:]:
            assert other.value == results[0].value
            for name in ("A", "B", "row", "col"):
                assert np.array_equal(getattr(other, name), getattr(results[0], name))

    def test_the_hessian_product_is_the_derivative_of_the_gradient(self, setting):
        _, many, (A, B, row, col), _ = setting
        rng, h = np.random.default_rng(5), 1e-5
        dA, dB, dr, dc = (rng.normal(size=x.shape) for x in (A, B, row, col))
        got = many[1].hessian_vector(A, B, dA, dB, row_offset=row, col_offset=col, d_row=dr, d_col=dc)
        up = many[0].loss_and_gradient(A + h * dA, B + h * dB, row + h * dr, col + h * dc)
        down = many[0].loss_and_gradient(A - h * dA, B - h * dB, row - h * dr, col - h * dc)
        for name in ("A", "B", "row", "col"):
            slope = (getattr(up, name) - getattr(down, name)) / (2 * h)
            scale = np.abs(slope).max()
            np.testing.assert_allclose(getattr(got, name), slope, atol=1e-6 * scale)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_the_information_blocks_are_those_of_the_dense_formula(self, setting, axis):
        loss, many, (A, B, row, col), dense = setting
        _, _, h = dense_parts(loss, (A, B, row, col), dense)
        if axis == 0:
            got, want = many[2].information(0, A, B, row, col), np.einsum("ij,jk,jl->ikl", h, B, B)
        else:
            got, want = many[2].information(1, B, A, col, row), np.einsum("ij,ik,il->jkl", h, A, A)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_newton_ends_where_each_rows_gradient_vanishes(self, setting, axis):
        loss, many, (A, B, row, col), dense = setting
        X, other, offset = (A, B, col) if axis == 0 else (B, A, row)
        ridge = np.array([0.5, 1.0, 2.0])
        scale = np.linspace(0.5, 2.0, len(X))
        out, value = many[1].newton(axis, X, other, minor_offset=offset, ridge=ridge, ridge_scale=scale, steps=30)
        factors = (out, B, 0 * row, col) if axis == 0 else (A, out, row, 0 * col)
        total, g, _ = dense_parts(loss, factors, dense)
        gradient = (g @ B if axis == 0 else g.T @ A) + scale[:, None] * ridge * out
        assert np.abs(gradient).max() < 1e-6
        assert value == pytest.approx(total + 0.5 * np.sum(scale[:, None] * ridge * out**2), rel=1e-9)

    def test_predictors_and_quadratic_forms_come_in_canonical_order(self, setting):
        _, many, (A, B, row, col), dense = setting
        m = (A @ B.T + row[:, None] + col + dense["extra"])[dense["seen"]]
        np.testing.assert_allclose(many[1].at(A, B, row, col), m, rtol=1e-10, atol=1e-12)
        V = np.random.default_rng(1).normal(size=(30, 3, 3))
        V = V + V.transpose(0, 2, 1)
        want = np.einsum("ik,jkl,il->ij", A, V, A)[dense["seen"]]
        np.testing.assert_allclose(many[1].quadratic(1, V, A), want, rtol=1e-9, atol=1e-9)

    def test_sums_over_rows_and_columns(self, setting):
        _, many, (A, B, _, _), dense = setting
        g = np.random.default_rng(2).normal(size=int(dense["seen"].sum()))
        G = np.zeros(dense["seen"].shape)
        G[dense["seen"]] = g
        np.testing.assert_allclose(many[0].to_rows(g, B), G @ B, atol=1e-10)
        np.testing.assert_allclose(many[0].to_cols(g, A), G.T @ A, atol=1e-10)


def test_blocks_do_not_depend_on_the_engine_and_cover_all_rows():
    counts = np.random.default_rng(0).integers(0, 50_000, 200)
    view = hs.data.Compressed.trusted(
        np.concatenate([[0], np.cumsum(counts)]), np.zeros(0, np.int32), np.zeros(0), None, 60_000
    )
    ranges = cuts.split_rows(view)
    assert len(ranges) == cuts.FEW_BLOCKS
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 200
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    loads = np.add.reduceat(counts, [a for a, _ in ranges])
    assert loads.max() < 1.2 * loads.mean()


def test_single_precision_stays_single_precision():
    rng = np.random.default_rng(0)
    R = hs.Observed.from_dense(rng.normal(size=(20, 10)).astype(np.float32))
    got = EntryPasses(R, Gaussian()).loss_and_gradient(rng.normal(size=(20, 2)), rng.normal(size=(10, 2)))
    assert got.A is not None
    assert got.A.dtype == np.float32
