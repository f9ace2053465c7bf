"""Tables of other libraries come in by what they have: xarray, AnnData, MuData, streams of Arrow data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

import halfseen as hs
from halfseen.data import Observed, as_observed, as_sources

X = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, np.nan]])


class Stream:
    """Exports Arrow data, and has nothing else that a data frame has."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


class Annotated:
    """What an AnnData has."""

    def __init__(self, X: Any, rows: list[str] | None = None, **layers: Any) -> None:
        self.X, self.layers, self.shape = X, layers, np.shape(X) or X.shape
        self.obs_names = pd.Index(rows or ["cell1", "cell2"])
        self.var_names = pd.Index(["gene1", "gene2", "gene3"])


def test_an_xarray_keeps_its_coordinates_as_labels():
    xarray = pytest.importorskip("xarray")
    years = [2001, 2002, 2003]
    array = xarray.DataArray(X, dims=("site", "year"), coords={"site": ["b", "a"], "year": years})
    R = as_observed(array)
    assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["b", "a"], years)
    np.testing.assert_array_equal(R.to_dense(), X)
    model = hs.ColumnMean().fit(array)
    assert model.predict(["a"], [2002]).tolist() == [5.0]
    assert model.predict(array).shape == (2, 3)
    plain = as_observed(xarray.DataArray(X))
    assert (plain.row_labels, plain.col_labels) == (None, None)
    days = xarray.DataArray(X, dims=("day", "x"), coords={"day": pd.date_range("2024-01-01", periods=2)})
    assert as_observed(days).row_labels.dtype.kind == "M"
    with pytest.raises(ValueError, match="R must have two dimensions, got 1: time"):
        as_observed(xarray.DataArray(X[0], dims="time"))


def test_annotated_data_is_read_with_its_names_and_its_mask():
    R = as_observed(Annotated(X))
    assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["cell1", "cell2"], ["gene1", "gene2", "gene3"])
    np.testing.assert_array_equal(R.to_dense(), X)
    seen = np.array([[True, False, True], [False, True, True]])
    for name in ("observed", "mask"):
        for mask in (seen, sparse.csr_matrix(seen), seen.astype(int)):
            R = as_observed(Annotated(np.arange(6.0).reshape(2, 3), **{name: mask}))
            np.testing.assert_array_equal(~np.isnan(R.to_dense()), seen)
    stored = as_observed(Annotated(sparse.csr_matrix(np.nan_to_num(X))))
    assert stored.n_entries == 4
    assert "layer 'observed'" in stored.notes[0]
    with pytest.raises(ValueError, match=r"R.layers\['mask'\] must hold True"):
        as_observed(Annotated(X, mask=np.full((2, 3), 7)))
    with pytest.raises(ValueError, match=r"R\.X is empty"):
        as_observed(SimpleNamespace(X=None, obs_names=[], var_names=[]))
    assert hs.ColumnMean().fit(Annotated(X)).predict(["cell1"], ["gene2"]).tolist() == [5.0]


def test_several_annotated_tables_are_sources_over_all_their_rows():
    both = SimpleNamespace(mod={"rna": Annotated(X), "protein": Annotated(X, ["cell2", "cell3"])})
    S = as_sources(both)
    assert S.names == ["rna", "protein"]
    assert S.row_labels.tolist() == ["cell1", "cell2", "cell3"]
    with pytest.raises(ValueError, match=r"of 2 tables, and one is needed: give one of them, e.g. R.mod\['rna'\]"):
        hs.ColumnMean().fit(both)


def test_any_stream_of_arrow_data_is_a_frame():
    long = pa.table({"u": ["b", "a"], "i": [7, 9], "r": [4.0, 5.0]})
    R = Observed.from_frame(Stream(long), "u", "i", "r")
    assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["a", "b"], [7, 9])
    wide = Stream(pa.table({"x": [1.0, None], "y": [2.0, 3.0]}))
    np.testing.assert_array_equal(Observed.from_wide(wide).to_dense(), [[1, 2], [np.nan, 3]])
    model = hs.ColumnMean().fit(wide)
    assert model.predict([1], ["x"]).tolist() == [1.0]
    assert model.predict(wide).shape == (2, 2)

    class Broken:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return "no capsule"

    with pytest.raises(ValueError, match="the Arrow stream of Broken is no table"):
        Observed.from_frame(Broken(), "u", "i", "r")


def test_html_shows_cells_labels_and_notes_and_escapes_all_of_them():
    R = Observed.from_triplets(["<i>", "b\u202e"], ["x", "&"], [1.25, -2.0])
    html = R._repr_html_()
    for part in ("&lt;i&gt;", "&amp;", "1.25", "-2", "b\\x202e", "2 x 2"):
        assert part in html
    assert "<i>" not in html
    sparse_positions = Observed.from_triplets([0, 90_000], [0, 1], [1.0, 2.0])
    assert "<li>rows are whole numbers" in sparse_positions._repr_html_()
    large = Observed.from_triplets(np.arange(500), np.arange(500), np.ones(500))
    assert len(large._repr_html_()) < 6000
    assert "&hellip;" in large._repr_html_()
