"""Moments of many small normal distributions."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.kernels import normal_moments


def systems(n, k, seed=0):
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(n, k, k + 2))
    H = half @ half.transpose(0, 2, 1)
    i, j = np.triu_indices(k)
    return H, H[:, i, j], rng.normal(size=(n, k)), rng.uniform(0.5, 2.0, n)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 2), (8, 3), (9, 6), (17, 21)])
@pytest.mark.parametrize("is_common", [True, False])
def test_moments_are_those_of_the_inverse(backend, n, k, is_common):
    H, lines, right, scale = systems(n, k)
    diagonal = np.random.default_rng(1).uniform(0.0, 3.0, k if is_common else (n, k))
    moments = normal_moments(lines, right, scale, diagonal)
    whole = scale[:, None, None] * H + np.broadcast_to(diagonal, (n, k))[:, :, None] * np.eye(k)
    np.testing.assert_allclose(moments.cov, np.linalg.inv(whole), rtol=1e-9, atol=1e-12)
    truth = np.linalg.solve(whole, (scale[:, None] * right)[..., None])[..., 0]
    np.testing.assert_allclose(moments.mean, truth, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(moments.cov, moments.cov.transpose(0, 2, 1))


def test_an_unknown_that_is_locked_stays_at_nothing(backend):
    _, lines, right, scale = systems(3, 4)
    moments = normal_moments(lines, right, scale, np.array([1e200, 1.0, 1.0, 1.0]))
    assert np.abs(moments.mean[:, 0]).max() < 1e-150
    alone = normal_moments(lines[:, 4:], right[:, 1:], scale, np.ones(3))
    np.testing.assert_allclose(moments.mean[:, 1:], alone.mean, rtol=1e-12)


def test_a_direction_lost_in_rounding_does_not_spoil_the_others():
    # two unknowns that the data cannot tell apart, known 1e20 times better than the prior says
    lines = np.array([[1.0, 1.0, 0.0, 1.0, 0.0, 2.0]])
    moments = normal_moments(lines, np.array([[1.0, 1.0, 4.0]]), np.array([1e20]), np.ones(3))
    assert np.isfinite(moments.cov).all()
    np.testing.assert_allclose(moments.mean[0, 2], 2.0, rtol=1e-12)
    np.testing.assert_allclose(moments.mean[0, :2].sum(), 1.0, rtol=0.5)


def test_nothing_to_solve_is_no_error():
    assert normal_moments(np.zeros((0, 3)), np.zeros((0, 2)), np.zeros(0), np.ones(2)).cov.shape == (0, 2, 2)
    assert normal_moments(np.zeros((4, 0)), np.zeros((4, 0)), np.ones(4), np.ones(0)).cov.shape == (4, 0, 0)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"lines \(2, 2\), right \(2, 2\), scale"):
        normal_moments(np.zeros((2, 2)), np.zeros((2, 2)), np.ones(2), np.ones(2))
