"""Scores, influences and intervals: against naive sums, a dense solve, and simulated coverage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone

import halfseen as hs
from halfseen.inference import GroupedInfluence
from halfseen.methods.moment import influence as room
from halfseen.methods.moment.estimates import steady_moments
from halfseen.methods.moment.influence import ObjectiveScores, dense_curvature, influence, rotations
from halfseen.methods.moment.problem import PairProblem
from halfseen.methods.moment.targets import targets_of
from moment_truth import factor_rows, seen


def problem_of(R, psi="common", weights="inverse_variance", rank=2):
    model = hs.OneSidedCompletion(rank, psi=psi, weights=weights, incoherence=0.0, tol=1e-14, random_state=0)
    moments = hs.PairMoments.from_rows(R)
    problem = PairProblem(targets_of(moments, "hajek", model), rank)
    scale = 1 / steady_moments(moments) if weights == "inverse_variance" else np.ones(moments.n_cols)
    return problem, scale, model.fit(R)


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    return seen(factor_rows(300, 12, 2, rng, noise=0.5)[0], 0.3, rng)


@pytest.mark.parametrize("psi", ["common", "columns", 0.2])
@pytest.mark.parametrize("weights", ["inverse_variance", "counts"])
def test_scores_of_rows_are_those_of_a_double_loop_and_add_up_to_the_gradient(small, psi, weights):
    problem, a, model = problem_of(small, psi, weights)
    X = model.components_.T + 0.1
    left = problem.psi(X)
    total, _ = ObjectiveScores(X, left, a, problem.has_diagonal).of_groups([small], 300)
    naive, view = np.zeros_like(total), small.by_rows
    for t in range(300):
        part = slice(view.indptr[t], view.indptr[t + 1])
        cols, x = view.indices[part], view.values[part]
        for i, xi in zip(cols, x, strict=True):
            for j, xj in zip(cols, x, strict=True):
                if i != j:
                    naive[t, i] += a[i] * a[j] * (xi * xj - X[i] @ X[j]) * X[j]
            if problem.has_diagonal:
                naive[t, i] += a[i] ** 2 * (xi**2 - X[i] @ X[i] - left) * X[i]
    np.testing.assert_allclose(total, naive, atol=1e-12)
    gradient = problem.value_and_gradient(X.ravel())[1].reshape(X.shape)
    np.testing.assert_allclose(total.sum(axis=0), -gradient, atol=1e-9)


def test_blocks_of_rows_give_the_same_groups(small):
    _, a, model = problem_of(small)
    scores = ObjectiveScores(model.components_.T, model.psi_, a, True)
    whole = scores.of_groups([small], 7)
    parts = scores.of_groups((small.take_rows(slice(k, k + 50)) for k in range(0, 300, 50)), 7)
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


@pytest.mark.parametrize("psi", ["common", "columns"])
def test_conjugate_gradients_and_the_dense_solve_agree(small, psi, monkeypatch):
    problem, a, model = problem_of(small, psi)
    X = model.components_.T.astype(float)
    D = np.random.default_rng(1).normal(size=X.shape)
    np.testing.assert_allclose(
        dense_curvature(problem, X) @ D.ravel(), problem.curvature_product(X, D).ravel(), rtol=1e-9
    )
    scores = ObjectiveScores(X, model.psi_, a, problem.has_diagonal).of_groups([small], 30)
    moves = [influence(problem, X, scores).moves]
    monkeypatch.setattr(room, "DENSE_PARAMETERS", 0)
    moves.append(influence(problem, X, scores, tol=1e-10).moves)
    changes = [np.einsum("gik,jk->gij", m, X) + np.einsum("gjk,ik->gij", m, X) for m in moves]
    np.testing.assert_allclose(changes[0], changes[1], atol=1e-6 * np.abs(changes[0]).max())


def test_rotations_move_nothing():
    X = np.random.default_rng(2).normal(size=(10, 3))
    for turn in rotations(X).T:
        D = turn.reshape(10, 3)
        np.testing.assert_allclose(D @ X.T + X @ D.T, 0.0, atol=1e-12)
    assert rotations(X).shape == (30, 3)
    assert rotations(X[:, :1]).shape == (10, 0)


def test_influences_are_what_leaving_a_group_out_does():
    """A tenth of a per cent of the rows left out: the refitted T moves by the group's influence, to first order."""
    rng = np.random.default_rng(3)
    R = seen(factor_rows(4000, 10, 1, rng, noise=0.5)[0], 0.28, rng)
    problem, a, model = problem_of(R, rank=1)
    X = model.components_.T
    moves = influence(problem, X, ObjectiveScores(X, model.psi_, a, True).of_groups([R], 400)).moves
    for g in (0, 5):
        kept = R.take_rows(np.arange(4000) % 400 != g)
        again = clone(model).fit(kept).second_moment()
        predicted = -(moves[g] @ X.T + X @ moves[g].T)
        found = again - model.second_moment()
        # what is left: second order, and weights that move a little
        assert np.linalg.norm(found - predicted) < 0.15 * np.linalg.norm(predicted)


