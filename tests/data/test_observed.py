"""Observed: canonical order, views, labels, immutability, tables made from it."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime

import numpy as np
import pytest
from scipy import sparse

from halfseen.data import Compressed, Observed
from halfseen.errors import UnknownLabelError


@pytest.fixture
def table() -> Observed:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(30, 20))
    dense[rng.random(dense.shape) < 0.7] = np.nan
    dense[3], dense[:, 4] = np.nan, np.nan
    return Observed.from_dense(dense)


@pytest.fixture
def labelled() -> Observed:
    return Observed.from_triplets(["ann", "bob", "bob"], ["tea", "tea", "jam"], [5, 3, 4], [1.0, 2.0, 3.0])


def test_entries_are_in_row_then_column_order_whatever_order_they_came_in(table):
    order = np.random.default_rng(1).permutation(table.n_entries)
    again = Observed.from_triplets(table.rows[order], table.cols[order], table.values[order], shape=table.shape)
    for name in ("rows", "cols", "values"):
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    keys = table.rows.astype(np.int64) * table.shape[1] + table.cols
    assert (np.diff(keys) > 0).all()


def test_by_cols_holds_the_same_entries_sorted_by_column_then_row(table):
    by_cols = table.by_cols
    assert by_cols is table.by_cols
    assert by_cols.n_major == 20
    assert by_cols.n_minor == 30
    np.testing.assert_array_equal(by_cols.values, table.values[table.column_order])
    np.testing.assert_array_equal(by_cols.indices, table.rows[table.column_order])
    np.testing.assert_array_equal(by_cols.expand(), table.cols[table.column_order])
    np.testing.assert_array_equal(by_cols.counts, np.bincount(table.cols, minlength=20))


def test_index_types_follow_the_contract_of_the_kernels(table):
    assert table.by_rows.indptr.dtype == np.int64
    assert table.by_rows.indices.dtype == np.int32
    assert table.by_cols.indptr.dtype == np.int64
    assert table.by_cols.indices.dtype == np.int32
    assert all(part.flags.c_contiguous for part in (table.values, table.cols, table.by_cols.values))


def test_the_transpose_of_the_transpose_is_the_table_and_shares_its_arrays(table):
    flipped = table.T
    np.testing.assert_array_equal(flipped.to_dense(), table.to_dense().T)
    np.testing.assert_array_equal(flipped.by_cols.values, table.values)
    np.testing.assert_array_equal(flipped.by_cols.values, flipped.values[flipped.column_order])
    assert np.shares_memory(flipped.by_cols.values, table.values)
    np.testing.assert_array_equal(flipped.T.to_dense(), table.to_dense())


def test_nothing_of_an_observed_can_be_changed(labelled):
    with pytest.raises(AttributeError, match="cannot be changed"):
        labelled.row_labels = None
    with pytest.raises(AttributeError, match="cannot be changed"):
        del labelled.by_rows
    parts = (labelled.values, labelled.cols, labelled.weights, labelled.row_labels, labelled.by_rows.indptr)
    for array in (*parts, labelled.by_cols.values, labelled.column_order, labelled.T.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]


def test_changing_the_inputs_afterwards_changes_nothing_and_inputs_are_not_changed():
    rows, cols, values, weights = np.array([0, 1]), np.array([0, 1]), np.array([1.0, 2.0]), np.array([1.0, 2.0])
    dense, csr = np.array([[1.0, 2.0]]), sparse.csr_array(np.array([[1.0, 2.0]]))
    labels = np.array(["a", "b"])
    tables = [
        Observed.from_triplets(rows, cols, values, weights, row_labels=labels),
        Observed.from_dense(dense),
        Observed.from_sparse(csr),
    ]
    kept = [table.values.copy() for table in tables]
    for array in (rows, cols, values, weights, dense, csr.data, csr.indices):
        assert array.flags.writeable
        array += 1
    labels[0] = "z"
    for table, before in zip(tables, kept, strict=True):
        np.testing.assert_array_equal(table.values, before)
    assert tables[0].cols.tolist() == [0, 1]
    assert tables[0].weights.tolist() == [1.0, 2.0]
    assert tables[0].row_labels.tolist() == ["a", "b"]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_are_equal_and_read_only(labelled, clone):
    other = clone(labelled)
    np.testing.assert_array_equal(other.to_dense(), labelled.to_dense())
    np.testing.assert_array_equal(other.weights, labelled.weights)
    assert other.row_labels.tolist() == labelled.row_labels.tolist()
    assert not other.values.flags.writeable


def test_other_values_keep_places_labels_and_the_column_structure(labelled):
    _ = labelled.by_cols
    other = labelled.with_values(labelled.values + 1)
    assert other.column_order is labelled.column_order
    np.testing.assert_array_equal(other.by_cols.values, labelled.by_cols.values + 1)
    np.testing.assert_array_equal(other.weights, labelled.weights)
    assert other.row_labels is labelled.row_labels
    assert labelled.with_values(labelled.values, weights=None).weights is None
    assert labelled.with_values(labelled.values, weights=[1, 1, 2]).weights.tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match=r"values must have shape \(3,\)"):
        labelled.with_values([1.0])


def test_single_precision_stays_and_other_numbers_become_double():
    given = {np.float32: np.float32, np.float64: np.float64, np.int8: np.float64, bool: np.float64}
    for before, after in given.items():
        assert Observed.from_triplets([0], [0], np.array([1], dtype=before)).dtype == after
        assert Observed.from_dense(np.array([[1]], dtype=before)).dtype == after
        assert Observed.from_sparse(sparse.csr_array(np.array([[1]], dtype=before))).dtype == after
    table = Observed.from_triplets([0], [0], [0.1], [2.0])
    assert table.astype("float32").weights.dtype == np.float32
    assert table.astype(np.float64) is table
    with pytest.raises(ValueError, match="float32 or float64"):
        table.astype(int)


def test_rows_are_taken_by_position_mask_and_slice(labelled, table):
    assert labelled.take_rows([1]).row_labels.tolist() == ["bob"]
    assert labelled.take_rows([1, 0]).to_dense()[1, 1] == 5
    np.testing.assert_array_equal(table.take_rows(slice(5, 9)).to_dense(), table.to_dense()[5:9])
    mask = np.arange(30) % 3 == 0
    np.testing.assert_array_equal(table.take_rows(mask).to_dense(), table.to_dense()[mask])
    twice = labelled.take_rows([0, 0])
    assert twice.row_labels is None
    np.testing.assert_array_equal(twice.to_dense()[0], twice.to_dense()[1])
    with pytest.raises(ValueError, match=r"row 2 is outside 0\.\.1"):
        labelled.take_rows([2])
    with pytest.raises(ValueError, match="mask of rows needs 2"):
        labelled.take_rows(np.array([True]))


def test_entries_are_selected_by_mask_or_position(table):
    mask = table.values > 0
    some = table.select(mask)
    np.testing.assert_array_equal(some.values, table.values[mask])
    np.testing.assert_array_equal(table.select(np.flatnonzero(mask)[::-1]).rows, some.rows)
    assert some.shape == table.shape
    assert table.select(np.zeros(table.n_entries, dtype=bool)).n_entries == 0


def test_labels_are_looked_up_and_unknown_ones_are_named_with_close_ones(labelled):
    assert labelled.row_index("bob").tolist() == [1]
    assert labelled.col_index(["tea", "jam", "tea"]).tolist() == [1, 0, 1]
    with pytest.raises(UnknownLabelError, match=r"unknown row label 'bobb'; close: 'bob'"):
        labelled.row_index(["ann", "bobb"])
    with pytest.raises(UnknownLabelError, match=r"unknown column label 1 \(2 unknown in all\); there are 'jam', 'tea'"):
        labelled.col_index([1, 2])
    with pytest.raises(UnknownLabelError, match="unknown row label 1"):
        labelled.row_index([1, "ann"])


def test_rows_without_labels_are_looked_up_by_position(table):
    assert table.row_index([0, 29]).tolist() == [0, 29]
    assert table.col_index(3).tolist() == [3]
    for bad, text in (([30], "row 30 is outside"), ([-1], "row -1 is outside"), (["a"], "the rows have no labels")):
        with pytest.raises(UnknownLabelError, match=text):
            table.row_index(bad)


LABELS = [
    ["b", "a", "c"],
    [30, 10, 20],
    [("x", 1), ("y", 2), ("x", 3)],
    [0.5, 0.25],
    np.array(["2020-01-02", "2020-01-01"], "M8[D]"),
    [date(2020, 1, 2), date(2019, 1, 1)],
    [datetime(2020, 1, 2, 3), datetime(2019, 1, 1)],
]


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_labels_of_any_kind_are_found_again(labels):
    table = Observed.from_triplets(labels, [0] * len(labels), np.arange(len(labels)), row_labels="infer")
    wanted = labels if isinstance(labels, np.ndarray) else list(labels)
    assert table.values[table.row_index(wanted)].tolist() == list(range(len(labels)))


def test_facts_report_empty_rows_and_columns_by_label():
    table = Observed.from_triplets(["a"], [0], [3], shape=(None, 3), row_labels=["a", "b"])
    facts = table.describe()
    assert facts["rows"]["n_empty"] == 1
    assert facts["rows"]["first_empty"] == ["b"]
    assert facts["cols"]["first_empty"] == [1, 2]
    assert facts["values"] == {"min": 3.0, "mean": 3.0, "max": 3.0, "sd": 0.0, "kind": "counts", "counts": {"3": 1}}


@pytest.mark.parametrize(
    ("values", "kind"), [([0, 1], "binary"), ([0, 7], "counts"), ([-1, 2], "integers"), ([0.5, 1], "real")]
)
def test_facts_name_the_kind_of_values(values, kind):
    assert Observed.from_triplets([0, 1], [0, 1], values).describe()["values"]["kind"] == kind


def test_tables_leave_for_other_libraries_with_zeros_kept():
    table = Observed.from_triplets([0, 1], [1, 0], [0.0, 2.0], [1.0, 3.0])
    assert table.to_coo().nnz == 2
    assert table.to_csr().nnz == 2
    for backend in ("pyarrow", "pandas", "polars"):
        frame = table.to_frame(backend)
        again = Observed.from_frame(frame, "row", "col", "value", weight="weight")
        np.testing.assert_array_equal(again.to_dense(), table.to_dense())
        np.testing.assert_array_equal(again.weights, table.weights)
    with pytest.raises(ValueError, match="backend must be"):
        table.to_frame("excel")


def test_a_table_too_large_for_any_array_is_kept_by_its_entries():
    rng = np.random.default_rng(0)
    n, p = 100_000, 2**33
    rows, cols = rng.integers(0, n, 50), rng.integers(0, p, 50)
    table = Observed.from_triplets(rows, cols, np.ones(50), shape=(n, p))
    assert table.cols.dtype == np.int64
    assert set(zip(table.rows.tolist(), table.cols.tolist(), strict=True)) == set(
        zip(rows.tolist(), cols.tolist(), strict=True)
    )
    train, test = table.split(0.2, random_state=0)
    assert (train.n_entries, test.n_entries) == (40, 10)
    assert table.describe()["cols"]["n_empty"] == p - 50
    assert table.take_rows(rows[:3]).n_entries >= 3
    assert table.nbytes < 2_000_000
    with pytest.raises(ValueError, match="too large to be made dense"):
        table.to_dense()
    with pytest.raises(ValueError, match=r"needs one offset for each of 8589934592 columns \(64 GiB\)"):
        _ = table.by_cols


def test_indices_beyond_32_bits_do_not_wrap():
    table = Observed.from_triplets([0, 2], [2**31 + 4, 0], [1.0, 2.0], shape=(3, 2**31 + 5))
    assert table.cols.tolist() == [2**31 + 4, 0]
    matrix = sparse.coo_array(([1.0], ([0], [2**31 + 4])), shape=(3, 2**31 + 5))
    assert Observed.from_sparse(matrix).cols.tolist() == [2**31 + 4]
    with pytest.raises(ValueError, match="needs one offset"):
        Observed.from_triplets([2**40], [0], [1.0], shape=(2**41, 1))
    big = [2**62 + 1, 2**62, 2**62 + 1]
    coded = Observed.from_triplets(big, [0, 1, 2], [1.0, 2.0, 3.0], row_labels="infer")
    assert coded.row_labels.tolist() == [2**62, 2**62 + 1]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_positions_of_any_integer_width_are_taken(dtype, is_sorted):
    rows = np.arange(128)[:: 1 if is_sorted else -1].astype(dtype)
    table = Observed.from_triplets(rows, rows, rows.astype(float))
    assert table.shape == (128, 128)
    assert table.by_rows.indptr.tolist() == list(range(129))
    assert table.values.tolist() == table.cols.tolist() == list(range(128))


def test_compressed_parts_keep_read_only_views_without_copies():
    indices, values = np.array([0, 1], dtype=np.int32), np.array([1.0, 2.0])
    part = Compressed(np.array([0, 2]), indices, values, None, 2)
    assert np.shares_memory(part.values, values)
    assert values.flags.writeable
    assert not part.values.flags.writeable
    again = pickle.loads(pickle.dumps(part))
    assert not again.indices.flags.writeable
