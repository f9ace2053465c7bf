"""Soft-impute: the nuclear-norm optimum, checked against a dense twin and against its optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.completion.nuclear import NuclearProblem, SparsePlusLowRank, unshrunk
from halfseen.solvers.loop import loop

TIGHT = {"tol": 1e-13, "max_iter": 20_000}
SOLVERS = ("ridge", "low_rank")


def table_of(n=40, p=30, rank=3, noise=0.3, share=0.6, seed=0):
    """A low-rank table with noise, its truth, NaN where not seen; an empty row and column."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    table = np.where(rng.random(truth.shape) < share, truth + noise * rng.normal(size=truth.shape), np.nan)
    table[4], table[:, 7] = np.nan, np.nan
    return table, truth


def to_complete(table):
    """Cells that were not seen, of rows and columns of which something was."""
    seen = ~np.isnan(table)
    return ~seen & seen.any(axis=1, keepdims=True) & seen.any(axis=0)


def naive_soft_impute(table, penalty, n_rounds=4000):
    """Mazumder, Hastie and Tibshirani (2010), Algorithm 1, dense: fill in, shrink the singular values, repeat."""
    seen, Z = ~np.isnan(table), np.zeros(table.shape)
    for _ in range(n_rounds):
        U, s, Vt = np.linalg.svd(np.where(seen, table, Z), full_matrices=False)
        Z = (U * np.maximum(s - penalty, 0.0)) @ Vt
    return Z


