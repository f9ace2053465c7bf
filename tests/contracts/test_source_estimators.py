"""What every estimator of many sources must do. A new one adds a line to ESTIMATORS and inherits all of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import halfseen as hs
from halfseen.many import SourcesEstimator


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

# one unique factor less than elsewhere here: scikit-learn also gives tables of one row or one column
ESTIMATORS = {
    "HeterogeneousFactorization": Case(
        lambda: hs.HeterogeneousFactorization(1, 0, ridge=0.1, random_state=0), PLACES_COLUMNS
    ),
    "JIVE": Case(lambda: hs.JIVE(1, 0)),
    "RobustJIVE": Case(lambda: hs.RobustJIVE(1, 0, max_iter=20)),
    "PersonalizedPCA": Case(lambda: hs.PersonalizedPCA(1, 0, random_state=0)),
    "COBE": Case(lambda: hs.COBE(1, 0, random_state=0)),
    "TwoStepSVD": Case(lambda: hs.TwoStepSVD(1, 0)),
}
every_estimator = pytest.mark.parametrize("case", ESTIMATORS.values(), ids=ESTIMATORS.keys())


# scikit-learn gives one table where two or more sources are meant: the models rightly warn about it
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [case.make() for case in ESTIMATORS.values()],
    expected_failed_checks=lambda estimator: ESTIMATORS[type(estimator).__name__].expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def tables():
    design = hs.datasets.SourcesDesign(noise=0.05)
    return hs.datasets.make_sources_data(4, 30, [20, 22, 24, 26], 1, 1, design=design, random_state=0).sources


def made(case):
    """The estimator with one unique factor per source."""
    return case.make().set_params(unique_rank=1)


def test_transform_places_columns_the_same_one_by_one_and_after_a_copy(tables):
    import pickle

    model = hs.HeterogeneousFactorization(1, 1, ridge=0.1, random_state=0).fit(tables)
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
@pytest.mark.filterwarnings("ignore:RobustJIVE ended:sklearn.exceptions.ConvergenceWarning")
class TestEverySourcesEstimator:
    def test_expected_failures_have_a_reason(self, case):
        assert len(case.expected_failures) <= 8
        assert all(len(reason) > 10 for reason in case.expected_failures.values())

    def test_it_is_documented_with_an_example(self, case):
        text = inspect.getdoc(type(case.make()))
        assert all(section in text for section in ("Parameters\n---", "Attributes\n---", "Examples\n---", ">>> "))
        assert all(name in text for name in case.make().get_params(deep=False))

    def test_it_takes_at_most_eight_parameters_and_only_stores_them(self, case):
        estimator = case.make()
        assert isinstance(estimator, SourcesEstimator)
        assert len(estimator.get_params(deep=False)) <= 8
        assert vars(estimator).keys() == estimator.get_params(deep=False).keys()

    def test_fit_returns_itself_and_leaves_its_argument_alone(self, case, tables):
        given = {name: table.to_dense() for name, table in tables.items()}
        before = {name: table.copy() for name, table in given.items()}
        estimator = made(case)
        assert estimator.fit(given) is estimator
        for name in given:
            np.testing.assert_array_equal(given[name], before[name])

    def test_bases_are_orthonormal_and_orthogonal(self, case, tables):
        model = made(case).fit(tables)
        np.testing.assert_allclose(model.shared_basis_.T @ model.shared_basis_, np.eye(1), atol=1e-10)
        for basis in model.unique_basis_.values():
            np.testing.assert_allclose(model.shared_basis_.T @ basis, 0.0, atol=1e-10)

    def test_it_predicts_the_seen_better_than_nothing_does(self, case, tables):
        model = made(case).fit(tables)
        nothing = np.mean(np.concatenate([0.5 * table.values**2 for table in tables.values()]))
        assert -model.score(tables) < 0.5 * nothing

    def test_single_precision_in_is_single_precision_out(self, case, tables):
        single = {name: table.astype(np.float32) for name, table in tables.items()}
        model = made(case).fit(single)
        name = tables.names[0]
        assert model.predict_table(name).dtype == np.float32
        np.testing.assert_allclose(model.predict_table(name), made(case).fit(tables).predict_table(name), atol=2e-2)

    def test_a_clone_learns_the_same(self, case, tables):
        model = made(case).fit(tables)
        np.testing.assert_array_equal(clone(model).fit(tables).shared_basis_, model.shared_basis_)

    def test_an_unknown_source_is_named_with_those_that_are_close(self, case, tables):
        with pytest.raises(ValueError, match="no source 'sorce 1'; close: 'source 1'"):
            made(case).fit(tables).shared_part("sorce 1")

    def test_what_iterates_says_why_it_ended(self, case, tables):
        model = made(case).fit(tables)
        if hasattr(model, "run_"):
            assert model.run_.reason
            assert len(model.run_.trace) == model.run_.n_iter == model.n_iter_ >= 1
            assert model.run_.params is None
