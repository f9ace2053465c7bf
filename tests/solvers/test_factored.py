"""Descent on two factors: every objective against the naive one, and against each other; the rank detector."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.solvers import (
    DenseObjective,
    EntryObjective,
    FactorDescent,
    Factors,
    ImplicitObjective,
    detect_rank,
    loop,
    product_svd,
    rank_detector,
    small_start,
)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.standard_normal((13, 4)) @ rng.standard_normal((4, 9)) + 0.1 * rng.standard_normal((13, 9))


@pytest.fixture
def factors():
    rng = np.random.default_rng(1)
    return Factors(rng.standard_normal((13, 6)), rng.standard_normal((9, 6)))


def entries(table, loss="gaussian", offset=None):
    return EntryObjective(EntryPasses(hs.Observed.from_dense(table), get_loss(loss), offset=offset))


OBJECTIVES = {
    "dense": DenseObjective,
    "operator": lambda X: ImplicitObjective(aslinearoperator(X)),
    "sparse, absent is zero": lambda X: ImplicitObjective(csr_array(X)),
    "entries": entries,
}
every_objective = pytest.mark.parametrize("make", OBJECTIVES.values(), ids=OBJECTIVES.keys())


@every_objective
class TestEveryObjective:
    def test_value_and_gradients_are_the_formulas(self, make, X, factors):
        value, left, right = make(X)(factors)
        F, G = factors
        residual = F @ G.T - X
        assert value == pytest.approx(0.5 * np.sum(residual**2))
        np.testing.assert_allclose(left, residual @ G)
        np.testing.assert_allclose(right, residual.T @ F)

    def test_what_is_left_is_what_the_product_does_not_explain(self, make, X, factors):
        rng = np.random.default_rng(2)
        V, U = rng.standard_normal((9, 2)), rng.standard_normal((13, 2))
        rest = X - factors.left @ factors.right.T
        np.testing.assert_allclose(make(X).rest(factors, V), rest @ V)
        np.testing.assert_allclose(make(X).rest_transposed(factors, U), rest.T @ U)

    def test_single_precision_stays_single(self, make, X, factors):
        single = Factors(factors.left.astype(np.float32), factors.right.astype(np.float32))
        value, left, right = make(X.astype(np.float32))(single)
        assert left.dtype == right.dtype == np.float32
        assert value == pytest.approx(make(X)(factors).value, rel=1e-5)
        assert make(X.astype(np.float32)).rest(single, single.right).dtype == np.float32

    def test_descent_is_the_same_for_every_way_to_give_the_matrix(self, make, X):
        start = small_start(X.shape, 9, 1e-2, np.linalg.norm(X, 2), np.random.default_rng(3))
        step = 0.5 / np.linalg.norm(X, 2)
        want = loop(FactorDescent(DenseObjective(X), step), start, max_iter=80).params
        got = loop(FactorDescent(make(X), step), start, max_iter=80).params
        np.testing.assert_allclose(got.left @ got.right.T, want.left @ want.right.T, atol=1e-9)


def test_missing_entries_count_by_the_share_that_was_seen(X, factors):
    seen = np.where(np.random.default_rng(4).random(X.shape) < 0.5, X, np.nan)
    F, G = factors
    residual = np.nan_to_num(F @ G.T - seen)
    scale = X.size / np.count_nonzero(~np.isnan(seen))
    value, left, _ = entries(seen)(factors)
    assert value == pytest.approx(0.5 * scale * np.sum(residual**2))
    np.testing.assert_allclose(left, scale * residual @ G)
    np.testing.assert_allclose(entries(seen).at_zero().toarray(), scale * np.nan_to_num(seen))


@pytest.mark.parametrize("loss", ["bernoulli", "poisson"])
def test_gradients_of_other_losses_are_those_of_finite_differences(loss, factors):
    rng = np.random.default_rng(5)
    table = np.where(rng.random((13, 9)) < 0.6, rng.integers(0, 2, (13, 9)).astype(float), np.nan)
    small = Factors(0.3 * factors.left, 0.3 * factors.right)
    objective, eps = entries(table, loss, np.full(int(np.isfinite(table).sum()), 0.2)), 1e-6
    found = objective(small)
    for side in (0, 1):
        for place in ((2, 3), (5, 0)):
            ends = []
            for sign in (1, -1):
                moved = [part.copy() for part in small]
                moved[side][place] += sign * eps
                ends.append(objective(Factors(*moved)).value)
            assert found[1 + side][place] == pytest.approx((ends[0] - ends[1]) / (2 * eps), rel=1e-5)
    V = rng.standard_normal((9, 2))
    np.testing.assert_allclose(objective.rest(small, small.right), -found.left)
    assert objective.rest(small, V).shape == (13, 2)


def test_a_guarded_descent_never_rises(X):
    start = small_start(X.shape, 5, 0.5, np.linalg.norm(X, 2), np.random.default_rng(6))
    wild = 20.0 / np.linalg.norm(X, 2)
    run = loop(FactorDescent(DenseObjective(X), wild, is_guarded=True), start, max_iter=200)
    assert np.all(np.diff(run.trace.value) <= 1e-8 * run.trace.value[:-1])
    with np.errstate(over="ignore", invalid="ignore"):
        assert loop(FactorDescent(DenseObjective(X), wild), start, max_iter=200).reason == "not_finite"


def test_the_svd_of_a_product_is_that_of_the_dense_product(factors):
    U, s, V = product_svd(factors)
    np.testing.assert_allclose((U * s) @ V.T, factors.left @ factors.right.T)
    np.testing.assert_allclose(s, np.linalg.svd(factors.left @ factors.right.T, compute_uv=False)[:6])


class TestRankDetector:
    def table(self, rank, noise, observed, seed, shape=(100, 80)):
        rng = np.random.default_rng(seed)
        U, V = (np.linalg.qr(rng.standard_normal((n, rank)))[0] for n in shape)
        truth = np.sqrt(shape[0] * shape[1] / rank) * U @ V.T
        seen = rng.random(shape) < observed
        return hs.Observed.from_dense(np.where(seen, truth + noise * rng.standard_normal(shape), np.nan))

    @pytest.mark.parametrize("rank", [1, 2, 4, 6])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_it_finds_the_rank_of_a_noisy_half_seen_table(self, rank, seed):
        found = detect_rank(self.table(rank, 0.3, 0.4, seed), random_state=seed)
        assert found.rank == rank
        assert found.singular_values.shape == (10,)
        assert found.ratios.shape == (9,)
        assert 0 < found.n_iter <= 600

    def test_without_noise_it_ends_once_nothing_of_size_is_left(self):
        """Held-out entries are predicted ever better then; six hundred passes would tell nothing further."""
        found = detect_rank(self.table(4, 0.0, 0.4, 0), random_state=0)
        assert found.rank == 4
        assert found.n_iter < 100

    def test_what_looks_like_noise_is_not_waited_for(self, monkeypatch):
        """A component of the size of the noise would be due after 200 passes and more."""
        runs, loop_ = [], rank_detector.loop
        monkeypatch.setattr(
            rank_detector, "loop", lambda *given, **more: runs.append(loop_(*given, **more)) or runs[-1]
        )
        for seed in range(3):
            assert detect_rank(self.table(4, 0.3, 0.4, seed), random_state=seed).rank == 4
        assert max(run.n_iter for run in runs) < 120

    def test_a_component_that_comes_late_is_grown_out_before_it_is_judged(self):
        """The smallest of three is a fifth of the largest: half grown it would count as one of the heap below."""
        rng = np.random.default_rng(5)
        U, V = (np.linalg.qr(rng.standard_normal((n, 3)))[0] for n in (150, 120))
        truth = (U * [1.0, 0.9, 0.22]) @ V.T
        table = np.where(rng.random(truth.shape) < 0.9, truth, np.nan)
        assert detect_rank(hs.Observed.from_dense(table), random_state=0).rank == 3

    def test_the_same_seed_finds_the_same(self):
        table = self.table(3, 0.3, 0.3, 0)
        one, two = (detect_rank(table, random_state=7) for _ in range(2))
        np.testing.assert_array_equal(one.singular_values, two.singular_values)

    def test_yes_no_tables_have_a_rank_too(self):
        linear = 3.0 * self.table(2, 0.0, 1.0, 3, (150, 120)).to_dense()
        rng = np.random.default_rng(0)
        table = np.where(rng.random(linear.shape) < 1 / (1 + np.exp(-linear)), 1.0, 0.0)
        table[rng.random(table.shape) < 0.3] = np.nan
        observed = hs.Observed.from_dense(table)
        assert detect_rank(observed, loss=get_loss("bernoulli"), random_state=0).rank == 2

    def test_a_table_of_zeros_has_rank_one(self):
        found = detect_rank(hs.Observed.from_dense(np.zeros((10, 8))), random_state=0)
        assert (found.rank, found.n_iter) == (1, 0)
        assert not found.singular_values.any()
