"""Every model has the same relative error whatever the unit and the level of the values: y and a + b y.

A new estimator adds one line to MODELS (or to EXEMPT, with its reason).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import halfseen as hs

# Level and unit. A level 1e12 times the unit leaves four digits of a double for what varies.
CHANGES = [(0.0, 1e-8), (0.0, 1e8), (300.0, 1.0), (1e5, 1.0), (1e7, 1.0), (1e7, 1e-3), (300.0, 1e8), (1e5, 1e-5)]
N, P = 30, 20
# that the rank is too small, that rows are too full or that a rival took too long is not in question here
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
c = hs.comparisons


def random_table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth of rank 2 with levels of rows and columns, and the table with noise and a third of it missing."""
    rng = np.random.default_rng(seed)
    truth = 1 + rng.normal(size=(N, 2)) @ rng.normal(size=(2, P)) + 0.5 * rng.normal(size=P)
    truth += 0.3 * rng.normal(size=(N, 1))
    return truth, np.where(rng.random(truth.shape) < 0.7, truth + 0.2 * rng.normal(size=truth.shape), np.nan)


TRUTH, TABLE = random_table(0)
MODELS: dict[str, Callable[[], Any]] = {
    "AlternatingLeastSquares": lambda: hs.AlternatingLeastSquares(random_state=0),
    "AlternatingLeastSquares of automatic rank": lambda: hs.AlternatingLeastSquares("auto", random_state=0),
    "BayesianFactorization": lambda: hs.BayesianFactorization(2, max_iter=20, random_state=0),
    "BiasModel": hs.BiasModel,
    "ColumnMean": hs.ColumnMean,
    "SoftImpute": lambda: hs.SoftImpute(random_state=0),
    "ScaledColumns": lambda: hs.ScaledColumns(hs.AlternatingLeastSquares(random_state=0)),
    "GeneralizedFactorModel": lambda: hs.GeneralizedFactorModel(2, random_state=0),
    "OverparametrizedFactorization": lambda: hs.OverparametrizedFactorization(random_state=0),
}
SOURCES: dict[str, Callable[[], Any]] = {
    "HeterogeneousFactorization": lambda: hs.HeterogeneousFactorization(1, 1, random_state=0),
    "HeterogeneousFactorization as printed": lambda: hs.HeterogeneousFactorization(1, 1, solver="als", random_state=0),
    "JIVE": lambda: c.JIVE(1, 1),
    "RobustJIVE": lambda: c.RobustJIVE(1, 1, max_iter=2000),
    "PersonalizedPCA": lambda: c.PersonalizedPCA(1, 1, random_state=0),
    "COBE": lambda: c.COBE(1, 1, random_state=0),
    "TwoStepSVD": lambda: c.TwoStepSVD(1, 1),
}
EXEMPT = {
    "ItemResponseModel": "answers are 0 and 1, classes or shares of known totals",
    "SimilarityClustering": "learns from pairs of items, not from values",
    "Popularity": "of tables that hold positives only",
    "NeighbourProfile": "of tables that hold positives only",
    "RowKernelRidge": "of tables that hold positives only",
    "EASE": "of tables that hold positives only",
    "ItemNeighbours": "of tables that hold positives only",
    "KronRidge": "of tables that hold positives only",
    "SecondMoment": "second moments are of the values as they are; see the test of their unit",
    "OneSidedCompletion": "second moments are of the values as they are; see the test of their unit",
    "SparseAutoencoder": "a network sees values as they are: centre and scale them first",
    "HeterogeneousAutoencoder": "a network sees values as they are: centre and scale them first",
    "InductiveCompletion": "tests/inductive: units and levels of values and of features",
}


def relative_error(model: Any, level: float, unit: float, table: np.ndarray = TABLE) -> float:
    predicted = (model.fit(level + unit * table).predict_table() - level) / unit
    where = np.isnan(TABLE)
    return float(np.sqrt(np.mean((predicted - TRUTH)[where] ** 2)) / TRUTH.std())


@pytest.mark.fast_cases("AlternatingLeastSquares", "BiasModel", "ColumnMean", "SoftImpute", "BayesianFactorization")
@pytest.mark.parametrize("name", MODELS)
def test_the_relative_error_of_a_table_knows_no_unit_and_no_level(name):
    plain = relative_error(MODELS[name](), 0.0, 1.0)
    assert plain < 1.2
    for level, unit in CHANGES:
        assert relative_error(MODELS[name](), level, unit) == pytest.approx(plain, rel=1e-3), (level, unit)


def test_a_complete_table_is_denoised_the_same_at_every_level_and_unit():
    full = TRUTH + 0.2 * np.random.default_rng(1).normal(size=TRUTH.shape)
    plain = relative_error(hs.OverparametrizedFactorization(random_state=0), 0.0, 1.0, full)
    for level, unit in CHANGES:
        other = relative_error(hs.OverparametrizedFactorization(random_state=0), level, unit, full)
        # the mean is taken out from a tenth of the squares on, which a level can bring about: page B3, .079 and .080
        assert other == pytest.approx(plain, rel=1e-3 if level == 0 else 0.02), (level, unit)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_second_moments_follow_the_unit(unit):
    plain, other = (hs.OneSidedCompletion(2, random_state=0).fit(b * TABLE) for b in (1.0, unit))
    np.testing.assert_allclose(other.second_moment() / unit**2, plain.second_moment(), rtol=1e-3, atol=1e-4)


def test_second_moments_of_a_level_are_said_and_centred_columns_are_the_way_out():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(300, 1)) @ rng.normal(size=(1, 30)) + 0.5 * rng.normal(size=(300, 30))
    table = np.where(rng.random(full.shape) < 0.2, full, np.nan)
    told = [
        any("common level" in text for text in hs.OneSidedCompletion(1, random_state=0).fit(each).warnings_)
        for each in (table, table + 300.0, table + 300.0 - np.nanmean(table + 300.0, axis=0))
    ]
    assert told == [False, True, False]


@pytest.mark.fast_cases("HeterogeneousFactorization", "COBE", "TwoStepSVD")
@pytest.mark.parametrize("name", SOURCES)
def test_sources_of_any_unit_and_level_are_completed_alike(name):
    data = hs.datasets.make_sources_data(
        2, 30, 14, 1, 1, observed=0.8, design=hs.datasets.SourcesDesign(noise=0.2), random_state=0
    )
    tables = {}
    for source in data.sources:
        tables[source] = np.full((30, 14), np.nan)
        entries = data.sources[source]
        tables[source][entries.rows, entries.cols] = entries.values

    def error(level: float, unit: float) -> float:
        model = SOURCES[name]().fit({source: level + unit * table for source, table in tables.items()})
        gaps, truths = [], []
        for source in tables:
            truth = data.shared[source] + data.unique[source]
            gaps.append((model.predict_table(source) - level) / unit - truth)
            truths.append(truth)
        return float(np.linalg.norm(gaps) / np.linalg.norm(truths))

    plain = error(0.0, 1.0)
    for level, unit in ((0.0, 1e-8), (0.0, 1e8), (300.0, 1.0), (1e7, 1.0), (1e5, 1e-5)):
        assert error(level, unit) == pytest.approx(plain, rel=2e-3), (level, unit)


def test_every_model_is_here_or_exempt_for_a_reason():
    from halfseen.base import CompletionEstimator
    from halfseen.many import SourcesModel

    known = {name.split(" ")[0] for name in (*MODELS, *SOURCES, *EXEMPT)}
    for module in (hs, hs.comparisons):
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, CompletionEstimator | SourcesModel):
                assert name in known, name
