"""Rows that are one of a few common means."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.moment import common_means
from halfseen.methods.moment.mixture import NearestMeans, pieces


def mixture(n=4000, d=100, r=4, share=0.06, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    means, labels = rng.normal(size=(r, d)), rng.choice(r, size=n, p=np.arange(1, r + 1) / (r * (r + 1) / 2))
    M = means[labels] + noise * rng.normal(size=(n, d))
    R = np.where(rng.random((n, d)) < share, M, np.nan)
    return SimpleNamespace(R=R, T=M.T @ M / n, means=means, labels=labels, noise=noise)


def relative(T, truth):
    return np.linalg.norm(T - truth) / np.linalg.norm(truth)


def test_rows_find_their_means_and_the_second_moment_is_known_far_better_than_from_pairs():
    made = mixture()
    found = common_means(made.R, 4, random_state=0)
    has_entries = ~np.isnan(made.R).all(axis=1)
    best = max(
        np.mean(np.array(turn)[made.labels[has_entries]] == found.labels[has_entries])
        for turn in itertools.permutations(range(4))
    )
    assert best > 0.99
    assert np.all(np.diff(found.shares) <= 0)
    pairs = hs.OneSidedCompletion(4, random_state=0).fit(made.R).second_moment()
    assert relative(found.second_moment(), made.T) < 0.05 < 5 * 0.05 < 5 * relative(pairs, made.T)
    assert found.psi == pytest.approx(made.noise**2, rel=0.5)
    np.testing.assert_allclose(found.second_moment() - found.psi * np.eye(100), found.factor @ found.factor.T)


def test_pieces_are_cut_at_the_widest_gaps_of_each_column():
    made = mixture(n=60, d=7, r=3, share=0.7)
    R = hs.Observed.from_dense(made.R)
    found = pieces(R, 3)
    for col in range(7):
        own = np.flatnonzero(R.cols == col)
        values = np.sort(R.values[own])
        cuts = np.sort(np.argsort(np.diff(values))[-2:])
        edges = (values[cuts] + values[cuts + 1]) / 2
        wanted = np.searchsorted(edges, R.values[own])
        assert len(set(zip(wanted, found[own], strict=True))) == 3
    assert len(set(zip(R.cols, found, strict=True))) == found.max() + 1 == 21


def test_equal_values_are_not_cut_apart():
    R = hs.Observed.from_dense(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 5.0]]))
    assert pieces(R, 3).tolist() == [0, 1, 0, 1, 0, 2]


def test_means_and_distances_are_those_of_a_double_loop():
    made = mixture(n=30, d=6, r=3, share=0.5)
    sweep, labels = NearestMeans(hs.Observed.from_dense(made.R), 3), np.arange(30) % 3
    labels[labels == 2] = 0  # nobody holds the last label
    means, _ = sweep.means(labels)
    for k, j in itertools.product(range(3), range(6)):
        held = made.R[labels == k, j]
        held = held[~np.isnan(held)]
        wanted = held.mean() if len(held) else np.nanmean(made.R[:, j])
        assert means[k, j] == pytest.approx(wanted)
    distances = np.nansum((made.R[:, None, :] - means) ** 2, axis=2)
    np.testing.assert_allclose(sweep.distances(means), distances)
    result = sweep(labels)
    np.testing.assert_array_equal(result.params, distances.argmin(axis=1))
    assert result.value == pytest.approx(distances.min(axis=1).sum())


def test_rows_and_columns_without_entries_have_no_mean():
    made = mixture()
    made.R[5], made.R[:, 3] = np.nan, np.nan
    found = common_means(made.R, 4, random_state=0)
    assert found.labels[5] == -1
    assert np.isnan(found.means[:, 3]).all()
    T = found.second_moment()
    assert np.isnan(T[3]).all()
    assert np.isnan(T).sum() == 199


def test_the_seed_decides():
    made = mixture()
    one, two = (common_means(made.R, 4, random_state=7) for _ in range(2))
    np.testing.assert_array_equal(one.labels, two.labels)


def test_rows_that_are_no_such_mixture_are_a_warning():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 60))
    with pytest.warns(UserWarning, match=r"3 common means leave \d+ % of the columns' variances"):
        common_means(np.where(rng.random(M.shape) < 0.1, M, np.nan), 3, random_state=0)


def test_too_few_entries_are_refused_with_what_is_needed():
    made = mixture(n=300)
    with pytest.raises(ValueError, match=r"n_means=4: a mean has 4\.\d+ entries in a column .* needed: 5 and 3\.5"):
        common_means(made.R, 4)
    with pytest.raises(ValueError, match="n_means=0 is not allowed; needed: a whole number of at least 1"):
        common_means(made.R, 0)
    R = hs.Observed.from_dense(made.R)
    weighted = R.with_values(R.values, weights=np.ones(R.n_entries))
    with pytest.raises(ValueError, match="R has weights"):
        common_means(weighted, 1)
