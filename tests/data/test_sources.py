"""Sources: many tables over the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from halfseen.data import Observed, Sources

NAN = np.nan


def table(rows: str, values: list[float]) -> Observed:
    return Observed.from_triplets(list(rows), [0] * len(rows), values, row_labels=sorted(rows, reverse=True))


def test_rows_are_aligned_by_label_in_the_order_of_the_first_table():
    first = Observed.from_triplets(["b", "a"], ["x", "y"], [1, 2], row_labels=["b", "a"])
    second = Observed.from_triplets(["a", "b"], ["z", "z"], [3, 4])
    sources = Sources({"one": first, "two": second})
    assert sources.row_labels.tolist() == ["b", "a"]
    assert sources["two"].to_dense().tolist() == [[4], [3]]
    assert sources.names == ["one", "two"]
    assert sources.shapes == {"one": (2, 2), "two": (2, 1)}
    assert (sources.n_rows, sources.n_entries, len(sources)) == (2, 4, 2)
    assert [name for name, _ in sources.items()] == ["one", "two"]


def test_union_and_intersection_are_made_when_named():
    tables = {"one": table("ab", [1, 2]), "two": table("bc", [3, 4])}
    union = Sources(tables, rows="union")
    np.testing.assert_array_equal(union["one"].to_dense(), [[1], [2], [NAN]])
    np.testing.assert_array_equal(union["two"].to_dense(), [[NAN], [3], [4]])
    common = Sources(tables, rows="intersection")
    assert common.row_labels.tolist() == ["b"]
    assert common["two"].to_dense().tolist() == [[3]]
    lacking = "table 'two' lacks 1 row labels of the others, first 'a'; keep all with hs.Sources"
    with pytest.raises(ValueError, match=lacking):
        Sources(tables)


def test_tables_without_labels_must_have_equally_many_rows():
    sources = Sources({"one": np.ones((3, 2)), "two": np.eye(3)})
    assert sources.row_labels is None
    assert sources.n_rows == 3
    for bad, text in (
        ({"one": np.ones((3, 2)), "two": np.ones((2, 2))}, "equally many rows, got 'one' 3, 'two' 2"),
        ({"one": np.ones((2, 2)), "two": table("ab", [1, 2])}, "table 'two' has row labels, table 'one' has none"),
        ({}, "0 tables were given"),
        ({"one": np.array([[np.inf]])}, r"tables\['one'\] contains infinity"),
    ):
        with pytest.raises(ValueError, match=text):
            Sources(bad)
    with pytest.raises(ValueError, match="rows must be one of"):
        Sources({"one": np.eye(2)}, rows="all")
    with pytest.raises(ValueError, match="needs row labels"):
        Sources({"one": np.eye(2)}, rows="union")
    with pytest.raises(ValueError, match="no row label is common"):
        Sources({"one": table("ab", [1, 2]), "two": table("cd", [3, 4])}, rows="intersection")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_long_frame_is_parted_by_its_source_column(make):
    frame = make(
        {"genre": ["drama", "action", "drama"], "user": [1, 1, 2], "film": ["f", "g", "f"], "rating": [3.0, 4.0, 5.0]}
    )
    sources = Sources.from_frame(frame, source="genre", row="user", col="film", value="rating")
    assert sources.names == ["action", "drama"]
    np.testing.assert_array_equal(sources["action"].to_dense(), [[4], [NAN]])
    assert sources["drama"].row_labels.tolist() == [1, 2]
    with pytest.raises(KeyError, match="no source 'dram'; close: 'drama'"):
        sources["dram"]
    with pytest.raises(ValueError, match="source='gender' is not a column; close: 'genre'"):
        Sources.from_frame(frame, "gender", "user", "film", "rating")
