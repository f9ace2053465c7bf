"""The prior of the intercepts: its spread is never zero, whatever the estimates and their errors say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.factor.priors import spread_beside_noise


def naive(estimates, noise):
    """The mode over a fine grid of the standard deviation, the mean integrated over another grid."""
    roots = np.linspace(0.01, 4.0, 2000)
    means = np.linspace(-6.0, 6.0, 400)
    best, mode = -np.inf, np.nan
    for root in roots:
        v = root**2 + noise
        logs = -0.5 * (np.log(v).sum() + ((estimates - means[:, None]) ** 2 / v).sum(axis=1))
        value = np.log(root) + logs.max() + np.log(np.exp(logs - logs.max()).sum())
        if value > best:
            best, mode = value, root**2
    return mode


@pytest.mark.parametrize("seed", range(4))
def test_the_spread_is_the_mode_over_a_grid(seed):
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0.2, 2.0, 12)
    estimates = 0.4 + seed * 0.4 * rng.normal(size=12) + np.sqrt(noise) * rng.normal(size=12)
    assert spread_beside_noise(estimates, noise) == pytest.approx(naive(estimates, noise), rel=0.03)


def test_many_estimates_tell_the_spread_and_equal_ones_do_not_make_it_zero():
    rng = np.random.default_rng(0)
    for spread in (0.05, 0.5, 5.0):
        estimates = np.sqrt(spread + 1.0) * rng.normal(size=4000)
        # the standard error of a variance of 4000 estimates is (spread + 1) (2 / 4000)^(1/2)
        assert abs(spread_beside_noise(estimates, np.ones(4000)) - spread) < 3.0 * (spread + 1.0) * np.sqrt(2 / 4000)
    assert spread_beside_noise(np.zeros(20), np.ones(20)) > 0.02


def test_the_spread_has_the_unit_of_the_estimates():
    rng = np.random.default_rng(1)
    estimates, noise = rng.normal(size=15), rng.uniform(0.5, 1.5, 15)
    base = spread_beside_noise(estimates, noise)
    for unit in (1e-8, 1e8):
        assert spread_beside_noise(5.0 + unit * estimates, unit**2 * noise) == pytest.approx(unit**2 * base, rel=1e-6)


def thin(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(30, 1)) * rng.normal(size=15) + 0.3 * rng.normal(size=15)
    is_seen = rng.random((30, 15)) < 0.3
    return truth, is_seen, np.where(is_seen, truth + rng.normal(size=(30, 15)), np.nan)


def test_on_thin_tables_intercepts_keep_room_and_the_fit_is_no_worse_than_intercepts_alone():
    ratios, ridges = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(6):
            truth, is_seen, table = thin(seed)
            alone = hs.GeneralizedFactorModel(0, penalty="none", random_state=0).fit(table).predict_table()
            model = hs.GeneralizedFactorModel(1, random_state=0).fit(table)
            hidden = ~is_seen
            errors = [np.sqrt(np.mean((each - truth)[hidden] ** 2)) for each in (model.predict_table(), alone)]
            ratios.append(errors[0] / errors[1])
            ridges.append(model.penalty_.intercept_ridge)
    # the difference of two variances was negative in two of the first three: a ridge of 100 for columns of nine entries
    assert max(ridges) < 40
    assert np.mean(ratios) < 1.0
    assert max(ratios) < 1.05


def test_the_chosen_penalty_is_the_same_in_every_unit():
    # blocks of an intercept and slopes were held up by a share of their mean diagonal, far more than the slopes'
    # own in small units: another ridge was chosen for values of 1e-8
    table = thin(8)[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [hs.GeneralizedFactorModel(2, random_state=0).fit(unit * table) for unit in (1.0, 1e-8, 1e8)]
    for fit, unit in zip(fits, (1.0, 1e-8, 1e8), strict=True):
        assert fit.penalty_.ridge / unit == pytest.approx(fits[0].penalty_.ridge, rel=1e-6)
        assert fit.penalty_choice_.ridge_path.keys() == fits[0].penalty_choice_.ridge_path.keys()
