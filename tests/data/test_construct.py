"""Constructors: what is taken, what is refused, and how the refusal reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from halfseen.data import Observed

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("first", 4.0), ("last", 3.0), ("mean", 8 / 3), ("sum", 8.0), ("max", 4.0), ("min", 1.0)],
)
def test_duplicates_are_merged_by_the_rule_the_user_names(rule, expected):
    table = Observed.from_triplets([1, 0, 1, 1], [0, 0, 0, 0], [4.0, 9.0, 1.0, 3.0], duplicates=rule)
    assert table.to_dense().ravel().tolist() == [9.0, expected]


@pytest.mark.parametrize("rule", ["first", "last"])
def test_first_and_last_mean_the_given_order_in_long_runs(rule):
    rng = np.random.default_rng(0)
    rows, cols, values = rng.integers(0, 5, 4000), rng.integers(0, 4, 4000), rng.normal(size=4000)
    table = Observed.from_triplets(rows, cols, values, duplicates=rule)
    frame = pd.DataFrame({"r": rows, "c": cols, "v": values}).drop_duplicates(["r", "c"], keep=rule)
    expected = frame.sort_values(["r", "c"])["v"].to_numpy()
    np.testing.assert_array_equal(table.values, expected)


def test_duplicates_without_a_rule_are_counted_and_the_first_is_named():
    with pytest.raises(
        ValueError, match=r"2 places are given more than once \(3 entries too many\), first R\['a', 7\] = 1.0, 2.0, 3.0"
    ):
        Observed.from_triplets(list("aaabb"), [7, 7, 7, 8, 8], [1, 2, 3, 4, 5], col_labels="infer")
    with pytest.raises(ValueError, match="duplicates='avg' is not a rule; choose one of error, first"):
        Observed.from_triplets([0], [0], [1], duplicates="avg")


def test_weights_of_duplicates_follow_the_rule_or_the_rule_is_refused():
    given = ([0, 0], [0, 0], [1.0, 4.0], [1.0, 2.0])
    mean = Observed.from_triplets(*given, duplicates="mean")
    assert (mean.values.tolist(), mean.weights.tolist()) == ([3.0], [3.0])
    assert Observed.from_triplets(*given, duplicates="last").weights.tolist() == [2.0]
    with pytest.raises(ValueError, match="does not say what becomes of the weights"):
        Observed.from_triplets(*given, duplicates="sum")


def test_zeros_stored_in_a_sparse_matrix_are_observed():
    for make in (sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix, sparse.coo_matrix):
        matrix = make((np.array([0.0, 3.0]), (np.array([0, 1]), np.array([1, 0]))), shape=(2, 3))
        table = Observed.from_sparse(matrix)
        assert table.values.tolist() == [0.0, 3.0]
        assert table.shape == (2, 3)


def test_duplicates_in_a_sparse_matrix_are_never_added_up_in_silence():
    coo = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))
    csr = sparse.csr_array((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 2))
    for matrix in (coo, csr):
        with pytest.raises(ValueError, match=r"first R\[0, 1\] = 1.0, 2.0"):
            Observed.from_sparse(matrix)
        assert Observed.from_sparse(matrix, duplicates="max").values.tolist() == [2.0]
        assert matrix.nnz == 2


def test_weights_of_a_sparse_matrix_are_a_matrix_of_the_same_places():
    matrix = sparse.csr_array(np.array([[1.0, 0.0], [2.0, 3.0]]))
    weights = matrix.copy()
    weights.data = np.array([3.0, 2.0, 1.0])
    assert Observed.from_sparse(matrix, weights=weights).weights.tolist() == [3.0, 2.0, 1.0]
    with pytest.raises(ValueError, match="weights must store the same places"):
        Observed.from_sparse(matrix, weights=sparse.csr_array(np.eye(2)))


def test_masked_cells_are_missing_as_nan_is():
    array = np.ma.masked_array([[1.0, 2.0], [np.nan, 4.0]], mask=[[True, False], [False, False]])
    np.testing.assert_array_equal(Observed.from_dense(array).to_dense(), [[NAN, 2.0], [NAN, 4.0]])
    whole = np.ma.masked_array([[1, 2], [3, 4]])
    assert Observed.from_dense(whole).n_entries == 4


def test_labels_are_looked_up_in_the_given_order_or_numbered_in_sorted_order():
    given = Observed.from_triplets(["b", "a"], [0, 0], [1, 2], row_labels=["b", "z", "a"])
    assert given.to_dense()[:, 0].tolist()[::2] == [1.0, 2.0]
    assert given.shape == (3, 1)
    found = Observed.from_triplets(["b", "a"], [9, 5], [1, 2], col_labels="infer")
    assert (found.row_labels.tolist(), found.col_labels.tolist()) == (["a", "b"], [5, 9])
    positions = Observed.from_triplets([0, 1], [0, 0], [1, 2], row_labels=["x", "y"])
    assert positions.row_index("y").tolist() == [1]
    assert Observed.from_triplets(np.array([0.0, 2.0]), [0, 0], [1, 2]).shape == (3, 1)


def triplets(**changes):
    given = {"rows": [0, 1, 1], "cols": [0, 1, 2], "values": [1.0, 2.0, 3.0]}
    return given | changes


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"values": [1.0, NAN, 3.0]}, r"1 values are NaN or infinite, first R\[1, 1\] = nan"),
        ({"values": [1.0, 2.0, -INF]}, r"first R\[1, 2\] = -inf"),
        ({"values": [1.0, NAN, 3.0], "rows": list("xyz")}, r"first R\['y', 1\] = nan"),
        ({"values": ["1", "2", "3"]}, "values must be numbers, got dtype <U1, first '1'"),
        ({"values": [1.0, "2", 3]}, "values must be numbers"),
        ({"values": np.array([1.0, "2", 3], dtype=object)}, r"values mixes types: values\[1\] = '2' is text"),
        ({"values": [1j, 2, 3]}, "Complex data not supported"),
        ({"values": [1.0, 2.0]}, "got lengths rows 3, cols 3, values 2"),
        ({"rows": [], "cols": [], "values": []}, "0 entries were given"),
        ({"rows": [0, -1, 1]}, r"rows\[1\] = -1 is negative; positions start at 0"),
        ({"cols": [0, 1, 5], "shape": (2, 4)}, r"cols\[2\] = 5 is outside 0\.\.3: the table has 4 cols"),
        ({"rows": [0, 1, 10**12]}, "would make 1000000000001 rows for 3 entries"),
        ({"rows": [0.5, 1, 2]}, r"rows mixes types: rows\[0\] = 0.5 is a number, rows\[1\] = 1 is an integer"),
        ({"rows": ["a", 1, "b"]}, r"rows mixes types: rows\[0\] = 'a' is text, rows\[1\] = 1 is an integer"),
        ({"rows": ["a", None, "b"]}, r"rows\[1\] is missing \(None\)"),
        ({"rows": [1, (2, 3), 4]}, r"rows mixes types: rows\[0\] = 1 is an integer, rows\[1\] = \(2, 3\) is an object"),
        ({"rows": [{"a": 1}, {"b": 2}, {"c": 3}]}, r"rows\[0\] = {'a': 1} cannot be a label: it is not hashable"),
        ({"rows": np.array([1.0, NAN, 2.0])}, r"rows\[1\] is missing \(nan\)"),
        ({"rows": list("abx"), "row_labels": ["a", "b", "c"]}, "unknown row label 'x'"),
        ({"row_labels": ["a", "a"]}, "row_labels must differ from each other; 'a' is given at positions 0 and 1"),
        ({"row_labels": ["a"], "shape": (2, 3)}, "row_labels has 1 labels; the table has 2"),
        ({"rows": list("abc"), "shape": (5, 3)}, "shape says 5 rows, but there are 3 different labels"),
        ({"shape": (2,)}, "shape must be"),
        ({"shape": (2, -3)}, "positive whole numbers, got n_cols = -3"),
        ({"rows": [[0, 1, 1]]}, "rows must be one-dimensional|got lengths"),
        ({"weights": [1.0, -1.0, 1.0]}, r"1 are not, first -1.0 at R\[1, 1\]"),
        ({"weights": [1.0, NAN, 1.0]}, r"first nan at R\[1, 1\]"),
        ({"weights": [1.0, 1.0]}, r"weights must have shape \(3,\)"),
        ({"weights": [0, 0, 0]}, "weights are all zero"),
        ({"row_labels": "names"}, "must be labels, None or 'infer'"),
    ],
)
def test_bad_triplets_are_refused_with_their_first_bad_place(changes, text):
    with pytest.raises(ValueError, match=text):
        Observed.from_triplets(**triplets(**changes))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        ([[1.0, INF], [NAN, 1.0]], r"contains infinity: array\[0, 1\] = inf"),
        ([1.0, 2.0], "Reshape your data"),
        (np.full((2, 3), NAN), "array has 0 entries: all 2 x 3 cells are missing"),
        (np.empty((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (np.empty((3, 0)), r"0 feature\(s\)"),
        ([["a", "b"]], "array must be numbers"),
        (np.array([[1.0, "b"]], dtype=object), r"array mixes types: array\[0, 1\] = 'b' is text"),
        (np.array([[1j]]), "Complex data not supported"),
    ],
)
def test_bad_dense_arrays_are_refused(array, text):
    with pytest.raises(ValueError, match=text):
        Observed.from_dense(array)


def test_bad_sparse_matrices_are_refused():
    for bad, where in ((NAN, r"R\[1, 0\] = nan"), (INF, r"R\[1, 0\] = inf")):
        with pytest.raises(ValueError, match=where):
            Observed.from_sparse(sparse.coo_array(([1.0, bad], ([0, 1], [1, 0]))))
    with pytest.raises(ValueError, match="0 entries"):
        Observed.from_sparse(sparse.csr_array((2, 3)))
    with pytest.raises(ValueError, match="Complex data"):
        Observed.from_sparse(sparse.csr_array(np.array([[1j]])))
    with pytest.raises(ValueError, match="two dimensions"):
        Observed.from_sparse(sparse.coo_array(np.array([1.0, 2.0])))
    broken = sparse.csr_array(np.eye(2))
    broken.indices[0] = 7
    with pytest.raises(ValueError, match="matrix is not a valid sparse matrix: axis 1 index 7 exceed"):
        Observed.from_sparse(broken)


LONG = {"user": ["b", "a", "b"], "item": [7, 9, 9], "rating": [4.0, 5.0, 1.0], "w": [1, 2, 3]}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, lambda d: pl.DataFrame(d).lazy()])
def test_long_frames_of_every_library_give_the_same_table(make):
    table = Observed.from_frame(make(LONG), row="user", col="item", value="rating", weight="w", dtype="float32")
    assert (table.row_labels.tolist(), table.col_labels.tolist()) == (["a", "b"], [7, 9])
    np.testing.assert_array_equal(table.to_dense(), np.float32([[NAN, 5], [4, 1]]))
    assert table.weights.tolist() == [2, 1, 3]
    assert table.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "arguments", "text"),
    [
        ({}, {"value": "ratng"}, "value='ratng' is not a column; close: 'rating'"),
        ({"rating": [4.0, None, 1.0]}, {}, "column 'rating' has 1 missing values, first at row 1"),
        ({"rating": ["4", "x", "1"]}, {}, "column 'rating'"),
        ({"user": ["b", None, "b"]}, {}, "column 'user' has 1 missing values, first at row 1"),
        ({"user": [], "item": [], "rating": [], "w": []}, {}, "frame has 0 rows"),
    ],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_bad_long_frames_are_refused(make, change, arguments, text):
    with pytest.raises(ValueError, match=text):
        Observed.from_frame(make(LONG | change), **({"row": "user", "col": "item", "value": "rating"} | arguments))


def test_a_column_of_mixed_types_is_refused():
    frame = pd.DataFrame(LONG | {"user": pd.Series(["b", 1, "b"], dtype=object)})
    with pytest.raises(ValueError, match="rows mixes types"):
        Observed.from_frame(frame, "user", "item", "rating")
    with pytest.raises(ValueError, match="must be a pandas, polars or pyarrow table, got list"):
        Observed.from_frame([1, 2], "user", "item", "rating")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_wide_frames_take_columns_as_columns_and_nulls_as_missing(make):
    frame = make({"id": ["x", "y"], "tea": [1.0, None], "jam": [2, 3], "yes": [True, False]})
    table = Observed.from_wide(frame, row="id")
    np.testing.assert_array_equal(table.to_dense(), [[1, 2, 1], [NAN, 3, 0]])
    assert table.row_labels.tolist() == ["x", "y"]
    assert table.col_labels.tolist() == ["tea", "jam", "yes"]
    with pytest.raises(ValueError, match="column 'id'"):
        Observed.from_wide(frame)
    with pytest.raises(ValueError, match="row='idd' is not a column; close: 'id'"):
        Observed.from_wide(frame, row="idd")


def test_the_index_of_a_pandas_frame_gives_row_labels_unless_it_only_counts():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    assert Observed.from_wide(frame).row_labels is None
    assert Observed.from_wide(frame.set_axis(["x", "y"])).row_labels.tolist() == ["x", "y"]
    assert Observed.from_wide(frame.set_axis([5, 3])).row_labels.tolist() == [5, 3]
    assert Observed.from_wide(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})).n_entries == 1


def test_columns_of_a_pandas_frame_may_be_named_by_numbers():
    assert Observed.from_wide(pd.DataFrame(np.eye(2))).col_labels is None
    table = Observed.from_wide(pd.DataFrame(np.eye(2), columns=[2020, 2010]))
    assert table.col_labels.tolist() == [2020, 2010]
    assert table.to_dense()[0].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="col_labels mixes types"):
        Observed.from_wide(pd.DataFrame(np.eye(2), columns=["a", 1]))
