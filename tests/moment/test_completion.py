"""The objective, its solvers, and what they recover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import halfseen as hs
from halfseen.methods.moment.fitting import fit_pairs, normalised, starting_point
from halfseen.methods.moment.problem import PairProblem, RowNorms
from halfseen.methods.moment.rank import choose_pair_rank
from halfseen.methods.moment.targets import paper_diagonal_weight, targets_of
from moment_truth import factor_rows, seen

SETTINGS = hs.OneSidedCompletion()


def relative(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def mixture(n, d, r, rng):
    """Rows that are one of r orthonormal factors each."""
    return np.linalg.qr(rng.normal(size=(d, r)))[0].T[rng.integers(r, size=n)]


def common_means(n, d, r, rng):
    """The paper's data: entries N(2 / sqrt d, 1 / d^2), cut to rank r."""
    M = 2.0 / np.sqrt(d) + rng.normal(size=(n, d)) / d
    vectors = np.linalg.eigh(M.T @ M)[1]
    return (M @ vectors[:, -r:]) @ vectors[:, -r:].T


@pytest.mark.parametrize("psi", ["common", "columns", 0.0, 0.3])
@pytest.mark.parametrize("weights", ["inverse_variance", "counts", "paper"])
def test_the_gradient_is_the_slope_of_the_value(rows, psi, weights):
    settings = hs.OneSidedCompletion(psi=psi, weights=weights)
    targets = targets_of(hs.PairMoments.from_rows(rows[0]), "hajek", settings)
    problem = PairProblem(targets, 3, RowNorms(0.7, 0.8, 0.01))
    rng = np.random.default_rng(0)
    X, D = 0.6 * rng.normal(size=(30, 3)).ravel(), rng.normal(size=90)
    value, gradient = problem.value_and_gradient(X)
    slope = (problem.value(X + 1e-6 * D) - problem.value(X - 1e-6 * D)) / 2e-6
    assert value == pytest.approx(problem.value(X), rel=1e-12)
    assert gradient @ D == pytest.approx(slope, rel=1e-5)


def test_bounded_columns_have_a_one_sided_diagonal(rows):
    targets = targets_of(hs.PairMoments.from_rows(rows[0]), "hajek", SETTINGS)
    bounded = np.arange(30) < 20
    problem = PairProblem(replace(targets, bounded=bounded), 3)
    rng = np.random.default_rng(3)
    X, D = rng.uniform(0.2, 1.6, 30)[:, None] * rng.normal(size=(30, 3)), rng.normal(size=90)
    over = np.sum(X**2, axis=1) > targets.diagonal
    assert over[:20].any()
    assert not over[:20].all()
    gradient = problem.value_and_gradient(X.ravel())[1]
    slope = (problem.value(X.ravel() + 1e-6 * D) - problem.value(X.ravel() - 1e-6 * D)) / 2e-6
    assert gradient @ D == pytest.approx(slope, rel=1e-5)


