"""Draws of the effects of features."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen import kernels
from kernel_problems import assert_close, use

DTYPES = (np.float32, np.float64)


def problem(n=90, n_features=7, k=5, dtype=float, kind="values and scale", seed=0):
    """Features, of which the last has no row, and a dense matrix of them."""
    rng = np.random.default_rng(seed)
    has = rng.random((n, n_features)) < 0.7  # more than 64 entries in a column: two tiles
    has[:, -1] = False
    indices = np.concatenate([np.flatnonzero(column) for column in has.T]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(has.sum(axis=0))]).astype(np.int64)
    values = rng.normal(size=len(indices)).astype(dtype) if "values" in kind else None
    scale = rng.gamma(3.0, 0.3, size=n).astype(dtype) if "scale" in kind else None
    dense = np.zeros((n, n_features))
    dense.T[has.T] = 1.0 if values is None else values
    dense *= 1.0 if scale is None else scale[:, None]
    return kernels.FeatureColumns(indptr, indices, values, scale), dense


def numbers(rng, *shape, dtype=float):
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("kind", ["plain", "values", "scale", "values and scale"])
@pytest.mark.parametrize("k", [1, 3, 8, 17, 33])
def test_effects_agree_with_the_twin(isa, monkeypatch, k, kind):
    for dtype in DTYPES:
        features, _ = problem(k=k, dtype=dtype, kind=kind)
        rng = np.random.default_rng(k)
        given = {"precision": rng.gamma(2.0, size=k).astype(dtype), "mean": numbers(rng, k, dtype=dtype)}
        d, w, z = (numbers(rng, size, k, dtype=dtype) for size in (90, 7, 7))
        answers = []
        for name in ("reference", isa):
            use(name, monkeypatch)
            left, effects = d.copy(), w.copy()
            kernels.effect_draws(features, left, effects, z, **given)
            answers.append((left, effects))
        for found, wanted in zip(answers[1], answers[0], strict=True):
            assert_close(found, wanted, dtype, 20)


def test_a_range_of_coordinates_leaves_the_others_alone(backend):
    features, _ = problem(k=6)
    rng = np.random.default_rng(1)
    given = {"precision": np.ones(6), "mean": np.zeros(6)}
    d, w, z = (numbers(rng, size, 6) for size in (90, 7, 7))
    whole, parts = [d.copy(), w.copy()], [d.copy(), w.copy()]
    kernels.effect_draws(features, *whole, z, **given)
    kernels.effect_draws(features, *parts, z, **given, first=0, last=2)
    np.testing.assert_array_equal(parts[0][:, 2:], d[:, 2:])
    kernels.effect_draws(features, *parts, z, **given, first=2, last=6)
    assert_close(parts[0], whole[0], np.float64)
    assert_close(parts[1], whole[1], np.float64)


@pytest.mark.slow_cases("reference")
def test_repeated_draws_have_the_joint_distribution_of_the_effects(backend):
    features, A = problem(n=40, n_features=3, k=1, kind="plain")
    rng, l, m, n_draws = np.random.default_rng(2), 0.7, 0.4, 6000  # noqa: E741
    x = numbers(rng, 40, 1)
    left, w, chain = x.copy(), np.zeros((3, 1)), []
    for _ in range(n_draws):
        kernels.effect_draws(features, left, w, numbers(rng, 3, 1), precision=np.array([l]), mean=np.array([m]))
        chain.append(w[:, 0].copy())
    assert_close(left, x - A @ w, np.float64, 1000)
    cover = np.linalg.inv(l * A.T @ A + np.eye(3))
    wanted = cover @ (l * A.T @ x[:, 0] + m)
    # batch means of 30 batches: their standard deviation allows for the dependence along the chain
    batches = np.array(chain).reshape(30, -1, 3).mean(axis=1)
    assert np.all(np.abs(batches.mean(axis=0) - wanted) < 4 * batches.std(axis=0, ddof=1) / np.sqrt(30))
    np.testing.assert_allclose(np.cov(np.array(chain).T), cover, atol=0.2 * np.abs(cover).max())


@pytest.mark.parametrize("kind", ["plain", "values and scale"])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_effects_given_the_entries_agree_with_the_twin(isa, monkeypatch, k, kind):
    for dtype in DTYPES:
        features, _ = problem(k=k, dtype=dtype, kind=kind)
        rng = np.random.default_rng(k)
        half = numbers(rng, 90, k, k + 2)
        gram = (half @ np.swapaxes(half, 1, 2)).astype(dtype)
        alpha = rng.gamma(2.0, 0.5, size=90).astype(dtype)
        given = {"precision": 1.3, "prior": np.eye(k) * 2, "pull": numbers(rng, k), "gram": gram, "row_weights": alpha}
        h, v = (numbers(rng, 90, k, dtype=dtype) for _ in range(2))
        w, z = (numbers(rng, 7, k, dtype=dtype) for _ in range(2))
        answers = []
        for name in ("reference", isa):
            use(name, monkeypatch)
            state = h.copy(), v.copy(), w.copy()
            assert kernels.shift_draws(features, *state, z, **given) == 0
            answers.append(state)
        for found, wanted in zip(answers[1], answers[0], strict=True):
            assert_close(found, wanted, dtype, 200)


def test_an_effect_given_the_entries_has_their_normal_equations(backend):
    features, A = problem(n=30, n_features=2, k=3)
    rng = np.random.default_rng(4)
    half = numbers(rng, 30, 3, 5)
    gram, alpha = half @ np.swapaxes(half, 1, 2), rng.gamma(2.0, 0.5, size=30)
    h, v, w = numbers(rng, 30, 3), numbers(rng, 30, 3), numbers(rng, 2, 3)
    before = h.copy(), v.copy(), w.copy()
    prior, pull = np.diag([1.0, 2.0, 3.0]), np.array([0.1, 0.2, -0.3])
    given = {"precision": 1.3, "prior": prior, "pull": pull, "gram": gram, "row_weights": alpha}
    kernels.shift_draws(features, h, v, w, np.zeros((2, 3)), **given)
    a = A[:, 0]
    Q = prior + 1.3 * np.einsum("i,ijk->jk", alpha * a**2, gram)
    q = pull + 1.3 * np.einsum("i,ij->j", alpha * a, before[0] + a[:, None] * (gram @ before[2][0]))
    assert_close(w[0], np.linalg.solve(Q, q), np.float64, 100)
    step = w[0] - before[2][0]
    assert_close(v, before[1] + np.outer(a, step), np.float64, 100)
    assert_close(h, before[0] - a[:, None] * (gram @ step), np.float64, 100)


def test_arrays_of_another_size_are_refused():
    features, _ = problem(k=2)
    given = {"precision": np.ones(2), "mean": np.zeros(2)}
    with pytest.raises(ValueError, match=r"effects has shape \(3, 2\); needed: \(7, 2\)"):
        kernels.effect_draws(features, np.zeros((90, 2)), np.zeros((3, 2)), np.zeros((7, 2)), **given)
