"""Every public estimator fits a prepared table, or says in the one sentence of all that it needs it in memory."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from test_parameters import CASES, estimators

import halfseen as hs
from halfseen.data.validate import ON_BLOCKS

# Parameters with which a small prepared table is fitted.
FITS = {
    "AlternatingLeastSquares": {"rank": 1, "penalty": 0.5, "max_iter": 2},
    "BayesianFactorization": {"rank": 1, "max_iter": 4, "burn_in": 1, "start_iter": 1},
    "BiasModel": {},
    "GeneralizedFactorModel": {"rank": 1},
    "OneSidedCompletion": {"rank": 1},
    "OverparametrizedFactorization": {"rank": 2, "stop": 20},
    "SoftImpute": {"rank": 1, "penalty": 1.0},
}
# Take features, not tables of entries.
OF_FEATURES = {"SimilarityClustering"}
# Fits mappings of prepared tables (tests/scale/test_more_blocks.py).
OF_SOURCES = {"HeterogeneousFactorization"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("prepared"), np.random.default_rng(0)
    values = np.outer(rng.normal(size=30), rng.normal(size=8)) + 0.3 * rng.normal(size=(30, 8))
    lines = [f"row {i},column {j},{values[i, j]:.4f}" for i in range(30) for j in range(8) if (i + j) % 3]
    (folder / "raw.csv").write_text("\n".join(["row,col,value", *lines]))
    return hs.prepare(folder / "raw.csv", folder / "table", blocks=2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FITS)
def test_an_estimator_fits_a_prepared_table_predicts_its_rows_and_is_saved(table, name, tmp_path):
    model = getattr(hs, name)(**FITS[name]).fit(table)
    cells = model.predict(["row 3", "row 29"], ["column 1", "column 0"])
    assert np.isfinite(cells).all()
    assert model.stored_rows_.table.folder == table.folder
    hs.save(model, tmp_path / "model.safetensors")
    again = hs.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(["row 3", "row 29"], ["column 1", "column 0"]), cells)
    assert str(again.summary())


@pytest.mark.filterwarnings("ignore:rows have .* entries on average")
def test_second_moments_have_the_errors_of_their_rows_in_memory(table):
    model = hs.OneSidedCompletion(1, random_state=0).fit(table)
    here = hs.OneSidedCompletion(1, random_state=0).fit(table.load())
    for rows in (None, table):
        np.testing.assert_allclose(
            model.inference(R=rows).eigenvalues().low, here.inference().eigenvalues().low, rtol=0.05
        )


@pytest.mark.parametrize("name", sorted(CASES.keys() - FITS.keys() - OF_FEATURES))
def test_all_others_say_in_one_sentence_that_they_need_it_in_memory(table, name):
    case = CASES[name]
    with pytest.raises(ValueError, match=r"is a prepared table .*all else needs it in memory: give \S*\.load\(\)"):
        clone(case.model).fit(table, **case.more)


def test_the_sentence_names_those_that_fit_one():
    assert FITS.keys() <= estimators().keys()
    assert estimators().keys() >= OF_SOURCES
    assert sorted(FITS) == sorted(ON_BLOCKS.replace(" and ", ", ").split(", "))
