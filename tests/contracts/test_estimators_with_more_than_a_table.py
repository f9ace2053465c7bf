"""What estimators must do that need pairs or kernels beside the table. A new one adds one line to ESTIMATORS.

scikit-learn's checks call ``fit(X)``: small subclasses make the pairs and kernels, and all else is the estimator.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import halfseen as hs
from halfseen.data import as_observed
from halfseen.methods.comparisons import KronRidge, NeighbourProfile, Popularity, RowKernelRidge


def kernels_of(R):
    """Inner products of the rows and of the columns, unseen cells 0."""
    observed = as_observed(R)
    A = np.zeros(observed.shape)
    A[observed.rows, observed.cols] = observed.values
    return {"row_kernel": A @ A.T + np.eye(len(A)), "col_kernel": A.T @ A + np.eye(A.shape[1])}


class Clusters(hs.SimilarityClustering):
    """Items are alike where both places are even, or both odd."""

    def fit(self, X, y=None, *, pairs=None):
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        i, j = np.random.default_rng(0).integers(0, max(n, 1), (2, 4 * n))
        return super().fit(X, pairs=(i, j, (i + j) % 2 == 0))


class WithKernels:
    def fit(self, R, y=None, **kernels):
        return super().fit(R, **(kernels or kernels_of(R)))


class Neighbours(WithKernels, NeighbourProfile): ...


class Rows(WithKernels, RowKernelRidge): ...


class Cells(WithKernels, KronRidge): ...


@dataclass(frozen=True)
class Case:
    """An estimator as check_estimator gets it, which of its checks fail for a reason, and the public class."""

    make: Callable[[], Any]
    kind: type
    expected_failures: dict[str, str] = field(default_factory=dict)


ESTIMATORS = {
    "SimilarityClustering": Case(hs.SimilarityClustering, hs.SimilarityClustering),
    "SimilarityClustering of pairs": Case(lambda: Clusters(2, max_iter=30, random_state=0), hs.SimilarityClustering),
    "Popularity": Case(Popularity, Popularity),
    "NeighbourProfile": Case(lambda: Neighbours(2), NeighbourProfile),
    "RowKernelRidge": Case(Rows, RowKernelRidge),
    "KronRidge": Case(Cells, KronRidge),
}  # fmt: skip
MADE = {type(case.make()).__name__: case for case in ESTIMATORS.values()}
BASELINES = {name: case for name, case in ESTIMATORS.items() if not name.startswith("SimilarityClustering")}
every_estimator = pytest.mark.parametrize("case", ESTIMATORS.values(), ids=ESTIMATORS.keys())
every_baseline = pytest.mark.parametrize("case", BASELINES.values(), ids=BASELINES.keys())


# scikit-learn's tables hold no structure and k-means finds fewer clusters than asked for
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [case.make() for case in ESTIMATORS.values()],
    expected_failed_checks=lambda estimator: MADE[type(estimator).__name__].expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture
def table():
    """Features of 60 items of two kinds, three quarters of them seen."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)) + 3 * np.eye(2, 5)[rng.integers(0, 2, 60)]


def answers_of(model, table):
    return model.predict(table) if hasattr(model, "predict") else model.predict_table()


@every_estimator
class TestEveryEstimator:
    def test_each_expected_failure_has_a_reason(self, case):
        assert len(case.expected_failures) <= 5
        assert all(len(reason) > 10 for reason in case.expected_failures.values())

    def test_it_is_documented_with_an_example(self, case):
        text = inspect.getdoc(case.kind)
        assert ">>> " in text
        assert all(name in text for name in case.make().get_params(deep=False))

    def test_it_only_stores_its_parameters(self, case):
        estimator = case.make()
        assert vars(estimator).keys() == estimator.get_params(deep=False).keys()

    def test_fit_leaves_its_argument_alone(self, case, table):
        before = table.copy()
        case.make().fit(table)
        np.testing.assert_array_equal(table, before)

    def test_copies_say_the_same_bits(self, case, table):
        model = case.make()
        if "random_state" in model.get_params():
            model.set_params(random_state=0)
        model.fit(table)
        for copy in (pickle.loads(pickle.dumps(model)), clone(model).fit(table)):
            np.testing.assert_array_equal(answers_of(copy, table), answers_of(model, table))

    def test_without_what_it_needs_it_says_so(self, case, table):
        if case.kind in (Popularity, hs.SimilarityClustering):
            pytest.skip("needs a table only")
        with pytest.raises((TypeError, ValueError), match="row_kernel"):
            case.kind().fit(table)


@every_baseline
class TestEveryBaseline:
    def test_all_kinds_of_input_are_the_same_table(self, case):
        rng = np.random.default_rng(1)
        table = np.where(rng.random((20, 8)) < 0.3, 1.0, np.nan)
        i, j = np.nonzero(np.isfinite(table))
        kinds = [hs.Observed.from_dense(table), np.ma.masked_invalid(table),
                 sp.coo_array((table[i, j], (i, j)), shape=table.shape)]  # fmt: skip
        more = kernels_of(table)
        wanted = case.kind().fit(table, **more).predict_table()
        for kind in kinds:
            np.testing.assert_allclose(case.kind().fit(kind, **more).predict_table(), wanted)

    def test_new_rows_are_scored_one_by_one(self, case):
        rng = np.random.default_rng(2)
        table, new = np.where(rng.random((20, 8)) < 0.3, 1.0, np.nan), rng.random((5, 20))
        model = case.kind().fit(table, **kernels_of(table))
        together = model.predict_table(new)
        np.testing.assert_allclose(model.predict_table(new[3:4])[0], together[3])
        assert together.shape == (5, 8)
