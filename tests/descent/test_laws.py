"""The paper's figures and the sharper laws, in small."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from descent_truth import half_seen, low_rank
from halfseen.linalg.growth import error_exponent
from halfseen.methods.descent.movers import Diagonal
from halfseen.solvers import DenseObjective, FactorDescent, ImplicitObjective, detect_rank, loop, small_start


def least_error(gap, rho, side=60, seed=0, kappa=2.0, step=0.25):
    """Least relative error to the best rank-3 approximation in 500 iterations, and its time; k = 10."""
    s = np.concatenate([[kappa, (1 + kappa) / 2, 1.0], (1 - gap) * 0.5 ** np.arange(side - 3)])
    start, best = small_start((side, side), 10, rho, kappa, np.random.default_rng(seed)), [np.inf, 0]

    def watch(time, result, seconds):
        F, G = result.params
        parts = (F[:3] @ G[:3].T - np.diag(s[:3]), F[:3] @ G[3:].T, F[3:] @ G[:3].T, F[3:] @ G[3:].T)
        error = np.sqrt(sum(np.sum(part**2) for part in parts)) / np.linalg.norm(s[:3])
        if error < best[0]:
            best[:] = [error, time]

    loop(FactorDescent(ImplicitObjective(Diagonal(s, side, side), 1.0), step), start, max_iter=500, watchers=[watch])
    return best


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.25, 0.5, 0.75])
def test_the_error_falls_with_the_sharp_power_of_the_start(gap):
    rhos = np.array([1e-3, 1e-5, 1e-7])
    slope = np.polyfit(np.log(rhos), [np.log(least_error(gap, rho)[0]) for rho in rhos], 1)[0]
    assert slope == pytest.approx(error_exponent(gap), rel=0.05)
    assert slope > 3 * error_exponent(gap, "theorem")


@pytest.mark.parametrize("gap", [0.5, 0.65, 0.8])
def test_the_time_of_the_least_error_is_log_of_it_over_the_gap(gap):
    error, time = least_error(gap, 1e-7)
    assert time == pytest.approx(np.log(1 / error) / (0.25 * gap), rel=0.06)


def test_error_and_time_hardly_depend_on_the_dimension():
    found = np.array(
        [[np.log(error), time] for error, time in (least_error(0.5, 1e-4, side) for side in (20, 80, 240))]
    )
    spread = np.abs(found / found.mean(axis=0) - 1).max(axis=0)
    assert spread[0] <= 0.15
    assert spread[1] <= 0.10


class TestFigures:
    def descend(self, X, rho, until, look, k=60):
        top, found = np.linalg.norm(X, 2), []
        start = small_start(X.shape, k, rho, top, np.random.default_rng(0))
        watch = lambda time, result, seconds: found.append(look(result.params))  # noqa: E731
        loop(FactorDescent(DenseObjective(X), 0.5), start, max_iter=until, watchers=[watch])
        return np.array(found)

    @pytest.mark.slow
    def test_small_starts_reach_the_best_approximation_and_moderate_ones_never(self):
        """Figure 1; 4.1 times at its full size."""
        rng = np.random.default_rng(0)
        truth = low_rank((90, 70), [1.0, 0.8, 0.7, 0.6])
        truth /= np.linalg.norm(truth)
        X = truth + 2e-3 / (np.sqrt(90) + np.sqrt(70)) * rng.standard_normal(truth.shape)
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        best = np.linalg.norm((U[:, :4] * s[:4]) @ Vt[:4] - truth)
        test = lambda params: np.linalg.norm(params.left @ params.right.T - truth)  # noqa: E731
        for rho in (1e-2, 1e-6):
            assert self.descend(X, rho, 250, test).min() <= 1.001 * best
        one = 3 * np.sqrt(220) / np.sqrt(np.linalg.norm(X, 2) * 80 * 60)
        assert self.descend(X, one, 1500, test).min() >= 2.3 * best

    @pytest.mark.slow
    def test_a_small_start_is_ten_times_faster_than_a_moderate_one(self):
        """Figure 2b: error 1e-3; the moderate start has factors of Frobenius norm 1."""
        X = low_rank((90, 70), np.linspace(1.0, 0.5, 5))
        X /= np.linalg.norm(X)
        error = lambda params: np.linalg.norm(params.left @ params.right.T - X)  # noqa: E731
        small = 1 + int(np.argmax(self.descend(X, 1e-6, 400, error) <= 1e-3))
        one = 3 * np.sqrt(220) / np.sqrt(np.linalg.norm(X, 2) * 80 * 60)
        assert 1 < small < 200
        assert self.descend(X, one, 10 * small, error).min() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", "decay"])
@pytest.mark.parametrize("share", [0.25, 0.4])
def test_half_seen_tables_are_completed_and_their_rank_is_found(kind, share):
    """Six noisy tables of 100 x 80 and rank 4: the rank or its neighbour, and near least squares that is told it."""
    ours, told, ranks = [], [], []
    for seed in range(6):
        truth, seen = half_seen(kind, share, 0.3, seed)
        unseen, table = np.isnan(seen), hs.Observed.from_dense(seen)
        ranks.append(detect_rank(table, random_state=seed).rank)
        model = hs.OverparametrizedFactorization(10, random_state=seed).fit(table)
        als = hs.AlternatingLeastSquares(4, 0.3, bias_penalty=1e6, alpha=0.0, random_state=seed).fit(table)
        for errors, fitted in ((ours, model), (told, als)):
            errors.append(np.linalg.norm((fitted.predict_table() - truth)[unseen]) / np.linalg.norm(truth[unseen]))
    assert np.mean(np.array(ranks) == 4) >= 0.8
    assert max(abs(rank - 4) for rank in ranks) <= 1
    assert np.mean(ours) < 1.35 * np.mean(told)
    assert np.mean(ours) < 0.45
