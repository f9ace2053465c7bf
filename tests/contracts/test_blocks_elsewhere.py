"""Every estimator gives the same bits where its blocks live in another process as in this one."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from test_parameters import CASES, estimators

import halfseen as hs
from elsewhere import Elsewhere
from halfseen.engines import cuts
from halfseen.kernels import backend_name
from halfseen.kernels.backend import native

# Small tables in several blocks.
SETTINGS = {"ENTRIES_PER_BLOCK": 60}
# Fits that ask no engine anything.
ALONE = {
    "Popularity": "sums of columns",
    "NeighbourProfile": "products with a kernel",
    "RowKernelRidge": "one linear system",
    "KronRidge": "one linear system",
    "EASE": "one linear system",
    "ItemNeighbours": "products of columns",
    "SparseAutoencoder": "batches on torch's device",
    "HeterogeneousAutoencoder": "batches on torch's device",
}
# Settings that ask for as much with fewer rounds.
QUICKER = {
    "AlternatingLeastSquares": {"penalty": 0.1},
    "OverparametrizedFactorization": {"max_iter": 20},
    "SoftImpute": {"penalty": 1.0},
}
# Models of many sources multiply dense matrices: the last bit of such a product depends on whether an array lies in
# memory row by row, which travelling changes.
ROUNDED = {"HeterogeneousFactorization", "JIVE", "RobustJIVE", "PersonalizedPCA", "COBE", "TwoStepSVD"}


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch):
    if "native" in backend_name():  # tests of kernels leave the instruction set of their last one; bits differ by it
        native(os.environ.get("HALFSEEN_ISA", ""))
    for name, value in SETTINGS.items():
        monkeypatch.setattr(cuts, name, value)


def arrays(learned: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Learned arrays of a model, those inside of named parts too."""
    if isinstance(learned, np.ndarray):
        return {prefix: learned}
    parts = learned.items() if isinstance(learned, dict) else enumerate(learned) if isinstance(learned, tuple) else ()
    return {name: array for key, part in parts for name, array in arrays(part, f"{prefix}.{key}").items()}


def fitted(case: Any, engine: Any) -> dict[str, np.ndarray]:
    with hs.engine(engine):
        model = clone(case.model).fit(case.data, **case.more)
    return arrays({name: value for name, value in vars(model).items() if name.endswith("_")})


@pytest.mark.slow_cases("Imputer", "ScaledColumns", "SparseAutoencoder")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_an_estimator_gives_the_same_bits_in_another_process(name):
    case, engine = CASES[name], Elsewhere(**SETTINGS)
    case = replace(case, model=clone(case.model).set_params(**QUICKER.get(name, {})))
    there, here = fitted(case, engine), fitted(case, "serial")
    assert here.keys() == there.keys()
    for key, array in here.items():
        if name in ROUNDED:
            np.testing.assert_allclose(there[key], array, rtol=0, atol=1e-13 * max(1.0, np.abs(array).max(initial=0.0)))
        else:
            np.testing.assert_array_equal(there[key], array)
    assert (engine.n_asked == 0) == (name in ALONE)


def test_every_public_estimator_has_been_elsewhere():
    lacking = estimators().keys() - CASES.keys()
    assert lacking <= (set() if find_spec("torch") else {"SparseAutoencoder", "HeterogeneousAutoencoder"})
    assert ALONE.keys() <= estimators().keys()


def test_an_engine_that_claims_shared_memory_wrongly_costs_no_number():
    class Boasting(Elsewhere):
        shares_memory = True

    table = CASES["AlternatingLeastSquares"].data
    models = [hs.AlternatingLeastSquares(2, penalty=0.1, random_state=0, engine=e) for e in ("serial", Boasting())]
    here, there = (model.fit(table).predict_table() for model in models)
    np.testing.assert_array_equal(here, there)
