"""What every estimator of many sources must do. A new one adds a line to ESTIMATORS and inherits all of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import halfseen as hs
from halfseen.many import SourcesEstimator, SourcesModel


@dataclass(frozen=True)
class Case:
    """An estimator as check_estimator gets it, and which of its checks fail for a reason."""

    make: Callable[[], Any]
    expected_failures: dict[str, str] = field(default_factory=dict)


# transform places new columns (or a new source) over the fitted rows: it takes as many rows as the fit had, gives one
# line per column, and says where the parts lie in a named result. test_transform_* below says what happens instead.
PLACES_COLUMNS = dict.fromkeys(
    [
        "check_n_features_in_after_fitting",
        "check_estimators_pickle",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit_idempotent",
    ],
    "transform places columns over the rows of the fit, and returns their parts as one named result",
)

ESTIMATORS = {
    "HeterogeneousFactorization": Case(lambda: hs.HeterogeneousFactorization(random_state=0), PLACES_COLUMNS),
    "HeterogeneousFactorization with a penalty": Case(
        lambda: hs.HeterogeneousFactorization(1, 0, penalty=0.1, random_state=0), PLACES_COLUMNS
    ),
    "JIVE": Case(hs.JIVE),
    "RobustJIVE": Case(lambda: hs.RobustJIVE(max_iter=20)),
    "PersonalizedPCA": Case(lambda: hs.PersonalizedPCA(random_state=0)),
    "COBE": Case(lambda: hs.COBE(random_state=0)),
    "TwoStepSVD": Case(hs.TwoStepSVD),
}
SMALL = {"hidden": 8, "max_iter": 3, "steps": 3, "patience": 3, "device": "cpu", "random_state": 0}
# Without torch these cannot be fitted: tests/nets shows what they say then.
NETWORKS = {
    "SparseAutoencoder": Case(
        lambda: hs.SparseAutoencoder(6, penalty=0.1, **SMALL),
    ),
    "HeterogeneousAutoencoder": Case(
        lambda: hs.HeterogeneousAutoencoder(
            6, penalty=0.1, unique_penalty=0.1, solver="rounds", unique_hidden=4, **SMALL
        ),
    ),
} if find_spec("torch") else {}  # fmt: skip
MODELS = {**ESTIMATORS, **NETWORKS}
every_estimator = pytest.mark.parametrize("case", ESTIMATORS.values(), ids=ESTIMATORS.keys())
every_network = pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS.keys())
every_model = pytest.mark.parametrize("case", MODELS.values(), ids=MODELS.keys())


# scikit-learn gives one table where two or more sources are meant: the models rightly warn about it
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [case.make() for case in MODELS.values()],
    expected_failed_checks=lambda estimator: MODELS[type(estimator).__name__].expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


TABLES = hs.datasets.make_sources_data(
    4, 30, [20, 22, 24, 26], 1, 1, design=hs.datasets.SourcesDesign(noise=0.05), random_state=0
).sources


@pytest.fixture(scope="module")
def tables():
    return TABLES


def made(case):
    """The estimator with the tables' ranks, a network with enough steps to learn something."""
    model = case.make()
    if isinstance(model, (hs.JIVE, hs.RobustJIVE)):
        model.set_params(max_iter=60)  # far enough; their last digits take hundreds of sweeps
    if isinstance(model, SourcesEstimator):
        return model.set_params(shared_rank=1, unique_rank=1)
    return model.set_params(solver="lbfgs", penalty=0.01, held_out=0, max_iter=8, steps=5, precision="float64")


@cache
def fitted(name):
    """A case's model, fitted once; nobody may change it."""
    return made(MODELS[name]).fit(TABLES)


def name_of(case):
    return next(name for name, known in MODELS.items() if known is case)


def steady(case):
    """The same, but a network with so few steps that rounding does not grow into the answer."""
    model = made(case)
    if isinstance(model, SourcesEstimator):
        return model
    return model.set_params(max_iter=1, steps=10)


def test_transform_places_columns_the_same_one_by_one_and_after_a_copy(tables):
    import pickle

    model = hs.HeterogeneousFactorization(1, 1, penalty=0.1, random_state=0).fit(tables)
    name = tables.names[0]
    table = tables[name].to_dense()
    together = model.transform(table, name)
    assert together.shared_loadings.shape == (table.shape[1], 1)
    alone = model.transform(table[:, 3:4], name)
    np.testing.assert_allclose(alone.unique_loadings[0], together.unique_loadings[3], rtol=1e-8)
    again = pickle.loads(pickle.dumps(model)).transform(table, name)
    np.testing.assert_array_equal(again.shared_loadings, together.shared_loadings)
    assert model.transform(table.astype(np.float32), name).shared_loadings.dtype == np.float64


