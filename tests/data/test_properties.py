"""Properties of Observed under generated input: round trips, order of rows, transposition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from halfseen.data import Observed

few = settings(max_examples=60, deadline=None)


@st.composite
def tables(draw):
    """A dense table with NaN, at least one cell seen."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    width = 32 if dtype == np.float32 else 64
    table = draw(hnp.arrays(dtype, shape, elements=st.floats(-8, 8, width=width)))
    hidden = draw(hnp.arrays(bool, shape))
    hidden.flat[draw(st.integers(0, hidden.size - 1))] = False
    return np.where(hidden, np.nan, table).astype(dtype)


def same(first: Observed, second: Observed) -> None:
    assert first.shape == second.shape
    assert first.dtype == second.dtype
    np.testing.assert_array_equal(first.by_rows.indptr, second.by_rows.indptr)
    np.testing.assert_array_equal(first.cols, second.cols)
    np.testing.assert_array_equal(first.values, second.values)


@few
@given(tables(), st.randoms(use_true_random=False))
def test_dense_triplets_sparse_and_frames_give_the_same_table(dense, random):
    table = Observed.from_dense(dense)
    np.testing.assert_array_equal(table.to_dense(), dense)
    order = list(range(table.n_entries))
    random.shuffle(order)
    rows, cols, values = table.rows[order], table.cols[order], table.values[order]
    same(Observed.from_triplets(rows, cols, values, shape=table.shape), table)
    same(Observed.from_sparse(table.to_coo()), table)
    same(Observed.from_sparse(table.to_csr()), table)
    same(Observed.from_sparse(table.to_csr().tocsc()), table)
    frame = table.to_frame()
    compact = Observed.from_frame(frame, "row", "col", "value")
    assert compact.n_entries == table.n_entries
    np.testing.assert_array_equal(compact.row_labels, np.unique(table.rows))
    np.testing.assert_array_equal(compact.values, table.values)


@few
@given(tables())
def test_transposition_commutes_with_construction(dense):
    same(Observed.from_dense(dense).T, Observed.from_dense(dense.T))
    same(Observed.from_dense(dense).T.T, Observed.from_dense(dense))


@few
@given(tables(), st.randoms(use_true_random=False))
def test_taking_all_rows_in_another_order_is_undone_by_the_inverse_order(dense, random):
    table = Observed.from_dense(dense)
    order = list(range(table.shape[0]))
    random.shuffle(order)
    same(table.take_rows(order).take_rows(np.argsort(order)), table)


@few
@given(tables(), st.integers(0, 2**32 - 1), st.sampled_from(["entries", "rows"]))
def test_folds_hold_every_entry_out_exactly_once(dense, seed, by):
    table = Observed.from_dense(dense)
    units = table.n_entries if by == "entries" else int((table.by_rows.counts > 0).sum())
    if units < 2:
        return
    times = np.zeros(table.shape, dtype=int)
    for train, test in table.folds(2, random_state=seed, by=by):
        assert train.n_entries + test.n_entries == table.n_entries
        np.add.at(times, (test.rows, test.cols), 1)
        assert not (set(zip(train.rows, train.cols, strict=True)) & set(zip(test.rows, test.cols, strict=True)))
    np.testing.assert_array_equal(times, ~np.isnan(dense))


@few
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-9, 9)), min_size=1, max_size=40),
    st.sampled_from(["first", "last", "mean", "sum", "max", "min"]),
)
def test_merging_rules_agree_with_a_dictionary(entries, rule):
    groups: dict[tuple[int, int], list[int]] = {}
    for row, col, value in entries:
        groups.setdefault((row, col), []).append(value)
    merge = {
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
        "mean": lambda v: sum(v) / len(v),
        "sum": sum,
        "max": max,
        "min": min,
    }[rule]
    rows, cols, values = zip(*entries, strict=True)
    table = Observed.from_triplets(list(rows), list(cols), list(values), duplicates=rule)
    assert list(zip(table.rows.tolist(), table.cols.tolist(), strict=True)) == sorted(groups)
    np.testing.assert_allclose(table.values, [merge(groups[key]) for key in sorted(groups)], rtol=1e-15)
