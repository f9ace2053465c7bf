"""What every estimator of the library must do. A new estimator adds one line to ESTIMATORS and inherits all of it."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import halfseen as hs
from halfseen.base import CompletionEstimator, PlacesRows

# predict(X) of a table completes it: one row of the answer per row, but as many columns as the table has. Only the
# checks with sparse input look at the shape. test_predict_completes_a_sparse_table says what happens instead.
COMPLETES = {
    "check_estimator_sparse_array": "predict(X) returns the completed table, not one number per row",
    "check_estimator_sparse_matrix": "predict(X) returns the completed table, not one number per row",
}


@dataclass(frozen=True)
class Case:
    """An estimator as check_estimator gets it, and which of its checks fail for a reason (at most five)."""

    make: Callable[[], Any]
    expected_failures: dict[str, str] = field(default_factory=lambda: dict(COMPLETES))
    is_sampled: bool = False


ESTIMATORS = {
    "AlternatingLeastSquares": Case(lambda: hs.AlternatingLeastSquares(random_state=0)),
    "AlternatingLeastSquares of 3 starts": Case(lambda: hs.AlternatingLeastSquares(n_starts=3, random_state=0)),
    "AlternatingLeastSquares of automatic rank": Case(
        lambda: hs.AlternatingLeastSquares(rank="auto", random_state=0),
    ),
    "BayesianFactorization": Case(lambda: hs.BayesianFactorization(random_state=0), is_sampled=True),
    "BiasModel": Case(hs.BiasModel),
    "SoftImpute": Case(lambda: hs.SoftImpute(random_state=0)),
    "ColumnMean": Case(hs.ColumnMean),
    "GeneralizedFactorModel": Case(lambda: hs.GeneralizedFactorModel(random_state=0)),
    # relu has kinks: with a smaller penalty single and double precision end in different minima
    "InductiveCompletion": Case(lambda: hs.InductiveCompletion(penalty=0.3, random_state=0)),
    "InductiveCompletion of a linear model with effects": Case(
        lambda: hs.InductiveCompletion(3, "linear", effects="both", free_rank=1, penalty=0.3, random_state=0),
    ),
    "OneSidedCompletion": Case(lambda: hs.OneSidedCompletion(random_state=0)),
    "OverparametrizedFactorization": Case(lambda: hs.OverparametrizedFactorization(random_state=0)),
}

every_estimator = pytest.mark.parametrize("case", ESTIMATORS.values(), ids=ESTIMATORS.keys())


# scikit-learn's random tables hold no structure and some empty rows, which the factor model rightly warns about.
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks(
    [case.make() for case in ESTIMATORS.values()],
    expected_failed_checks=lambda estimator: ESTIMATORS[type(estimator).__name__].expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_checks_pass(estimator, check):
    check(estimator)


def random_table() -> np.ndarray:
    """40 x 12, rank 1 with biases and noise; a tenth row and a fifth column without entries."""
    rng = np.random.default_rng(0)
    table = 3 + rng.normal(size=(40, 1)) + rng.normal(size=12) + np.outer(rng.normal(size=40), rng.normal(size=12))
    table += 0.3 * rng.normal(size=table.shape)
    table[rng.random(table.shape) < 0.4] = np.nan
    table[9], table[:, 4] = np.nan, np.nan
    return table


@pytest.fixture
def table():
    return random_table()


@cache
def fitted_by_name(name: str) -> Any:
    return ESTIMATORS[name].make().fit(random_table())


def fitted(case: Case) -> Any:
    """A case's model of the table, fitted once for all tests: nobody may change it."""
    return fitted_by_name(next(name for name, known in ESTIMATORS.items() if known is case))