@every_estimator
@pytest.mark.filterwarnings("ignore:(Robust)?JIVE ended:sklearn.exceptions.ConvergenceWarning")
def test_bases_are_orthonormal_and_orthogonal(case, tables):
    model = fitted(name_of(case))
    np.testing.assert_allclose(model.shared_basis_.T @ model.shared_basis_, np.eye(1), atol=1e-10)
    for basis in model.unique_basis_.values():
        np.testing.assert_allclose(model.shared_basis_.T @ basis, 0.0, atol=1e-10)


@every_network
class TestEveryNetwork:
    def test_a_saved_model_predicts_the_same_bits(self, case, tables, tmp_path):
        model = fitted(name_of(case))
        hs.save(model, tmp_path / "model.safetensors")
        loaded = hs.load(tmp_path / "model.safetensors")
        for name, table in tables.items():
            np.testing.assert_array_equal(loaded.predict_table(name), model.predict_table(name))
            np.testing.assert_array_equal(loaded.predict_columns(table, name), model.predict_columns(table, name))

    def test_new_columns_are_completed_as_in_the_fit(self, case, tables):
        model, name = fitted(name_of(case)), tables.names[1]
        whole = model.predict_columns(tables[name], name)
        np.testing.assert_allclose(whole, model.predict_table(name), atol=1e-6)
        few = tables[name].to_dense()[:, [4, 2]]
        np.testing.assert_allclose(model.predict_columns(few, name), whole[:, [4, 2]], atol=1e-5)
        assert model.embed(few, name).shape == (2, model.decoder_.shape[1])

    def test_pairs_and_tables_agree(self, case, tables):
        model, name = fitted(name_of(case)), tables.names[2]
        found = model.predict_entries(name, [3, 0], [1, 5])
        np.testing.assert_allclose(found, model.predict_table(name)[[3, 0], [1, 5]], rtol=1e-5)


@every_model
@pytest.mark.filterwarnings("ignore:(Robust)?JIVE ended:sklearn.exceptions.ConvergenceWarning")
class TestEverySourcesModel:
    def test_expected_failures_have_a_reason(self, case):
        assert len(case.expected_failures) <= 8
        assert all(len(reason) > 10 for reason in case.expected_failures.values())

    def test_it_is_documented_with_an_example(self, case):
        text = inspect.getdoc(type(case.make()))
        assert all(section in text for section in ("Parameters\n---", "Attributes\n---", "Examples\n---", ">>> "))
        assert all(name in text for name in case.make().get_params(deep=False))

    def test_it_only_stores_its_parameters(self, case):
        estimator = case.make()
        assert isinstance(estimator, SourcesModel)
        assert vars(estimator).keys() == estimator.get_params(deep=False).keys()

    def test_fit_returns_itself_and_leaves_its_argument_alone(self, case, tables):
        given = {name: table.to_dense() for name, table in tables.items()}
        before = {name: table.copy() for name, table in given.items()}
        estimator = made(case)
        assert estimator.fit(given) is estimator
        for name in given:
            np.testing.assert_array_equal(given[name], before[name])

    def test_it_predicts_the_seen_better_than_nothing_does(self, case, tables):
        model = fitted(name_of(case))
        nothing = np.mean(np.concatenate([0.5 * table.values**2 for table in tables.values()]))
        assert -model.score(tables) < 0.5 * nothing

    def test_single_precision_in_is_single_precision_out(self, case, tables):
        single = {name: table.astype(np.float32) for name, table in tables.items()}
        model = steady(case).fit(single)
        name = tables.names[0]
        assert model.predict_table(name).dtype == np.float32
        np.testing.assert_allclose(model.predict_table(name), steady(case).fit(tables).predict_table(name), atol=2e-2)

    def test_a_clone_learns_the_same(self, case, tables):
        model = fitted(name_of(case))
        name = tables.names[0]
        again = clone(model).fit(tables)
        np.testing.assert_array_equal(again.predict_table(name), model.predict_table(name))

    def test_an_unknown_source_is_named_with_those_that_are_close(self, case, tables):
        with pytest.raises(ValueError, match="no source 'sorce 1'; close: 'source 1'"):
            fitted(name_of(case)).predict_table("sorce 1")

    def test_what_iterates_says_why_it_ended(self, case, tables):
        model = fitted(name_of(case))
        if hasattr(model, "run_"):
            assert model.run_.reason
            assert len(model.run_.trace) == model.run_.n_iter == model.n_iter_ >= 1
            assert model.run_.params is None
