"""Errors with heavy tails: a least squares fit that follows single values says so, and the way out works."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference.extremes import top_share

MODELS = {
    "als": lambda: hs.AlternatingLeastSquares(random_state=0),
    "softimpute": lambda: hs.SoftImpute(random_state=0),
    "descent": lambda: hs.OverparametrizedFactorization(random_state=0),
    "factor": lambda: hs.GeneralizedFactorModel(2, random_state=0),
    "inductive": lambda: hs.InductiveCompletion(4, "linear", penalty=1e-4, random_state=0),
    "bayes": lambda: hs.BayesianFactorization(max_iter=60, random_state=0),
}
SOURCE_MODELS = {
    "bayes": lambda: hs.HeterogeneousFactorization(random_state=0),
    "als": lambda: hs.HeterogeneousFactorization(2, 1, solver="als", random_state=0),
    "jive": lambda: hs.JIVE(2, 1, random_state=0),
    "robust jive": lambda: hs.RobustJIVE(2, 1, random_state=0),
    "personalised": lambda: hs.PersonalizedPCA(2, 1, random_state=0),
    "cobe": lambda: hs.COBE(2, 1, random_state=0),
    "two steps": lambda: hs.TwoStepSVD(2, 1, random_state=0),
}


def table(tails: str, seed: int, shape: tuple[int, int] = (60, 20)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1]))
    errors = rng.normal(size=shape) if tails == "normal" else rng.standard_t(2, size=shape)
    return truth, truth + 1.5 * errors


def sources(tails: str, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    shared, truth, data = rng.normal(size=(50, 2)), {}, {}
    for name, p in (("a", 20), ("b", 24)):
        truth[name] = shared @ rng.normal(size=(2, p)) + rng.normal(size=(50, 1)) @ rng.normal(size=(1, p))
        errors = rng.normal(size=(50, p)) if tails == "normal" else rng.standard_t(2, size=(50, p))
        data[name] = np.where(rng.random((50, p)) < 0.8, truth[name] + 1.5 * errors, np.nan)
    return truth, data


def told_by(model, data) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data)
    return " ".join(text for text in model.warnings_ if "heavy tails" in text)


@pytest.mark.parametrize("name", MODELS)
def test_no_fit_goes_far_beyond_the_truths_norm_in_silence(name):
    for seed in (10, 11):
        truth, data = table("t", seed)
        model = MODELS[name]()
        told = told_by(model, data)
        size = np.linalg.norm(model.predict_table() - data.mean()) / np.linalg.norm(truth)
        assert told or size < 1.3


@pytest.mark.parametrize("name", MODELS)
def test_one_value_out_of_line_is_named(name):
    """Beside it the ordinary values of its row and column are fitted largely too, and must not speak for it."""
    data = table("normal", 30)[1]
    data[7, 3] = 300.0
    told = told_by(MODELS[name](), data)
    assert "300 in 7, 3" in told


@pytest.mark.parametrize("name", MODELS)
def test_normal_errors_are_no_heavy_tails(name):
    for seed, shape in ((20, (60, 20)), (21, (15, 12))):
        assert told_by(MODELS[name](), table("normal", seed, shape)[1]) == ""


@pytest.mark.slow_cases("jive", "robust jive", "bayes")
@pytest.mark.parametrize("name", SOURCE_MODELS)
def test_one_value_out_of_line_of_a_source_is_named_or_leads_its_own_column_alone(name):
    """The Bayesian model gives that column its own noise; least squares takes a factor for the value."""
    truth, data = sources("normal", 30)
    data["b"][7, 3] = 300.0
    model, others = SOURCE_MODELS[name](), np.arange(24) != 3
    told = told_by(model, data)
    gap = (model.predict_table("b") - truth["b"])[:, others]
    assert "source 'b'" in told or np.linalg.norm(gap) < 0.5 * np.linalg.norm(truth["b"][:, others])


@pytest.mark.slow_cases("jive", "robust jive", "bayes", "personalised")
@pytest.mark.parametrize("name", SOURCE_MODELS)
def test_models_of_sources_say_heavy_tails_and_nothing_of_normal_errors(name):
    make = SOURCE_MODELS[name]
    assert told_by(make(), sources("normal", 3)[1]) == ""
    truth, data = sources("t", 1)
    model = make()
    told = told_by(model, data)
    assert "source '" in told
    assert "HeterogeneousFactorization(family='huber')" in told
    size = max(np.linalg.norm(model.predict_table(each)) / np.linalg.norm(truth[each]) for each in truth)
    assert size > 1.3


@pytest.mark.slow
def test_the_huber_family_of_sources_that_the_warning_names_is_right():
    truth, data = sources("t", 1)
    errors = {}
    for family in ("gaussian", "huber", {"a": "huber", "b": "huber"}):
        model = hs.HeterogeneousFactorization(family=family, random_state=0)
        assert bool(told_by(model, data)) == (family == "gaussian")
        errors[str(family)] = np.mean(
            [np.linalg.norm(model.predict_table(name) - truth[name]) / np.linalg.norm(truth[name]) for name in truth]
        )
    assert max(errors[name] for name in errors if name != "gaussian") < 0.7 * errors["gaussian"]


def test_the_robust_family_that_the_warning_names_is_right():
    truth, data = table("t", 10)
    model = MODELS["descent"]()
    told = told_by(model, data)
    family = re.search(r"GeneralizedFactorModel\(family='(huber\([^)]+\))'\)", told).group(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        robust = hs.GeneralizedFactorModel(2, family, random_state=0).fit(data)
    before, after = (np.linalg.norm(m.predict_table() - truth) / np.linalg.norm(truth) for m in (model, robust))
    assert after < 0.7 * before
    assert np.linalg.norm(robust.predict_table()) < 1.3 * np.linalg.norm(truth)


def test_second_moments_of_values_with_heavy_tails_are_said():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(600, 1)) @ rng.normal(size=(1, 30)) + rng.normal(size=(600, 30)) * np.exp(
        rng.normal(size=30)
    )
    thin = rng.random(full.shape) < 0.15
    assert told_by(hs.OneSidedCompletion(1, random_state=0), np.where(thin, full, np.nan)) == ""
    wild = full + 2 * rng.standard_t(1.5, size=full.shape)
    assert "heavy tails" in told_by(hs.OneSidedCompletion(1, random_state=0), np.where(thin, wild, np.nan))


def test_crumbs_of_ordinary_values_are_no_heavy_tails():
    rng = np.random.default_rng(0)
    places = rng.integers(0, 1500, (2, 150))
    crumbs = hs.Observed.from_triplets(*places, rng.normal(size=150), shape=(1500, 1500), duplicates="first")
    assert told_by(hs.SoftImpute(2, 2.0, max_iter=3, random_state=0), crumbs) == ""


@pytest.mark.slow_cases("als", "softimpute")
@pytest.mark.parametrize("name", ["als", "softimpute", "bayes"])
def test_columns_of_unlike_units_are_no_heavy_tails(name):
    data = table("normal", 20)[1] * np.r_[1e3, np.ones(18), 1e-3]
    assert told_by(MODELS[name](), data + 50.0 * np.arange(20)) == ""
    model = hs.HeterogeneousFactorization(random_state=0)
    assert told_by(model, {name: each * np.r_[300.0, np.ones(19)] for name, each in
                           (("a", table("normal", 20)[1]), ("b", table("normal", 21)[1]))}) == ""  # fmt: skip


def test_the_largest_entries_share_is_counted_over_at_least_three():
    share, top = top_share(np.r_[np.zeros(95), 1.0, 2.0, 2.0, 4.0, 0.0])
    assert share == pytest.approx(24 / 25)
    assert sorted(top.tolist()) == [96, 97, 98]