@every_estimator
class TestEveryEstimator:
    def test_at_most_five_checks_fail_and_each_has_a_reason(self, case):
        assert len(case.expected_failures) <= 5
        assert all(len(reason) > 10 for reason in case.expected_failures.values())

    def test_predict_completes_a_sparse_table(self, case, table):
        stored = hs.Observed.from_dense(table).to_csr()
        completed = case.make().fit(stored).predict(stored)
        assert isinstance(completed, np.ndarray)
        assert completed.shape == table.shape
        assert np.isfinite(completed).all()

    def test_it_is_documented_with_an_example(self, case):
        text = inspect.getdoc(type(case.make()))
        assert all(section in text for section in ("Parameters\n---", "Attributes\n---", "Examples\n---", ">>> "))
        assert all(name in text for name in case.make().get_params(deep=False))

    def test_it_only_stores_its_parameters(self, case):
        estimator = case.make()
        assert vars(estimator).keys() == estimator.get_params(deep=False).keys()

    def test_it_is_a_completion_estimator(self, case):
        assert isinstance(case.make(), CompletionEstimator)
        assert hasattr(case.make(), "transform") == isinstance(case.make(), PlacesRows)

    def test_fit_leaves_its_argument_alone(self, case, table):
        before = table.copy()
        case.make().fit(table)
        np.testing.assert_array_equal(table, before)

    @pytest.mark.fast_cases("AlternatingLeastSquares", "BiasModel", "ColumnMean", "InductiveCompletion", "SoftImpute")
    def test_all_kinds_of_input_are_the_same_table(self, case, table):
        i, j = np.nonzero(~np.isnan(table))
        kinds = [
            hs.Observed.from_dense(table),
            np.ma.masked_invalid(table),
            sp.coo_array((table[i, j], (i, j)), shape=table.shape),
            np.asfortranarray(table),
            table.tolist(),
        ]
        wanted = fitted(case).predict_table()
        for kind in kinds:
            np.testing.assert_allclose(case.make().fit(kind).predict_table(), wanted, err_msg=type(kind).__name__)

    def test_pairs_and_blocks_agree(self, case, table):
        model = fitted(case)
        block = model.predict_table([0, 9, 3], [4, 2])
        assert block.shape == (3, 2)
        pairs = model.predict(np.repeat([0, 9, 3], 2), np.tile([4, 2], 3))
        np.testing.assert_allclose(block.ravel(), pairs, rtol=1e-10)
        np.testing.assert_allclose(model.predict_table()[[0, 9, 3]][:, [4, 2]], block)

    def test_rows_and_columns_without_entries_are_predicted(self, case, table):
        completed = fitted(case).predict_table()
        seen = table[~np.isnan(table)]
        spread = seen.max() - seen.min()
        assert np.all(completed[9] > seen.min() - spread)
        assert np.all(completed[:, 4] < seen.max() + spread)

    def test_it_predicts_the_seen_better_than_their_mean(self, case, table):
        model = fitted(case)
        assert -model.score(table) < np.mean(model.loss_.value(table[~np.isnan(table)], np.nanmean(table)))

    def test_single_precision_in_is_single_precision_out(self, case, table):
        model = case.make().fit(table.astype(np.float32))
        assert model.predict_table().dtype == model.predict(table.astype(np.float32)).dtype == np.float32
        double = fitted(case).predict_table()
        if case.is_sampled:  # rounding makes another chain, which ends no farther away than one of another seed
            other = case.make().set_params(random_state=1).fit(table).predict_table()
            assert np.linalg.norm(model.predict_table() - double) <= np.linalg.norm(other - double)
        else:
            np.testing.assert_allclose(model.predict_table(), double, atol=8e-3)  # a fortieth of the noise

    def test_the_same_seed_gives_the_same_bits_on_any_engine(self, case, table):
        one = fitted(case).predict_table()
        with hs.engine("threads", workers=2):
            two = case.make().fit(table).predict_table()
        np.testing.assert_array_equal(one, two)

    def test_copies_predict_the_same_bits(self, case, table):
        model = fitted(case)
        for copy in (pickle.loads(pickle.dumps(model)), clone(model).fit(table)):
            np.testing.assert_array_equal(copy.predict(table), model.predict(table))

    def test_a_saved_model_predicts_the_same_bits(self, case, table, tmp_path):
        model = fitted(case)
        hs.save(model, tmp_path / "model.safetensors")
        loaded = hs.load(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(loaded.predict(table), model.predict(table))
        np.testing.assert_array_equal(loaded.predict([0, 3], [2, 4]), model.predict([0, 3], [2, 4]))
        assert loaded.score(table) == model.score(table)
        assert str(loaded.get_params()) == str(model.get_params())

    def test_labels_are_kept_and_asked_for(self, case, table):
        i, j = np.nonzero(~np.isnan(table))
        people, things = np.array([f"p{k:02}" for k in range(40)]), np.array([f"t{k:02}" for k in range(12)])
        R = hs.Observed.from_triplets(i, j, table[i, j], shape=table.shape, row_labels=people, col_labels=things)
        model = case.make().fit(R)
        # of the same fit: without labels other entries would be held out, and other settings chosen
        completed = model.predict_table()
        asked = model.predict(["p03", "p09"], ["t04", "t00"])
        np.testing.assert_allclose(asked, completed[[3, 9], [4, 0]], rtol=1e-13)
        with pytest.raises(ValueError, match="unknown row label 'p99'"):
            model.predict(["p99"], ["t00"])

    def test_new_rows_are_completed_one_by_one(self, case, table):
        model = case.make().fit(table[:30])
        together = model.predict(table[30:])
        for row in (0, 7):
            np.testing.assert_allclose(model.predict(table[30 + row : 31 + row])[0], together[row], rtol=1e-8)

    def test_what_iterates_says_why_it_ended(self, case, table):
        model = fitted(case)
        if hasattr(model, "run_"):
            assert model.run_.reason
            assert len(model.run_.trace) == model.run_.n_iter >= 1
            assert model.run_.params is None
