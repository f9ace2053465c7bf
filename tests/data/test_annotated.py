"""AnnData and MuData in and out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.data import as_sources
from halfseen.datasets import SourcesDesign, make_sources_data

anndata = pytest.importorskip("anndata")


@pytest.fixture(scope="module")
def parts():
    data = make_sources_data(2, 30, [12, 15], 1, 1, 1.0, SourcesDesign(noise=0.2), 0)
    names = np.array([f"cell {i}" for i in range(30)])
    found = {}
    for place, (name, table) in enumerate(data.sources.items()):
        keep = np.arange(30) if place == 0 else np.r_[25:5:-1]  # other observations, in another order
        part = anndata.AnnData(table.to_dense()[keep])
        part.obs_names, part.var_names = names[keep], [f"{name} {j}" for j in range(table.shape[1])]
        found[name] = part
    return found


def test_a_mapping_of_annotated_matrices_is_brought_together_by_its_names(parts):
    sources = as_sources(parts)
    assert sources.n_rows == 30
    second = sources["source 1"]
    i, j = second.row_index(["cell 9"])[0], second.col_index(["source 1 3"])[0]
    assert second.to_dense()[i, j] == parts["source 1"]["cell 9", "source 1 3"].X.item()
    assert np.isnan(second.to_dense()[second.row_index(["cell 2"])[0]]).all()


def test_scores_and_loadings_come_back_under_the_names(parts):
    model = hs.HeterogeneousFactorization(random_state=0).fit(parts)
    assert model.annotate(parts) is parts
    one = parts["source 1"]
    place = np.flatnonzero(model.row_labels_ == "cell 9")[0]
    line = list(one.obs_names).index("cell 9")
    np.testing.assert_array_equal(one.obsm["X_halfseen"][line], model.scores_[place])
    np.testing.assert_array_equal(one.varm["halfseen"], model.loadings_["source 1"])
    assert list(one.uns["halfseen"]["factor_names"]) == model.factor_names_


def test_mudata_goes_in_and_gets_scores_for_all_observations(parts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package itself
        mudata = pytest.importorskip("mudata")
        both = mudata.MuData({name: part.copy() for name, part in parts.items()})
    model = hs.HeterogeneousFactorization(random_state=0).fit(both)
    model.annotate(both)
    assert both.obsm["X_halfseen"].shape == (30, len(model.factor_names_))
    assert not np.isnan(both.obsm["X_halfseen"]).any()
