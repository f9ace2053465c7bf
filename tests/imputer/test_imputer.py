"""The transformer: pipelines, types, names, indicators, draws, and what it is worth."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import halfseen as hs
from halfseen.imputer import pooled
from halfseen.scaled import column_scales


@parametrize_with_checks([
    hs.Imputer(random_state=0), hs.Imputer(hs.ColumnMean(), add_indicator=True), hs.Imputer(hs.SoftImpute()),
])  # fmt: skip
def test_scikit_learn_checks_pass(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tables without structure
        check(estimator)


def sensors(seed=0, share=0.2):
    """Two weeks of hourly readings of 12 sensors in units of their own, a part of them lost."""
    rng, hours = np.random.default_rng(seed), np.arange(24 * 14) / 24
    common = np.stack([np.sin(2 * np.pi * hours), np.cos(2 * np.pi * hours), np.cumsum(0.1 * rng.normal(size=336))], 1)
    units, levels = 10.0 ** rng.integers(-2, 4, 12), 5 * rng.normal(size=12)
    whole = (common @ rng.normal(size=(3, 12)) + levels + 0.3 * rng.normal(size=(336, 12))) * units
    return whole, np.where(rng.random(whole.shape) < share, np.nan, whole)


def error(filled, whole, table):
    """Root mean squared error at the missing cells, in standard deviations of the columns."""
    return np.sqrt(np.mean(((filled - whole) / whole.std(axis=0))[np.isnan(table)] ** 2))


@pytest.fixture(scope="module")
def readings():
    return sensors()


def test_an_ordinary_table_of_sensors_is_filled_far_better_than_by_column_means(readings):
    whole, table = readings
    ours = error(hs.Imputer(random_state=0).fit_transform(table), whole, table)
    means = error(SimpleImputer().fit_transform(table), whole, table)
    # noise of .3 beside signals of size 1 to 2: .2 of a standard deviation is the noise itself
    assert ours < 0.4 < 0.5 * means


@pytest.mark.slow
def test_a_real_table_is_filled_better_than_by_column_means():
    whole = load_breast_cancer().data
    table = np.where(np.random.default_rng(0).random(whole.shape) < 0.2, np.nan, whole)
    ours = error(hs.Imputer(random_state=0).fit_transform(table), whole, table)
    assert ours < 0.5 * error(SimpleImputer().fit_transform(table), whole, table)


def test_a_table_of_noise_is_filled_no_worse_than_by_column_means():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(200, 10)) * 10.0 ** np.arange(10)
    table = np.where(rng.random(whole.shape) < 0.2, np.nan, whole)
    assert error(hs.Imputer(random_state=0).fit_transform(table), whole, table) < 1.02 * error(
        SimpleImputer().fit_transform(table), whole, table
    )


@pytest.mark.slow
def test_units_and_levels_of_columns_do_not_matter(readings):
    table = readings[1]
    units, levels = 10.0 ** np.arange(-6, 6), 1e4 * np.arange(12)
    plain = hs.Imputer(random_state=0).fit_transform(table)
    other = hs.Imputer(random_state=0).fit_transform(table * units + levels * units)
    np.testing.assert_allclose(other, plain * units + levels * units, rtol=1e-5)


def test_new_rows_are_filled_by_what_was_seen_of_them(readings):
    whole, table = readings
    imputer = hs.Imputer(random_state=0).fit(table[:250])
    assert error(imputer.transform(table[250:]), whole[250:], table[250:]) < 0.5
    alone = imputer.transform(table[300:301])
    np.testing.assert_allclose(alone, imputer.transform(table[250:])[50:51], rtol=1e-8)


def test_it_stands_before_any_estimator_and_its_model_is_searched(readings):
    whole, table = readings
    pipeline = make_pipeline(hs.Imputer(hs.AlternatingLeastSquares(random_state=0)), Ridge())
    given, target = table[:, :11], whole[:, 11]
    search = GridSearchCV(pipeline, {"imputer__model__rank": [0, 3]}, cv=3).fit(given, target)
    assert search.best_params_ == {"imputer__model__rank": 3}
    assert cross_val_score(make_pipeline(hs.Imputer(random_state=0), Ridge()), given, target, cv=3).min() > 0.5


def test_frames_come_back_as_frames_with_indicators_beside_them(readings):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table, names = readings[1].copy(), [f"s{k}" for k in range(12)]
    table[:, 3] = 1.0  # nothing missing: no indicator
    flags = MissingIndicator().fit_transform(table).astype(float)
    frame = pd.DataFrame(table, columns=names, index=pd.date_range("2026-01-01", periods=336, freq="h"))
    filled = hs.Imputer(add_indicator=True, random_state=0).fit_transform(frame)
    added = [f"missingindicator_{name}" for name in names if name != "s3"]
    assert list(filled.columns) == [*names, *added]
    assert filled.index.equals(frame.index)
    np.testing.assert_array_equal(filled[added].to_numpy(), flags)
    assert not filled.isna().any().any()
    polars = hs.Imputer(add_indicator=True, random_state=0).fit_transform(pl.DataFrame(table, schema=names))
    assert isinstance(polars, pl.DataFrame)
    assert polars.columns == [*names, *added]
    np.testing.assert_allclose(polars.to_numpy(), filled.to_numpy())


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("add_indicator", [False, True])
def test_arrays_become_frames_where_they_are_asked_for(readings, library, add_indicator):
    pytest.importorskip(library)
    imputer = hs.Imputer(hs.BiasModel(), add_indicator=add_indicator).set_output(transform=library)
    filled = imputer.fit_transform(readings[1])
    assert type(filled).__module__.split(".")[0] == library
    assert list(filled.columns) == list(imputer.get_feature_names_out())
    assert filled.shape == (336, 24 if add_indicator else 12)
    plain = hs.Imputer(hs.BiasModel(), add_indicator=add_indicator).fit_transform(readings[1])
    np.testing.assert_array_equal(filled.to_numpy(), plain)


def test_names_out_are_those_in_and_those_of_scikit_learns_indicators(readings):
    ours = hs.Imputer(hs.ColumnMean(), add_indicator=True).fit(readings[1])
    theirs = SimpleImputer(add_indicator=True).fit(readings[1])
    np.testing.assert_array_equal(ours.get_feature_names_out(), theirs.get_feature_names_out())


def test_single_precision_stays_single(readings):
    filled = hs.Imputer(random_state=0).fit_transform(readings[1].astype(np.float32))
    assert filled.dtype == np.float32
    assert np.isfinite(filled).all()


def test_a_given_model_is_copied_and_sees_the_table_as_it_is():
    rng = np.random.default_rng(0)
    answers = np.where(rng.random((60, 10)) < 0.3, np.nan, rng.random((60, 10)) < 0.7)
    model = hs.BayesianFactorization(1, "bernoulli", max_iter=30, random_state=0)
    imputer = hs.Imputer(model).fit(answers)
    assert imputer.column_means_ is None
    assert not hasattr(model, "loss_")
    filled = imputer.transform(answers)[np.isnan(answers)]
    assert filled.min() > 0
    assert filled.max() < 1
    assert clone(imputer).get_params()["model__family"] == "bernoulli"


def test_indicators_need_an_array_or_a_frame(readings):
    stored = hs.Observed.from_dense(readings[1])
    with pytest.raises(ValueError, match="a Observed does not take; give an array or a data frame"):
        hs.Imputer(hs.ColumnMean(), add_indicator=True).fit(stored).transform(stored)


def test_a_column_that_nobody_saw_is_said_and_filled():
    table = np.random.default_rng(0).normal(5, 1, size=(30, 4))
    table[:, 2] = np.nan
    imputer = hs.Imputer(random_state=0)
    with pytest.warns(UserWarning, match="columns without a seen cell: 1, first 2"):
        filled = imputer.fit_transform(table)
    assert imputer.warnings_
    np.testing.assert_allclose(filled[:, 2], 5, atol=2)


def test_scales_are_means_and_deviations_of_what_was_seen():
    table = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    means, scales = column_scales(hs.Observed.from_dense(table))
    np.testing.assert_allclose(means, [2.0, 5.0, 3.8])
    np.testing.assert_allclose(scales, [1.0, 1.0, np.std([1, 3, 5, 5, 5])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": Ridge()}, "model=.* is not allowed; needed: None or a completion estimator"),
        ({"n_draws": 0}, "n_draws=0 is not allowed"),
        ({"add_indicator": "yes"}, "add_indicator='yes' is not allowed; needed: True or False"),
    ],
)
def test_bad_parameters_are_named(readings, change, message):
    with pytest.raises(ValueError, match=message):
        hs.Imputer(**change).fit(readings[1])


class TestMultipleImputation:
    def test_draws_keep_what_was_seen_and_vary_elsewhere(self, readings):
        _, table = readings
        draws = hs.Imputer(n_draws=3, random_state=0).fit(table).draws(table)
        assert len(draws) == 3
        gaps = np.isnan(table)
        for drawn in draws:
            np.testing.assert_array_equal(drawn[~gaps], table[~gaps])
        assert np.std([drawn[gaps] for drawn in draws], axis=0).min() > 0
        assert len(hs.Imputer(random_state=0).fit(table).draws(table)) == 5

    def test_frames_are_drawn_as_frames(self, readings):
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(readings[1], columns=[f"s{k}" for k in range(12)])
        (drawn,) = hs.Imputer(n_draws=1, add_indicator=True, random_state=0).fit(frame).draws(frame)
        assert drawn.columns[-1] == "missingindicator_s11"

    def test_a_model_without_a_posterior_says_so(self, readings):
        imputer = hs.Imputer(hs.SoftImpute(random_state=0)).fit(readings[1])
        with pytest.raises(ValueError, match="SoftImpute has neither a posterior nor intervals to draw from"):
            imputer.draws(readings[1])

    def test_pooling_is_rubins_by_hand(self):
        result = pooled([[1.0, 2.0], [3.0, 2.0]], [[0.5, 1.0], [1.5, 1.0]])
        between = np.array([1.5 * 2.0, 0.0])
        np.testing.assert_allclose(result.estimate, [2.0, 2.0])
        np.testing.assert_allclose(result.se**2, np.array([1.0, 1.0]) + between)
        np.testing.assert_allclose(result.df, [(1 + 1.0 / 3.0) ** 2, np.inf])
        np.testing.assert_allclose(result.missing_information, [0.75, 0.0])
        with pytest.raises(ValueError, match="two or more completed tables"):
            pooled([1.0], [1.0])

    @pytest.mark.slow
    def test_intervals_of_a_mean_hold_their_level_where_one_imputation_does_not(self):
        """Means of a column of which half is missing; 100 tables: a share of .95 has a standard error of .022."""
        many, single = [], []
        for seed in range(100):
            rng = np.random.default_rng(seed)
            common = rng.normal(size=(100, 1))
            whole = common @ rng.uniform(0.5, 1, (1, 6)) + 0.7 * rng.normal(size=(100, 6))
            table = whole.copy()
            table[rng.random(100) < 0.5, 0] = np.nan
            imputer = hs.Imputer(n_draws=20, random_state=seed).fit(table)
            draws = imputer.draws(table)
            result = pooled([d[:, 0].mean() for d in draws], [d[:, 0].var(ddof=1) / 100 for d in draws])
            many.append(abs(result.estimate) <= 1.96 * result.se)
            filled = imputer.transform(table)[:, 0]
            single.append(abs(filled.mean()) <= 1.96 * filled.std(ddof=1) / 10)
        assert np.mean(many) > 0.88
        assert np.mean(single) < np.mean(many)


@pytest.mark.parametrize("model", [None, hs.ColumnMean()])
def test_it_is_stored_with_the_model_inside(tmp_path, model):
    table = sensors()[1][:40]
    imputer = hs.Imputer(model, add_indicator=True, random_state=0).fit(table)
    hs.save(imputer, tmp_path / "imputer.halfseen")
    again = hs.load(tmp_path / "imputer.halfseen")
    assert again.transform(table).tobytes() == imputer.transform(table).tobytes()
    assert repr(again) == repr(imputer)


def test_a_file_whose_inner_model_does_not_fit_is_refused(tmp_path):
    imputer = hs.Imputer(hs.ColumnMean()).fit(sensors()[1][:40])
    imputer.model_.col_bias_ = imputer.model_.col_bias_[:3]
    hs.save(imputer, tmp_path / "imputer.halfseen")
    with pytest.raises(ValueError, match="do not fit each other"):
        hs.load(tmp_path / "imputer.halfseen")
