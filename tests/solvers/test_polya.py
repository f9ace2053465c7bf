"""Pólya-Gamma draws against their moments, their Laplace transform, and the infinite sum that defines them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from halfseen.solvers import polya_gamma

N = 60_000


@pytest.mark.parametrize("c", [0.0, 0.5, 2.0, 3.1, 3.3, 8.0, -2.0, 60.0])
def test_draws_have_the_moments_and_the_laplace_transform_of_their_law(c):
    drawn = polya_gamma(np.full(N, c), np.random.default_rng(0))
    size = abs(c)
    mean = 0.25 if c == 0 else np.tanh(size / 2) / (2 * size)
    variance = 1 / 24 if c == 0 else (np.tanh(size / 2) - size / 2 / np.cosh(size / 2) ** 2) / (2 * size**3)
    assert drawn.min() > 0
    assert abs(drawn.mean() - mean) < 4 * np.sqrt(variance / N)
    assert drawn.var() == pytest.approx(variance, rel=0.05)
    for t in (0.5, 4.0, 20.0):
        # log cosh differences, without overflow
        half, moved = size / 2, np.sqrt(size**2 / 4 + t / 2)
        expected = np.exp(half - moved) * (1 + np.exp(-2 * half)) / (1 + np.exp(-2 * moved))
        values = np.exp(-t * drawn)
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(N)


@pytest.mark.parametrize("c", [0.0, 1.0, 4.0])
def test_draws_have_the_distribution_of_the_sum_of_exponentials_that_defines_them(c):
    rng, terms = np.random.default_rng(1), 300
    drawn = polya_gamma(np.full(20_000, c), rng)
    over = (np.arange(1, terms + 1) - 0.5) ** 2 + c**2 / (4 * np.pi**2)
    rest = np.sum(1 / ((np.arange(terms + 1, 100_000) - 0.5) ** 2 + c**2 / (4 * np.pi**2)))
    summed = (sum(rng.standard_exponential(20_000) / o for o in over) + rest) / (2 * np.pi**2)
    assert ks_2samp(drawn, summed).pvalue > 1e-3


def test_tilts_of_all_kinds_are_drawn_side_by_side_and_reproducibly():
    c = np.random.default_rng(2).normal(scale=5.0, size=(300, 400)).astype(np.float32)
    one, two = (polya_gamma(c, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == c.shape
    assert one.dtype == np.float64
    np.testing.assert_array_equal(one, two)
    for low, high in ((0, 1), (4, 6), (9, 12)):
        part = (np.abs(c) > low) & (np.abs(c) < high)
        size = np.abs(c[part])
        assert np.mean(one[part]) == pytest.approx(np.mean(np.tanh(size / 2) / (2 * size)), rel=0.03)
    assert polya_gamma(np.zeros(0), np.random.default_rng(0)).shape == (0,)
