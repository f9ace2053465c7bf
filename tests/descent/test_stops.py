"""Every stop against the best time, without the truth; and what each refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import halfseen as hs
from descent_truth import low_rank
from halfseen.linalg import SteinEstimate, noise_edge, shrunk
from halfseen.linalg.growth import half_time, theorem_time, time_between
from halfseen.methods.descent import BetweenModes, DiscrepancyStop, HeldOutStop, PlateauStop, Sure, TheoryWindow
from halfseen.solvers import DenseObjective, FactorDescent, loop, small_start


@pytest.fixture(scope="module")
def noisy():
    """Operator norm of the noise 5 % of the largest singular value."""
    rng = np.random.default_rng(0)
    truth = low_rank((120, 80), [1.0, 0.7, 0.5, 0.3])
    noise = 0.05 / (np.sqrt(120) + np.sqrt(80)) * rng.standard_normal(truth.shape)
    return truth, truth + noise


def fit(X, stop, **more):
    settings = {"solver": "basis", "keep": 0, "random_state": 0, **more}
    return hs.OverparametrizedFactorization(40, stop=stop, **settings).fit(X)


def error(model, truth):
    return np.linalg.norm(model.left_ @ model.right_.T - truth)


@pytest.fixture(scope="module")
def oracle(noisy):
    """Least error along a path, every iteration looked at."""
    truth, X = noisy
    top, errors = np.linalg.norm(X, 2), []
    start = small_start(X.shape, 40, 1e-3, top, np.random.default_rng(0))

    def watch(iteration, result, seconds):
        errors.append(np.linalg.norm(result.params.left @ result.params.right.T - truth))

    loop(FactorDescent(DenseObjective(X), 0.5 / top), start, max_iter=250, watchers=[watch])
    assert np.argmin(errors) < 200
    return min(errors)


RULES = {
    "sure": (Sure(), 1.02),
    "held out": (HeldOutStop(held_out=0.05), 1.03),
    "discrepancy": (DiscrepancyStop(), 1.03),
    "between": (BetweenModes(), 1.1),
    "known rank": (BetweenModes(rank=4), 1.1),
    "plateau": (PlateauStop(), 1.1),
}


@pytest.mark.fast_cases("plateau")
@pytest.mark.parametrize(("rule", "bound"), RULES.values(), ids=RULES.keys())
def test_rules_come_near_the_best_time_and_optimal_shrinkage_beats_them(noisy, oracle, rule, bound):
    truth, X = noisy
    model = fit(X, rule)
    assert model.run_.converged
    assert error(model, truth) <= bound * oracle
    assert np.linalg.norm(shrunk(X) - truth) <= 1.005 * error(model, truth)


@pytest.mark.slow
def test_going_on_for_ever_is_much_worse(noisy, oracle):
    truth, X = noisy
    assert error(fit(X, "none", max_iter=1500), truth) > 1.5 * oracle


@pytest.mark.slow
def test_auto_is_sure_for_complete_tables_discrepancy_for_operators_and_held_out_for_others(noisy):
    _, X = noisy
    assert fit(X, "auto").sure_ is not None
    assert fit(aslinearoperator(X), "auto", solver="descent").run_.reason == "discrepancy"
    seen = np.where(np.random.default_rng(0).random(X.shape) < 0.7, X, np.nan)
    model = fit(seen, "auto", solver="descent")
    assert model.run_.reason == "held_out"
    assert model.held_out_.best_error < 0.3 * X.std()


def test_the_stop_of_an_operator_is_near_that_of_the_table(noisy, oracle):
    truth, X = noisy
    assert error(fit(aslinearoperator(X), "auto", solver="descent"), truth) < 1.05 * oracle


def test_stein_estimates_the_error_without_bias():
    """Mean over 60 noises of estimate minus truth, against its own standard error."""
    truth = low_rank((30, 20), [1.5, 1.0, 0.5])
    differences = []
    for seed in range(60):
        X = truth + 0.1 * np.random.default_rng(seed).standard_normal(truth.shape)
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        # a smooth filter, s^3 / (s^2 + 1/2)
        f, slope = s**3 / (s**2 + 0.5), (s**4 + 1.5 * s**2) / (s**2 + 0.5) ** 2
        estimate = SteinEstimate(s, X.shape, 0.1)(f, slope)
        differences.append(estimate - np.sum(((U * f) @ Vt - truth) ** 2))
    standard_error = np.std(differences, ddof=1) / np.sqrt(60)
    assert abs(np.mean(differences)) < 3 * standard_error
    assert standard_error < 0.1 * np.sum(truth**2)


def test_steins_divergence_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 4))
    f = lambda s: s**3 / (s**2 + 0.5)  # noqa: E731

    def filtered(Y):
        U, s, Vt = np.linalg.svd(Y, full_matrices=False)
        return (U * f(s)) @ Vt

    divergence = 0.0
    for i, j in np.ndindex(X.shape):
        move = np.zeros_like(X)
        move[i, j] = 1e-6
        divergence += (filtered(X + move) - filtered(X - move))[i, j] / 2e-6
    s = np.linalg.svd(X, compute_uv=False)
    slope = (s**4 + 1.5 * s**2) / (s**2 + 0.5) ** 2
    got = SteinEstimate(s, X.shape, 1.0)(f(s), slope)
    assert got == pytest.approx(2 * divergence - X.size + np.sum((f(s) - s) ** 2), rel=1e-6)


def test_stein_allows_equal_singular_values():
    split, tied = np.array([1.0 + 1e-3, 1.0, 0.5]), np.array([1.0, 1.0, 0.5])
    values = [SteinEstimate(s, (5, 3), 0.3)(0.5 * s**2, s) for s in (split, tied)]
    assert values[0] == pytest.approx(values[1], rel=1e-2)


class TestTimes:
    def test_the_theorems_time_comes_from_the_gap_of_the_table(self, noisy):
        _, X = noisy
        s = np.linalg.svd(X, compute_uv=False)
        model = fit(X, TheoryWindow(rank=2))
        assert model.stop_time_ == theorem_time(1e-3, 1 - s[2] / s[1], s[1], model.step_)
        same = fit(X, TheoryWindow(gap=1 - s[2] / s[1], size=s[1]))
        assert same.stop_time_ == model.stop_time_

    def test_at_the_sharp_time_the_iterate_is_near_the_best_of_that_rank(self):
        X = low_rank((60, 40), [1.0, 0.9, 0.3, 0.2])
        rule = TheoryWindow(rank=2, law="sharp")
        model = hs.OverparametrizedFactorization(20, start_scale=1e-5, stop=rule, random_state=0).fit(X)
        U, s, Vt = np.linalg.svd(X)
        best = (U[:, :2] * s[:2]) @ Vt[:2]
        assert np.linalg.norm(model.left_ @ model.right_.T - best) < 1e-3

    def test_closed_forms_are_those_of_the_singular_values(self, noisy):
        _, X = noisy
        s = np.linalg.svd(X, compute_uv=False)
        model = fit(X, BetweenModes(rank=3))
        start = half_start(model, X)
        assert model.stop_time_ == round(time_between(s[2], s[3], start, model.step_))
        given = fit(X, BetweenModes(noise=0.01, share=1.0))
        edge = noise_edge(*X.shape, 0.01)
        assert given.stop_time_ == round(float(half_time(edge, start, model.step_)))

    def test_the_threshold_separates_what_has_grown(self, noisy):
        _, X = noisy
        model = fit(X, "sure")
        s = np.linalg.svd(X, compute_uv=False)[:40]
        has_grown = model.singular_values_ > 0.5 * s
        assert np.array_equal(has_grown, s > model.threshold_)
        assert has_grown.sum() == 4

    def test_the_noise_level_is_found(self, noisy):
        _, X = noisy
        assert fit(X, "sure").noise_ == pytest.approx(0.05 / (np.sqrt(120) + np.sqrt(80)), rel=0.05)


def half_start(model, X):
    from halfseen.linalg.growth import start_size

    return start_size(1e-3, model.top_, X.shape, 40)


BAD = {
    "an unknown name": ("soon", ValueError, "stop='soon' is not allowed; needed: one of 'auto', 'none', "),
    "half an iteration": (2.5, TypeError, "stop=2.5 is not allowed; .* or a stopping rule"),
    "no iterations": (0, ValueError, "stop=0 is not allowed; .* a whole number of at least 1"),
    "theory without a gap": (TheoryWindow(size=1.0), ValueError, "needed: rank=r, or both gap="),
    "a gap above 1": (TheoryWindow(gap=1.5, size=1.0), ValueError, "TheoryWindow.gap=1.5 .* above 0 and below 1"),
    "a rank that is not there": (TheoryWindow(rank=999), ValueError, "the table has 80 components; rank=999 is more"),
    "all held out": (HeldOutStop(held_out=1.0), ValueError, "HeldOutStop.held_out=1.0 .* below 1"),
    "negative noise": (Sure(noise=-1.0), ValueError, "Sure.noise=-1.0 .* a finite number above 0"),
    "no tolerance": (PlateauStop(tol=0.0), ValueError, "PlateauStop.tol=0.0 .* a finite number above 0"),
    "an unknown law": (TheoryWindow(rank=1, law="x"), ValueError, "TheoryWindow.law='x' .* one of 'theorem', 'sharp'"),
}


@pytest.mark.parametrize(("stop", "kind", "message"), BAD.values(), ids=BAD.keys())
def test_bad_stops_are_refused_with_the_way_out(noisy, stop, kind, message):
    with pytest.raises(kind, match=message):
        fit(noisy[1], stop)


def test_rules_refuse_tables_that_they_cannot_serve(noisy):
    _, X = noisy
    seen = np.where(np.random.default_rng(0).random(X.shape) < 0.7, X, np.nan)
    with pytest.raises(ValueError, match=r"stop=Sure needs all singular values .* use stop='held_out'"):
        fit(seen, "sure", solver="descent")
    with pytest.raises(ValueError, match=r"stop='discrepancy' needs a complete table"):
        fit(seen, "discrepancy", solver="descent")
    with pytest.raises(ValueError, match="needs entries to hold out; a linear operator has none"):
        fit(aslinearoperator(X), "held_out", solver="descent")
    with pytest.raises(ValueError, match=r"stop=BetweenModes needs all singular values .* a linear operator does not"):
        fit(aslinearoperator(X), "between", solver="descent")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"rank": 0}, ValueError, "rank=0 is not allowed; needed: a whole number of at least 1, None or 'auto'"),
        ({"start_scale": -1.0}, ValueError, "start_scale=-1.0 .* a finite number above 0"),
        ({"step": "big"}, ValueError, "step='big' .* 'auto' or a finite number above 0"),
        ({"step": 0.0}, ValueError, "step=0.0 .* a finite number above 0"),
        ({"solver": "magic"}, ValueError, "solver='magic' is not allowed; needed: one of 'descent'"),
        ({"centre": "x"}, ValueError, "centre='x' is not allowed; needed: one of 'auto', 'none'"),
        ({"keep": -1}, ValueError, "keep=-1 is not allowed; needed: a whole number of at least 0"),
        ({"is_symmetric": True, "solver": "basis"}, ValueError, "needed: False with solver='basis'"),
        ({"family": "ordinal"}, ValueError, "is not for OverparametrizedFactorization; it takes gaussian"),
        ({"family": "bernoulli"}, ValueError, r"family='bernoulli' needs 0 or 1; .* first R\[0, 0\]"),
    ],
)
def test_bad_parameters_are_named(noisy, change, kind, message):
    with pytest.raises(kind, match=message):
        hs.OverparametrizedFactorization(random_state=0).set_params(**change).fit(noisy[1])


def test_operators_refuse_what_needs_entries(noisy):
    operator = aslinearoperator(noisy[1])
    with pytest.raises(ValueError, match=r"judges entries, which a linear operator does not have"):
        hs.OverparametrizedFactorization(family="poisson").fit(operator)
    with pytest.raises(ValueError, match=r"centre='mean' needs entries"):
        hs.OverparametrizedFactorization(centre="mean").fit(operator)
    with pytest.raises(ValueError, match=r"is_symmetric needs a square table; got 120 x 80"):
        hs.OverparametrizedFactorization(is_symmetric=True).fit(operator)


@pytest.mark.parametrize(("latest", "ends"), [(None, 12), (11.0, 11), (3.0, 10), (50.0, 12)])
def test_the_discrepancy_stop_waits_no_longer_than_noise_needs_to_grow(latest, ends):
    """What is left falls below the edge at sweep 10; 1.15 times that is 12, unless noise has grown before."""
    from halfseen.solvers import Discrepancy, SweepResult

    sizes = iter(range(100, 0, -5))
    at = None if latest is None else (lambda edge: latest)
    stop = Discrepancy(lambda params: params, lambda params, value: 55.0, 1.15, at)
    for sweep, size in enumerate(sizes, start=1):
        if stop(sweep, SweepResult(float(size), 0.0)) is not None:
            break
    assert sweep == ends
