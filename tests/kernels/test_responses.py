"""Expected counts and scores of answers on shared nodes, and the likelihood on nodes of each row's own."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen import kernels
from halfseen.kernels import BoundedLines, Derivatives, Responses
from kernel_problems import use


class Problem:
    """Items of 2 to 5 classes, a third of the answers missing, one row without any."""

    def __init__(self, n=70, p=9, nodes=56, seed=0, sparse=False):
        rng = np.random.default_rng(seed)
        self.classes = rng.integers(2, 6, p)
        self.starts = np.concatenate([[0], np.cumsum(self.classes)[:-1]]).astype(np.int32)
        answers = (rng.random((n, p)) * self.classes).astype(np.uint8)
        answers[rng.random((n, p)) < 0.3] = 255
        answers[n // 2] = 255
        self.answers, self.n_lines = answers, int(self.classes.sum())
        self.rows = self.sparse_rows() if sparse else Responses(answers, self.starts, None, None, p)
        self.x = np.linspace(-4, 4, nodes)
        self.table = np.log(rng.dirichlet(np.ones(5), (self.n_lines, nodes)).max(axis=2))
        self.log_weights = np.log(rng.dirichlet(np.full(nodes, 5.0), 2))
        self.groups = rng.integers(0, 2, n).astype(np.int32)
        self.tilt, self.frequency = 0.3 * rng.normal(size=n), rng.integers(0, 4, n).astype(float)

    def sparse_rows(self):
        i, j = np.nonzero(self.answers != 255)
        lines = (self.starts[j] + self.answers[i, j]).astype(np.int32)
        indptr = np.searchsorted(i, np.arange(len(self.answers) + 1)).astype(np.int64)
        return Responses(None, None, indptr, lines, self.answers.shape[1])

    def given(self):
        return {"positions": self.x, "groups": self.groups, "tilt": self.tilt, "frequency": self.frequency}

    def outputs(self):
        n, G = len(self.answers), len(self.x)
        return {"log_likelihood": np.empty(n), "moments": np.empty((n, 2)), "posterior": np.empty((n, G)),
                "counts": np.ones((self.n_lines, G)), "mass": np.ones((2, G))}  # fmt: skip

    def expect(self):
        out = self.outputs()
        value = kernels.response_expectations(self.rows, self.table, self.log_weights, outputs=out, **self.given())
        return value, out


def written_out(P):
    """The same in plain loops."""
    value, out = 0.0, P.outputs()
    for i, answers in enumerate(P.answers):
        joint = P.log_weights[P.groups[i]] + P.tilt[i] * P.x
        for j, k in enumerate(answers):
            if k != 255:
                joint = joint + P.table[P.starts[j] + k]
        total = np.exp(joint).sum()
        q = np.exp(joint) / total
        out["log_likelihood"][i], out["posterior"][i] = np.log(total), q
        out["moments"][i] = q @ P.x, q @ P.x**2
        value += P.frequency[i] * np.log(total)
        out["mass"][P.groups[i]] += P.frequency[i] * q
        for j, k in enumerate(answers):
            if k != 255:
                out["counts"][P.starts[j] + k] += P.frequency[i] * q
    return value, out


@pytest.mark.parametrize("nodes", [8, 48, 56, 136])
@pytest.mark.parametrize("sparse", [False, True])
def test_every_output_is_what_plain_loops_give(backend, sparse, nodes):
    P = Problem(sparse=sparse, nodes=nodes)
    value, out = P.expect()
    wanted_value, wanted = written_out(P)
    assert value == pytest.approx(wanted_value, rel=1e-12)
    for name, array in wanted.items():
        np.testing.assert_allclose(out[name], array, rtol=1e-11, atol=1e-13, err_msg=name)


def test_scores_are_posterior_means_of_the_derivatives(backend):
    P, rng = Problem(), np.random.default_rng(1)
    sizes = rng.integers(1, 4, len(P.classes))
    count = np.repeat(sizes, P.classes).astype(np.int32)
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int32)
    target = np.repeat(np.concatenate([[0], np.cumsum(sizes)[:-1]]), P.classes).astype(np.int32)
    D = Derivatives(rng.normal(size=(int(count.sum()), len(P.x))), first, count, target)
    q = rng.dirichlet(np.ones(len(P.x)), len(P.answers))
    out = kernels.response_scores(P.rows, q, D, np.empty((len(P.answers), int(sizes.sum()))))
    wanted = np.zeros_like(out)
    for i, j in zip(*np.nonzero(P.answers != 255), strict=True):
        line = P.starts[j] + P.answers[i, j]
        for k in range(count[line]):
            wanted[i, target[line] + k] += q[i] @ D.table[first[line] + k]
    np.testing.assert_allclose(out, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("nodes", [8, 48, 136])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("of_items", [False, True])
def test_pairs_of_answers_are_counted_with_the_weights_of_their_rows(backend, sparse, nodes, of_items):
    P, rng = Problem(sparse=sparse, nodes=nodes), np.random.default_rng(2)
    n_lines = int(P.classes.sum())
    place = np.repeat(np.arange(len(P.classes)), P.classes) if of_items else np.arange(n_lines)
    weights = rng.dirichlet(np.ones(nodes), len(P.answers))
    size = int(place.max()) + 1
    before = rng.normal(size=(size, size, nodes))
    out = kernels.response_pairs(P.rows, weights, place.astype(np.int32), before.copy())
    wanted = before.copy()
    for i, answers in enumerate(P.answers):
        at = [place[P.starts[j] + k] for j, k in enumerate(answers) if k != 255]
        for a in range(len(at)):
            for b in range(a, len(at)):
                wanted[at[a], at[b]] += weights[i]
    np.testing.assert_allclose(out, wanted, rtol=1e-11, atol=1e-13)


def test_far_apart_log_probabilities_do_not_overflow(backend):
    P = Problem()
    P.table[::2] -= 600.0
    P.table[1::3] -= 900.0
    value, out = P.expect()
    assert np.isfinite(value)
    np.testing.assert_allclose(out["posterior"].sum(axis=1), 1.0, rtol=1e-12)


def own_problem(seed=0, n=40, p=7, dims=3, nodes=32):
    rng = np.random.default_rng(seed)
    P = Problem(n, p, seed=seed)
    m = P.n_lines
    bounds = np.sort(rng.normal(size=(m, 2)), axis=1)
    upper, lower = bounds[:, 1].copy(), bounds[:, 0].copy()
    lower[P.starts + P.classes - 1], upper[P.starts] = np.inf, np.inf
    lines = BoundedLines(rng.normal(size=(m, dims)), upper, lower, 0.1 * rng.normal(size=m))
    roots = np.tril(0.2 * rng.normal(size=(n, dims, dims))) + 0.6 * np.eye(dims)
    shares = np.log(rng.dirichlet(np.full(nodes, 3.0)))
    return P, (rng.normal(size=(dims, nodes)), shares), rng.normal(size=(n, dims)), roots, lines


def own_outputs(P, dims):
    n, e = len(P.answers), int((P.answers != 255).sum())
    return {"log_likelihood": np.empty(n), "mean": np.empty((n, dims)), "covariance": np.empty((n, dims, dims)),
            "sums": np.zeros((P.n_lines, dims + 2)), "scores": np.empty((e, dims + 2))}  # fmt: skip


def test_own_nodes_agree_with_the_twin(isa, monkeypatch):
    P, points, modes, roots, lines = own_problem()
    results = []
    for name in ("reference", isa):
        use(name, monkeypatch)
        out = own_outputs(P, 3)
        value = kernels.own_expectations(P.rows, *points, modes, roots, lines, frequency=P.frequency, outputs=out)
        results.append((value, out))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-12)
    for name, wanted in results[0][1].items():
        np.testing.assert_allclose(results[1][1][name], wanted, rtol=1e-9, atol=1e-11, err_msg=name)


def test_sums_of_own_nodes_are_derivatives_of_the_value(backend):
    P, points, modes, roots, lines = own_problem()
    out = own_outputs(P, 3)
    kernels.own_expectations(P.rows, *points, modes, roots, lines, outputs=out)
    step = 1e-5
    for line in (0, 3, P.n_lines - 1):
        for k, name in enumerate(("slopes", "slopes", "slopes", "upper", "lower")):
            if not np.isfinite(getattr(lines, name)[line]).all():
                assert out["sums"][line, k] == 0.0
                continue
            ends = []
            for sign in (1.0, -1.0):
                moved = getattr(lines, name).copy()
                moved[(line, k) if name == "slopes" else line] += sign * step
                changed = lines._replace(**{name: moved})
                ends.append(kernels.own_expectations(P.rows, *points, modes, roots, changed))
            assert out["sums"][line, k] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_own_nodes_integrate_to_one_where_nothing_was_answered(backend):
    points = np.random.default_rng(0).normal(size=(2, 4096))
    rows = Responses(np.full((1, 1), 255, np.uint8), np.zeros(1, np.int32), None, None, 1)
    lines = BoundedLines(np.ones((2, 2)), np.array([np.inf, 0.0]), np.array([0.0, np.inf]), np.zeros(2))
    nodes = points, np.full(4096, -np.log(4096)), np.full((1, 2), 0.3), 1.1 * np.eye(2)[None]
    value = kernels.own_expectations(rows, *nodes, lines)
    # 4096 importance weights with a standard deviation below .5
    assert value == pytest.approx(0.0, abs=5 * 0.5 / 64)


def test_tables_whose_nodes_do_not_fill_vectors_are_refused(isa, monkeypatch):
    use(isa, monkeypatch)
    P = Problem()
    with pytest.raises(ValueError, match="multiple of 8"):
        kernels.response_expectations(P.rows, P.table[:, :50].copy(), P.log_weights[:, :50].copy())


def test_unknown_outputs_are_named():
    P = Problem()
    with pytest.raises(ValueError, match="outputs has 'count'"):
        kernels.response_expectations(P.rows, P.table, P.log_weights, outputs={"count": P.table})
