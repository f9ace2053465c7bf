"""The sweeps against dense twins, finite differences and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import halfseen as hs
import naive_sources as naive
from halfseen.engines import Serial
from halfseen.many import Parts, Placed, in_gauge
from halfseen.methods.heterogeneous.alternating import ExactBlocks, corrected
from halfseen.methods.heterogeneous.blocks import CompleteBlock, EntryBlock, make_block
from halfseen.methods.heterogeneous.descent import DescentRounds, correct, towards_orthonormal
from halfseen.solvers.loop import loop


@pytest.fixture
def tables():
    """Three tables of unequal widths, 12 rows, a third missing."""
    rng = np.random.default_rng(0)
    made = [rng.normal(size=(12, width)) for width in (20, 25, 31)]
    for table in made:
        table[rng.random(table.shape) < 0.3] = np.nan
    return made


@pytest.fixture
def point():
    rng = np.random.default_rng(1)
    own = [
        Placed(rng.normal(size=(width, 2)), rng.normal(size=(12, rank)), rng.normal(size=(width, rank)))
        for width, rank in ((20, 1), (25, 2), (31, 3))
    ]
    return Parts(rng.normal(size=(12, 2)), tuple(own))


def blocks_of(tables, loss=None):
    loss = loss or hs.losses.Gaussian()
    return tuple(make_block(hs.Observed.from_dense(table), loss) for table in tables)


def fits(parts):
    return [parts.shared_basis @ one.shared_loadings.T + one.unique_basis @ one.unique_loadings.T for one in parts.own]


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_the_arrowhead_step_is_the_joint_least_squares_solution(tables, point, ridge):
    sweep = ExactBlocks(blocks_of(tables), Serial(), ridge)
    if ridge:
        point = sweep._balanced(point)
    V_shared, V_own = ([getattr(one, key) for one in point.own] for key in ("shared_loadings", "unique_loadings"))
    shared, own = naive.joint_rows(tables, V_shared, V_own, ridge)
    # the sweep then solves for the columns: the same objective and the same spans
    moved = sweep(point).params
    Q = np.linalg.qr(shared)[0]
    np.testing.assert_allclose(moved.shared_basis @ np.linalg.pinv(moved.shared_basis), Q @ Q.T, atol=1e-7)
    for place, one in enumerate(moved.own):
        both = np.linalg.qr(np.hstack([shared, own[place]]))[0]
        mine = np.linalg.qr(np.hstack([moved.shared_basis, one.unique_basis]))[0]
        np.testing.assert_allclose(mine @ mine.T, both @ both.T, atol=1e-7)


def test_sweeps_never_raise_the_value(tables, point):
    for ridge in (0.0, 0.5, 5.0):
        run = loop(ExactBlocks(blocks_of(tables), Serial(), ridge), point, max_iter=25)
        assert np.all(np.diff(run.trace.value) <= 1e-9 * run.trace.value[:-1])


@pytest.mark.parametrize("family", ["bernoulli", "poisson", "huber(0.5)"])
def test_sweeps_never_raise_the_value_of_other_losses(point, family):
    loss, rng = hs.losses.get_loss(family), np.random.default_rng(2)
    tables = [np.asarray(loss.sample(0.3 * fit, rng), dtype=float) for fit in fits(point)]
    run = loop(ExactBlocks(blocks_of(tables, loss), Serial(), 0.5), point, max_iter=20)
    assert np.all(np.diff(run.trace.value) <= 1e-9 * np.abs(run.trace.value[:-1]))
    assert run.trace.value[-1] < run.trace.value[0]


def test_the_value_of_a_sweep_is_that_of_its_point(tables, point):
    result = ExactBlocks(blocks_of(tables), Serial())(point)
    parts = result.params
    lists = [[getattr(one, key) for one in parts.own] for key in ("unique_basis", "shared_loadings", "unique_loadings")]
    assert result.value == pytest.approx(naive.objective(tables, parts.shared_basis, *lists), rel=1e-10)


def test_corrections_keep_the_fit_and_make_it_feasible(point):
    basis, R = np.linalg.qr(point.shared_basis)
    exact = Parts(basis, tuple(corrected(basis, R, one) for one in point.own))
    printed = Parts(point.shared_basis, tuple(correct(point.shared_basis, one) for one in point.own))
    gauge = in_gauge(point.shared_basis, point.own)
    for parts in (exact, printed, gauge):
        for mine, theirs in zip(fits(parts), fits(point), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-10)
        for one in parts.own:
            np.testing.assert_allclose(parts.shared_basis.T @ one.unique_basis, 0.0, atol=1e-10)


def test_the_gauge_is_orthonormal_with_orthogonal_loadings_of_falling_length(point):
    parts = in_gauge(point.shared_basis, point.own)
    np.testing.assert_allclose(parts.shared_basis.T @ parts.shared_basis, np.eye(2), atol=1e-12)
    gram = sum(one.shared_loadings.T @ one.shared_loadings for one in parts.own)
    assert abs(gram[0, 1]) < 1e-9 * gram[0, 0]
    assert gram[0, 0] >= gram[1, 1]
    for one in parts.own:
        np.testing.assert_allclose(one.unique_basis.T @ one.unique_basis, np.eye(one.unique_basis.shape[1]), atol=1e-12)
        gram = one.unique_loadings.T @ one.unique_loadings
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-9 * gram[0, 0])
        assert np.all(one.unique_loadings.sum(axis=0) >= 0)


def test_a_unique_basis_wider_than_its_source_keeps_the_fit():
    rng = np.random.default_rng(0)
    one = Placed(rng.normal(size=(3, 1)), rng.normal(size=(10, 5)), rng.normal(size=(3, 5)))
    shared = rng.normal(size=(10, 1))
    parts = in_gauge(shared, [one])
    np.testing.assert_allclose(fits(parts)[0], fits(Parts(shared, (one,)))[0])
    np.testing.assert_allclose(parts.own[0].unique_basis.T @ parts.own[0].unique_basis, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_one_round_of_algorithm_1_is_a_gradient_step_from_the_corrected_point(tables, point, beta):
    """Every factor moves by -step times the finite-difference gradient; the shared basis by the average."""
    step, h = 1e-3, 1e-6
    at = Parts(point.shared_basis, tuple(correct(point.shared_basis, one) for one in point.own))
    moved = DescentRounds(blocks_of(tables), Serial(), step, beta)(point).params

    def value(shared, own):
        lists = [[getattr(one, key) for one in own] for key in ("unique_basis", "shared_loadings", "unique_loadings")]
        pulls = sum(towards_orthonormal(one.unique_basis)[0] + towards_orthonormal(shared)[0] for one in own)
        return naive.objective(tables, shared, *lists) + beta * pulls

    def slope(change):
        return (value(*change(h)) - value(*change(-h))) / (2 * h)

    for i, j in ((0, 0), (5, 1)):
        E = np.zeros_like(point.shared_basis)
        E[i, j] = 1.0
        gradient = slope(lambda t, E=E: (at.shared_basis + t * E, at.own))
        expected = at.shared_basis[i, j] - step * gradient / len(tables)
        assert moved.shared_basis[i, j] == pytest.approx(expected, rel=1e-6)
    for key in ("unique_basis", "shared_loadings", "unique_loadings"):
        for place, one in enumerate(at.own):
            E = np.zeros_like(getattr(one, key))
            E[3, -1] = 1.0

            def change(t, place=place, key=key, E=E, one=one):
                parts = {name: getattr(one, name) for name in ("shared_loadings", "unique_basis", "unique_loadings")}
                parts[key] = parts[key] + t * E
                return at.shared_basis, [*at.own[:place], Placed(**parts), *at.own[place + 1 :]]

            expected = getattr(one, key)[3, -1] - step * slope(change)
            assert getattr(moved.own[place], key)[3, -1] == pytest.approx(expected, rel=1e-6), key


def test_products_of_matrices_and_passes_over_entries_agree():
    rng = np.random.default_rng(0)
    table = hs.Observed.from_dense(rng.normal(size=(9, 7)))
    one, two = CompleteBlock(table, 2.0), EntryBlock(table, hs.losses.Gaussian(), 2.0)
    U, V = rng.normal(size=(9, 3)), rng.normal(size=(7, 3))
    assert one.value(U, V) == pytest.approx(two.value(U, V))
    for mine, theirs in zip(one.gradients(U, V), two.gradients(U, V), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)
    for mine, theirs in zip(one.row_systems(U, V), two.row_systems(U, V), strict=True):
        np.testing.assert_allclose(np.broadcast_to(mine, theirs.shape), theirs, rtol=1e-9, atol=1e-9)
    for ridge in (0.0, 1.5):
        mine, theirs = one.solve_columns(U, V, ridge), two.solve_columns(U, V, ridge)
        np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-8)
        assert mine[1] == pytest.approx(theirs[1], rel=1e-9)
    for mine, theirs in zip(one.leading(3, rng), two.leading(3, rng), strict=True):
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-10)


@pytest.mark.parametrize("solver", ["als", "gd", "scaled-gd"])
def test_solvers_end_where_quasi_newton_descent_ends(tables, solver):
    """SciPy's L-BFGS on the whole unconstrained problem finds no lower value from there."""
    rng = np.random.default_rng(0)
    truth = hs.datasets.make_sources_data(
        3, 12, [20, 25, 31], 1, 1, 0.8, hs.datasets.SourcesDesign(noise=0.1), random_state=3
    )
    given = [table.to_dense() for table in truth.sources.values()]
    model = hs.HeterogeneousFactorization(1, 1, centre=False, solver=solver, random_state=0).fit(truth.sources)
    sizes = [(12, 1)] + [size for width in (20, 25, 31) for size in ((12, 1), (width, 1), (width, 1))]

    def unpacked(x):
        parts = np.split(x, np.cumsum([a * b for a, b in sizes])[:-1])
        arrays = [part.reshape(size) for part, size in zip(parts, sizes, strict=True)]
        return arrays[0], arrays[1::3], arrays[2::3], arrays[3::3]

    start = [model.shared_basis_]
    for name in model.source_names_:
        start += [model.unique_basis_[name], model.shared_loadings_[name], model.unique_loadings_[name]]
    start = np.concatenate([part.ravel() for part in start])
    here = naive.objective(given, *unpacked(start))
    there = minimize(
        lambda x: naive.objective(given, *unpacked(x)),
        start + 1e-3 * rng.normal(size=len(start)),
        jac=lambda x: np.concatenate([part.ravel() for part in naive.slopes(given, *unpacked(x))]),
        method="L-BFGS-B",
    )
    assert here <= there.fun * (1 + 1e-4)
