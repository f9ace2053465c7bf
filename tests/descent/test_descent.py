"""Overparametrized factorization: the iteration, its path and its solvers, against the formulas and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

import halfseen as hs
from descent_truth import best_of_rank, low_rank, naive_descent
from halfseen.linalg.growth import grown, start_size
from halfseen.methods.descent import HeldOutStop
from halfseen.methods.descent.movers import Setting, start_of


def fit(X, k=20, rho=1e-3, stop=60, seed=0, **more):
    return hs.OverparametrizedFactorization(k, start_scale=rho, stop=stop, random_state=seed, **more).fit(X)


def product(model):
    return model.left_ @ model.right_.T


@pytest.fixture(scope="module")
def X():
    return low_rank((40, 30), [3.0, 2.0, 1.0]) + 0.01 * np.random.default_rng(1).standard_normal((40, 30))


class TestTheIteration:
    def test_it_is_the_papers_from_its_start(self, X):
        model = fit(X)
        start_rng, _ = np.random.default_rng(0).spawn(2)
        top = np.linalg.norm(X, 2)
        start = start_of(Setting(20, 1e-3, top, 0.5 / top, X.shape), start_rng, float)
        F, G = naive_descent(X, *start, 0.5 / top, 60)
        np.testing.assert_allclose(product(model), F @ G.T, atol=1e-8)
        assert model.step_ == pytest.approx(0.5 / top)
        assert (model.stop_time_, model.run_.reason, model.run_.converged) == (60, "time", True)

    def test_the_start_has_the_papers_size(self):
        F, G = start_of(Setting(50, 1e-2, 4.0, 1.0, (400, 300)), np.random.default_rng(0), float)
        scale = 1e-2 / (3 * np.sqrt(750)) * 2.0
        # 35 000 normal numbers: standard error of the deviation .4 %
        assert np.std(np.concatenate([F.ravel(), G.ravel()])) == pytest.approx(scale, rel=0.02)

    @pytest.mark.parametrize("given", ["operator", "sparse operator", "entries", "float32"])
    def test_every_way_to_give_the_table_descends_alike(self, X, given):
        table = {
            "operator": aslinearoperator(X), "sparse operator": aslinearoperator(csr_array(X)),
            "entries": hs.Observed.from_triplets(*np.indices(X.shape).reshape(2, -1), X.ravel(), np.ones(X.size)),
            "float32": X.astype(np.float32),
        }[given]  # fmt: skip
        model = fit(table, centre="none")
        np.testing.assert_allclose(product(model), product(fit(X)), atol=2e-5)
        assert model.left_.dtype == (np.float32 if given == "float32" else np.float64)

    def test_factors_are_balanced_and_in_order(self, X):
        model = fit(X)
        for factor in (model.left_, model.right_):
            np.testing.assert_allclose(factor.T @ factor, np.diag(model.singular_values_), atol=1e-10)
        assert np.all(np.diff(model.singular_values_) <= 0)

    def test_the_same_seed_is_the_same_fit_and_another_is_not(self, X):
        np.testing.assert_array_equal(product(fit(X)), product(fit(X)))
        assert not np.array_equal(product(fit(X, seed=1)), product(fit(X)))

    def test_a_step_that_is_too_long_is_reported(self, X):
        model = hs.OverparametrizedFactorization(5, step=10.0, stop="none", random_state=0)
        with np.errstate(all="ignore"), pytest.warns(UserWarning, match="the step is too long"):
            model.fit(X)
        guarded = model.set_params(is_guarded=True, max_iter=300).fit(X)
        assert np.linalg.norm(product(guarded) - X) < 0.1 * np.linalg.norm(X)

    def test_a_table_of_zeros_stays_zero(self):
        model = fit(np.zeros((6, 5)), k=4, stop="auto")
        assert model.run_.reason == "exact"
        assert np.abs(product(model)).max() < 1e-12


class TestThePath:
    def test_components_are_passed_in_order_as_best_approximations(self, X):
        model = fit(X, rho=1e-6, stop=400)
        times = [model.approximation(r).time for r in (1, 2, 3)]
        assert times == sorted(times)
        for r in (1, 2, 3):
            passed = model.approximation(r)
            off = np.linalg.norm(passed.to_dense() - best_of_rank(X, r)) / np.linalg.norm(X)
            assert off < 0.01
            assert np.linalg.matrix_rank(passed.to_dense()) == r
        whole = np.hypot(passed.error, 0)
        assert whole < 0.05

    def test_smaller_starts_come_nearer(self, X):
        errors = [fit(X, rho=rho, stop=600).approximation(2).error for rho in (1e-1, 1e-3, 1e-5)]
        assert errors[0] > 5 * errors[1] > 25 * errors[2]

    def test_times_begin_at_zero_and_end_at_the_stop(self, X):
        path = fit(X, stop=123).path_
        assert (path.times[0], path.times[-1]) == (0, 123)
        assert path.singular_values.shape == (len(path.times), 20)
        assert path.training_errors[0] == pytest.approx(np.linalg.norm(X), rel=1e-4)
        assert np.all(np.diff(path.training_errors) <= 1e-9)

    def test_what_was_not_passed_is_refused_with_a_way_out(self, X):
        with pytest.raises(ValueError, match=r"of rank 1 to 2 .* not of rank 3; use a later stop"):
            fit(X, keep=2, stop=400).approximation(3)
        with pytest.raises(ValueError, match=r"rank=.* a whole number of at least 1"):
            fit(X).approximation(0)

    @pytest.mark.slow
    def test_more_columns_than_needed_do_no_harm_and_exactly_enough_need_luck(self, X):
        best = best_of_rank(X, 3)
        errors = {
            k: [np.linalg.norm(product(fit(X, k=k, stop=60, seed=seed, keep=0)) - best) for seed in range(6)]
            for k in (3, 30)
        }
        assert max(errors[30]) < 0.15  # of a third component of size 1
        assert max(errors[3]) > 0.9  # that has not begun to grow with every start of exactly 3 columns
        assert max(errors[30]) - min(errors[30]) < 0.1 < max(errors[3]) - min(errors[3])
        assert np.linalg.norm(product(fit(X, k=3, stop=150, keep=0)) - best) < 1e-3


class TestTheSolvers:
    def test_the_singular_basis_gives_the_same_iterates(self, X):
        for table in (X, X.T, X[:, :5]):
            want, got = fit(table, k=12, stop=90), fit(table, k=12, stop=90, solver="basis")
            np.testing.assert_allclose(product(got), product(want), atol=1e-9)
            np.testing.assert_allclose(got.path_.singular_values, want.path_.singular_values, atol=1e-9)

    @pytest.mark.parametrize("time", [40, 60, 100])
    def test_the_filter_is_within_two_per_cent_when_columns_abound(self, time):
        X = low_rank((120, 100), np.linspace(1.0, 0.1, 12)) + 1e-3 * np.random.default_rng(0).standard_normal(
            (120, 100)
        )
        want = product(fit(X, k=200, stop=time, keep=0, record=10.0))
        got = product(fit(X, k=200, stop=time, solver="filter", keep=0, record=10.0))
        assert np.linalg.norm(got - want) <= 0.02 * np.linalg.norm(want)

    def test_the_filter_is_the_recursion_of_the_singular_values(self, X):
        model = fit(X, k=30, stop=70, solver="filter")
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        a = np.full(30, np.sqrt(start_size(1e-3, s[0], X.shape, 30)))
        for _ in range(70):
            a = a * (1 + 0.5 / s[0] * (s - a**2))
        np.testing.assert_allclose(product(model), (U * a**2) @ Vt, atol=1e-10)
        np.testing.assert_allclose(model.singular_values_, a**2)
        closed = grown(s, 70, start_size(1e-3, s[0], X.shape, 30), 0.5 / s[0])
        np.testing.assert_allclose(closed, a**2, atol=0.1)

    def test_solvers_that_decompose_refuse_what_is_not_complete(self, X):
        seen = np.where(np.random.default_rng(0).random(X.shape) < 0.8, X, np.nan)
        with pytest.raises(ValueError, match=r"solver='filter' needs all singular values .* missing entries does not"):
            fit(seen, solver="filter")
        with pytest.raises(ValueError, match=r"solver='basis' needs a complete table in memory"):
            fit(aslinearoperator(X), solver="basis")

    def test_a_rank_below_the_tables_limits_the_filter_too(self, X):
        model = fit(X, k=2, stop=400, solver="filter")
        np.testing.assert_allclose(product(model), best_of_rank(X, 2), atol=1e-3)


class TestSymmetricTables:
    @pytest.fixture
    def S(self):
        rng = np.random.default_rng(0)
        Q = np.linalg.qr(rng.standard_normal((25, 25)))[0]
        values = np.zeros(25)
        values[:4] = [2.0, 1.0, -1.5, 0.5]
        return (Q * values) @ Q.T

    def test_the_identity_start_decouples_the_eigenvalues(self, S):
        """C.3 of the paper, (C.11)."""
        S = S @ S  # positive
        model = fit(S, k=25, rho=1e-3, stop=80, is_symmetric=True)
        values, vectors = np.linalg.eigh(S)
        f = np.full(25, 1e-3 * np.sqrt(values.max()))
        for _ in range(80):
            f = f * (1 + model.step_ * (values - f**2))
        np.testing.assert_allclose(product(model), (vectors * f**2) @ vectors.T, atol=1e-10)

    @pytest.mark.parametrize("k", [8, 25])
    def test_iterates_stay_symmetric_and_approach_the_positive_part(self, S, k):
        model = fit(S, k=k, stop=500, is_symmetric=True)
        values, vectors = np.linalg.eigh(S)
        positive = (vectors * np.maximum(values, 0)) @ vectors.T
        np.testing.assert_allclose(product(model), product(model).T, atol=1e-10)
        np.testing.assert_allclose(product(model), positive, atol=1e-5)
        by_filter = fit(S, k=25, stop=500, is_symmetric=True, solver="filter")
        np.testing.assert_allclose(product(by_filter), positive, atol=1e-5)

    def test_tables_that_are_not_symmetric_are_refused(self, S, X):
        with pytest.raises(ValueError, match="needs a square table; got 40 x 30"):
            fit(X, is_symmetric=True)
        S[2, 7] += 1.0
        with pytest.raises(ValueError, match=r"2 entries are not, first R\[2, 7\] = .* across the diagonal; use"):
            fit(S, is_symmetric=True)
        S[2, 7] = np.nan
        with pytest.raises(ValueError, match="both sides of the diagonal; some were seen on one only"):
            fit(S, is_symmetric=True, centre="none")


class TestPredictions:
    def test_rows_of_a_complete_table_are_placed_where_descent_had_them(self, X):
        by_filter = fit(X, k=8, stop=30, solver="filter")
        np.testing.assert_allclose(by_filter.transform(X), by_filter.left_, atol=1e-8)
        model = fit(X, stop=100)
        np.testing.assert_allclose(model.transform(X)[:, :3], model.left_[:, :3], atol=1e-3)
        np.testing.assert_allclose(model.predict(X), model.predict_table(), atol=5e-3)

    def test_new_rows_of_a_half_seen_table_are_completed(self):
        rng = np.random.default_rng(0)
        truth = low_rank((120, 60), 40 * np.ones(3))
        seen = np.where(rng.random(truth.shape) < 0.5, truth + 0.05 * rng.standard_normal(truth.shape), np.nan)
        model = hs.OverparametrizedFactorization(12, random_state=0).fit(seen[:90])
        unseen = np.isnan(seen[90:])
        error = model.predict(seen[90:])[unseen] - truth[90:][unseen]
        assert np.sqrt(np.mean(error**2)) < 0.2 * truth.std()

    def test_means_are_taken_out_of_ratings_but_not_of_centred_tables(self):
        rng = np.random.default_rng(0)
        low = low_rank((80, 60), 30 * np.ones(2))
        mask = rng.random(low.shape) < 0.5
        ratings = 3.5 + rng.normal(size=(80, 1)) + rng.normal(size=60) + low
        assert fit(np.where(mask, low, np.nan), k=6, stop=50).centre_.is_zero
        centre = fit(np.where(mask, ratings, np.nan), k=6, stop=50).centre_
        assert centre.rows.any()
        assert centre.cols.any()
        assert fit(np.where(mask, ratings, np.nan), k=6, stop=50, centre="mean").centre_.cols.any() == False  # noqa: E712
        complete = fit(ratings, k=6, stop=50).centre_
        assert complete.mean == pytest.approx(ratings.mean())
        assert not complete.cols.any()
        assert fit(ratings - ratings.mean(), k=6, stop=50).centre_.is_zero

    @pytest.mark.slow
    def test_a_centred_complete_table_predicts_with_its_means(self, X):
        shifted = X + np.arange(30) + np.arange(40)[:, None]
        model = fit(shifted, stop="sure", centre="both")
        assert np.linalg.norm(model.predict_table() - shifted) < 0.1 * np.linalg.norm(X)

    def test_yes_no_tables_are_completed_from_the_early_stop(self):
        data = hs.datasets.make_factor_data(120, 100, 2, "bernoulli", observed=0.5, random_state=0)
        model = hs.OverparametrizedFactorization(10, family="bernoulli", random_state=0).fit(data.observed)
        unseen = np.ones(data.mean.shape, dtype=bool)
        unseen[data.observed.rows, data.observed.cols] = False
        ours = np.mean((model.predict_table() - data.mean)[unseen] ** 2)
        base = np.mean((data.mean - data.mean.mean())[unseen] ** 2)
        late = hs.OverparametrizedFactorization(10, family="bernoulli", stop="none", max_iter=500, random_state=0).fit(
            data.observed
        )
        # .63 to .77 with other entries held out
        assert ours < 0.8 * base
        assert ours < 0.8 * np.mean((late.predict_table() - data.mean)[unseen] ** 2)
        assert model.run_.reason == "held_out"

    @pytest.mark.slow
    def test_a_table_far_too_large_for_memory_is_fitted_from_its_entries(self):
        rng = np.random.default_rng(0)
        n, p, count = 400_000, 300_000, 5_000
        R = hs.Observed.from_triplets(rng.integers(n, size=count), rng.integers(p, size=count),
                                      rng.standard_normal(count), shape=(n, p), duplicates="last")  # fmt: skip
        model = hs.OverparametrizedFactorization(2, stop=2, random_state=0).fit(R)
        assert model.predict([0, 1], [5, 6]).shape == (2,)

    @pytest.mark.slow
    def test_held_out_without_refitting_keeps_the_best_iterate(self, X):
        seen = np.where(np.random.default_rng(0).random(X.shape) < 0.8, X, np.nan)
        once = hs.OverparametrizedFactorization(10, stop=HeldOutStop(is_refitted=False), random_state=0).fit(seen)
        again = hs.OverparametrizedFactorization(10, stop=HeldOutStop(), random_state=0).fit(seen)
        assert once.stop_time_ == once.held_out_.best_time == again.stop_time_
        assert once.held_out_.best_error == once.held_out_.errors.min()
        assert not np.array_equal(product(once), product(again))
