"""Parameters chosen on held-out entries and rows, and the bridges to scikit-learn's searches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, cross_val_score

import halfseen as hs
from halfseen.select import EntryFolds, EntryRegressor, NewRowScore, choose_parameters, cross_validate
from halfseen.select.rules import takes_start

MODELS = {
    "AlternatingLeastSquares": lambda: hs.AlternatingLeastSquares(2, 0.3, random_state=0),
    "BayesianFactorization": lambda: hs.BayesianFactorization(2, max_iter=20, burn_in=5, random_state=0),
    "SoftImpute": lambda: hs.SoftImpute(2, 2.0, random_state=0),
    "BiasModel": hs.BiasModel,
    "ColumnMean": hs.ColumnMean,
    "GeneralizedFactorModel": lambda: hs.GeneralizedFactorModel(2, penalty="map", random_state=0),
}


def table_of(rank=2, n=60, p=40, noise=0.3, share=0.6, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) + noise * rng.normal(size=(n, p))
    return np.where(rng.random((n, p)) < share, table, np.nan)


@pytest.mark.parametrize("by", ["entries", "rows"])
@pytest.mark.parametrize("name", MODELS)
def test_every_estimator_is_cross_validated_on_entries_and_rows(name, by):
    R = hs.Observed.from_dense(table_of())
    found = cross_validate(MODELS[name](), R, folds=3, by=by, random_state=0)
    assert np.isfinite(found.losses).all()
    assert found.loss < 3 * np.var(R.values)
    if by == "entries":
        assert found.n_entries.sum() == R.n_entries


@pytest.mark.parametrize("by", ["entries", "rows"])
def test_folds_on_threads_give_the_same_bits_and_tell_their_progress(by):
    table, told = table_of(), []
    with hs.select.progress(lambda *at: told.append(at)):
        serial = cross_validate(MODELS["AlternatingLeastSquares"](), table, 4, by, 0)
    with hs.engine("threads", workers=2):
        threads = cross_validate(MODELS["AlternatingLeastSquares"](), table, 4, by, 0)
    with hs.engine("threads", workers=3):
        around = cross_validate(MODELS["AlternatingLeastSquares"](), table, 4, by, 0)
    np.testing.assert_array_equal(serial.losses, threads.losses)
    np.testing.assert_array_equal(serial.losses, around.losses)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("by", ["entries", "rows"])
def test_the_best_setting_has_the_smallest_loss_of_plain_cross_validation(by):
    table, model = table_of(), hs.AlternatingLeastSquares(random_state=0)
    grid = {"rank": [0, 1, 2, 5], "penalty": [3.0, 0.3]}
    search = choose_parameters(model, table, grid, 3, by, "best", 0, is_warm=False)
    assert search.settings[1] == {"rank": 0, "penalty": 0.3}
    for setting, loss in zip(search.settings, search.losses, strict=True):
        plain = cross_validate(clone(model).set_params(**setting), table, 3, by, 0)
        assert plain.loss == pytest.approx(loss, rel=1e-10)
    assert search.parameters == search.settings[int(np.argmin(search.losses))] == {"rank": 2, "penalty": 0.3}
    assert search.model.fit(table).rank_ == 2
    assert model.rank == 16


@pytest.mark.slow
def test_one_standard_error_takes_the_first_setting_that_is_near():
    table = table_of(noise=1.5)
    grid = {"rank": [0, 1, 2, 3, 4, 5]}
    best, near = (
        choose_parameters(hs.AlternatingLeastSquares(random_state=0), table, grid, 4, rule=rule, random_state=0)
        for rule in ("best", "one_se")
    )
    np.testing.assert_array_equal(best.losses, near.losses)
    assert near.parameters["rank"] <= best.parameters["rank"]
    at = near.settings.index(near.parameters)
    lowest = near.losses.min()
    assert near.losses[at] <= lowest + max(near.standard_errors[at], 1e-3 * lowest)
    assert all(near.losses[k] > lowest + near.standard_errors[k] for k in range(at))


def test_fine_settings_are_parameters_like_any_other():
    table = table_of()
    search = choose_parameters(hs.AlternatingLeastSquares(2, 0.3, random_state=0), table, {"max_iter": [1, 20]}, 3)
    assert search.parameters == {"max_iter": 20}
    assert search.model.fit(table).n_iter_ == 20
    assert search.model.solver == "auto"


def test_warm_starts_take_fewer_sweeps_and_reach_the_same_losses():
    table = hs.Observed.from_dense(table_of(n=120, p=80))
    options = {"tol": 1e-7, "max_iter": 2000}
    cold = hs.AlternatingLeastSquares(2, 0.25, **options, random_state=0).fit(table)
    first = hs.AlternatingLeastSquares(2, 0.3, **options, random_state=0).fit(table)
    warm = hs.AlternatingLeastSquares(2, 0.25, **options, random_state=0).fit(table, start=first)
    assert warm.n_iter_ < cold.n_iter_
    assert warm.run_.value == pytest.approx(cold.run_.value, rel=1e-4)
    grid = {"penalty": [1.0, 0.6, 0.3]}
    found = [
        choose_parameters(first, table, grid, 3, random_state=0, is_warm=is_warm).losses for is_warm in (True, False)
    ]
    np.testing.assert_allclose(*found, rtol=2e-3)
    assert takes_start(first)
    assert not takes_start(hs.BiasModel())


def test_a_start_of_another_rank_is_cut_or_filled_up():
    table = table_of()
    for before, after in ((3, 1), (1, 3), (0, 2), (2, 0)):
        start = hs.AlternatingLeastSquares(before, 0.3, random_state=0).fit(table)
        assert hs.AlternatingLeastSquares(after, 0.3, random_state=0).fit(table, start=start).rank_ == after


def test_soft_impute_starts_at_a_solution():
    table = table_of(noise=1.0)
    options = {"tol": 1e-12, "max_iter": 5000}
    start = hs.SoftImpute(20, 4.0, bias_penalty=None, **options, random_state=0).fit(table)
    cold, warm = (
        hs.SoftImpute(20, 3.0, bias_penalty=None, **options, random_state=0).fit(table, start=begin)
        for begin in (None, start)
    )
    assert warm.n_iter_ == 1 < cold.n_iter_
    np.testing.assert_allclose(warm.predict_table(), cold.predict_table(), atol=1e-3)


def test_a_start_that_does_not_fit_is_refused():
    start = hs.AlternatingLeastSquares(1, random_state=0).fit(table_of())
    with pytest.raises(ValueError, match=r"start was fitted to a table of shape \(60, 40\), this one has \(30, 40\)"):
        hs.AlternatingLeastSquares(1, random_state=0).fit(table_of()[:30], start=start)
    with pytest.raises(TypeError, match="start must be a fitted AlternatingLeastSquares; got BiasModel"):
        hs.AlternatingLeastSquares(1, random_state=0).fit(table_of(), start=hs.BiasModel())


@pytest.mark.parametrize("backend", ["pyarrow", "pandas", "polars"])
def test_a_search_becomes_a_frame(backend):
    search = choose_parameters(hs.ColumnMean(), table_of(), {"shrinkage": [5.0, 0.0]}, 3, random_state=0)
    frame = search.to_frame(backend)
    assert len(frame) == 2
    names = frame.column_names if backend == "pyarrow" else list(frame.columns)
    assert names == ["shrinkage", "loss", "standard_error", "is_chosen"]


@pytest.mark.parametrize(
    ("grid", "change", "message"),
    [
        ({}, {}, "grid is empty"),
        ({"shrinkage": []}, {}, "grid is empty"),
        ({"rank": [1]}, {}, "ColumnMean has no parameter 'rank'; known: shrinkage"),
        ({"shrinkage": [1.0]}, {"rule": "elbow"}, "rule must be one of"),
        ({"shrinkage": [1.0]}, {"folds": 1}, "n_folds must lie between 2"),
        ({"shrinkage": [1.0]}, {"by": "cells"}, "by must be 'entries' or 'rows'"),
    ],
)
def test_bad_searches_are_refused(grid, change, message):
    with pytest.raises(ValueError, match=message):
        choose_parameters(hs.ColumnMean(), table_of(), grid, **change)


# ---- scikit-learn ----------------------------------------------------------------------------------------------------


def long_form(table):
    X = np.argwhere(~np.isnan(table))
    return X, table[X[:, 0], X[:, 1]]


def test_a_grid_search_over_entries_finds_what_ours_finds():
    X, y = long_form(table_of())
    regressor = EntryRegressor(hs.AlternatingLeastSquares(penalty=0.3, random_state=0))
    search = GridSearchCV(regressor, {"estimator__rank": [0, 1, 2, 5]}, cv=EntryFolds(4, 0))
    assert search.fit(X, y).best_params_ == {"estimator__rank": 2}
    assert search.best_estimator_.estimator_.rank_ == 2
    ours = choose_parameters(regressor.estimator, table_of(), {"rank": [0, 1, 2, 5]}, 4, random_state=0)
    assert ours.parameters == {"rank": 2}
    np.testing.assert_allclose(search.predict(X[:5]), search.best_estimator_.estimator_.predict(X[:5, 0], X[:5, 1]))


def test_a_random_search_and_frames_with_names_work_too():
    X, y = long_form(table_of())
    frame = pd.DataFrame({"user": [f"u{i:02}" for i in X[:, 0]], "item": [f"i{j:02}" for j in X[:, 1]]})
    regressor = EntryRegressor(hs.BiasModel())
    search = RandomizedSearchCV(regressor, {"estimator__row_penalty": [1.0, 5.0]}, n_iter=2, cv=EntryFolds(3, 0))
    search.fit(frame, y)
    assert search.best_estimator_.estimator_.row_labels_[0] == "u00"
    scores = cross_val_score(regressor, frame, y, cv=EntryFolds(3, 0), scoring="neg_mean_squared_error")
    assert np.isfinite(scores).all()


def test_all_labels_may_be_given_so_that_any_splitter_works():
    X, y = long_form(table_of(share=0.15))
    regressor = EntryRegressor(hs.BiasModel(), row_labels=np.arange(60), col_labels=np.arange(40))
    assert np.isfinite(cross_val_score(regressor, X, y, cv=KFold(5, shuffle=True, random_state=0))).all()
    with pytest.raises(ValueError, match="unknown row label"):
        EntryRegressor(hs.BiasModel()).fit(X[X[:, 0] > 3], y[X[:, 0] > 3]).predict([[0, 0]])


def test_weights_of_entries_reach_the_model():
    X, y = long_form(table_of())
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    found = EntryRegressor(hs.BiasModel()).fit(X, y, sample_weight=weights).estimator_
    R = hs.Observed.from_dense(table_of())
    assert found.mean_ == pytest.approx(np.average(R.values, weights=weights))


def test_no_fold_takes_the_last_entry_of_a_row_or_column():
    X, _ = long_form(table_of(share=0.05))
    tested = np.zeros(len(X), int)
    for train, test in EntryFolds(4, random_state=0).split(X):
        assert len(np.intersect1d(train, test)) == 0
        assert len(train) + len(test) == len(X)
        for side in (0, 1):
            assert set(X[test, side]) <= set(X[train, side])
        tested[test] += 1
    assert tested.max() == 1
    lone = (np.bincount(X[:, 0])[X[:, 0]] == 1) | (np.bincount(X[:, 1])[X[:, 1]] == 1)
    assert lone.any()
    assert not tested[lone].any()


def test_folds_and_pairs_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match=r"n_splits=9 must lie between 2 and the number of entries, 2"):
        next(EntryFolds(9).split([[0, 0], [1, 1]]))
    for wrong in (np.zeros((4, 3)), np.zeros(4), pd.DataFrame(np.zeros((2, 3)))):
        with pytest.raises(ValueError, match="X must have two columns"):
            next(EntryFolds(2).split(wrong))


def test_rows_are_held_out_by_scikit_learns_own_splitters():
    table, grid = table_of(), {"rank": [0, 1, 2, 5]}
    model = hs.AlternatingLeastSquares(penalty=0.3, random_state=0)
    search = GridSearchCV(model, grid, cv=KFold(3), scoring=NewRowScore()).fit(table)
    assert search.best_params_ == {"rank": 2}
    ours = choose_parameters(model, table, grid, 3, by="rows", random_state=0)
    assert ours.parameters == {"rank": 2}


def test_without_the_scorer_scikit_learn_is_told_why_rows_cannot_be_scored():
    search = GridSearchCV(hs.BiasModel(), {"row_penalty": [1.0]}, cv=KFold(3), error_score="raise")
    with pytest.raises(ValueError, match="Hold entries out, not rows"):
        search.fit(table_of())