@pytest.mark.slow_cases("8.0-ridge")
@pytest.mark.fast_cases("8.0")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", [0.5, 3.0, 8.0])
def test_it_is_the_dense_soft_impute(solver, penalty):
    table, _ = table_of()
    options = {"solver": solver, "tol": 1e-13, "max_iter": 20_000}
    model = hs.SoftImpute(30, penalty, bias_penalty=None, **options, random_state=0).fit(table)
    Z = naive_soft_impute(table, penalty)
    np.testing.assert_allclose(model.predict_table(), Z, atol=2e-4)
    values = np.linalg.svd(Z, compute_uv=False)
    assert model.rank_ == np.sum(values > 1e-6)
    np.testing.assert_allclose(model.singular_values_, values[: model.rank_], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_optimality_conditions_hold_with_biases(solver):
    table, _ = table_of(seed=1)
    table = table + np.linspace(-2, 2, 40)[:, None] + 5
    options = {"solver": solver, "tol": 1e-13, "max_iter": 20_000}
    model = hs.SoftImpute(30, 4.0, bias_penalty=2.0, **options, random_state=0).fit(table)
    G = np.nan_to_num(table - model.predict_table())
    U, V = (side / np.linalg.norm(side, axis=0) for side in (model.row_factors_, model.col_factors_))
    assert model.rank_ > 1
    np.testing.assert_allclose(U.T @ G @ V, 4.0 * np.eye(model.rank_), atol=5e-4)
    # no direction outside of the factors is worth its price
    outside = G - U @ (U.T @ G)
    outside = outside - (outside @ V) @ V.T
    assert np.linalg.norm(outside, 2) <= 4.0 + 1e-4
    np.testing.assert_allclose(G.sum(axis=1), 2.0 * model.row_bias_, atol=1e-4)
    np.testing.assert_allclose(G.sum(axis=0), 2.0 * model.col_bias_, atol=1e-4)
    assert not model.row_factors_[4].any()
    assert not model.row_bias_[4]


def problem_of(R, solver="low_rank", bias=2.0, rank=30):
    mean = float(np.average(R.values, weights=R.weights)) if bias else 0.0
    return NuclearProblem(EntryPasses(R, get_loss("gaussian")), mean, bias, rank, solver, 1e-10, 500)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_both_sweeps_lower_one_objective(is_weighted):
    table, _ = table_of()
    R = hs.Observed.from_dense(table)
    rng = np.random.default_rng(0)
    if is_weighted:
        R = R.with_values(R.values, weights=rng.uniform(0.5, 2.0, R.n_entries))
    start = tuple(np.column_stack([rng.normal(size=(size, 3)), np.zeros(size)]) for size in R.shape)
    weights = np.ones(R.n_entries) if R.weights is None else R.weights
    for solver in SOLVERS:
        problem = problem_of(R, solver)
        run = loop(problem.sweep(1.5, 3), start, max_iter=30)
        assert np.all(np.diff(run.trace.value) <= 1e-9 * run.trace.value[0])
        (A, B), mean = run.params, problem.mean
        fitted = mean + np.add.outer(A[:, 3], B[:, 3]) + A[:, :3] @ B[:, :3].T
        squares = weights @ np.square(R.values - fitted[R.rows, R.cols])
        ridge = 1.5 * (np.sum(A[:, :3] ** 2) + np.sum(B[:, :3] ** 2)) + 2.0 * (
            np.sum(A[:, 3] ** 2) + np.sum(B[:, 3] ** 2)
        )
        assert run.value == pytest.approx(squares + ridge)
    assert isinstance(problem_of(R).sweep(1.0, 3), SparsePlusLowRank)


def test_a_large_rank_takes_the_sparse_plus_low_rank_sweeps():
    problem = problem_of(hs.Observed.from_dense(table_of()[0]), solver="auto")
    assert not isinstance(problem.sweep(1.0, 16), SparsePlusLowRank)
    assert isinstance(problem.sweep(1.0, 64), SparsePlusLowRank)


def test_from_the_largest_singular_value_on_nothing_is_left():
    table, _ = table_of()
    R = hs.Observed.from_dense(table)
    problem = problem_of(R, bias=None)
    found = problem.spectral_norm(problem.start(), np.random.default_rng(0))
    assert found == pytest.approx(np.linalg.norm(np.nan_to_num(table), 2), rel=0.02)
    model = hs.SoftImpute(30, 1.05 * found, bias_penalty=None, random_state=0).fit(table)
    assert model.rank_ == 0
    assert not model.predict_table().any()


def test_the_rank_is_bounded():
    table, _ = table_of(noise=1.0)
    model = hs.SoftImpute(2, 0.5, **TIGHT, random_state=0).fit(table)
    assert model.rank_ == 2
    assert model.transform(table).shape == (40, 2)


def test_debiasing_is_the_least_squares_fit_of_the_singular_values():
    table, _ = table_of()
    R = hs.Observed.from_dense(table)
    rng = np.random.default_rng(0)
    R = R.with_values(R.values, weights=rng.uniform(0.5, 2.0, R.n_entries))
    params = tuple(rng.normal(size=(size, 4)) for size in R.shape)
    problem, (A, B) = problem_of(R), params
    features = A[R.rows, :3] * B[R.cols, :3]
    target = R.values - problem.mean - A[R.rows, 3] - B[R.cols, 3]
    root = np.sqrt(R.weights)
    wanted = np.linalg.lstsq(root[:, None] * features, root * target, rcond=None)[0]
    np.testing.assert_allclose(unshrunk(problem, params), np.maximum(wanted, 0.0), atol=1e-10)


def test_debiasing_is_chosen_where_there_is_little_noise():
    table, truth = table_of(100, 80, rank=4, noise=0.01, share=0.5)
    hidden = to_complete(table)
    errors = {}
    for debias in ("auto", True, False):
        model = hs.SoftImpute(16, "auto", bias_penalty=None, debias=debias, random_state=0).fit(table)
        errors[debias] = np.linalg.norm((model.predict_table() - truth)[hidden]) / np.linalg.norm(truth[hidden])
    assert errors["auto"] == errors[True] < 0.7 * errors[False]


def test_the_penalty_that_predicts_held_out_entries_best_is_taken():
    table, truth = table_of(100, 80, rank=3, noise=1.0, share=0.5, seed=2)
    model = hs.SoftImpute(20, "auto", bias_penalty=None, debias=False, random_state=0).fit(table)
    path, hidden = model.path_, to_complete(table)
    best = int(np.argmin(path.losses))
    assert model.penalty_ == pytest.approx(path.penalties[best] * np.sqrt(1 / 0.9), rel=0.01)
    assert np.all(np.diff(path.penalties) < 0)
    assert np.isnan(path.debiased_losses).all()
    error = np.mean((model.predict_table() - truth)[hidden] ** 2)
    for factor in (0.4, 2.5):
        other = hs.SoftImpute(20, factor * model.penalty_, bias_penalty=None, random_state=0).fit(table)
        assert error < np.mean((other.predict_table() - truth)[hidden] ** 2)


def test_a_weight_of_two_is_half_the_penalty():
    table, _ = table_of()
    R = hs.Observed.from_dense(table)
    double = R.with_values(R.values, weights=np.full(R.n_entries, 2.0))
    one = hs.SoftImpute(30, 4.0, bias_penalty=2.0, **TIGHT, random_state=0).fit(double)
    two = hs.SoftImpute(30, 2.0, bias_penalty=1.0, **TIGHT, random_state=0).fit(R)
    np.testing.assert_allclose(one.predict_table(), two.predict_table(), atol=1e-5)


def test_a_weight_of_zero_is_not_seen():
    R = hs.Observed.from_dense(table_of()[0])
    weights = (np.random.default_rng(0).random(R.n_entries) < 0.8).astype(float)
    given = R.with_values(R.values, weights=weights)
    left = R.select(weights > 0)
    for solver in SOLVERS:
        options = {"solver": solver, "tol": 1e-12, "max_iter": 5000}
        model = hs.SoftImpute(30, 3.0, bias_penalty=2.0, **options, random_state=0)
        one, two = (clone(model).fit(part) for part in (given, left))
        np.testing.assert_allclose(one.predict_table(), two.predict_table(), atol=1e-4)


@pytest.mark.parametrize("debias", [True, False])
def test_training_rows_are_placed_where_the_fit_left_them(debias):
    table, _ = table_of()
    options = {"tol": 1e-13, "max_iter": 20_000, "debias": debias}
    model = hs.SoftImpute(30, 3.0, bias_penalty=2.0, **options, random_state=0).fit(table)
    assert np.all(model.growth_ > 1) if debias else np.all(model.growth_ == 1)
    np.testing.assert_allclose(model.transform(table), model.row_factors_, atol=1e-4)
    np.testing.assert_allclose(model.predict(table), model.predict_table(), atol=1e-4)


def test_the_unit_of_the_values_does_not_matter():
    table, _ = table_of()
    one, four = (hs.SoftImpute(5, random_state=0).fit(scale * table) for scale in (1.0, 4.0))
    assert four.penalty_ == pytest.approx(4 * one.penalty_)
    np.testing.assert_allclose(four.predict_table(), 4 * one.predict_table(), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_nothing_of_the_size_of_the_table_is_made():
    rng, (n, p) = np.random.default_rng(0), (30_000, 30_000)  # 7.2 GB as a dense table
    R = hs.Observed.from_triplets(
        rng.integers(0, n, 3000), rng.integers(0, p, 3000), rng.normal(size=3000), shape=(n, p), duplicates="first"
    )
    model = hs.SoftImpute(2, 2.0, max_iter=3, random_state=0).fit(R)
    assert np.isfinite(model.predict([0, 5], [3, 9])).all()


def test_without_entries_to_spare_the_biases_are_what_is_learned():
    model = hs.SoftImpute(random_state=0).fit(np.diag([1.0, 2.0, 3.0]) + np.where(np.eye(3) > 0, 0, np.nan))
    assert model.path_ is None
    assert model.rank_ == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": 0.0}, "penalty=0.0 is not allowed; needed: 'auto' or a finite number above 0"),
        ({"penalty": "best"}, "penalty=.* is not allowed; needed: .*'auto'"),
        ({"bias_penalty": -1.0}, "bias_penalty=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"rank": 1.5}, "rank=1.5 is not allowed; needed: a whole number of at least 0"),
        ({"smallest": 1.0}, "smallest=1.0 is not allowed; needed: a finite number above 0 and below 1"),
        ({"solver": "svd"}, "solver=.* is not allowed; needed: .*'auto'"),
        ({"debias": "yes"}, "debias=.* is not allowed; needed: .*'auto'"),
    ],
)
def test_a_wrong_parameter_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        hs.SoftImpute(**change).fit(table_of()[0])
