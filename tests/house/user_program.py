"""A program of a user, for type checkers only: `make types` checks it with ``mypy --strict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import halfseen as hs
from halfseen.inference import Intervals, TableInference

Table = NDArray[np.floating[Any]]


def completed(file: Path) -> Table:
    """A model that is fitted, saved, loaded and asked."""
    R = hs.read_table(file, row="user", col="item", value="rating")
    assert_type(R, hs.Observed)
    model = hs.GeneralizedFactorModel(rank=1, random_state=0).fit(R)
    assert_type(model, hs.GeneralizedFactorModel)
    hs.save(model, "model.safetensors")
    loaded = hs.load("model.safetensors")
    assert_type(loaded.predict_table(), Table)
    assert isinstance(loaded, hs.GeneralizedFactorModel)
    assert_type(loaded.predict_table(), Table)
    return loaded.predict_table(["ann"], ["tea"])


def intervals(R: hs.Observed) -> list[TableInference]:
    """Every model with an inference says which."""
    assert_type(hs.GeneralizedFactorModel().fit(R).inference(0.9).entries(["ann"], ["tea"]), Intervals)
    return [
        hs.ItemResponseModel().fit(R).inference(),
        hs.BayesianFactorization().fit(R).inference(),
        hs.OneSidedCompletion().fit(R).inference(),
    ]


def rooms() -> list[object]:
    """Rooms and plain names are public too."""
    with hs.engine("threads", workers=2):
        hs.SoftImpute().fit(np.eye(3))
    return [hs.__version__, hs.comparisons.BiasModel, hs.losses, hs.metrics, hs.datasets.load, hs.select.choose_rank]
