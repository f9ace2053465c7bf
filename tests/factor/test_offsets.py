"""Known parts of the predictor and known totals: in fit, in the comparison, for new rows and in the score."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from factor_truth import EVERY


@pytest.fixture(scope="module")
def counts():
    """Poisson counts with exposures that vary by a factor of e^2 within columns."""
    data = hs.datasets.make_factor_data(
        120, 80, rank=1, family="poisson", strength=0.5, observed=0.7, intercept=0.5, random_state=0
    )
    rng, R = np.random.default_rng(0), data.observed
    offset = rng.uniform(-1, 1, R.n_entries)
    values = rng.poisson(np.exp(data.linear[R.rows, R.cols] + offset)).astype(float)
    return data, R.with_values(values), offset


def linear(model):
    return model.stages_["final"].block(EVERY, EVERY)


@pytest.mark.parametrize("penalty", ["map", "none", "auto"])
def test_a_constant_moves_from_the_offset_into_the_intercepts(counts, penalty):
    _, R, offset = counts
    kwargs = {"penalty": penalty, "random_state": 0, "tol": 1e-8}
    one = hs.GeneralizedFactorModel(1, "poisson", **kwargs).fit(R, offset=offset)
    other = hs.GeneralizedFactorModel(1, "poisson", **kwargs).fit(R, offset=offset + 3.0)
    np.testing.assert_allclose(linear(other) + 3.0, linear(one), atol=1e-5)
    if penalty == "auto":
        for name, deviance in one.penalty_choice_.deviance.items():
            assert other.penalty_choice_.deviance[name] == pytest.approx(deviance, rel=1e-6), name


def test_without_factors_intercepts_are_log_ratios_of_sums(counts):
    _, R, offset = counts
    with pytest.warns(UserWarning, match="counts spread"):  # the factors that are left out
        model = hs.GeneralizedFactorModel(0, "poisson", bias="none").fit(R, offset=offset)
    sums, exposure = R.by_rows.minor_sums(R.values), R.by_rows.minor_sums(np.exp(offset))
    np.testing.assert_allclose(model.intercept_, np.log(sums / exposure), atol=1e-6)


def test_offsets_come_as_tables_or_entries_or_observed(counts):
    _, R, offset = counts
    table = np.zeros(R.shape)
    table[R.rows, R.cols] = offset
    order = np.random.default_rng(1).permutation(R.n_entries)
    as_observed = hs.Observed.from_triplets(R.rows[order], R.cols[order], offset[order], shape=R.shape)
    found = [
        linear(hs.GeneralizedFactorModel(1, "poisson", penalty="map", random_state=0).fit(R, offset=given))
        for given in (offset, table, as_observed)
    ]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_an_observed_offset_must_have_the_same_places(counts):
    _, R, _ = counts
    train, _ = R.split(0.1, random_state=0)
    with pytest.raises(ValueError, match="other places"):
        hs.GeneralizedFactorModel(1, "poisson").fit(R, offset=train)


def test_new_rows_and_scores_take_offsets_and_ask_for_them(counts):
    _, R, offset = counts
    model = hs.GeneralizedFactorModel(1, "poisson", penalty="map", tol=1e-9).fit(R, offset=offset)
    np.testing.assert_allclose(model.transform(R, offset=offset), model.row_factors_, atol=1e-6)
    m = linear(model)[R.rows, R.cols] + offset
    assert model.score(R, offset=offset) == pytest.approx(-np.mean(np.exp(m) - R.values * m), rel=1e-10)
    for call in (model.transform, model.score, model.predict):
        with pytest.raises(ValueError, match="fitted with offset="):
            call(R)


def test_new_rows_and_scores_take_totals_and_ask_for_them():
    data = hs.datasets.make_factor_data(60, 40, rank=1, family="binomial(6)", observed=0.8, random_state=0)
    R = data.observed
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", tol=1e-9).fit(R, trials=6)
    fused = hs.GeneralizedFactorModel(1, "binomial(6)", penalty=model.penalty_.ridge).fit(R)
    np.testing.assert_allclose(model.transform(R, trials=6), model.row_factors_, atol=1e-6)
    assert model.score(R, trials=6) == pytest.approx(fused.score(R) / 6, rel=0.02)
    with pytest.raises(ValueError, match="fitted with trials="):
        model.transform(R)


def test_the_spectral_start_refuses_offsets(counts):
    _, R, offset = counts
    with pytest.raises(ValueError, match="knows no offsets"):
        hs.GeneralizedFactorModel(1, "poisson", start="spectral").fit(R, offset=offset)


@pytest.mark.parametrize("penalty", ["map", "none"])
def test_weight_zero_is_not_seen(penalty):
    data = hs.datasets.make_factor_data(80, 60, rank=2, family="gaussian", observed=0.8, random_state=0)
    R, rng = data.observed, np.random.default_rng(0)
    weights = (rng.random(R.n_entries) < 0.7).astype(float)
    kwargs = {"penalty": penalty, "random_state": 0}
    zeroed = hs.GeneralizedFactorModel(2, **kwargs).fit(R.with_values(R.values, weights=weights))
    left_out = hs.GeneralizedFactorModel(2, **kwargs).fit(R.select(weights > 0))
    np.testing.assert_allclose(zeroed.predict_table(), left_out.predict_table(), atol=1e-9)
    assert zeroed.dispersion_ == pytest.approx(left_out.dispersion_, rel=1e-9)


def test_weights_that_are_all_zero_are_refused():
    R = hs.Observed.from_triplets([0, 1], [0, 1], [1.0, 2.0])
    with pytest.raises(ValueError, match="all entries have weight 0"):
        hs.GeneralizedFactorModel(1).fit(R.with_values(R.values, weights=np.zeros(2)))


def test_the_score_refuses_what_the_family_cannot_judge():
    data = hs.datasets.make_factor_data(60, 40, rank=1, family="bernoulli", observed=0.8, random_state=0)
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map").fit(data.observed)
    with pytest.raises(ValueError, match="needs 0 or 1"):
        model.score(data.observed.with_values(data.observed.values * 7 - 3))


@pytest.mark.filterwarnings("ignore:the factors predict held-out entries no better")
def test_a_fit_that_ran_away_is_never_chosen():
    model = hs.GeneralizedFactorModel(2, "bernoulli", random_state=0).fit(np.ones((20, 10)))
    assert model.penalty_choice_.chosen == "map"
    assert model.run_.converged
    assert model.predict_table().min() > 0.9
