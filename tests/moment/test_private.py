"""The private release: its noise, its sensitivities, and all that it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import analytic_gaussian_sigma, gaussian_delta
from halfseen.methods.moment.diagnostics import row_sensitivity
from halfseen.methods.moment.private import clip_rows, release
from moment_truth import factor_rows, seen

PROMISE = {"epsilon": 2.0, "delta": 1e-6, "bound": 3.0, "max_entries": 4}


def rng(seed=0):
    return np.random.default_rng(seed)


def table(n=20_000, d=20, share=0.15, seed=1):
    g = rng(seed)
    M, L = factor_rows(n, d, 2, g, loadings=np.linalg.qr(g.normal(size=(d, 2)))[0] * 2)
    return seen(M, share, g), L


def test_the_noise_is_the_least_that_keeps_the_promise():
    for epsilon in (0.01, 0.5, 1.0, 5.0, 50.0):
        for delta in (1e-3, 1e-6, 1e-12):
            sigma = analytic_gaussian_sigma(epsilon, delta, 2.0)
            assert gaussian_delta(epsilon, sigma, 2.0) <= delta
            assert gaussian_delta(epsilon, 0.999 * sigma, 2.0) > delta
            classical = 2.0 * np.sqrt(2 * np.log(1.25 / delta)) / epsilon
            assert epsilon > 1 or sigma < classical  # the classical rule is proved up to epsilon 1


def test_the_promise_holds_in_the_privacy_loss_of_simulated_noise():
    """E max(0, 1 - e^(eps - loss)) = delta, by 4 million draws."""
    epsilon, delta = 1.0, 0.02
    sigma = analytic_gaussian_sigma(epsilon, delta)
    z = rng().normal(size=4_000_000) * sigma
    loss = (2 * z + 1) / (2 * sigma**2)  # log ratio of the densities with and without the row, drawn with it
    found = np.mean(np.maximum(1.0 - np.exp(epsilon - loss), 0.0))
    assert found == pytest.approx(delta, rel=0.02)


@pytest.mark.parametrize(("neighbours", "factor"), [("add_remove", 1), ("replace", 2)])
def test_no_row_moves_the_sums_by_more_than_the_sensitivity(neighbours, factor):
    promise = hs.Privacy(**PROMISE, neighbours=neighbours)
    assert promise.sensitivity == pytest.approx(np.sqrt(factor * 4 * 5))
    R = hs.Observed.from_dense(np.where(rng().random((50, 8)) < 0.7, 10 * rng(1).normal(size=(50, 8)), np.nan))
    clipped = clip_rows(R, promise, rng(2))
    assert clipped.by_rows.counts.max() <= 4
    assert np.abs(clipped.values).max() <= 3.0
    whole = hs.PairMoments.from_rows(clipped)
    change = []
    for t in range(50):
        rest = whole - hs.PairMoments.from_rows(clipped.take_rows([t]))
        i, j = whole.pairs()
        one, two = whole.at(i, j), rest.at(i, j)
        change.append(np.sqrt(np.sum((one.counts - two.counts) ** 2 + ((one.sums - two.sums) / 9.0) ** 2)))
    np.testing.assert_allclose(row_sensitivity(whole, clipped, bound=3.0), change, rtol=1e-9)
    assert max(change) <= np.sqrt(4 * 5) + 1e-12
    full = hs.Observed.from_dense(np.full((1, 4), 3.0))
    assert row_sensitivity(hs.PairMoments.from_rows(full), full, 3.0)[0] == pytest.approx(np.sqrt(20))


def test_entries_that_are_kept_are_drawn_evenly():
    R = hs.Observed.from_dense(np.ones((3000, 8)))
    kept = clip_rows(R, hs.Privacy(**PROMISE), rng())
    assert np.all(kept.by_rows.counts == 4)
    share = kept.by_rows.minor_sums() / 3000
    assert np.all(np.abs(share - 0.5) < 5 * np.sqrt(0.25 / 3000))


def test_every_pair_gets_noise_of_the_right_size():
    R, _ = table()
    promise = hs.Privacy(**PROMISE)
    clean = hs.PairMoments.from_rows(clip_rows(R, promise, rng(3)))
    noisy = release(R, promise, rng(3))
    i, j = np.triu_indices(20)
    counts, sums = noisy.at(i, j)
    assert len(counts) == len(noisy.counts) == 210
    for error, unit in ((counts - clean.at(i, j).counts, 1.0), (sums - clean.at(i, j).sums, 9.0)):
        assert error.std() == pytest.approx(unit * promise.sigma, rel=5 / np.sqrt(2 * 210))


@pytest.mark.slow
def test_more_budget_is_less_error():
    R, L = table(n=100_000)
    errors = []
    for epsilon in (0.5, 2.0, 10.0):
        model = hs.OneSidedCompletion(2, privacy=hs.Privacy(epsilon, 1e-6, 4.0, 4), random_state=rng(4)).fit(R)
        errors.append(np.linalg.norm(model.second_moment() - L @ L.T) / np.linalg.norm(L @ L.T))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.3


def test_a_private_model_holds_noisy_sums_only_and_refuses_raw_ones(tmp_path):
    R, _ = table(n=5000)
    model = hs.OneSidedCompletion(2, privacy=hs.Privacy(**PROMISE)).fit(R)
    assert not hasattr(model, "moments_")
    assert model.row_factors_ is None
    assert model.diagnostics_ is None
    assert model._seen.rows() is None
    for call in (model.inference, lambda: model.standard_errors(([0], [1])), lambda: model.partial_fit(R),
                 lambda: model.fit_moments(hs.PairMoments.from_rows(R)),
                 lambda: model.second_moment(kind="assembled")):  # fmt: skip
        with pytest.raises(ValueError, match="is refused under privacy"):
            call()
    with pytest.raises(ValueError, match="keeps no training rows"):
        model.predict([0], [1])
    hs.save(model, tmp_path / "model.safetensors")
    loaded = hs.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.second_moment(), model.second_moment())
    assert not hasattr(loaded, "moments_")
    stored = (tmp_path / "model.safetensors").stat().st_size
    assert stored < 20_000  # 5000 rows of three entries would need more
    assert loaded.transform(R).shape == (5000, 2)


def test_a_model_that_was_raw_before_forgets_its_rows():
    R, _ = table(n=5000)
    model = hs.OneSidedCompletion(2, random_state=0).fit(R)
    model.set_params(privacy=hs.Privacy(**PROMISE), random_state=None).fit(R)
    assert not hasattr(model, "moments_")
    assert model.row_factors_ is None


def test_the_statement_names_the_relation_and_the_limits():
    text = hs.Privacy(**PROMISE).statement()
    assert "one row added or removed" in text
    assert "Not protected" in text
    assert "exchanged" in hs.Privacy(**PROMISE, neighbours="replace").statement()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be a finite number above 0"),
        ({"epsilon": -1.0}, "epsilon must be a finite number above 0"),
        ({"epsilon": float("inf")}, "epsilon must be a finite number above 0"),
        ({"epsilon": "1"}, "epsilon must be a number"),
        ({"delta": 0.0}, "delta must lie between 0 and 1"),
        ({"delta": 1.0}, "delta must lie between 0 and 1"),
        ({"bound": None}, "bound is missing"),
        ({"bound": 0.0}, "bound=0.0 is not allowed; needed: a finite number above 0"),
        ({"bound": float("inf")}, "bound=inf is not allowed"),
        ({"max_entries": None}, "max_entries is missing"),
        ({"max_entries": 0}, "max_entries=0 is not allowed"),
        ({"neighbours": "close"}, "neighbours=.close. is not allowed; needed: one of"),
    ],
)
def test_promises_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        hs.Privacy(**{**PROMISE, **change})


def test_a_seed_that_would_undo_the_noise_and_a_search_on_raw_rows_are_refused():
    R, _ = table(n=500)
    with pytest.raises(ValueError, match="can subtract the noise"):
        hs.OneSidedCompletion(2, privacy=hs.Privacy(**PROMISE), random_state=0).fit(R)
    with pytest.raises(ValueError, match="needed: a number under privacy"):
        hs.OneSidedCompletion("auto", privacy=hs.Privacy(**PROMISE)).fit(R)
    with pytest.raises(ValueError, match=r"privacy=.* is not allowed; needed: a Privacy or None"):
        hs.OneSidedCompletion(2, privacy=2.0).fit(R)
