"""Hajek's and Horvitz and Thompson's estimates, against pandas, exact means, and simulated masks."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import halfseen as hs
from halfseen.methods.moment.estimates import estimate_pairs, pair_probability, spread_constants
from moment_truth import factor_rows, seen


def test_pandas_pairwise_covariance_of_mirrored_rows_is_hajeks_mean_product():
    rng = np.random.default_rng(0)
    M = np.where(rng.random((300, 8)) < 0.4, rng.normal(size=(300, 8)), np.nan)
    found = estimate_pairs(hs.PairMoments.from_rows(M))
    # rows and their negatives: every pairwise mean is zero, so that the covariance is the mean product
    mirrored = pd.DataFrame(np.vstack([M, -M])).cov().to_numpy()
    counts = pd.DataFrame(~np.isnan(M)).astype(int).to_numpy()
    np.testing.assert_array_equal(found.counts, (counts.T @ counts)[found.i, found.j])
    twice = 2 * found.counts
    np.testing.assert_allclose(found.estimate, mirrored[found.i, found.j] * (twice - 1) / twice, rtol=1e-10)


def test_own_variances_are_pandas_variances_of_the_products():
    rng = np.random.default_rng(1)
    M = np.where(rng.random((400, 6)) < 0.5, rng.normal(size=(400, 6)), np.nan)
    found = estimate_pairs(hs.PairMoments.from_rows(M), variance="own")
    for i, j, variance in zip(found.i, found.j, found.variance, strict=True):
        products = pd.Series(M[:, i] * M[:, j]).dropna()
        assert variance == pytest.approx(products.var(ddof=1) / len(products), rel=1e-9)


def test_hajek_is_exactly_unbiased_given_the_count():
    """All masks of five rows, each pair of columns: the mean over masks with K = k is T, for every k."""
    M = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [-2.0, 2.5], [1.5, 1.0]])
    T = float(M[:, 0] @ M[:, 1]) / 5
    for k in range(1, 6):
        estimates = []
        for rows in itertools.combinations(range(5), k):
            table = np.full((5, 2), np.nan)
            table[list(rows)] = M[list(rows)]
            estimates.append(estimate_pairs(hs.PairMoments.from_rows(table), pairs=([0], [1])).estimate[0])
        assert np.mean(estimates) == pytest.approx(T, rel=1e-12)
        spread = np.var(M[:, 0] * M[:, 1], ddof=1)
        assert np.var(estimates) == pytest.approx((1 / k - 1 / 5) * spread, rel=1e-12, abs=1e-15)


@pytest.fixture(scope="module")
def masked():
    """Hajek's and Horvitz-Thompson's estimates of one table of 2000 x 25 under 400 masks, and their variances."""
    rng = np.random.default_rng(2)
    M, _ = factor_rows(2000, 25, 3, rng)
    M /= np.sqrt(np.mean(M**2))
    share, i, j = 0.06, *np.triu_indices(25)
    out = {name: [] for name in ("hajek", "hajek_theory", "ht", "counts")}
    products = M[:, i] * M[:, j]
    T, spread = products.mean(axis=0), products.var(axis=0, ddof=1)
    for _ in range(400):
        moments = hs.PairMoments.from_rows(seen(M, share, rng))
        found = moments.at(i, j)
        with np.errstate(invalid="ignore", divide="ignore"):
            out["hajek"].append(np.where(found.counts > 0, found.sums / found.counts, np.nan))
            out["hajek_theory"].append((1.0 / found.counts - 1 / 2000) * spread)
        pi = np.where(i == j, share, share**2)
        out["ht"].append(found.sums / (2000 * pi))
    theory = (1 - pi) / (2000 * pi) * np.mean(products**2, axis=0)
    return {name: np.array(part) for name, part in out.items()}, T, theory


@pytest.mark.slow
def test_hajek_z_scores_are_standard_normal(masked):
    """325 pairs, 400 masks: errors over their standard deviations given the counts have mean 0 and variance 1."""
    found, T, _ = masked
    known = np.isfinite(found["hajek"]) & (found["hajek_theory"] > 0)
    errors = np.where(known, found["hajek"] - T, 0.0)
    bias = errors.sum(axis=0) / np.sqrt(np.where(known, found["hajek_theory"], 0.0).sum(axis=0))
    assert np.max(np.abs(bias)) < 4.5  # the largest of 325 N(0, 1) exceeds this with probability .002
    assert abs(np.mean(bias**2) - 1.0) < 4 * np.sqrt(2 / 325) * 2  # pairs of one table are correlated
    ratio = np.sum(errors**2) / np.sum(found["hajek_theory"][known])
    assert ratio == pytest.approx(1.0, abs=0.02)


def test_horvitz_thompson_is_unbiased_with_its_variance(masked):
    found, T, theory = masked
    errors = found["ht"] - T
    bias = errors.mean(axis=0) / np.sqrt(theory / 400)
    assert np.max(np.abs(bias)) < 4.5
    assert np.sum(errors**2) / (400 * np.sum(theory)) == pytest.approx(1.0, abs=0.02)


def test_estimated_variances_are_right_on_average():
    rng = np.random.default_rng(3)
    M, _ = factor_rows(2000, 25, 3, rng)
    i, j = np.triu_indices(25)
    T = M.T @ M / 2000
    for estimator, variance in (("hajek", "own"), ("hajek", "pooled"), ("horvitz_thompson", "pooled")):
        squares, claimed = 0.0, 0.0
        for _ in range(60):
            found = estimate_pairs(
                hs.PairMoments.from_rows(seen(M, 0.15, rng)), estimator, variance=variance, is_finite=True
            )
            known = np.isfinite(found.variance)
            squares += np.sum((found.estimate - T[found.i, found.j])[known] ** 2)
            claimed += np.sum(found.variance[known])
        # 60 masks of 325 pairs, correlated within a mask: about 3 % of noise
        assert squares / claimed == pytest.approx(1.0, abs=0.1), (estimator, variance)
    assert np.all(np.triu_indices(25) == np.array([i, j]))


def test_pooled_intervals_cover_even_pairs_seen_once():
    rng = np.random.default_rng(4)
    M, L = factor_rows(4000, 60, 3, rng, noise=0.3)
    T = L @ L.T + 0.09 * np.eye(60)
    hits = []
    for _ in range(4):
        found = estimate_pairs(hs.PairMoments.from_rows(seen(M, 0.015, rng)))
        few = (found.counts <= 3) & (found.i != found.j)
        hits.append(np.abs(found.estimate - T[found.i, found.j])[few] <= 1.96 * found.se[few])
    # products of normal numbers have heavy tails: few-row means cover a little more than 95 % of the middle
    assert 0.92 < np.mean(np.concatenate(hits)) < 0.97


def test_sampling_schemes_give_their_probabilities():
    rng = np.random.default_rng(6)
    n, d, m = 4000, 12, 3
    cols = np.argsort(rng.random((n, d)), axis=1)[:, :m]
    R = hs.Observed.from_triplets(np.repeat(np.arange(n), m), cols.ravel(), rng.normal(size=n * m), shape=(n, d))
    moments = hs.PairMoments.from_rows(R)
    i, j = np.array([0, 0]), np.array([0, 1])
    np.testing.assert_allclose(pair_probability(moments, i, j, "fixed"), [m / d, m * (m - 1) / (d * (d - 1))])
    np.testing.assert_allclose(pair_probability(moments, i, j, "uniform"), [m / d, (m / d) ** 2])
    columns = pair_probability(moments, i, j, "columns")
    assert columns[1] == pytest.approx(moments.diagonal().counts[:2].prod() / n**2)
    uneven = hs.PairMoments.from_rows(seen(rng.normal(size=(50, 12)), 0.3, rng))
    with pytest.raises(ValueError, match="same number of entries in every row"):
        pair_probability(uneven, i, j, "fixed")


def test_fixed_rows_make_horvitz_thompson_unbiased_where_the_square_of_the_share_is_not():
    rng = np.random.default_rng(7)
    n, d, m = 20000, 10, 2
    M, _ = factor_rows(n, d, 2, rng)
    cols = np.argsort(rng.random((n, d)), axis=1)[:, :m]
    rows = np.repeat(np.arange(n), m)
    moments = hs.PairMoments.from_rows(
        hs.Observed.from_triplets(rows, cols.ravel(), M[rows, cols.ravel()], shape=(n, d))
    )
    T = (M.T @ M / n)[np.triu_indices(d, k=1)]

    def slope(sampling):
        found = estimate_pairs(moments, "horvitz_thompson", sampling, pairs=np.triu_indices(d, k=1)).estimate
        return float(found @ T / (T @ T))

    assert slope("fixed") == pytest.approx(1.0, abs=0.06)
    assert slope("uniform") == pytest.approx((m - 1) * d / (m * (d - 1)), abs=0.06)


def test_the_constant_of_gaussian_rows_is_found():
    rng = np.random.default_rng(8)
    moments = hs.PairMoments.from_rows(seen(rng.normal(size=(20000, 20)), 0.2, rng))
    off, on = spread_constants(moments)
    assert off == pytest.approx(1.0, abs=0.02)
    assert on == pytest.approx(2.0, abs=0.06)


def test_unknown_words_are_named():
    moments = hs.PairMoments.from_rows([[1.0, 2.0]])
    for name in ("estimator", "sampling", "variance"):
        with pytest.raises(ValueError, match=f"{name} must be one of"):
            estimate_pairs(moments, **{name: "other"})