def test_groups_give_the_variance_of_a_mean():
    rng = np.random.default_rng(4)
    ratio = []
    for _ in range(200):
        x = rng.exponential(size=2000)
        groups = GroupedInfluence.centred((x - x.mean()).reshape(50, 40).sum(axis=1)[:, None] / 2000)
        ratio.append(groups.se(groups.moves[:, 0]) ** 2 * 2000)
    # 200 chi-squares of 49 degrees of freedom
    assert np.mean(ratio) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 49 / 200) + 0.02)
    assert groups.quantile(0.95) == pytest.approx(2.0096, abs=1e-3)
    assert groups.draws(4000, rng).std() == pytest.approx(float(groups.se(groups.moves[:, 0])), rel=0.1)


def coverage(d, r, n, C, noise, repetitions, seed=0):
    rng = np.random.default_rng(seed)
    L = np.linalg.qr(rng.normal(size=(d, r)))[0] * np.sqrt(d) * np.linspace(1.3, 0.7, r)
    T, (i, j) = L @ L.T, np.triu_indices(d, k=1)
    covered, angles = [], []
    for _ in range(repetitions):
        R = seen(factor_rows(n, d, r, rng, noise, L)[0], C / d, rng)
        model = hs.OneSidedCompletion(r, tol=1e-10, random_state=0).fit(R)
        found = model.inference()
        pairs = found.second_moment()
        covered.append(np.mean((pairs.low <= T[i, j]) & (T[i, j] <= pairs.high)))
        cosines = np.linalg.svd(model.row_space().T @ np.linalg.qr(L)[0])[1]
        angles.append(np.degrees(np.arccos(min(cosines.min(), 1.0))) <= found.row_space().largest)
    return float(np.mean(covered)), float(np.mean(angles))


@pytest.mark.slow
def test_intervals_cover_pairs_of_sparse_rows():
    covered, angles = coverage(60, 2, 6000, 4, 0.5, 6)
    assert 0.92 <= covered <= 0.975
    assert angles >= 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rows have:UserWarning")
@pytest.mark.parametrize(
    ("d", "r", "n", "C", "noise"),
    [(100, 2, 8000, 10, 0.5), (40, 2, 2000, 20, 0.5), (150, 3, 20_000, 5, 0.0), (200, 3, 20_000, 4, 0.5)],
)
def test_row_clustered_intervals_cover(d, r, n, C, noise):
    """.92 to .97, also where rows hold half of the columns; 20 tables of thousands of pairs that move together."""
    covered, angles = coverage(d, r, n, C, noise, 20)
    assert 0.92 <= covered <= 0.97
    assert angles >= 0.8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rows have:UserWarning")
def test_predictive_intervals_cover_at_any_number_of_entries():
    """Without the errors of T-hat .88 at 50 seen entries (r = 6, d = 500, noise .25)."""
    rng = np.random.default_rng(5)
    d, r = 300, 4
    L = rng.normal(size=(d, r)) / np.sqrt(r)
    model = hs.OneSidedCompletion(r, random_state=0).fit(seen(factor_rows(20_000, d, r, rng, 0.5, L)[0], 6 / d, rng))
    inference = model.inference()
    for m in (2, 5, 10, 20, 50):
        M, _ = factor_rows(200, d, r, rng, 0.5, L)
        cols = np.argsort(rng.random(M.shape), axis=1)
        table = np.full(M.shape, np.nan)
        np.put_along_axis(table, cols[:, :m], np.take_along_axis(M, cols[:, :m], axis=1), axis=1)
        found = inference.predict(table)
        hidden = np.isnan(table)
        inside = (found.low <= M) & (found.high >= M)
        assert 0.93 <= inside[hidden].mean() <= 0.97, m


def test_predictive_intervals_count_the_errors_of_the_moments(rows):
    R, _ = rows
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    found = model.inference().predict(R.take_rows(slice(0, 4)), [0, 3])
    assert found.estimate.shape == (4, 2)
    np.testing.assert_allclose(found.estimate, model.predict(R.take_rows(slice(0, 4)), [0, 3]), rtol=1e-8)
    assert np.all(found.se > np.sqrt(model.psi_))
    assert len(found.to_frame()) == 8


