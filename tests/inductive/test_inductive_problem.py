"""The objectives against a plain twin, finite differences and the dense one-class computation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import halfseen as hs
from halfseen.methods.inductive.activations import ACTIVATIONS, get_activation
from halfseen.solvers import BacktrackingGradient, LevenbergMarquardt, loop, shared_components
from inductive_truth import Realizable, make_problem, naive_objective

SWITCHES = {
    "features alone": {},
    "effects and free factors": {
        "effects": "both", "free_rank": 2, "effect_penalty": 1.5, "free_penalty": 2.0, "offset": 0.3,
    },
    "row effects": {"effects": "rows", "effect_penalty": 0.5},
}  # fmt: skip


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    table = np.where(rng.random((9, 7)) < 0.5, rng.integers(0, 2, (9, 7)).astype(float), np.nan)
    return table, rng.normal(size=(9, 4)), rng.normal(size=(7, 3)), rng


@pytest.mark.parametrize("more", SWITCHES.values(), ids=SWITCHES.keys())
@pytest.mark.parametrize(
    ("loss", "beta"), [("gaussian", None), ("bernoulli", None), ("poisson", None), ("gaussian", 0.3), ("gaussian", 1.0)]
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_value_and_gradient_are_those_of_the_plain_objective(small, activation, loss, beta, more):
    table, F, G, rng = small
    problem = make_problem(hs.Observed.from_dense(table), F, G, activation, loss, penalty=0.1, beta=beta, **more)
    theta = rng.normal(size=problem.size)
    value, gradient = problem.value_and_gradient(theta)
    assert value == pytest.approx(naive_objective(problem, table, F, G, theta, loss), rel=1e-12)
    assert problem.value(theta) == pytest.approx(value, rel=1e-13)
    step = 1e-6
    numeric = [
        (problem.value(theta + step * e) - problem.value(theta - step * e)) / (2 * step) for e in np.eye(len(theta))
    ]
    np.testing.assert_allclose(gradient, numeric, atol=2e-7 * np.abs(gradient).max())


@pytest.mark.parametrize("activation", ["linear", "relu", "sigmoid", "tanh"])
def test_the_one_class_objective_is_the_dense_one_to_twelve_digits(activation):
    rng = np.random.default_rng(1)
    n, p, d, k, beta = 60, 50, 6, 5, 0.01
    F, G = rng.normal(size=(n, d)), rng.normal(size=(p, d))
    seen = rng.random((n, p)) < 0.1
    observed = hs.Observed.from_dense(np.where(seen, 1.0, np.nan))
    problem = make_problem(observed, F, G, activation, rank=k, has_intercept=False, beta=beta)
    theta = 0.5 * rng.normal(size=problem.size)
    at, phi, slope = problem.unpack(theta), ACTIVATIONS[activation].value, ACTIVATIONS[activation].slope
    Z, Y = F @ at.U, G @ at.V
    H, W = phi(Z), phi(Y)
    P = H @ W.T
    S = np.where(seen, P - 1.0, beta * P)
    value, gradient = problem.value_and_gradient(theta)
    dense = 0.5 * (np.sum((P - 1)[seen] ** 2) + beta * np.sum(P[~seen] ** 2)) / seen.sum()
    assert value == pytest.approx(dense, rel=1e-12)
    wanted = [F.T @ ((S @ W) * slope(Z, H)) / seen.sum(), G.T @ ((S.T @ H) * slope(Y, W)) / seen.sum()]
    np.testing.assert_allclose(gradient, np.concatenate([w.ravel() for w in wanted]), rtol=1e-11, atol=1e-14)


def test_unseen_cells_are_never_made():
    # 2e5 x 2e5 cells would take 320 GB
    n = 200_000
    rng = np.random.default_rng(0)
    seen = hs.Observed.from_triplets(rng.integers(0, n, 500), rng.integers(0, n, 500), np.ones(500), shape=(n, n),
                                     duplicates="first")  # fmt: skip
    side = rng.normal(size=(n, 2))
    problem = make_problem(seen, side, side, rank=2, beta=0.1)
    value, gradient = problem.value_and_gradient(rng.normal(size=problem.size))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("activation", "dimension"), [("sigmoid", 0), ("tanh", 0), ("relu", 5), ("linear", 25)])
def test_null_directions_at_the_truth_are_those_of_the_counter_examples(activation, dimension):
    data = Realizable(activation, 200, 2000)
    problem = make_problem(data.observed, data.F, data.G, activation, rank=5, has_intercept=False)
    matrix, gradient = problem.normal_equations(problem.pack(data.U, data.V))
    values = np.linalg.eigvalsh(matrix)
    assert np.sum(values < 1e-10 * values[-1]) == dimension == get_activation(activation).null_dimension(5)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize("loss", ["gaussian", "bernoulli"])
def test_normal_equations_are_those_of_the_numeric_jacobian(small, loss):
    table, F, G, rng = small
    observed = hs.Observed.from_dense(table)
    problem = make_problem(observed, F, G, "tanh", loss, penalty=0.2)
    theta = rng.normal(size=problem.size)

    def linear(t):
        (_, H), (_, W) = problem.sides(problem.unpack(t))
        return problem.passes.at(H, W)

    J = np.stack([(linear(theta + 1e-6 * e) - linear(theta - 1e-6 * e)) / 2e-6 for e in np.eye(len(theta))], axis=1)
    curvature = problem.passes.loss.curvature(observed.values, linear(theta))
    matrix, gradient = problem.normal_equations(theta)
    wanted = J.T @ (curvature[:, None] * J) / observed.n_entries + 0.2 * np.eye(len(theta))
    np.testing.assert_allclose(matrix, wanted, atol=1e-7)
    np.testing.assert_allclose(gradient, problem.value_and_gradient(theta)[1], atol=1e-12)


def test_dense_sparse_and_one_hot_features_are_the_same_map():
    rng = np.random.default_rng(0)
    table = np.where(rng.random((8, 6)) < 0.6, rng.normal(size=(8, 6)), np.nan)
    observed = hs.Observed.from_dense(table)
    problems = [
        make_problem(observed, F, G)
        for F, G in ((None, None), (np.eye(8), np.eye(6)), (sp.csr_array(np.eye(8)), sp.csr_array(np.eye(6))))
    ]
    theta = rng.normal(size=problems[0].size)
    wanted = problems[0].value_and_gradient(theta)
    for problem in problems[1:]:
        value, gradient = problem.value_and_gradient(theta)
        assert value == pytest.approx(wanted[0], rel=1e-14)
        np.testing.assert_allclose(gradient, wanted[1], atol=1e-14)
    assert len({problem.rows.line_size() for problem in problems}) == 1


def test_tied_weights_have_the_gradient_of_both_sides():
    rng = np.random.default_rng(0)
    F = rng.normal(size=(8, 3))
    observed = hs.Observed.from_dense(np.where(rng.random((8, 8)) < 0.6, 1.0, np.nan))
    problem = make_problem(observed, F, F, "softplus", is_tied=True)
    theta = rng.normal(size=problem.size)
    numeric = [(problem.value(theta + 1e-6 * e) - problem.value(theta - 1e-6 * e)) / 2e-6 for e in np.eye(len(theta))]
    np.testing.assert_allclose(problem.value_and_gradient(theta)[1], numeric, atol=1e-7)


def test_hermite_moments_are_those_of_the_page():
    sigmoid, relu = ACTIVATIONS["sigmoid"], ACTIVATIONS["relu"]
    table = sigmoid.moment(3, [0.5, 1, 2, 3.16, 5]) - 3 * sigmoid.moment(1, [0.5, 1, 2, 3.16, 5])
    np.testing.assert_allclose(table, [-0.0125, -0.0624, -0.182, -0.270, -0.334], atol=2e-3)
    assert sigmoid.moment(0, 2.0)[0] == pytest.approx(0.5)
    assert relu.moment(1, 3.0)[0] == pytest.approx(1.5)
    assert ACTIVATIONS["tanh"].moment(0, 2.0)[0] == pytest.approx(0.0, abs=1e-12)


class Bowl:
    """A badly scaled least-squares problem with a known bottom."""

    J = np.diag([1.0, 30.0, 900.0])

    def value(self, x):
        return float(0.5 * np.sum((self.J @ (x - 1)) ** 2))

    def value_and_gradient(self, x):
        return self.value(x), self.J.T @ self.J @ (x - 1)

    def normal_equations(self, x):
        return self.J.T @ self.J, self.value_and_gradient(x)[1]


def test_levenberg_marquardt_does_not_mind_bad_scales_and_says_when_it_is_at_the_bottom():
    run = loop(LevenbergMarquardt(Bowl()), np.zeros(3), max_iter=100)
    np.testing.assert_allclose(run.params, 1.0, atol=1e-7)
    assert run.reason in ("precision", "exact")


def test_backtracking_never_goes_uphill():
    run = loop(BacktrackingGradient(Bowl(), step=1e3), np.zeros(3), max_iter=200)
    assert np.all(np.diff(run.trace.value) <= 0)


@pytest.mark.slow
def test_components_of_a_tensor_are_found_although_they_are_not_orthogonal():
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(8, 4)), rng.normal(size=(6, 4))
    u /= np.linalg.norm(u, axis=0)
    found, others = shared_components(np.einsum("ir,jr,lr->ijl", u, u, v), 4, rng)
    match = np.abs(found.T @ u)
    assert match.max(axis=1).min() > 1 - 1e-6
    np.testing.assert_allclose(others[:, match.argmax(axis=0)], v, atol=1e-4)