def test_columns_with_few_partners_stay_within_their_second_moment():
    """One row ties a rare column to a small value: a fit to that pair alone would make it huge."""
    rng = np.random.default_rng(12)
    M, _ = factor_rows(3000, 20, 3, rng)
    table = np.where(rng.random(M.shape) < 0.2, M, np.nan)
    table[:, 0], table[:, 1] = np.nan, 0.05 * table[:, 1]
    table[0] = np.nan
    table[0, :2] = 2.0, 0.3
    model = hs.OneSidedCompletion(3, random_state=0).fit(table)
    assert model.diagnostics_.few_partners.tolist() == [True] + [False] * 19
    assert model.second_moment(pairs=([0], [0]))[0] <= 2 * 2.0**2  # the pair alone asks for 60 and more
    lonely = table.copy()
    lonely[0, 1] = np.nan
    alone = hs.OneSidedCompletion(3, random_state=0).fit(lonely)
    assert alone.second_moment(pairs=([0], [2]))[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*common level")  # a table of all but one value
def test_the_row_norm_regulariser_means_the_same_to_both_solvers():
    rng = np.random.default_rng(13)
    M = common_means(4000, 60, 2, rng)
    R = seen(M, 5 / 60, rng)
    given = {"incoherence": 1.0, "row_norm": 0.2, "tol": 1e-13}
    paper = hs.OneSidedCompletion.paper(2, random_state=0, start="spectral", **given).fit(R)
    ours = hs.OneSidedCompletion(2, weights="paper", **given, random_state=0).fit(R)
    free = hs.OneSidedCompletion(2, weights="paper", **{**given, "incoherence": 0.0}, random_state=0).fit(R)
    assert relative(ours.second_moment(), free.second_moment()) > 0.01
    assert relative(paper.second_moment(), ours.second_moment()) < 2e-3


def test_the_papers_loss_and_gradient_are_as_printed(rows):
    moments = hs.PairMoments.from_rows(rows[0])
    n, d = rows[0].shape
    settings = hs.OneSidedCompletion(weights="paper", psi=0.0, solver="gd")
    problem = PairProblem(normalised(targets_of(moments, "hajek", settings)), 2, RowNorms(1e-2, 0.3))
    i, j = moments.pairs()
    kept = moments.at_pairs()
    T, w = np.zeros((d, d)), np.zeros((d, d))
    T[i, j] = T[j, i] = kept.sums / kept.counts
    w[i, j] = w[j, i] = 1.0
    p = rows[0].n_entries / (n * d)
    q = 1 - (1 - p**2) ** n
    assert paper_diagonal_weight(moments) == pytest.approx(q, rel=1e-10)
    w[np.diag_indices(d)] *= q
    m = w.sum()
    X = np.random.default_rng(1).normal(size=(d, 2))
    R, lengths = X @ X.T - T, np.linalg.norm(X, axis=1)
    over = np.maximum(lengths - 0.3, 0)
    value, gradient = problem.value_and_gradient(X.ravel())
    assert value == pytest.approx(np.sum(w * R**2) / (2 * m) + 1e-2 / d * np.sum(over**4), rel=1e-12)
    printed = 2 / m * (w * R) @ X + 1e-2 / d * (4 * over**3 / lengths)[:, None] * X
    np.testing.assert_allclose(gradient.reshape(d, 2), printed, rtol=1e-10)


def test_the_curvature_is_the_derivative_of_the_gradient_where_nothing_is_left_over():
    """At an exact fit Gauss-Newton is Newton."""
    rng = np.random.default_rng(2)
    M, L = factor_rows(500, 12, 2, rng)
    moments = hs.PairMoments.from_rows(seen(M, 0.5, rng))
    targets = targets_of(moments, "hajek", hs.OneSidedCompletion(psi=0.0))
    T = L @ L.T
    exact = targets.table.with_values(T[targets.table.rows, targets.table.cols])
    problem = PairProblem(replace(targets, table=exact, diagonal=np.diag(T).copy()), 2)
    D = rng.normal(size=(12, 2))
    step = (problem.value_and_gradient((L + 1e-6 * D).ravel())[1]
            - problem.value_and_gradient((L - 1e-6 * D).ravel())[1]) / 2e-6  # fmt: skip
    np.testing.assert_allclose(problem.curvature_product(L, D).ravel(), step, rtol=1e-4, atol=1e-3 * np.abs(step).max())


def test_psi_is_the_variance_that_factors_leave():
    rng = np.random.default_rng(3)
    M, L = factor_rows(20000, 60, 2, rng, noise=0.7)
    model = hs.OneSidedCompletion(rank=2, random_state=0).fit(seen(M, 0.08, rng))
    assert model.psi_ == pytest.approx(0.49, abs=0.03)
    assert relative(model.second_moment(), L @ L.T) < 0.1
    biased = hs.OneSidedCompletion(rank=2, psi=0.0, random_state=0).fit(seen(M, 0.08, rng))
    assert relative(model.second_moment(), L @ L.T) < relative(biased.second_moment(), L @ L.T)


def work_to(problem_targets, truth, settings, share=1e-3):
    """Gradient passes until XX' is within ``share`` of the minimiser's."""
    from halfseen.methods.moment import fitting

    targets = normalised(problem_targets) if settings.solver == "gd" else problem_targets
    problem = PairProblem(targets, truth.shape[1])
    begin = starting_point(targets, truth.shape[1], "spectral", np.random.default_rng(0))
    sweep = fitting._sweep(problem, begin, settings, np.random.default_rng(0))
    theta, work = begin.ravel(), 0.0
    for _ in range(1000):
        result = sweep(theta)
        theta, work = result.params, work + result.work
        X = theta.reshape(truth.shape)
        if relative(X @ X.T, truth @ truth.T) < share:
            break
    return work


@pytest.mark.slow
@pytest.mark.parametrize(("kappa", "ratio"), [(1, 0.5), (100, 0.1)])
def test_lbfgs_needs_a_fraction_of_the_work_of_tuned_descent(kappa, ratio):
    rng = np.random.default_rng(4)
    d, r, n, share = (400, 3, 40_000, 0.012) if kappa == 1 else (400, 6, 20_000, 0.015)
    Q = np.linalg.qr(rng.normal(size=(d, r)))[0] * np.sqrt(np.geomspace(1, 1 / kappa, r))
    M, _ = factor_rows(n, d, r, rng, loadings=Q)
    settings = hs.OneSidedCompletion(weights="paper", psi=0.0, incoherence=0.0, tol=1e-14, max_iter=3000)
    targets = targets_of(hs.PairMoments.from_rows(seen(M, share, rng)), "hajek", settings)
    best = fit_pairs(targets, r, settings, np.random.default_rng(0)).X
    ours, descent = (work_to(targets, best, clone(settings).set_params(solver=solver)) for solver in ("lbfgs", "gd"))
    assert ours <= ratio * descent, (ours, descent)
    plain = work_to(targets, best, clone(settings).set_params(is_preconditioned=False))
    assert kappa == 1 or ours < 0.6 * plain, (ours, plain)


def test_the_papers_descent_reaches_the_same_minimum():
    rng = np.random.default_rng(5)
    M, L = factor_rows(20000, 40, 2, rng)
    L = L / np.sqrt(40)
    R = seen(M / np.sqrt(40), 0.12, rng)
    paper = hs.OneSidedCompletion.paper(2, random_state=0, tol=1e-12).fit(R)
    ours = hs.OneSidedCompletion(2, weights="paper", tol=1e-12, random_state=0).fit(R)
    assert relative(paper.second_moment(), ours.second_moment()) < 1e-3
    assert relative(paper.second_moment(), L @ L.T) < 0.1
    assert np.all(np.diff(paper.run_.trace.value) <= 1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:100.0% of the values")
def test_common_means_are_recovered_as_on_the_method_page():
    """Relative errors of XX' at n = 1e4, d = 1000, r = 10: .004 at two entries a row, .0006 at ten."""
    rng = np.random.default_rng(6)
    M = common_means(10_000, 1000, 10, rng)
    T = M.T @ M / 10_000
    for C, bound in ((2, 0.004), (10, 0.0006)):
        model = hs.OneSidedCompletion(rank=10, tol=1e-6, random_state=0)
        assert relative(model.fit(seen(M, C / 1000, rng)).second_moment(), T) <= bound


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:rows have:UserWarning")
def test_mixtures_are_recovered_as_on_the_method_page():
    """n = 1e4, d = 1000, r = 10: .75 at C = 10, .21 at C = 50 with paper weights; inverse variance 10 to 30 % less."""
    rng = np.random.default_rng(7)
    M = mixture(10_000, 1000, 10, rng) + 1e-4 * rng.normal(size=(10_000, 1000))
    T = M.T @ M / 10_000
    for C, bound in ((10, 0.77), (50, 0.215)):
        R = seen(M, C / 1000, rng)
        paper = hs.OneSidedCompletion(10, weights="paper", random_state=0).fit(R)
        ours = hs.OneSidedCompletion(10, random_state=0).fit(R)
        errors = [relative(model.second_moment(), T) for model in (paper, ours)]
        assert errors[0] <= bound
        assert errors[1] <= (0.9 if C == 10 else 1.0) * errors[0]


@pytest.mark.slow
def test_the_error_falls_as_the_law_says():
    """Relative error c r sqrt(d / n) / C with c the same within 10 % over n and d."""
    rng, constants = np.random.default_rng(8), []
    for d, n in ((500, 20_000), (500, 80_000), (1000, 40_000), (1000, 80_000)):
        found = []
        for _ in range(2):
            M, L = factor_rows(n, d, 3, rng, loadings=np.linalg.qr(rng.normal(size=(d, 3)))[0])
            X = hs.OneSidedCompletion(3, random_state=0).fit(seen(M, 5 / d, rng)).components_
            found.append(relative(X.T @ X, L @ L.T) * 5 / (3 * np.sqrt(d / n)))
        constants.append(np.mean(found))
    assert np.max(constants) / np.min(constants) < 1.1 / 0.9, constants


@pytest.mark.slow
def test_the_rank_is_found_in_eighteen_of_twenty():
    hits = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        kind = seed % 4
        if kind == 0:
            M, r, share = factor_rows(20_000, 300, 3, rng)[0], 3, 5 / 300
        elif kind == 1:
            M, r, share = mixture(20_000, 300, 5, rng), 5, 5 / 300
        elif kind == 2:  # linear mixtures
            weights = rng.uniform(0.25, 1.75, (40_000, 5))
            M = (weights / weights.sum(axis=1, keepdims=True)) @ np.linalg.qr(rng.normal(size=(300, 5)))[0].T
            r, share = 5, 8 / 300
        else:
            M, r, share = factor_rows(40_000, 300, 6, rng, noise=1.7)[0], 6, 8 / 300
        train, held_out = seen(M, share, rng).split(0.2, rng, by="rows")
        parts = hs.PairMoments.from_rows(train), hs.PairMoments.from_rows(held_out)
        hits += choose_pair_rank(*parts, range(1, 11), SETTINGS, rng).rank == r
    assert hits >= 18


@pytest.mark.slow
def test_the_rank_is_found_by_rows_held_out():
    rng = np.random.default_rng(9)
    M, _ = factor_rows(20_000, 60, 3, rng, noise=0.5)
    R = seen(M, 0.08, rng)
    model = hs.OneSidedCompletion(rank="auto", random_state=0).fit(R)
    assert model.rank_ == model.rank_search_.rank == 3
    assert (model.moments_.n_rows, model.moments_.n_entries) == (20_000, R.n_entries)
    train, held_out = R.split(0.2, 0, by="rows")
    parts = [hs.PairMoments.from_rows(part) for part in (train, held_out)]
    assert hs.OneSidedCompletion(rank="auto", random_state=0).fit_moments(parts[0], held_out=parts[1]).rank_ == 3


def test_blocks_of_rows_end_where_the_whole_table_does(rows):
    R, _ = rows
    whole = hs.OneSidedCompletion(2, tol=1e-13, random_state=0).fit(R)
    block = hs.OneSidedCompletion(2, tol=1e-13, random_state=0)
    for part in np.array_split(np.arange(3000), 4):
        block.partial_fit(R.take_rows(part))
    lazy = hs.OneSidedCompletion(2, tol=1e-13, random_state=0)
    for part in np.array_split(np.arange(3000), 4):
        lazy.partial_fit(R.take_rows(part), completes=False)
    added = hs.OneSidedCompletion(2, tol=1e-13, random_state=0).fit_moments(hs.PairMoments.from_rows(R))
    for model in (block, lazy.finish(), added):
        np.testing.assert_allclose(model.second_moment(), whole.second_moment(), atol=1e-5)
        few = R.take_rows([0, 1])
        np.testing.assert_allclose(model.transform(few), whole.transform(few), atol=1e-4)
        with pytest.raises(ValueError, match="keeps no training rows"):
            model.predict([0], [1])


def test_moments_that_were_given_are_not_added_to(rows):
    R, _ = rows
    moments = hs.PairMoments.from_rows(R.take_rows(slice(0, 2000)))
    before = moments.sums.copy()
    model = hs.OneSidedCompletion(2, random_state=0).fit_moments(moments)
    model.partial_fit(R.take_rows(slice(2000, 3000))).partial_fit(R.take_rows(slice(0, 10)))
    np.testing.assert_array_equal(moments.sums, before)
    assert (moments.n_rows, model.moments_.n_rows) == (2000, 3010)
    alone = hs.PairMoments.merge([moments])
    alone.partial_fit(R)
    np.testing.assert_array_equal(moments.sums, before)


def test_the_row_space_and_the_assembled_moment(rows):
    R, _ = rows
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    basis, T = model.row_space(), model.second_moment()
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-10)
    np.testing.assert_allclose((basis * model.eigenvalues_) @ basis.T, T, atol=1e-10)
    assembled = model.second_moment(kind="assembled")
    i, j = model.moments_.pairs()
    kept = model.moments_.at_pairs()
    np.testing.assert_allclose(assembled[i, j], kept.sums / kept.counts)
    np.testing.assert_allclose(model.second_moment(kind="with_psi") - T, np.diag(model.column_noise_), atol=1e-12)
    np.testing.assert_allclose(model.second_moment(pairs=([0, 3], [5, 3])), T[[0, 3], [5, 3]])


def test_pairs_never_seen_are_filled_in_and_columns_never_seen_are_nan(rows):
    R, L = rows
    table = R.to_dense()
    table[:, 4] = np.nan
    both = ~np.isnan(table[:, 0]) & ~np.isnan(table[:, 1])
    table[both, 1] = np.nan
    model = hs.OneSidedCompletion(2, random_state=0).fit(table)
    T = model.second_moment()
    assert model.moments_.at([0], [1]).counts[0] == 0
    assert T[0, 1] == pytest.approx((L @ L.T)[0, 1], abs=1.0)
    assert np.all(np.isnan(T[4]))
    assert np.all(model.predict(table[:3])[:, 4] == 0)
    assert model.diagnostics_.unseen.sum() == 1


def test_predictions_are_the_best_linear_ones(rows):
    R, _ = rows
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    X, psi = model.components_.T, model.column_noise_
    row = R.take_rows([7])
    cols, x = row.cols, row.values
    S = X @ X.T + np.diag(psi)
    wanted = (X @ X.T)[:, cols] @ np.linalg.solve(S[np.ix_(cols, cols)], x)
    np.testing.assert_allclose(model.predict(row)[0], wanted, rtol=1e-8)
    np.testing.assert_allclose(model.predict(row, [3, 5])[0], wanted[[3, 5]], rtol=1e-8)
    np.testing.assert_allclose(model.predict([7], [3])[0], wanted[3], rtol=1e-8)


def test_it_says_so_where_completing_the_rows_would_do_better():
    rng = np.random.default_rng(10)
    M, _ = factor_rows(300, 40, 1, rng)
    with pytest.warns(UserWarning, match="ordinary completion"):
        hs.OneSidedCompletion(1, random_state=0).fit(seen(M, 0.5, rng))


def test_an_early_end_is_a_warning(rows):
    with pytest.warns(ConvergenceWarning, match="ended after 1 sweeps with reason 'max_iter'"):
        hs.OneSidedCompletion(2, max_iter=1, random_state=0).fit(rows[0])


def test_horvitz_thompson_completes_as_well(rows):
    R, L = rows
    model = hs.OneSidedCompletion(2, "horvitz_thompson", random_state=0).fit(R)
    assert relative(model.second_moment(), L @ L.T) < 0.35


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 0}, "rank=0 is not allowed; needed: None, a whole number of at least 1"),
        ({"rank": "many"}, "rank='many' is not allowed"),
        ({"estimator": "mean"}, "estimator=.* is not allowed; needed: .*"),
        ({"solver": "sgd"}, "solver=.* is not allowed; needed: .*"),
        ({"weights": "flat"}, "weights=.* is not allowed; needed: .*"),
        ({"psi": "each"}, "psi=.* is not allowed; needed: .*"),
        ({"psi": -1.0}, "psi=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"start": "zero"}, "start=.* is not allowed; needed: .*"),
        ({"max_iter": 0}, "max_iter=0 is not allowed"),
        ({"incoherence": float("nan")}, "incoherence=.* is not allowed; needed: .*a finite number of at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(rows, change, message):
    with pytest.raises(ValueError, match=message):
        hs.OneSidedCompletion(**{"rank": 2, "random_state": 0, **change}).fit(rows[0])


def test_rows_with_a_single_entry_say_nothing():
    R = hs.Observed.from_triplets(np.arange(20), np.arange(20) % 5, np.arange(20.0))
    with pytest.raises(ValueError, match="none of the 20 rows has two entries"):
        hs.OneSidedCompletion(2, random_state=0).fit(R)
    with pytest.raises(ValueError, match="R has weights"):
        hs.OneSidedCompletion(2).fit(R.with_values(R.values, weights=np.ones(20)))
    with pytest.raises(ValueError, match="no rows yet"):
        hs.OneSidedCompletion(2).finish()
    with pytest.raises(ValueError, match="needs moments of other rows"):
        hs.OneSidedCompletion("auto").fit_moments(hs.PairMoments.from_rows(R))


def test_rows_of_one_entry_beside_others_change_only_the_diagonal(rows):
    R, _ = rows
    single = hs.Observed.from_triplets(np.arange(30), np.arange(30), np.full(30, 2.0), shape=(30, 30))
    one, two = hs.PairMoments.from_rows(R), hs.PairMoments.from_rows(R).partial_fit(single)
    i, j = np.triu_indices(30, k=1)
    np.testing.assert_array_equal(one.at(i, j).sums, two.at(i, j).sums)
    np.testing.assert_array_equal(two.diagonal().counts, one.diagonal().counts + 1)