def test_standard_errors_of_named_pairs(rows):
    R, _ = rows
    names = np.array([f"c{k:02}" for k in range(30)])
    R = hs.Observed.from_triplets(R.rows, names[R.cols], R.values)
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    found = model.standard_errors((["c00", "c05"], ["c07", "c05"]))
    assert found.labels["column"].tolist() == ["c00", "c05"]
    np.testing.assert_allclose(found.estimate, model.second_moment((["c00", "c05"], ["c07", "c05"])))
    assert np.all(found.se > 0)
    np.testing.assert_allclose(model.inference().eigenvalues().estimate, model.eigenvalues_)


def test_rows_given_again_must_be_those_of_the_fit(rows, tmp_path):
    R, _ = rows
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    wanted = model.standard_errors(([0], [1])).se
    hs.save(model, tmp_path / "model.safetensors")
    loaded = hs.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="does not carry its rows"):
        loaded.inference()
    np.testing.assert_allclose(loaded.standard_errors(([0], [1]), R=R).se, wanted)
    blocks = [R.take_rows(slice(0, 1000)), R.take_rows(slice(1000, 3000))]
    np.testing.assert_allclose(loaded.standard_errors(([0], [1]), R=blocks).se, wanted)
    with pytest.raises(ValueError, match="give all rows of the fit, once"):
        loaded.inference(R=blocks[0])


def test_what_has_no_row_scores_has_no_errors(rows):
    R, _ = rows
    with pytest.raises(ValueError, match="row-clustered errors need"):
        hs.OneSidedCompletion(2, weights="paper", random_state=0).fit(R).inference()
    with pytest.raises(ValueError, match="row-clustered errors need"):
        hs.OneSidedCompletion(2, "horvitz_thompson", random_state=0).fit(R).inference()
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    with pytest.raises(ValueError, match="level=2"):
        model.inference(level=2)
    with pytest.raises(ValueError, match="groups must be"):
        model.inference(groups=3)
    with pytest.raises(ValueError, match="elementwise"):
        model.standard_errors(([0, 1, 2], [0, 1]))
    assert model.inference(0.5).level == 0.5


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_values_of_new_rows_are_covered_in_quiet_and_in_noisy_columns(spread):
    rng = np.random.default_rng(0)
    n, d, r = 6000, 40, 2
    loadings, psi = rng.normal(size=(d, r)), np.exp(spread * rng.normal(size=d))
    signal = rng.normal(size=(n + 300, r)) @ loadings.T
    values = signal + rng.normal(size=signal.shape) * np.sqrt(psi)
    seen = np.where(rng.random(values.shape) < 5.5 / d, values, np.nan)
    model = hs.OneSidedCompletion(r, random_state=0).fit(seen[:n])
    assert model.noise_kind_ == ("columns" if spread else "common")
    noise = np.log(model.column_noise_ / psi)
    assert np.sqrt(np.mean(noise**2)) < 0.3
    # 300 x 33 hidden values in rows of their own: a standard error of about .005
    for columns in (slice(None), np.argsort(psi)[-d // 4 :]):
        assert 0.925 < covered(model, seen[n:], values[n:], columns) < 0.975
    common = hs.OneSidedCompletion(r, psi="common", random_state=0).fit(seen[:n])
    gaps = [np.mean((one.predict(seen[n:]) - signal[n:]) ** 2) for one in (model, common)]
    assert gaps[0] < (0.85 if spread else 1.01) * gaps[1]


def test_two_entries_a_row_are_enough_to_see_that_columns_differ_in_their_noise():
    rng = np.random.default_rng(1)
    n, d, r = 2000, 60, 2
    loadings, psi = rng.normal(size=(d, r)), np.exp(rng.normal(size=d))
    values = rng.normal(size=(n + 300, r)) @ loadings.T + rng.normal(size=(n + 300, d)) * np.sqrt(psi)
    seen = np.where(rng.random(values.shape) < 2 / d, values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.OneSidedCompletion(r, random_state=0).fit(seen[:n])
    assert model.noise_kind_ == "columns"
    # 300 x 15 hidden values: a standard error of about .006
    assert covered(model, seen[n:], values[n:], np.argsort(psi)[-d // 4 :]) > 0.92


def covered(model, rows, values, columns) -> float:
    """Share of the hidden values of some columns inside their intervals."""
    found, hidden = model.inference().predict(rows), np.isnan(rows)[:, columns]
    inside = (found.low <= values) & (values <= found.high)
    return float(inside[:, columns][hidden].mean())
