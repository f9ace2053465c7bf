"""Firth's correction against its definition, a penalised likelihood, and simulated bias."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone

import halfseen as hs
from factor_truth import EVERY, relative_error
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.factor.firth import tilts
from halfseen.methods.factor.newrows import Placement, RowPlacer
from halfseen.solvers.checkpoint import RunKeeper


def logistic_firth(features, y):
    """Maximiser of the likelihood times the root of the determinant of the information (Firth, 1993)."""

    def target(b):
        eta = features @ b
        w = 1 / (1 + np.exp(-eta)) / (1 + np.exp(eta))
        information = (features * w[:, None]).T @ features
        return np.sum(np.logaddexp(0, eta) - y * eta) - 0.5 * np.linalg.slogdet(information)[1]

    return minimize(target, np.zeros(features.shape[1]), method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("kind", ["mixed", "all ones", "separated"])
def test_with_the_columns_fixed_each_row_is_a_logistic_firth_regression(kind):
    rng = np.random.default_rng(0)
    cols = rng.normal(size=(25, 2))
    y = (rng.random(25) < 1 / (1 + np.exp(-cols @ [1.0, -0.5]))).astype(float)
    if kind == "all ones":
        y[:] = 1.0
    if kind == "separated":
        y = (cols[:, 0] > 0).astype(float)
    place = Placement(np.zeros(25), cols, np.zeros(2), np.eye(2), ridge=0.0, has_firth=True)
    found = RowPlacer(place, get_loss("bernoulli"))(hs.Observed.from_dense(y[None, :]))[0]
    np.testing.assert_allclose(found, logistic_firth(cols, y), atol=1e-5)


def test_the_corrected_score_vanishes_at_the_fit(logit):
    model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias="firth", random_state=0).fit(logit.observed)
    assert model.has_bias_correction_
    assert model.run_.reason == "gradient"
    table, f = logit.observed.to_dense(), model.stages_["final"]
    seen = ~np.isnan(table)
    P = 1 / (1 + np.exp(-f.block(EVERY, EVERY)))
    W = np.where(seen, P * (1 - P), 0.0)
    X1 = np.column_stack([np.ones(len(f.rows)), f.rows])
    H = np.linalg.inv(np.einsum("ij,jk,jl->ikl", W, f.cols, f.cols))
    G = np.linalg.inv(np.einsum("ij,ik,il->jkl", W, X1, X1))
    v = np.einsum("jk,ikl,jl->ij", f.cols, H, f.cols) + np.einsum("ik,jkl,il->ij", X1, G, X1)
    v = np.minimum(v, 1 / np.maximum(P * (1 - P), 1e-12))
    score = np.where(seen, P - (np.nan_to_num(table) + 0.5 * P * (1 - P) * (1 - 2 * P) * v), 0.0)
    assert np.abs(score.T @ X1).max() <= 1e-6
    assert np.abs(score @ f.cols).max() <= 1e-6


def test_the_correction_is_zero_for_the_gaussian_family():
    data = hs.datasets.make_factor_data(40, 30, rank=1, family="gaussian", observed=0.8, random_state=0)
    passes = EntryPasses(data.observed, get_loss("gaussian"))
    m = np.zeros(data.observed.n_entries)
    assert not tilts(passes, m, np.ones_like(m)).any()
    one = hs.GeneralizedFactorModel(1, penalty="none", bias="firth", random_state=0).fit(data.observed)
    other = hs.GeneralizedFactorModel(1, penalty="none", bias="none", random_state=0).fit(data.observed)
    np.testing.assert_allclose(one.predict_table(), other.predict_table(), atol=1e-6)


def test_all_ones_and_all_zeros_stay_finite(logit):
    table = logit.observed.to_dense()
    table[3][~np.isnan(table[3])] = 1.0
    table[:, 5][~np.isnan(table[:, 5])] = 0.0
    for penalty in ("none", "map"):
        model = hs.GeneralizedFactorModel(2, "bernoulli", penalty=penalty, random_state=0).fit(table)
        assert model.run_.converged, penalty
        assert np.abs(model.predict_table(kind="linear")).max() < 30, penalty
        assert model.predict_table()[:, 5].mean() < 0.1, penalty


@pytest.mark.slow
def test_nearly_separated_columns_reach_the_fixed_point():
    """Hard and easy items, some all wrong: their score grows on the way, which is no reason to damp."""
    rng = np.random.default_rng(0)
    z, y = 2.0 * rng.normal(size=1000), np.exp(0.5 * rng.normal(size=1000))
    table = (rng.random((200, 1000)) < expit(z + np.outer(rng.normal(size=200), y))).astype(float)
    table[rng.random(table.shape) > 0.7] = np.nan
    assert (np.nansum(table, axis=0) == 0).any()
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0).fit(table)
    assert model.run_.converged
    assert model.run_.n_iter <= 60


def test_an_unpenalised_fit_that_was_interrupted_goes_on_with_the_same_bits(logit, tmp_path, monkeypatch):
    model, keep, kept = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", random_state=0), RunKeeper.keep, []

    def stopped(keeper, *given):
        keep(keeper, *given)
        kept.append(given)
        if len(kept) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunKeeper, "keep", stopped)
        with pytest.raises(KeyboardInterrupt):
            clone(model).fit(logit.observed, checkpoint=tmp_path)
    again = clone(model).fit(logit.observed, checkpoint=tmp_path, resume=True)
    whole = model.fit(logit.observed)
    assert again.n_iter_ == whole.n_iter_ > 4
    np.testing.assert_array_equal(again.col_factors_, whole.col_factors_)


@pytest.mark.slow
def test_the_slope_bias_is_gone():
    """Section 4: regress the estimate on the truth; 1.06 without, within .01 of 1 with the correction (n = p = 400)."""
    plain, corrected = [], []
    for seed in range(5):
        data = hs.datasets.make_factor_data(400, 400, rank=2, family="bernoulli", observed=0.5, random_state=seed)
        truth = data.row_factors @ data.col_factors.T
        for bias, into in (("none", plain), ("firth", corrected)):
            model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias=bias, random_state=0).fit(
                data.observed
            )
            found = model.row_factors_ @ model.col_factors_.T
            into.append(np.sum(found * truth) / np.sum(truth**2))
    # the sd of the mean slope over 5 replications is about .003
    assert abs(np.mean(corrected) - 1) <= 0.01
    assert np.mean(plain) > 1.04


def test_the_correction_lowers_the_error(logit):
    plain = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias="none", random_state=0).fit(logit.observed)
    firth = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", random_state=0).fit(logit.observed)
    assert relative_error(firth, logit) < relative_error(plain, logit)


@pytest.mark.slow
def test_a_ridge_beside_the_correction_is_not_forgotten(logit):
    kwargs = {"bias": "firth", "random_state": 0}
    fits = {
        ridge: hs.GeneralizedFactorModel(2, "bernoulli", penalty=ridge, **kwargs).fit(logit.observed)
        for ridge in (0.2, 1.0, 5.0)
    }
    free = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias="firth", random_state=0).fit(logit.observed)
    norms = [np.linalg.norm(model.row_factors_ @ model.col_factors_.T) for model in fits.values()]
    assert norms[0] > norms[1] > norms[2]
    assert norms[0] == pytest.approx(np.linalg.norm(free.row_factors_ @ free.col_factors_.T), rel=0.1)
    np.testing.assert_allclose(fits[5.0].transform(logit.observed), fits[5.0].row_factors_, atol=0.05)


@pytest.mark.parametrize("seed", [5, 6, 8])
def test_corrections_that_swing_about_the_fixed_point_are_damped(seed):
    # full updates went back and forth here, a hundred sweeps long
    data = hs.datasets.make_factor_data(40, 30, rank=1, family="probit", observed=0.7, random_state=seed)
    model = hs.GeneralizedFactorModel(1, "probit", penalty="none", random_state=0).fit(data.observed)
    assert model.run_.converged
    assert model.n_iter_ < 40
