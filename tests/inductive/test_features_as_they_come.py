"""Features and values in any unit, and new lines that lack something."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import halfseen as hs
from halfseen.data import SideFeatures
from halfseen.data.features import FeatureCode
from inductive_truth import Realizable


def people_and_films(seed=3):
    """A frame of people, one of films, ratings that depend on both, a tenth of a block seen."""
    rng = np.random.default_rng(seed)
    n, p = 200, 100
    age, income, job = rng.integers(18, 80, n), rng.lognormal(10.5, 0.5, n), rng.choice(list("abcdef"), n)
    year, price, genre = rng.integers(1960, 2020, p), rng.lognormal(2, 1, p), rng.choice(list("xyz"), p)
    z = lambda v: (v - v.mean()) / v.std()  # noqa: E731
    A = np.c_[z(age), z(np.log(income)), pd.get_dummies(job)] @ rng.normal(size=(8, 2))
    B = np.c_[z(year), z(np.log(price)), pd.get_dummies(genre)] @ rng.normal(size=(5, 2))
    truth = 3 + 0.5 * (A @ B.T) / (A @ B.T).std()
    seen = np.zeros(truth.shape, bool)
    seen[:150, :75] = rng.random((150, 75)) < 0.15
    table = np.where(seen, truth + 0.5 * rng.normal(size=truth.shape), np.nan)
    who, what = (
        pd.DataFrame({"age": age, "income": income, "job": job}),
        pd.DataFrame({"year": year, "price": price, "genre": genre}),
    )
    by_hand = [
        np.c_[z(age), z(income), pd.get_dummies(job)].astype(float),
        np.c_[z(year), z(price), pd.get_dummies(genre)].astype(float),
    ]
    return table, truth, who, what, by_hand


def error_on_new(model, F, G, truth):
    return np.sqrt(np.mean((model.predict_table(F[150:], G[75:]) - truth[150:, 75:]) ** 2))


@pytest.mark.fast_cases("linear")
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_shift_or_unit_of_a_column_changes_no_prediction(activation):
    table, _, who, what, _ = people_and_films()

    def fit(F):
        model = hs.InductiveCompletion(2, activation, penalty=0.1, random_state=0)
        return model.fit(table, row_features=F, col_features=what)

    wanted = fit(who).predict_table(who[150:], what[75:])
    for scale, shift in ((1e6, 0.0), (1e-6, 0.0), (1.0, 1e6)):
        moved = who.assign(income=scale * who["income"] + shift * who["income"].std())
        model = fit(moved)
        np.testing.assert_allclose(model.predict_table(moved[150:], what[75:]), wanted, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("given", [(3, "linear"), ()], ids=["three linear units", "defaults"])
def test_raw_columns_predict_as_well_as_columns_standardised_by_hand(given):
    table, truth, who, what, (F, G) = people_and_films()
    model = hs.InductiveCompletion(*given, random_state=0)
    raw = error_on_new(model.fit(table, row_features=who, col_features=what), who, what, truth)
    hand = error_on_new(model.fit(table, row_features=F, col_features=G), F, G, truth)
    assert raw < 1.05 * hand < 0.5 * truth.std()


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "most"), [("linear", 1e-3), ("relu", 0.1), ("tanh", 0.1), ("sigmoid", 0.1)])
def test_the_error_is_the_same_in_all_units_of_the_values(activation, most):
    data = Realizable(activation, 60, 1200, k=2, d=4, noise=0.1)
    errors = []
    for shift, scale in ((0.0, 1.0), (0.0, 1000.0), (1e5, 1.0), (0.0, 1e-4)):
        observed = data.observed.with_values(shift + scale * data.observed.values)
        model = hs.InductiveCompletion(2, activation, random_state=0).fit(observed, **data.features)
        got = (model.predict_table(*data.new) - shift) / scale
        errors.append(np.linalg.norm(got - data.new_truth) / np.linalg.norm(data.new_truth))
    np.testing.assert_allclose(errors, errors[0], rtol=most)
    assert errors[0] < 0.2


@pytest.mark.slow
def test_weights_are_those_of_the_features_as_they_were_given():
    data = Realizable("relu", 60, 1200, k=2, d=4, noise=0.1)
    F = 5.0 + 3.0 * data.F
    model = hs.InductiveCompletion(2, "relu", random_state=0).fit(data.observed, row_features=F, col_features=data.G)
    left = np.maximum(F @ model.row_weights_ + model.row_intercept_, 0)
    right = np.maximum(data.G @ model.col_weights_ + model.col_intercept_, 0)
    np.testing.assert_allclose(model.offset_ + left @ right.T, model.predict_table(), atol=1e-9)


def test_bounded_units_have_a_gain_and_given_starts_are_in_the_units_of_the_data():
    data = Realizable("sigmoid", 60, 1200, k=2, d=4)
    observed = data.observed.with_values(7.0 + 5.0 * data.observed.values)
    more = {"penalty": 0.0, "tol": 1e-12, "max_iter": 2000}
    model = hs.InductiveCompletion(2, "sigmoid", **more, random_state=0).fit(observed, **data.features)
    np.testing.assert_allclose(model.predict_table(*data.new), 7.0 + 5.0 * data.new_truth, atol=1e-2)
    assert model.gain_ == pytest.approx(5.0, rel=0.01)
    start = tuple(np.vstack([part, np.zeros(2)]) for part in (data.U, data.V))
    model = hs.InductiveCompletion(2, "sigmoid", penalty=0.0, start=start, max_iter=1).fit(
        data.observed, **data.features
    )
    np.testing.assert_allclose(model.predict_table(*data.new), data.new_truth, atol=1e-6)


def test_a_table_of_zeros_and_a_constant_table_are_themselves():
    for value in (0.0, 4.0):
        model = hs.InductiveCompletion(1, "linear", random_state=0).fit(np.full((6, 5), value))
        np.testing.assert_allclose(model.predict_table(), value, atol=1e-12)


@pytest.fixture(scope="module")
def fitted():
    table, _, who, what, _ = people_and_films()
    return hs.InductiveCompletion(2, "linear", random_state=0).fit(table, row_features=who, col_features=what), who


def test_unknown_categories_and_missing_features_take_the_mean_and_are_counted(fitted):
    model, who = fitted
    new = who[150:154].reset_index(drop=True).astype({"age": float})
    new.loc[0, "job"], new.loc[1, "age"] = "nurse", np.nan
    with pytest.warns(
        UserWarning, match=r"1 missing in column 'age'; 1 of unknown category in column 'job', .*'nurse' of 4"
    ):
        got = model.predict_table(new)
    np.testing.assert_allclose(got[2:], model.predict_table(who[152:154]), rtol=1e-12)
    # what is not known changes nothing on average: the mean of the predictions over the categories of the fit
    shares = who["job"].value_counts(normalize=True)
    each = [model.predict_table(new[:1].assign(job=job)) for job in shares.index]
    np.testing.assert_allclose(got[:1], sum(s * e for s, e in zip(shares, each, strict=True)), rtol=1e-4)


def test_strict_models_refuse_what_they_do_not_know(fitted):
    model, who = fitted
    from copy import copy

    strict = copy(model).set_params(is_strict=True)
    for change, message in (
        ({"job": "nurse"}, "category 'nurse'.*fit again"),
        ({"age": np.nan}, "column 'age' has 4 missing values"),
    ):
        with pytest.raises(ValueError, match=message):
            strict.predict_table(who[150:154].assign(**change))


@pytest.mark.slow
def test_missing_numbers_of_arrays_take_the_mean_of_the_fit():
    data = Realizable("linear", 40, 700, k=2, d=3)
    for kind in (np.asarray, sp.csr_array):
        model = hs.InductiveCompletion(2, "linear", random_state=0)
        model.fit(data.observed, row_features=kind(data.F), col_features=data.G)
        holes, means = data.F[:3].copy(), data.F[:3].copy()
        holes[1, 2], means[1, 2] = np.nan, data.F[:, 2].mean()
        with pytest.warns(UserWarning, match="1 missing numbers of 3 lines"):
            got = model.predict_table(kind(holes))
        np.testing.assert_allclose(got, model.predict_table(kind(means)), rtol=1e-9)


def test_arrays_are_scaled_by_one_number_and_sparse_ones_are_not_centred():
    rng = np.random.default_rng(0)
    F = rng.normal(size=(50, 3)) * [1.0, 10.0, 100.0] + 7.0
    code = FeatureCode.learn(SideFeatures(F), "auto")
    encoded = code.encode(SideFeatures(F))
    np.testing.assert_allclose(encoded.mean(axis=0), 0.0, atol=1e-12)
    assert np.mean(encoded**2) == pytest.approx(1.0)
    np.testing.assert_allclose(np.diff(np.log(encoded.std(axis=0))), np.diff(np.log(F.std(axis=0))))
    sparse = FeatureCode.learn(SideFeatures(sp.csr_array(F)), "auto").encode(SideFeatures(sp.csr_array(F)))
    np.testing.assert_allclose(sparse.toarray(), F / np.sqrt(np.mean(F**2)))


def test_wide_frames_centre_numbers_and_keep_categories_sparse():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(50, 9, 600), "town": rng.integers(0, 400, 600).astype(str)})
    side = SideFeatures.from_frame(frame)
    matrix = FeatureCode.learn(side, "auto").encode(side)
    assert sp.issparse(matrix)
    assert matrix.nnz <= 1200
    assert abs(matrix[:, [0]].mean()) < 1e-4
