"""What a stranger's data frame is taken for: wide or long, text that says numbers, an index that names nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest

import halfseen as hs
from halfseen.data import as_observed
from halfseen.data.long_frames import long_roles

pd = pytest.importorskip("pandas")


def long_frame(names=("userId", "movieId", "rating"), n=60):
    """Every one of 12 people on five of 20 films."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(12), n // 12)
    cols = np.concatenate([rng.permutation(20)[: n // 12] for _ in range(12)])
    return pd.DataFrame({names[0]: rows, names[1]: cols, names[2]: rng.integers(1, 6, n) * 1.0})


@pytest.mark.parametrize("model", [hs.BayesianFactorization(), hs.AlternatingLeastSquares(), hs.ItemResponseModel()])
@pytest.mark.parametrize("change", [lambda f: f, lambda f: f.assign(timestamp=np.arange(len(f)))])
def test_a_long_frame_is_refused_where_a_wide_one_is_expected_and_the_call_it_names_works(model, change):
    frame = change(long_frame())
    with pytest.raises(ValueError, match=r"a line per entry: give hs.Observed.from_frame\(R, ") as refused:
        model.fit(frame)
    call = str(refused.value).partition("give ")[2].partition("; if it is")[0]
    table = eval(call, {"hs": hs, "R": frame})
    assert table.shape == (12, 20)
    assert table.n_entries == 60


def test_a_long_frame_of_words_is_refused_with_what_they_stand_for():
    frame = long_frame()
    frame["rating"] = np.where(frame["rating"] > 3, "yes", "no")
    with pytest.raises(ValueError, match="value='rating', values=") as refused:
        hs.ItemResponseModel().fit(frame)
    call = str(refused.value).partition("give ")[2].partition("; if it is")[0]
    assert set(np.unique(eval(call, {"hs": hs, "R": frame}).values)) == {0.0, 1.0}


def test_a_frame_that_only_looks_long_is_fitted_with_a_warning_and_refused_if_its_labels_are_text():
    frame = long_frame(("a", "b", "c"))
    assert long_roles(frame)[1] is False
    with pytest.warns(UserWarning, match="look like row, column and value of a long table"):
        hs.BiasModel().fit(frame)
    with pytest.raises(ValueError, match=r"from_frame\(R, row='a', col='b', value='c'\)"):
        hs.BiasModel().fit(frame.assign(a=[f"person {code}" for code in frame["a"]]))


def test_an_imputer_of_features_warns_and_goes_on():
    with pytest.warns(UserWarning, match="long table"):
        assert hs.Imputer(hs.BiasModel()).fit_transform(long_frame()).shape == (60, 3)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"user": np.arange(40), "item": np.arange(40) % 4, "score": 1.0}).iloc[:, :2],
        pd.DataFrame(np.random.default_rng(0).integers(1, 6, (200, 3)), columns=["q1", "q2", "q3"]),
        pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["user", "item", "score"]),
        pd.DataFrame({"row": np.arange(40), "height": 1.5, "weight": 70}),
        long_frame(("a", "b", "c")).assign(c=lambda f: f["c"].where(f["c"] > 1)),
    ],
)
def test_wide_frames_are_not_taken_for_long_ones(frame):
    assert long_roles(frame) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_observed(frame)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_text_that_says_numbers_is_read_as_numbers_and_comes_back_as_numbers(library):
    rng = np.random.default_rng(1)
    numbers = pd.DataFrame(rng.normal(size=(30, 4)).round(2), columns=list("abcd"))
    numbers.iloc[2, 1] = np.nan
    texts = numbers.map(lambda x: "NA" if np.isnan(x) else str(x))
    frame = {
        "pandas": lambda: texts,
        "polars": lambda: pytest.importorskip("polars").from_pandas(texts),
        "pyarrow": lambda: pa.Table.from_pandas(texts),
    }[library]()
    R = as_observed(frame)
    np.testing.assert_array_equal(R.to_dense(), numbers.to_numpy())
    whole = hs.Imputer(hs.BiasModel()).fit_transform(frame)
    assert type(whole) is type(frame)
    dense = np.column_stack([np.asarray(whole[name]) for name in "abcd"])
    assert dense.dtype == np.float64
    seen = ~np.isnan(numbers.to_numpy())
    np.testing.assert_array_equal(dense[seen], numbers.to_numpy()[seen])
    assert np.isfinite(dense).all()


def test_columns_of_text_are_refused_with_calls_that_work():
    frame = pd.DataFrame({"name": ["x", "y", "z"], "a": [1.0, 2, 3], "b": [2.0, np.nan, 4]})
    with pytest.raises(ValueError, match="column 'name'") as refused:
        hs.BiasModel().fit(frame)
    for call in ("hs.Observed.from_wide(R, drop=['name'])", "hs.Observed.from_wide(R, row='name')"):
        assert call in str(refused.value)
        assert eval(call, {"hs": hs, "R": frame}).shape == (3, 2)
    words = pd.DataFrame({"q1": ["no", "yes", "no"], "q2": ["yes", "yes", "no"], "name": ["u", "v", "w"]})
    with pytest.raises(ValueError, match="from_wide") as refused:
        hs.BiasModel().fit(words)
    call = "hs.Observed.from_wide(R, values={'no': 0, 'yes': 1}, drop=['name'])"
    assert call in str(refused.value)
    assert eval(call, {"hs": hs, "R": words}).to_dense().tolist() == [[0, 1], [1, 1], [0, 0]]


def test_an_index_that_repeats_names_no_rows_and_is_no_reason_to_refuse():
    frame = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=["a", "b"], index=[1, 1, 2, 3])
    R = as_observed(frame)
    assert R.row_labels is None
    assert any("rows have no labels" in note and "positions 0 and 1" in note for note in R.notes)
    assert list(hs.Imputer(hs.BiasModel()).fit_transform(frame).index) == [1, 1, 2, 3]


def test_a_dict_of_columns_is_told_apart_from_a_dict_of_tables():
    with pytest.raises(ValueError, match="of 2 columns: give a data frame of them"):
        hs.BiasModel().fit({"a": [1, 2], "b": [3, 4]})
    with pytest.raises(ValueError, match=r"give one of its tables, e.g. R\['a'\]"):
        hs.BiasModel().fit({"a": np.eye(2), "b": np.eye(2)})


@pytest.mark.parametrize("kind", [object, "boolean", "string"])
def test_answers_kept_as_true_and_false_are_one_and_zero(kind):
    rng = np.random.default_rng(0)
    right = pd.DataFrame((rng.random((60, 6)) < 0.6).astype(float)).mask(rng.random((60, 6)) < 0.1)
    truths = right.astype(object).where(right.isna(), right == 1)
    frame = truths.astype(str).astype(object) if kind == "string" else truths.astype(kind)
    ours, numbers = hs.ItemResponseModel().fit(frame), hs.ItemResponseModel().fit(right)
    np.testing.assert_array_equal(ours.predict_table(), numbers.predict_table())
