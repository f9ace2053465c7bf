"""What is said of columns, pairs and rows that cannot be trusted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.moment.diagnostics import activity, activity_bias, deletion_change, diagnose
from moment_truth import factor_rows, seen


def test_unseen_and_thin_columns_and_islands_are_found():
    table = np.full((6, 6), np.nan)
    table[:3, :3] = [[1, 2, np.nan], [np.nan, 1, 1], [1, np.nan, 2]]
    table[3:5, 3:5] = [[1, 1], [2, 1]]
    found = diagnose(hs.PairMoments.from_rows(table), rank=2)
    assert found.unseen.tolist() == [False] * 5 + [True]
    assert found.few_partners.tolist() == [False, False, False, True, True, True]
    assert found.n_islands == 2
    assert found.rows_with_pairs == 5
    text = " ".join(found.messages(2))
    assert "1 of 6 columns were never seen" in text
    assert "2 columns were seen with fewer others" in text
    assert "2 islands" in text
    assert diagnose(hs.PairMoments.from_rows(np.ones((5, 3))), rank=1).messages() == []


def rows_of_activity(goes_with_size, seed=0, n=20_000, d=40):
    rng = np.random.default_rng(seed)
    M, L = factor_rows(n, d, 2, rng, noise=0.3)
    large = rng.random(n) < 0.3
    M *= np.where(large, 1.8, np.sqrt((1 - 0.3 * 1.8**2) / 0.7 + 1e-12) if 0.3 * 1.8**2 < 1 else 0.2)[:, None]
    active = large if goes_with_size else rng.random(n) < 0.3
    share = np.where(active, 0.2, 0.05)
    mask = rng.random((n, d)) < share[:, None]
    R = hs.Observed.from_dense(np.where(mask, M, np.nan))
    return R, L, M


@pytest.mark.filterwarnings("ignore:rows with more entries have larger")
def test_activity_that_goes_with_size_is_seen_and_its_bias_foretold():
    R, _, M = rows_of_activity(True)
    moments = hs.PairMoments.from_rows(R)
    correlation, slope = activity(moments)
    T = M.T @ M / len(M)
    i, j = np.triu_indices(40, k=1)
    found = moments.at(i, j)
    truth = float(np.sum(found.sums / found.counts * T[i, j]) / np.sum(T[i, j] ** 2))
    assert correlation > 0.3
    assert truth > 1.2
    assert slope == pytest.approx(truth, rel=0.25)
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    simulated = activity_bias(moments, model.components_.T, model.psi_, random_state=0)
    assert simulated == pytest.approx(truth, rel=0.25)
    assert any("larger values" in text for text in model.diagnostics_.messages(2))


def test_activity_that_has_nothing_to_do_with_size_is_harmless():
    R, _, _ = rows_of_activity(False)
    moments = hs.PairMoments.from_rows(R)
    assert activity(moments)[1] == pytest.approx(1.0, abs=0.06)
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    assert activity_bias(moments, model.components_.T, model.psi_, random_state=0) == pytest.approx(1.0, abs=0.1)
    assert not any("values" in text for text in model.diagnostics_.messages(2))


def test_columns_seen_at_different_rates_leave_hajek_alone():
    """Zipf columns: slope of Hajek 1, of Horvitz-Thompson with one probability several."""
    from halfseen.methods.moment.estimates import estimate_pairs

    rng = np.random.default_rng(1)
    n, d = 40_000, 40
    M, _ = factor_rows(n, d, 2, rng)
    share = np.minimum(1.2 / np.arange(1, d + 1), 0.5)
    R = hs.Observed.from_dense(np.where(rng.random((n, d)) < share, M, np.nan))
    moments, T = hs.PairMoments.from_rows(R), M.T @ M / n
    pairs = np.triu_indices(d, k=1)

    def slope(estimator, sampling):
        found = estimate_pairs(moments, estimator, sampling, pairs=pairs)
        known = np.nan_to_num(found.estimate)
        weight = found.counts
        return float(np.sum(weight * known * T[pairs]) / np.sum(weight * T[pairs] ** 2))

    assert slope("hajek", "uniform") == pytest.approx(1.0, abs=0.05)
    assert slope("horvitz_thompson", "columns") == pytest.approx(1.0, abs=0.1)
    assert slope("horvitz_thompson", "uniform") > 1.5


def test_taking_a_row_out_changes_what_it_says():
    rng = np.random.default_rng(2)
    R = seen(factor_rows(60, 6, 1, rng)[0], 0.6, rng)
    moments = hs.PairMoments.from_rows(R)
    found = deletion_change(moments, R)
    for t in (0, 7):
        rest = hs.PairMoments.from_rows(R.take_rows(np.delete(np.arange(60), t)))
        i, j = np.indices((6, 6)).reshape(2, -1)
        one, two = moments.at(i, j), rest.at(i, j)
        both = (one.counts > 0) & (two.counts > 0)
        change = (one.sums / np.maximum(one.counts, 1) - two.sums / np.maximum(two.counts, 1))[both]
        assert found[t] == pytest.approx(np.linalg.norm(change), rel=1e-9)


@pytest.mark.slow_cases("20000")
@pytest.mark.parametrize(("n", "rank", "warns"), [(10_000, 10, True), (10_000, 4, False), (20_000, 10, False)])
def test_more_unknowns_than_pairs_are_a_warning(n, rank, warns):
    """Two entries in every row of 1000 columns; errors at rank 10 are .11 with 1e4 rows, .001 with 2e4."""
    rng = np.random.default_rng(0)
    cols = np.sort(np.argpartition(rng.random((n, 1000)), 2, axis=1)[:, :2], axis=1)
    values = 0.06 + 0.001 * rng.standard_normal((n, 2))
    R = hs.Observed.from_triplets(np.repeat(np.arange(n), 2), cols.ravel(), values.ravel(), shape=(n, 1000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = hs.OneSidedCompletion(rank, keeps_rows=False, tol=1e-4, random_state=0).fit(R)
    assert any("follows their noise" in text for text in model.diagnostics_.messages(rank)) == warns
    assert any("follows their noise" in str(one.message) for one in caught) == warns
