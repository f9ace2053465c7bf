"""What the model refuses, and in which words; what it warns about."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.factor.penalties import PenaltyChoice, complaint_about


def table(values=None):
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (12, 9)).astype(float) if values is None else np.array(values, dtype=float)


@pytest.mark.parametrize(
    ("kwargs", "R", "message"),
    [
        ({"rank": -1}, None, "rank=-1 is not allowed; needed: a whole number of at least 0 or 'auto'"),
        ({"rank": 1.5}, None, "rank=1.5 is not allowed"),
        ({"penalty": "ridge"}, None, "penalty='ridge' is not allowed; needed: a finite number of at least 0 or one of"),
        ({"penalty": -1.0}, None, "penalty=-1.0 is not allowed"),
        ({"bias": "firht"}, None, "bias='firht' is not allowed.*Close: 'firth'"),
        ({"family": "bernouilli"}, None, "is not known"),
        ({"solver": "adam"}, None, "solver='adam' is not allowed; needed: one of 'newton-cg', 'alternating'"),
        ({"start": "svd"}, None, "start='svd'"),
        ({"step": -1.0}, None, "step=-1.0 is not allowed; needed: 'auto' or a finite number above 0"),
        ({"rho": 0.0}, None, "rho=0.0 is not allowed; needed: a finite number above 0"),
        ({"family": "bernoulli"}, [[0, 1], [1, 3], [1, 0]], r"needs 0 or 1; 1 entry is outside, first R\[1, 1\] = 3"),
        ({"family": "poisson"}, [[0, 1], [1, -2], [1, 0]], r"first R\[1, 1\] = -2"),
        ({"family": "poisson"}, [[0, 0.5], [1, 2], [1, 0]], r"first R\[0, 1\] = 0\.5"),
        ({"family": "binomial(4)"}, [[0, 5], [1, 2], [1, 0]], r"whole numbers from 0 to 4.*R\[0, 1\] = 5"),
    ],
)
def test_bad_arguments_are_refused_by_name(kwargs, R, message):
    model = hs.GeneralizedFactorModel(**{"rank": 1, **kwargs})
    with pytest.raises(ValueError, match=message):
        model.fit(table(R))


def test_a_frame_names_the_bad_cell_by_its_labels():
    R = hs.Observed.from_triplets(["gpt-2", "gpt-2", "bert"], ["q17", "q18", "q17"], [3.0, 1.0, 0.0])
    with pytest.raises(ValueError, match=r"R\['gpt-2', 'q17'\] = 3"):
        hs.GeneralizedFactorModel(1, "bernoulli").fit(R)


@pytest.mark.parametrize(
    ("trials", "message"),
    [(np.ones(3), "one per column"), (np.full(9, 0.5), "first entry"), (np.full((12, 9), np.nan), "finite")],
)
def test_wrong_totals_are_refused(trials, message):
    with pytest.raises(ValueError, match=message):
        hs.GeneralizedFactorModel(1, "bernoulli").fit(table(), trials=trials)


def test_totals_go_with_the_bernoulli_family_only():
    with pytest.raises(ValueError, match="family='bernoulli'"):
        hs.GeneralizedFactorModel(1, "poisson").fit(table(), trials=np.ones(9))


def test_a_wrong_offset_is_refused():
    with pytest.raises(ValueError, match="offset"):
        hs.GeneralizedFactorModel(1, "bernoulli").fit(table(), offset=np.ones(3))
    with pytest.raises(ValueError, match="offset"):
        hs.GeneralizedFactorModel(1, "bernoulli").fit(table(), offset=np.full(108, np.nan))


def test_new_rows_outside_the_support_are_refused():
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map").fit(table())
    with pytest.raises(ValueError, match="0 or 1"):
        model.transform(np.full((1, 9), 2.0))


def test_a_fit_that_did_not_converge_says_so():
    from sklearn.exceptions import ConvergenceWarning

    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", solver="gd", max_iter=2)
    with pytest.warns(ConvergenceWarning, match="after 2 sweeps"):
        model.fit(table())
    assert not model.run_.converged


def test_a_separated_likelihood_is_recognised():
    data = hs.datasets.make_factor_data(300, 150, rank=2, family="bernoulli", observed=0.08, random_state=0)
    with pytest.warns(UserWarning, match="separated"):
        model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias="none").fit(data.observed)
    assert model.run_.reason == "separated"


def test_factors_that_do_not_help_are_not_kept_in_silence():
    rng = np.random.default_rng(0)
    noise = (rng.random((60, 40)) < 0.5).astype(float)
    noise[rng.random(noise.shape) < 0.7] = np.nan
    with pytest.warns(UserWarning, match="no better than the intercepts"):
        hs.GeneralizedFactorModel(3, "bernoulli", random_state=1).fit(noise)


def test_the_complaint_depends_on_the_comparison_alone():
    deviance = {"map": 1.0, "none": 2.0, "intercepts": 1.5}
    assert not complaint_about(PenaltyChoice("map", 1.0, 9, deviance, {}, gain=0.5, gain_se=0.1))
    few_entries_large_gain = PenaltyChoice("map", 1.0, 9, deviance, {}, gain=0.5, gain_se=0.4)
    assert not complaint_about(few_entries_large_gain)
    for gain, se in ((-0.5, 0.1), (0.05, 0.1), (0.0, 0.0), (np.nan, np.nan), (0.01, np.inf)):
        assert "9 entries" in complaint_about(PenaltyChoice("none", 1.0, 9, deviance, {}, gain=gain, gain_se=se))


def test_what_a_fit_warned_about_stays_on_the_model_until_the_next_fit():
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", solver="gd", max_iter=2)
    with pytest.warns(UserWarning, match="after 2 sweeps") as heard:
        model.fit(table())
    assert heard[0].filename == __file__
    assert len(model.warnings_) == 1
    assert "raise max_iter" in model.warnings_[0]
    assert model.set_params(solver="newton-cg", max_iter=None).fit(table()).warnings_ == ()


def test_a_rank_above_the_shorter_side_is_cut_to_it():
    model = hs.GeneralizedFactorModel(10, penalty=1.0).fit(table())
    assert model.rank_ == model.row_factors_.shape[1] == 9
    np.testing.assert_array_equal(
        model.row_factors_, hs.GeneralizedFactorModel(9, penalty=1.0).fit(table()).row_factors_
    )


@pytest.mark.parametrize("penalty", ["map", "none"])
def test_empty_rows_and_columns_fall_back_on_the_prior(logit, penalty):
    R = logit.observed.to_dense()
    R[3], R[:, 4] = np.nan, np.nan
    model = hs.GeneralizedFactorModel(2, "bernoulli", penalty=penalty, random_state=0).fit(R)
    linear = model.predict_table(kind="linear")
    assert np.isfinite(linear).all()
    assert np.ptp(linear[:, 4]) < 1e-6
    np.testing.assert_allclose(model.transform(R)[3], model.row_factors_[3], atol=1e-6)


def test_a_single_entry_is_enough_not_to_crash():
    R = np.full((3, 2), np.nan)
    R[0, 0] = 1.0
    model = hs.GeneralizedFactorModel(1, penalty="map").fit(R)
    assert np.isfinite(model.predict_table()).all()
