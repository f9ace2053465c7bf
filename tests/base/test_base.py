"""What all estimators share: pairs, blocks, whole rows, labels, scores, callbacks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import halfseen as hs
from halfseen.data.align import with_columns
from halfseen.linalg.pairs import PAIRS_AT_ONCE, pair_products
from halfseen.select.held_out import held_out_deviance

PEOPLE, FOODS = ["ann", "bob", "cid", "dee"], ["jam", "rye", "tea"]


@pytest.fixture
def table():
    return np.array([[5.0, np.nan, 1.0], [4.0, 2.0, np.nan], [np.nan, 1.0, 5.0], [2.0, 3.0, 4.0]])


@pytest.fixture
def labelled(table):
    i, j = np.nonzero(~np.isnan(table))
    return hs.Observed.from_triplets(np.array(PEOPLE)[i], np.array(FOODS)[j], table[i, j])


@pytest.fixture
def model():
    return hs.AlternatingLeastSquares(1, random_state=0)


def test_pairs_blocks_and_the_full_table_agree(model, table):
    model.fit(table)
    full = model.predict_table()
    assert full.shape == table.shape
    np.testing.assert_allclose(model.predict([3, 0], [2, 1]), full[[3, 0], [2, 1]])
    np.testing.assert_allclose(model.predict_table([3, 1], [2]), full[[3, 1]][:, [2]])
    np.testing.assert_allclose(model.predict([3, 0, 1], 2), full[[3, 0, 1], 2])
    np.testing.assert_allclose(model.predict(1, [0, 2]), full[1, [0, 2]])
    assert model.predict([], []).shape == (0,)


def test_labels_name_rows_and_columns(model, labelled, table):
    by_label = model.fit(labelled).predict(["dee", "ann"], ["tea", "rye"])
    by_place = hs.AlternatingLeastSquares(1, random_state=0).fit(table).predict([3, 0], [2, 1])
    np.testing.assert_allclose(by_label, by_place)
    assert model.predict_table(["bob"], ["tea", "jam"]).shape == (1, 2)
    assert model.row_labels_.tolist() == PEOPLE


def test_an_unknown_label_is_an_error_with_close_names(model, labelled):
    model.fit(labelled)
    with pytest.raises(ValueError, match="unknown row label 'amn'; close: 'ann'"):
        model.predict(["bob", "amn"], ["tea", "tea"])
    with pytest.raises(ValueError, match="unknown column label 'teas'; close: 'tea'"):
        model.predict_table(["bob"], ["teas"])


def test_positions_outside_the_table_are_an_error(model, table):
    model.fit(table)
    with pytest.raises(ValueError, match=r"row 4 is outside 0\.\.3"):
        model.predict([4], [0])
    with pytest.raises(ValueError, match=r"column -1 is outside 0\.\.2"):
        model.predict([0], [-1])


def test_pairs_of_different_lengths_are_an_error(model, table):
    with pytest.raises(ValueError, match=r"3 rows and 2 cols were given; .*predict_table"):
        model.fit(table).predict([0, 1, 2], [0, 1])


def test_an_unknown_kind_is_an_error(model, table):
    with pytest.raises(ValueError, match="kind must be one of"):
        model.fit(table).predict([0], [0], kind="median")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, np.ma.masked_invalid], ids=lambda f: f.__module__[:6])
def test_frames_and_masked_arrays_are_the_same_table(model, table, make):
    given = table if make is np.ma.masked_invalid else {"x": table[:, 0], "y": table[:, 1], "z": table[:, 2]}
    # labels choose the held-out entries behind penalty="auto", which an array does not have: one penalty for both
    model.set_params(penalty=1.0).fit(make(given))
    plain = hs.AlternatingLeastSquares(1, penalty=1.0, random_state=0).fit(table)
    np.testing.assert_allclose(model.predict_table(), plain.predict_table())
    np.testing.assert_allclose(model.predict(make(given)), plain.predict(table))
    np.testing.assert_allclose(model.transform(make(given)), plain.transform(table))


def test_a_sparse_table_sees_its_stored_entries(model, table):
    i, j = np.nonzero(~np.isnan(table))
    stored = sp.csr_array((table[i, j], (i, j)), shape=table.shape)
    plain = hs.AlternatingLeastSquares(1, random_state=0).fit(table)
    np.testing.assert_allclose(model.fit(stored).predict(stored), plain.predict(table))


def test_frames_leave_their_names(model, table):
    frame = pd.DataFrame(table, columns=FOODS)
    model.fit(frame)
    assert model.feature_names_in_.tolist() == FOODS
    assert model.n_features_in_ == 3
    assert model.get_feature_names_out().tolist() == ["alternatingleastsquares0"]
    assert model.predict([0], ["tea"]).shape == (1,)
    np.testing.assert_allclose(model.predict(frame[FOODS[::-1]]), model.predict(frame))
    with pytest.raises(ValueError, match="unknown column label 'oat'"):
        model.predict(frame.rename(columns={"rye": "oat"}))


def test_columns_of_a_labelled_table_are_found_by_label(model, labelled, table):
    model.fit(labelled)
    i, j = np.nonzero(~np.isnan(table))
    turned = hs.Observed.from_triplets(np.array(PEOPLE)[i], 2 - j, table[i, j], col_labels=FOODS[::-1])
    np.testing.assert_allclose(model.transform(turned), model.transform(labelled))
    assert model.score(turned) == pytest.approx(model.score(labelled))
    assert held_out_deviance(model, turned) == pytest.approx(held_out_deviance(model, labelled))


def test_new_rows_in_long_form_need_not_name_every_column(model, labelled):
    model.fit(labelled)
    frame = pd.DataFrame({"user": ["eve", "eve"], "item": ["tea", "jam"], "rating": [5.0, 1.0]})
    new = hs.Observed.from_frame(frame, row="user", col="item", value="rating")
    whole = np.array([[1.0, np.nan, 5.0]])
    np.testing.assert_allclose(model.transform(new), model.transform(whole))
    np.testing.assert_allclose(model.predict(new), model.predict(whole))
    stranger = hs.Observed.from_triplets(["eve", "eve"], ["tea", "oat"], [5.0, 1.0])
    with pytest.raises(ValueError, match="unknown column label 'oat'"):
        model.transform(stranger)


def test_weights_follow_their_entries_into_another_order(labelled):
    new = hs.Observed.from_triplets(["e", "e", "f"], ["tea", "jam", "rye"], [5.0, 1.0, 2.0], weights=[1.0, 2.0, 3.0])
    placed = with_columns(new, np.array(["tea", "rye", "jam", "fig"]))
    assert placed.to_frame("pandas").to_numpy().tolist() == [
        ["e", "tea", 5.0, 1.0], ["e", "jam", 1.0, 2.0], ["f", "rye", 2.0, 3.0]
    ]  # fmt: skip
    assert placed.shape == (2, 4)
    assert with_columns(labelled, labelled.col_labels.copy()) is labelled


def test_one_of_several_sources_is_asked_for(model, table):
    sources = hs.Sources({"drama": table, "action": table})
    with pytest.raises(ValueError, match=r"2 tables.* give one of its tables, e\.g\. R\['drama'\]"):
        model.fit(sources)


def test_refitting_on_an_observed_table_forgets_the_frame(model, table):
    model.fit(pd.DataFrame(table, columns=FOODS)).fit(hs.Observed.from_dense(table))
    assert not hasattr(model, "feature_names_in_")
    assert model.col_labels_ is None


def test_an_observed_table_follows_a_frame_without_a_warning(model, table):
    frame = pd.DataFrame(table, columns=FOODS)
    model.fit(frame)
    assert np.isfinite(model.score(hs.Observed.from_dense(table)))
    assert model.transform(hs.Observed.from_dense(table)).shape == (4, 1)


def test_nothing_is_predicted_before_fit(model, table):
    for call in (lambda: model.predict(table), lambda: model.predict([0], [0]), model.predict_table,
                 lambda: model.score(table), lambda: model.transform(table)):  # fmt: skip
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_another_number_of_columns_is_an_error(model, table, method):
    model.fit(table)
    with pytest.raises(ValueError, match="X has 2 features, but AlternatingLeastSquares is expecting 3 features"):
        getattr(model, method)(hs.Observed.from_dense(table[:, :2]))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((3, 2), np.nan), "0 entries"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), "inf"),
        (np.array([["a", "b"], ["c", "d"]]), "numbers"),
        (np.ones(3), "Reshape your data"),
        (sp.csr_array(np.array([[1.0, np.nan]])), "NaN or infinite"),
    ],
)
def test_bad_tables_are_refused_by_name(model, bad, message):
    with pytest.raises(ValueError, match=message):
        model.fit(bad)


def test_the_score_is_minus_the_mean_loss_of_the_given_entries(model, table):
    model.fit(table)
    held_out = np.full(table.shape, np.nan)
    held_out[0, 1], held_out[2, 0] = 3.0, 1.0
    errors = np.array([3.0, 1.0]) - model.predict([0, 2], [1, 0])
    assert model.score(held_out) == pytest.approx(-0.5 * np.mean(errors**2))
    weighted = hs.Observed.from_triplets([0, 2], [1, 0], [3.0, 1.0], weights=[3.0, 1.0], shape=table.shape)
    assert model.score(weighted) == pytest.approx(-0.5 * np.average(errors**2, weights=[3, 1]))


def test_scored_rows_are_found_by_label(model, labelled):
    model.fit(labelled)
    one = hs.Observed.from_triplets(["cid"], ["tea"], [5.0], shape=(1, 3), row_labels=["cid"], col_labels=FOODS)
    assert model.score(one) == pytest.approx(-0.5 * (5 - model.predict("cid", "tea")[0]) ** 2)


def test_other_rows_cannot_be_scored(model, table):
    with pytest.raises(ValueError, match="R has 2 rows; needed: other entries of the 4 training rows"):
        model.fit(table).score(table[:2])


def test_estimators_work_at_the_end_of_a_pipeline(model, table):
    pipeline = make_pipeline(FunctionTransformer(np.log1p), model)
    np.testing.assert_allclose(pipeline.fit(table).predict(table), model.predict(np.log1p(table)))
    assert pipeline.transform(table).shape == (4, 1)


def test_transform_can_return_frames(model, table):
    frame = pd.DataFrame(table, columns=FOODS)
    out = model.set_output(transform="pandas").fit(frame).transform(frame)
    assert out.columns.tolist() == ["alternatingleastsquares0"]


def test_many_pairs_are_gathered_in_parts():
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(50, 3)), rng.normal(size=(40, 3))
    i, j = rng.integers(50, size=PAIRS_AT_ONCE + 10), rng.integers(40, size=PAIRS_AT_ONCE + 10)
    np.testing.assert_allclose(pair_products(A, B, i, j), np.sum(A[i] * B[j], axis=1))


class Recorder:
    """A callback that keeps what it is told, and may ask to stop."""

    def __init__(self, stop_after=None):
        self.told, self.sweeps, self.stop_after, self.losses = [], 0, stop_after, []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "sweep":
            self.sweeps += 1
            self.losses.append(-fitted_estimator.score(X))
            return self.sweeps == self.stop_after


def test_callbacks_are_told_of_every_sweep(model, table):
    watch = Recorder()
    model.set_params(max_iter=4).set_callbacks(watch).fit(table)
    assert watch.told == ["setup", "fit", *["sweep"] * 4, "teardown"]
    assert watch.losses[-1] == pytest.approx(-model.score(table))


def test_a_callback_can_end_the_fit(model, table):
    assert model.set_callbacks(Recorder(stop_after=3)).fit(table).run_.reason == "callback"
    assert model.n_iter_ == 3
    assert model.set_callbacks().fit(table).n_iter_ == 20


def test_scoring_monitors_of_scikit_learn_work(table):
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    monitor = callback.ScoringMonitor(scoring={"score": lambda estimator, X, y: estimator.score(X)})
    model = hs.BiasModel().set_callbacks(monitor).fit(table)
    log = monitor.get_logs().data
    scores = [row["score"] for row in log if row["task_name"] == "sweep"]
    assert len(scores) == model.n_iter_
    assert scores[-1] == pytest.approx(model.score(table))


def test_callbacks_are_torn_down_when_a_fit_fails(model, table):
    watch = Recorder()
    watch.on_fit_task_end = None
    with pytest.raises(TypeError):
        model.set_callbacks(watch).fit(table)
    assert watch.told[-1] == "teardown"
