"""Noise level and thresholds against simulation and published numbers; growth against the iteration itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from halfseen.linalg import growth, hard_threshold, marchenko_pastur_median, noise_edge, noise_level, optimal_shrinkage


@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.8, 1.0])
def test_half_of_the_marchenko_pastur_law_lies_below_its_median(ratio):
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    median = marchenko_pastur_median(ratio)
    density = lambda x: np.sqrt((high - x) * (x - low)) / (2 * np.pi * ratio * x)  # noqa: E731
    assert quad(density, low, median)[0] == pytest.approx(0.5, abs=1e-6)


def test_a_ratio_above_one_is_refused():
    with pytest.raises(ValueError, match=r"ratio must lie in \(0, 1\].*got 1.5"):
        marchenko_pastur_median(1.5)


def test_the_threshold_of_a_square_matrix_with_known_noise_is_four_over_root_three():
    assert hard_threshold(400, 400, 2.0) == pytest.approx(2.0 * 20 * 4 / 3**0.5)


def test_the_threshold_with_estimated_noise_is_the_published_one():
    # Gavish and Donoho, table IV: omega(1) = 2.8582, omega(.5) = 2.1711 up to their rounding
    for ratio, omega in ((1.0, 2.8582), (0.5, 2.1711)):
        n = round(1000 * ratio)
        ours = hard_threshold(n, 1000, 1.0) / np.sqrt(1000 * marchenko_pastur_median(ratio))
        assert ours == pytest.approx(omega, abs=2e-2)


@pytest.mark.parametrize("shape", [(300, 200), (120, 400)])
def test_the_noise_level_is_found_beside_a_signal(shape):
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((shape[0], 5)) @ rng.standard_normal((5, shape[1]))
    s = np.linalg.svd(signal + 0.7 * rng.standard_normal(shape), compute_uv=False)
    # 5 components move the median by 5 ranks; the noise's own error is of order 1 / number of cells
    assert noise_level(s, *shape) == pytest.approx(0.7, rel=0.03)
    assert noise_level(s, *shape[::-1]) == noise_level(s, *shape)
    assert s[5] < 1.05 * noise_edge(*shape, 0.7) < s[4]


def test_leading_singular_values_alone_are_refused():
    with pytest.raises(ValueError, match="s must hold all 20 singular values of a matrix of 30 x 20; got 5"):
        noise_level(np.ones(5), 30, 20)


def test_shrinkage_beats_every_truncation():
    rng = np.random.default_rng(1)
    signal = (rng.standard_normal((150, 6)) * [3, 2, 1.5, 1, 0.7, 0.5]) @ rng.standard_normal((6, 100)) / 10
    U, s, Vt = np.linalg.svd(signal + 0.2 * rng.standard_normal(signal.shape), full_matrices=False)
    shrunk = optimal_shrinkage(s, *signal.shape, noise_level(s, *signal.shape))
    best = min(np.linalg.norm((U[:, :q] * s[:q]) @ Vt[:q] - signal) for q in range(12))
    assert np.linalg.norm((U * shrunk) @ Vt - signal) < 0.98 * best


class TestGrowth:
    step, start = 0.25, 1e-7

    def iterate(self, s, times):
        a, found = np.full(len(s), self.start**0.5), []
        for t in range(1, max(times) + 1):
            a = a * (1 + self.step * (s - a**2))
            if t in times:
                found.append(a**2)
        return np.array(found)

    def test_the_closed_form_follows_the_iteration(self):
        s, times = np.array([1.0, 0.6, 0.25]), [10, 30, 50, 80, 200]
        found = self.iterate(s, times)
        for t, row in zip(times, found, strict=True):
            np.testing.assert_allclose(growth.grown(s, t, self.start, self.step), row, atol=0.1 * s.max())
        np.testing.assert_allclose(growth.grown(s, 0, self.start, self.step), self.start)
        np.testing.assert_allclose(growth.grown(s, 400, self.start, self.step), s, rtol=1e-6)

    def test_singular_values_of_zero_stay_small(self):
        assert np.all(growth.grown(np.zeros(3), 1000, self.start, self.step) <= self.start)

    def test_the_threshold_is_the_component_that_is_half_grown(self):
        for time in (40, 90, 300):
            size = growth.threshold_at(time, self.start, self.step, 1.0)
            assert growth.half_time(size, self.start, self.step) == pytest.approx(time, rel=1e-3)
        assert growth.threshold_at(1, self.start, self.step, 1.0) == 1.0

    def test_between_two_components_is_where_both_errors_are_small(self):
        s = np.array([1.0, 0.5])
        errors = [np.hypot(s[0] - f[0], f[1]) for f in self.iterate(s, list(range(1, 120)))]
        best = 1 + int(np.argmin(errors))
        assert growth.time_between(*s, self.start, self.step) == pytest.approx(best, rel=0.08)

    def test_the_sharp_exponent_is_four_times_that_of_the_theorem(self):
        gaps = np.linspace(0.1, 0.9, 5)
        np.testing.assert_allclose(growth.error_exponent(gaps), 4 * growth.error_exponent(gaps, "theorem"))

    def test_the_time_of_the_theorem_is_its_formula(self):
        gap, size, rho = 0.3, 2.0, 1e-4
        T = np.log(rho ** (gap / (2 * (2 - gap))) / rho) / np.log(1 + (1 - gap) * self.step * size)
        assert growth.theorem_time(rho, gap, size, self.step) == int(T)

    def test_the_start_has_the_size_of_the_formula(self):
        from halfseen.solvers import small_start

        rng, shape, k, rho, top = np.random.default_rng(0), (60, 40), 30, 0.1, 3.0
        U, V = (np.linalg.qr(rng.standard_normal((n, 5)))[0] for n in shape)
        found = []
        for _ in range(400):
            F, G = small_start(shape, k, rho, top, rng)
            found.append(np.sum(np.square(U.T @ F + V.T @ G) / 4, axis=1))
        # 400 x 5 averages of 30 squares: standard error sqrt(2 / 60 000) = .6 %
        assert np.mean(found) == pytest.approx(growth.start_size(rho, top, shape, k), rel=0.03)
