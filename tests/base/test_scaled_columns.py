"""Columns of different units: fitted in units of each column's spread, answered in the table's own."""

import numpy as np
import pytest

import halfseen as hs

UNITS = np.array([1.0, 1e-3, 1e6, 20.0, 1.0])
LEVELS = np.array([0.0, 5.0, -3e6, 300.0, 0.0])


@pytest.fixture(scope="module")
def panel():
    """A sensor panel of rank 2 in plain units, and the same in units of all kinds."""
    rng = np.random.default_rng(6)
    whole = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(60, 5))
    seen = rng.random(whole.shape) < 0.8
    return np.where(seen, whole, np.nan), np.where(seen, whole * UNITS + LEVELS, np.nan)


@pytest.mark.slow_cases("OverparametrizedFactorization")
@pytest.mark.parametrize(
    "model",
    [
        hs.AlternatingLeastSquares(2, penalty=0.1, random_state=0),
        hs.BayesianFactorization(2, max_iter=30, burn_in=5, random_state=0),
        hs.SoftImpute(penalty=2.0),
        hs.GeneralizedFactorModel(2, penalty=0.1, random_state=0),
        hs.OverparametrizedFactorization(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_predictions_follow_the_units_of_every_column(panel, model):
    plain, odd = panel
    expected = hs.ScaledColumns(model).fit(plain).predict_table() * UNITS + LEVELS
    answer = hs.ScaledColumns(model).fit(odd).predict_table()
    assert np.abs((answer - expected) / UNITS).max() < 1e-4


def test_it_is_the_model_on_standardised_columns(panel):
    odd = panel[1]
    model = hs.AlternatingLeastSquares(2, penalty=0.1, random_state=0)
    means, sds = np.nanmean(odd, axis=0), np.nanstd(odd, axis=0)
    naive = model.fit((odd - means) / sds).predict_table() * sds + means
    scaled = hs.ScaledColumns(model).fit(odd)
    np.testing.assert_allclose((scaled.predict_table() / UNITS), naive / UNITS, rtol=0, atol=1e-9)
    assert np.isnan(odd[4:6]).any()
    np.testing.assert_allclose(scaled.predict(odd[:3]) / UNITS, scaled.predict_table()[:3] / UNITS, atol=0.3)


def test_intervals_come_back_in_the_units_of_the_table(panel):
    plain, odd = panel
    rows, cols = np.nonzero(np.isnan(odd))
    one, other = (
        hs.ScaledColumns(hs.BayesianFactorization(2, max_iter=30, burn_in=5, random_state=0)).fit(table).inference()
        for table in (plain, odd)
    )
    for name in ("entries", "responses"):
        a, b = getattr(one, name)(rows, cols), getattr(other, name)(rows, cols)
        np.testing.assert_allclose(b.se / UNITS[cols], a.se, rtol=1e-4)
        np.testing.assert_allclose((b.low - LEVELS[cols]) / UNITS[cols], a.low, atol=1e-4)
        np.testing.assert_allclose((b.high - LEVELS[cols]) / UNITS[cols], a.high, atol=1e-4)
    with pytest.raises(hs.inference.NotStated, match="no common mean"):
        other.scores()
    assert len(other.columns()) == len(other._inner.columns())


def test_a_family_without_a_unit_is_refused(panel):
    with pytest.raises(ValueError, match="as it is"):
        hs.ScaledColumns(hs.GeneralizedFactorModel(1, family="bernoulli")).fit((panel[0] > 0).astype(float))


def test_it_is_stored_and_reads_what_the_model_learned(panel, tmp_path):
    model = hs.ScaledColumns(hs.AlternatingLeastSquares(2, random_state=0)).fit(panel[1])
    hs.save(model, tmp_path / "m.halfseen")
    again = hs.load(tmp_path / "m.halfseen")
    assert again.predict_table().tobytes() == model.predict_table().tobytes()
    assert again.row_factors_.shape == (60, 2)
    assert not hasattr(again, "nothing_of_the_kind_")
    assert "in units of each column's spread" in str(hs.ScaledColumns(hs.ColumnMean()).fit(panel[1]).summary())
