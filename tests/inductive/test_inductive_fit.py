"""The estimator: recovery, other libraries, features of all kinds, new rows and columns, candidates, saved models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import halfseen as hs
from inductive_truth import Realizable

EXACT = {"penalty": 0.0, "has_intercept": False, "scale": "none"}


def exact(**more):
    return {"start_scale": 1.0, "max_iter": 2000, "tol": 1e-9, **more}


@pytest.mark.parametrize(("activation", "n"), [("sigmoid", 100), ("relu", 200), ("leaky_relu", 200), ("softplus", 100)])
def test_weights_are_recovered_from_six_entries_each(activation, n):
    data = Realizable(activation, n, 600)
    model = hs.InductiveCompletion(5, activation, **EXACT, **exact(n_starts=8), random_state=0)
    model.fit(data.observed, **data.features)
    assert model.certificate_.is_exact
    assert data.error(model) < 1e-5


@pytest.mark.slow
def test_the_certificate_tells_a_trap_from_the_bottom_and_goes_on():
    # three entries a weight: a single start is trapped here
    data = Realizable("relu", 40, 140, k=3, d=8, seed=3)
    options = {"n_starts": 1}, {"n_starts": 8}
    one, many = (
        hs.InductiveCompletion(3, "relu", **EXACT, **exact(**more), random_state=0).fit(data.observed, **data.features)
        for more in options
    )
    assert not one.certificate_.is_exact
    assert data.error(one) > 0.05
    assert many.certificate_.is_exact
    assert 1 < len(many.certificate_.values) < 8  # it stops at the first exact one
    assert many.certificate_.best == len(many.certificate_.values) - 1
    assert data.error(many) < 1e-4


@pytest.mark.parametrize("solver", ["gd", "levenberg-marquardt"])
def test_other_solvers_reach_the_same_bottom(solver):
    data = Realizable("sigmoid", 60, 400, k=3, d=6)
    options = exact(solver=solver, max_iter=4000)
    model = hs.InductiveCompletion(3, "sigmoid", **EXACT, **options, random_state=0)
    assert data.error(model.fit(data.observed, **data.features)) < 1e-4
    assert model.n_iter_ <= (40 if solver == "levenberg-marquardt" else 4000)


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_a_fixed_step_is_plain_gradient_descent():
    data = Realizable("sigmoid", 40, 300, k=2, d=4)
    start = np.ones((4, 2)) * [[1.0, -0.5]], np.ones((4, 2)) * [[0.2, 0.7]]
    options = exact(solver="gd", step=0.5, start=start, max_iter=3, gauge="none")
    model = hs.InductiveCompletion(2, "sigmoid", **EXACT, **options).fit(data.observed, **data.features)
    U, V = (np.array(part) for part in start)
    values, sigmoid = data.observed.values, lambda z: 1 / (1 + np.exp(-z))
    for _ in range(3):
        H, W = sigmoid(data.F @ U), sigmoid(data.G @ V)
        S = np.zeros((40, 40))
        S[data.rows, data.cols] = (H @ W.T)[data.rows, data.cols] - values
        m = len(values)
        step_U = data.F.T @ ((S @ W) * H * (1 - H)) / m
        U, V = U - 0.5 * step_U, V - 0.5 * data.G.T @ ((S.T @ H) * W * (1 - W)) / m
    np.testing.assert_allclose(model.row_weights_, U, rtol=1e-12)
    np.testing.assert_allclose(model.col_weights_, V, rtol=1e-12)


def test_a_full_linear_model_is_least_squares_on_products_of_features():
    data = Realizable("relu", 50, 600, k=4, d=4, noise=0.5)  # not a linear truth
    options = {"max_iter": 3000, "tol": 1e-13}
    model = hs.InductiveCompletion(4, "linear", penalty=0.0, has_intercept=False, **options, random_state=0)
    model.fit(data.observed, **data.features)
    products = lambda F, G: (F[:, :, None] * G[:, None, :]).reshape(len(F), -1)  # noqa: E731
    weights = np.linalg.lstsq(products(data.F[data.rows], data.G[data.cols]), data.observed.values, rcond=None)[0]
    wanted = products(*data.new) @ weights
    np.testing.assert_allclose(model.predict(*data.new), wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_bernoulli_model_with_all_products_is_logistic_regression():
    data = Realizable("linear", 60, 900, k=2, d=2, scale=0.7)
    rng = np.random.default_rng(0)
    y = (rng.random(len(data.rows)) < 1 / (1 + np.exp(-data.observed.values))).astype(float)
    options = {"max_iter": 3000, "tol": 1e-13}
    model = hs.InductiveCompletion(3, "linear", family="bernoulli", penalty=0.0, **options, random_state=0)
    model.fit(data.observed.with_values(y), **data.features)
    one = np.ones((60, 1))
    F, G = np.hstack([data.F, one])[data.rows], np.hstack([data.G, one])[data.cols]
    products = (F[:, :, None] * G[:, None, :]).reshape(len(F), -1)
    other = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(products, y)
    np.testing.assert_allclose(model.predict(data.rows, data.cols), other.predict_proba(products)[:, 1], atol=2e-4)


def test_relu_weights_are_balanced_and_predict_what_they_did():
    data = Realizable("relu", 80, 600, k=3, d=5)
    fits = [
        hs.InductiveCompletion(3, "relu", penalty=0.0, scale="none", **exact(gauge=gauge), random_state=0).fit(
            data.observed, **data.features
        )
        for gauge in ("none", "balance")
    ]
    np.testing.assert_allclose(fits[0].predict(*data.new), fits[1].predict(*data.new), rtol=1e-9, atol=1e-9)
    lengths = [
        np.sqrt(np.sum(w**2, axis=0) + b**2)
        for w, b in (
            (fits[1].row_weights_, fits[1].row_intercept_),
            (fits[1].col_weights_, fits[1].col_intercept_),
        )
    ]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-10)
    assert np.all(np.diff(lengths[0]) <= 0)


def test_linear_weights_have_the_balanced_form():
    data = Realizable("linear", 60, 900, k=3, d=5)
    model = hs.InductiveCompletion(3, "linear", **EXACT, **exact(), random_state=0)
    model.fit(data.observed, **data.features)
    grams = model.row_weights_.T @ model.row_weights_, model.col_weights_.T @ model.col_weights_
    np.testing.assert_allclose(*grams, atol=1e-10)
    np.testing.assert_allclose(grams[0], np.diag(np.diag(grams[0])), atol=1e-10)
    assert data.error(model) < 1e-4


def test_the_first_row_can_be_held_as_in_equation_four():
    data = Realizable("relu", 200, 1500, k=3, d=5)
    rng = np.random.default_rng(1)
    U0, V0 = (W + 0.1 * rng.normal(size=W.shape) for W in (data.U, data.V))
    U0[0] = data.U[0]
    options = exact(start=(U0, V0), gauge="first_row", max_iter=5000, tol=1e-12)
    model = hs.InductiveCompletion(3, "relu", **EXACT, **options).fit(data.observed, **data.features)
    np.testing.assert_array_equal(model.row_weights_[0], data.U[0])
    np.testing.assert_allclose(model.row_weights_, data.U, atol=1e-4)  # with the scaling held, weights are unique


def test_one_hot_features_are_plain_factorization():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))
    table = np.where(rng.random(truth.shape) < 0.6, truth, np.nan)
    options = exact(max_iter=3000, tol=1e-12)
    plain = hs.InductiveCompletion(2, "linear", **EXACT, **options, random_state=0).fit(table)
    given = hs.InductiveCompletion(2, "linear", **EXACT, **options, random_state=0)
    given.fit(table, row_features=np.eye(40), col_features=sp.eye_array(30, format="csr"))
    np.testing.assert_allclose(given.predict_table(), plain.predict_table(), atol=1e-6)
    np.testing.assert_allclose(plain.predict_table(), truth, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*never negative:UserWarning")
def test_free_factors_learn_what_features_do_not_know():
    rng = np.random.default_rng(0)
    data = Realizable("relu", 60, 2000, k=2, d=4)
    extra = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 60)) + rng.normal(size=60)
    whole = data.truth + extra
    table = np.full((60, 60), np.nan)
    table[data.rows, data.cols] = whole[data.rows, data.cols]
    hidden = np.isnan(table)
    errors = []
    for more in ({}, {"free_rank": 2, "effects": "cols", "free_penalty": 0.01, "effect_penalty": 0.01}):
        options = {"max_iter": 1000, **more}
        model = hs.InductiveCompletion(4, "relu", penalty=1e-5, **options, random_state=0)
        model.fit(table, **data.features)
        errors.append(np.std((model.predict_table() - whole)[hidden]) / whole.std())
    assert errors[1] < 0.3 < errors[0]
    # new rows have the features' part alone: neither free factors nor an effect of their own
    new, held = model.predict_table(data.F, np.arange(60)), model.predict_table()
    free = model.row_factors_[:, 4:] @ model.col_factors_[:, 4:].T
    np.testing.assert_allclose(new, held - free - model.row_effects_[:, None], atol=1e-10)


@pytest.fixture(scope="module")
def people():
    """Ratings by name, with what is known of people and films."""
    rng = np.random.default_rng(0)
    names, films = np.array([f"p{k:02}" for k in range(30)]), np.array([f"f{k:02}" for k in range(20)])
    who = pd.DataFrame({"name": names, "age": rng.integers(18, 80, 30) / 50, "job": rng.choice(["cook", "pilot"], 30)})
    what = pd.DataFrame({"film": films, "long": rng.random(20) < 0.5, "year": rng.normal(size=20)})
    truth = 3 + np.outer(who["age"], what["year"]) + np.outer(who["job"] == "cook", what["long"])
    i, j = np.nonzero(rng.random(truth.shape) < 0.6)
    R = hs.Observed.from_triplets(i, j, truth[i, j], shape=truth.shape, row_labels=names, col_labels=films)
    return R, who, what, truth


def test_frames_are_encoded_and_found_by_label_in_any_order(people):
    R, who, what, truth = people
    order = np.random.default_rng(1).permutation(30)
    sides = [
        (hs.SideFeatures.from_frame(frame(who), "name"), hs.SideFeatures.from_frame(frame(what), "film"))
        for frame in (lambda f: f, pl.from_pandas, lambda f: f.iloc[order % len(f)] if len(f) == 30 else f)
    ]
    sides.append((who.set_index("name").iloc[order], what.set_index("film")))
    options = {"max_iter": 200, "tol": 1e-10}
    tables = []
    for F, G in sides:
        model = hs.InductiveCompletion(2, "linear", penalty=1e-6, **options, random_state=0)
        tables.append(model.fit(R, row_features=F, col_features=G).predict_table())
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], rtol=1e-12)
    np.testing.assert_allclose(tables[0], truth, atol=0.02)
    assert model.row_code_.encoded_names() == ["age", "job=cook", "job=pilot"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda who: who.assign(age=who["age"].where(who["name"] != "p07")), "column 'age' has 1 missing .* row 'p07'"),
        (lambda who: who.assign(job=who["job"].where(who["name"] != "p07")), "column 'job' has 1 missing .* fill them"),
        (lambda who: who[who["name"] != "p07"], "row_features must have a line for every row .*p07"),
    ],
)
def test_what_features_lack_is_named_with_the_way_out(people, change, message):
    R, who, what, _ = people
    G = hs.SideFeatures.from_frame(what, "film")

    def fit():
        F = hs.SideFeatures.from_frame(change(who), "name")
        hs.InductiveCompletion(2).fit(R, row_features=F, col_features=G)

    with pytest.raises(ValueError, match=message):
        fit()


def test_new_lines_must_look_like_those_of_the_fit(people):
    R, who, _, _ = people
    model = hs.InductiveCompletion(2, random_state=0).fit(R, row_features=hs.SideFeatures.from_frame(who, "name"))
    new = who.drop(columns="name")[:2]
    assert model.predict(new, ["f01", "f02"]).shape == (2,)
    for frame, message in (
        (new.drop(columns="age"), "lacks the column 'age'"),
        (np.ones((2, 3)), "is an array, but the model was fitted to a data frame"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict(frame, ["f01", "f02"])
    with pytest.raises(ValueError, match="col_features: this model was fitted without them"):
        model.predict(new, np.ones((2, 3)))
    with pytest.raises(ValueError, match="predict_table"):
        model.predict(new)


def test_features_scaled_at_the_fit_are_scaled_the_same_at_predictions():
    data = Realizable("linear", 40, 700, k=2, d=3)
    F = data.F * [1.0, 100.0, 0.01]
    options = {**EXACT, **exact(scale="rms", start_scale="auto")}
    model = hs.InductiveCompletion(2, "linear", **options, random_state=0)
    model.fit(data.observed, row_features=sp.csr_array(F), col_features=data.G)
    got = model.predict_table(data.new[0] * [1.0, 100.0, 0.01], data.new[1])
    np.testing.assert_allclose(got, data.new_truth, atol=1e-4 * np.abs(data.new_truth).max())


def test_seen_and_new_rows_meet_seen_and_new_columns():
    data = Realizable("relu", 40, 800, k=2, d=3)
    # without effects of its own a seen row is what its features say
    model = hs.InductiveCompletion(2, effects="none", random_state=0).fit(data.observed, **data.features)
    block = model.predict_table(data.F[:5], data.G[:4])
    np.testing.assert_allclose(block, model.predict_table(np.arange(5), np.arange(4)), rtol=1e-12)
    np.testing.assert_allclose(model.predict(data.F[:4], np.arange(4)), np.diag(block), rtol=1e-12)
    np.testing.assert_allclose(model.predict(data.F[:1], data.G[:4]), block[0], rtol=1e-12)
    np.testing.assert_allclose(model.factors_of(data.F[:5]), model.row_factors_[:5], rtol=1e-12)


def test_candidates_are_the_best_unseen_columns(people):
    R, who, what, _ = people
    features = {
        "row_features": hs.SideFeatures.from_frame(who, "name"),
        "col_features": hs.SideFeatures.from_frame(what, "film"),
    }
    model = hs.InductiveCompletion(3, random_state=0).fit(R, **features)
    found = model.rank_columns(None, 4, seen=R)
    table = model.predict_table()
    table[R.rows, R.cols] = -np.inf
    best = np.argsort(-table, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(found.cols, R.col_labels[best])
    np.testing.assert_allclose(found.scores, np.take_along_axis(table, best, axis=1), rtol=1e-12)
    new = model.rank_columns(who.drop(columns="name")[:3], 20)
    assert sorted(new.cols[0]) == sorted(R.col_labels)
    assert model.rank_columns(["p03"], 2, ["f05", "f02"]).cols.tolist()[0] in (["f05", "f02"], ["f02", "f05"])


def test_a_saved_model_takes_the_same_features(people, tmp_path):
    R, who, _, _ = people
    model = hs.InductiveCompletion(2, "softplus", family="poisson", random_state=0)
    model.fit(R.with_values(np.round(np.maximum(R.values, 0))), row_features=hs.SideFeatures.from_frame(who, "name"))
    hs.save(model, tmp_path / "m.halfseen")
    loaded, new = hs.load(tmp_path / "m.halfseen"), who.drop(columns="name")[:3]
    np.testing.assert_array_equal(loaded.predict(new, ["f01"]), model.predict(new, ["f01"]))
    assert loaded.certificate_.values.tolist() == model.certificate_.values.tolist()


def test_single_precision_stays_single():
    data = Realizable("relu", 40, 800, k=2, d=3)
    observed = data.observed.astype(np.float32)
    model = hs.InductiveCompletion(2, max_iter=20, random_state=0).fit(observed, **data.features)
    parts = model.row_weights_, model.predict(*data.new), model.predict_table(data.new[0], np.arange(3))
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("activation", "start", "message"),
    [
        ("relu", "tensor", "cubic Hermite part .*start='cross'"),
        ("softplus", "tensor", "cubic Hermite part"),
        ("tanh", "tensor", r"E\[phi\(z\)\] is zero .*start='random'"),
        ("sigmoid", "cross", "quadratic Hermite part .*start='tensor'"),
        ("linear", "cross", "quadratic Hermite part .*start='random'"),
    ],
)
def test_moments_that_vanish_are_refused_with_their_reason(activation, start, message):
    data = Realizable("relu", 40, 300, k=2, d=3)
    model = hs.InductiveCompletion(2, activation, start=start)
    with pytest.raises(ValueError, match=message):
        model.fit(data.observed, **data.features)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "start", "n", "m", "most"),
    [("sigmoid", "tensor", 1500, None, 0.3), ("relu", "cross", 800, 60000, 0.3)],
)
def test_moment_starts_begin_near_the_truth(activation, start, n, m, most):
    data = Realizable(activation, n, m or 10, k=4, d=8)
    table = data.truth if m is None else data.observed
    # one sweep: what is tested is where it begins
    options = {"start": start, "max_iter": 1, "gauge": "none"}
    F = data.F * 3 + 1  # neither centred nor of length 1: the start whitens
    model = hs.InductiveCompletion(4, activation, penalty=0.0, **options, random_state=0)
    model.fit(table, row_features=F, col_features=data.G)
    got = model.predict_table((data.new[0] * 3 + 1)[:300], data.new[1][:300])
    wanted = data.new_truth[:300, :300]
    assert np.linalg.norm(got - wanted) / np.linalg.norm(wanted) < most


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hs.InductiveCompletion(activation="rel"), "activation='rel' is not allowed; .* Close: 'relu'"),
        (lambda: hs.InductiveCompletion(0), "rank=0 is not allowed; needed: a whole number of at least 1"),
        (
            lambda: hs.InductiveCompletion(family="ordinal"),
            "is not for InductiveCompletion; it takes gaussian, b",
        ),
        (lambda: hs.InductiveCompletion(family="bernoulli"), "needs 0 or 1"),
        (
            lambda: hs.InductiveCompletion(beta=2.0),
            "beta=2.0 .* at least 0 and at most 1",
        ),
        (
            lambda: hs.InductiveCompletion(start="svd"),
            "start='svd' .* or a pair of arrays",
        ),
        (lambda: hs.InductiveCompletion(start=(np.ones((2, 2)), np.ones(3))), "shapes"),
        (
            lambda: hs.InductiveCompletion(family="one_class", solver="levenberg-marquardt"),
            "needed: 'lbfgs' or 'gd' with family='one_class'",
        ),
        (
            lambda: hs.InductiveCompletion(solver="levenberg-marquardt", effects="cols"),
            "needed: 'lbfgs' or 'gd' with effects or free factors",
        ),
        (lambda: hs.InductiveCompletion(is_tied=True, free_rank=1), "is_tied"),
    ],
)
def test_bad_input_is_refused_by_name(make, message):
    data = Realizable("relu", 20, 100, k=2, d=3)
    with pytest.raises(ValueError, match=message):
        make().fit(data.observed, **data.features)


def test_bad_features_are_refused_by_name():
    data = Realizable("relu", 20, 100, k=2, d=3)
    bad = data.F.copy()
    bad[4, 1] = np.nan
    for F, message in (
        (bad, "row_features has 1 missing or infinite values, first at row 4, column 1"),
        (sp.csr_array(bad), "first at row 4, column 1"),
        (data.F[:10], "row_features has 10 rows, the table has 20"),
        (np.ones(20), r"has shape \(20,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            hs.InductiveCompletion(2).fit(data.observed, row_features=F)


@pytest.mark.filterwarnings("ignore:held-out")
def test_a_step_that_is_too_long_is_said():
    data = Realizable("relu", 40, 300, k=2, d=3)
    model = hs.InductiveCompletion(2, solver="gd", step=1e9, random_state=0)
    with pytest.warns(UserWarning, match="shorter step"):
        model.fit(data.observed, **data.features)


@pytest.mark.parametrize(("activation", "family"), [("relu", "gaussian"), ("softplus", "bernoulli")])
def test_units_that_cannot_reach_the_data_say_so(activation, family):
    data = Realizable("tanh", 30, 300, k=2, d=3)
    values = data.observed.values if family == "gaussian" else (data.observed.values > 0).astype(float)
    model = hs.InductiveCompletion(2, activation, family=family, scale="none", random_state=0)
    with pytest.warns(UserWarning, match="never negative"):
        model.fit(data.observed.with_values(values), **data.features)


@pytest.mark.slow
def test_the_automatic_rank_is_next_to_that_of_the_truth():
    data = Realizable("linear", 80, 2500, k=3, d=6, noise=0.3)
    model = hs.InductiveCompletion("auto", "linear", penalty=1e-3, random_state=0).fit(data.observed, **data.features)
    # the search doubles: 2 is far too few, and further units cost next to nothing under the penalty
    assert model.rank_ == model.rank_search_.rank in (3, 4, 5)
    assert model.row_weights_.shape == (6, model.rank_)
    given = hs.InductiveCompletion(3, "linear", penalty=1e-3, random_state=0).fit(data.observed, **data.features)
    assert given.rank_search_ is None
    assert data.error(model) == pytest.approx(data.error(given), rel=0.5)
    smallest = hs.InductiveCompletion("auto", "linear", random_state=0).fit([[1.0, 2.0]])
    assert smallest.rank_ == 1


def test_the_automatic_rank_of_a_one_class_table_counts_what_nobody_saw():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 60), rng.integers(0, 3, 40)
    likes = (groups[0][:, None] == groups[1]) & (rng.random((60, 40)) < 0.7)
    table = np.where(likes, 1.0, np.nan)
    model = hs.InductiveCompletion("auto", "linear", family="one_class", random_state=0).fit(table)
    # three groups are three units; a constant among the features may stand for part of one
    assert 2 <= model.rank_ <= 4
    cells = model.predict_table(kind="linear")
    from halfseen.methods.inductive.units import unseen_loss

    wanted = 0.1 * np.sum(cells[~likes] ** 2) / likes.sum()
    assert unseen_loss(model, hs.Observed.from_dense(table)) == pytest.approx(wanted)


def test_a_fit_that_is_cut_short_says_so_and_a_finished_one_does_not():
    rng = np.random.default_rng(0)
    F, G = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    table = F @ rng.normal(size=(3, 2)) @ rng.normal(size=(2, 3)) @ G.T + 0.1 * rng.normal(size=(40, 30))
    given = {"row_features": F, "col_features": G}
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        hs.InductiveCompletion(2, "linear", max_iter=2, random_state=0).fit(table, **given)
    assert not hs.InductiveCompletion(2, "linear", random_state=0).fit(table, **given).warnings_
