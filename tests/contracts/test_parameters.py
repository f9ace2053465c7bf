"""Every parameter of every estimator takes another legal value: by itself, in searches, after a clone.

A new estimator adds one line to CASES. What goes only with something else says so in TOGETHER, with its reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV

import halfseen as hs
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.many import SourcesModel
from halfseen.parameters import BadArgument, alternatives, parameter_names

rng = np.random.default_rng(0)
N, P = 24, 14
NUMBERS = rng.normal(size=(N, 2)) @ rng.normal(size=(2, P)) + rng.normal(size=P) + 0.3 * rng.normal(size=(N, P))
NUMBERS[rng.random((N, P)) < 0.15] = np.nan
ANSWERS = np.where(np.isnan(NUMBERS), np.nan, (rng.normal(size=(N, 1)) + rng.normal(size=(N, P)) > 0).astype(float))
COUNTS = np.where(np.isnan(NUMBERS), np.nan, rng.poisson(2.0, (N, P)).astype(float))
POSITIVES = np.where(rng.random((N, P)) < 0.3, 1.0, np.nan)
COMPLETE = np.where(np.isnan(NUMBERS), 0.0, NUMBERS)
SYMMETRIC = COMPLETE[:P] + COMPLETE[:P].T
# four cells in every row, as one way of sampling supposes
FIXED = np.where(np.argsort(rng.random((N, P)), axis=1) < 4, COMPLETE, np.nan)
ROWS, COLS = rng.normal(size=(N, 3)), rng.normal(size=(P, 3))
KERNELS = {"row_kernel": ROWS @ ROWS.T + np.eye(N), "col_kernel": COLS @ COLS.T + np.eye(P)}
FEATURES = {"row_features": ROWS, "col_features": COLS}
PLACES = rng.integers(0, N, (2, 80))
PAIRS = {"pairs": (*PLACES, (PLACES[0] % 2) == (PLACES[1] % 2))}
SOURCES = hs.datasets.make_sources_data(
    3, 16, 12, 1, 1, observed=0.9, design=hs.datasets.SourcesDesign(noise=0.2), random_state=0
).sources


@dataclass(frozen=True)
class Case:
    """An estimator that fits fast, the table it is fitted to, and what its ``fit`` needs beside it."""

    model: BaseEstimator
    data: Any = field(default_factory=lambda: NUMBERS)
    more: dict[str, Any] = field(default_factory=dict)


c = hs.comparisons
NETWORK = {"hidden": 4, "width": 3, "max_iter": 2, "steps": 1, "device": "cpu", "random_state": 0}
CASES = {
    "AlternatingLeastSquares": Case(hs.AlternatingLeastSquares(random_state=0)),
    "BayesianFactorization": Case(hs.BayesianFactorization(max_iter=10, burn_in=2, random_state=0)),
    "SoftImpute": Case(hs.SoftImpute(random_state=0)),
    "GeneralizedFactorModel": Case(hs.GeneralizedFactorModel(random_state=0)),
    "ItemResponseModel": Case(hs.ItemResponseModel(max_iter=20, random_state=0), ANSWERS),
    "OverparametrizedFactorization": Case(hs.OverparametrizedFactorization(max_iter=200, random_state=0)),
    "OneSidedCompletion": Case(hs.OneSidedCompletion(rank=2, random_state=0)),
    "InductiveCompletion": Case(hs.InductiveCompletion(2, penalty=0.1, max_iter=15, random_state=0), more=FEATURES),
    "SimilarityClustering": Case(hs.SimilarityClustering(2, max_iter=30, random_state=0), ROWS, PAIRS),
    "HeterogeneousFactorization": Case(hs.HeterogeneousFactorization(1, 1, max_iter=30, random_state=0), SOURCES),
    "JIVE": Case(c.JIVE(1, 1, max_iter=30), SOURCES),
    "RobustJIVE": Case(c.RobustJIVE(1, 1, max_iter=30), SOURCES),
    "PersonalizedPCA": Case(c.PersonalizedPCA(1, 1, max_iter=30, random_state=0), SOURCES),
    "COBE": Case(c.COBE(1, 1, max_iter=30, random_state=0), SOURCES),
    "TwoStepSVD": Case(c.TwoStepSVD(1, 1), SOURCES),
    "ColumnMean": Case(c.ColumnMean()),
    "BiasModel": Case(c.BiasModel()),
    "Popularity": Case(c.Popularity(), POSITIVES),
    "NeighbourProfile": Case(c.NeighbourProfile(), POSITIVES, KERNELS),
    "RowKernelRidge": Case(c.RowKernelRidge(), POSITIVES, KERNELS),
    "KronRidge": Case(c.KronRidge(), POSITIVES, KERNELS),
    "EASE": Case(c.EASE(), POSITIVES),
    "ItemNeighbours": Case(c.ItemNeighbours(), POSITIVES),
    "Imputer": Case(hs.Imputer(random_state=0)),
    "ScaledColumns": Case(hs.ScaledColumns(hs.AlternatingLeastSquares(2, random_state=0))),
}
if find_spec("torch"):
    CASES["SparseAutoencoder"] = Case(hs.SparseAutoencoder(**NETWORK), SOURCES)
    CASES["HeterogeneousAutoencoder"] = Case(hs.HeterogeneousAutoencoder(**NETWORK, unique_hidden=3), SOURCES)

PROMISE = hs.Privacy(5.0, 1e-4, bound=5.0, max_entries=6)
# Values beside those that the kinds of parameters name.
FURTHER: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GeneralizedFactorModel", "family"): ("bernoulli", "poisson"),
    ("OverparametrizedFactorization", "family"): ("bernoulli",),
    ("HeterogeneousFactorization", "family"): ("huber(0.5)",),
    ("HeterogeneousFactorization", "unique_rank"): ({"source 0": 1, "source 1": 0, "source 2": 1},),
    ("InductiveCompletion", "family"): ("one_class", "bernoulli"),
    ("OneSidedCompletion", "privacy"): (PROMISE,),
    ("JIVE", "unique_rank"): ({"source 0": 1, "source 1": 0, "source 2": 1},),
    ("Imputer", "model"): (hs.ColumnMean(),),
    ("ScaledColumns", "model"): (hs.ColumnMean(),),
}
# What a value goes with: other parameters, and another table.
TOGETHER: dict[tuple[str, str, Any], tuple[dict[str, Any], Any]] = {
    ("BayesianFactorization", "family", "bernoulli"): ({}, ANSWERS),
    ("GeneralizedFactorModel", "family", "bernoulli"): ({}, ANSWERS),
    ("GeneralizedFactorModel", "family", "poisson"): ({}, COUNTS),
    ("OverparametrizedFactorization", "family", "bernoulli"): ({}, ANSWERS),
    ("InductiveCompletion", "family", "bernoulli"): ({}, ANSWERS),
    ("InductiveCompletion", "family", "one_class"): ({}, POSITIVES),
    **{
        ("ItemResponseModel", "rotation", word): ({"dimensions": 2}, None)
        for word in ("varimax", "oblimin", "promax", "geomin")
    },
    # these look at all singular values of the table
    **{("OverparametrizedFactorization", "stop", word): ({}, COMPLETE) for word in ("sure", "between", "discrepancy")},
    **{("OverparametrizedFactorization", "solver", word): ({}, COMPLETE) for word in ("basis", "filter")},
    ("OverparametrizedFactorization", "is_symmetric", True): ({}, SYMMETRIC),
    # who knows the seed can take the noise away
    ("OneSidedCompletion", "privacy", PROMISE): ({"random_state": None}, None),
    ("OneSidedCompletion", "sampling", "fixed"): ({"estimator": "horvitz_thompson"}, FIXED),
    # third moments of relu are zero; they tell at most three units apart
    ("InductiveCompletion", "start", "tensor"): ({"activation": "sigmoid"}, None),
    ("SimilarityClustering", "start", "tensor"): ({"activation": "sigmoid", "rank": 2}, None),
    ("InductiveCompletion", "start", "cross"): ({"activation": "relu"}, None),
    ("SimilarityClustering", "start", "cross"): ({"rank": 2}, None),
    # folds share the embedding out, and something must be left beside it
    ("HeterogeneousAutoencoder", "folds", 2): ({"width": 8}, None),
}
# A model of symmetric tables has one list of features.
TIED = {"row_features": ROWS[:P], "col_features": ROWS[:P]}
# A parameter of one value: what another machine or library would have to be there for.
ONLY_ONE = {("SparseAutoencoder", "device"), ("HeterogeneousAutoencoder", "device"), ("ItemResponseModel", "family")}


# These fits take a second or more: the full suite alone tries them.
LONG = (
    ("InductiveCompletion", "start", "cross"),
    ("InductiveCompletion", "start", "tensor"),
    ("InductiveCompletion", "rank", "auto"),
    ("ItemResponseModel", "rotation", "oblimin"),
    ("ItemResponseModel", "rotation", "geomin"),
    ("OneSidedCompletion", "rank", "auto"),
    ("SparseAutoencoder", "threads", 2),
    ("SparseAutoencoder", "threads", None),
    ("HeterogeneousAutoencoder", "threads", None),
    ("SimilarityClustering", "start", "tensor"),
    ("ItemResponseModel", "integrate", "columns"),
)
# The fast suite tries one other value of each parameter, and searches for three; of these, whose fits take long, one.
COSTLY = {
    "GeneralizedFactorModel",
    "HeterogeneousAutoencoder",
    "HeterogeneousFactorization",
    "Imputer",
    "InductiveCompletion",
    "ItemResponseModel",
    "OneSidedCompletion",
    "OverparametrizedFactorization",
    "SimilarityClustering",
    "SoftImpute",
    "SparseAutoencoder",
}


def estimators() -> dict[str, type]:
    """All public estimators, those of comparisons among them."""
    public = {name: getattr(hs, name) for name in hs.__all__}
    public |= {name: getattr(c, name) for name in c.__all__}
    return {name: kind for name, kind in public.items() if inspect.isclass(kind) and issubclass(kind, BaseEstimator)}


def values_of(name: str, parameter: str) -> list[Any]:
    """Legal values of a parameter other than the case's own."""
    model = CASES[name].model
    known = alternatives(type(model)._parameters[parameter], getattr(model, parameter))
    return [*known, *FURTHER.get((name, parameter), ())]


def settings() -> Iterator[Any]:
    for name, case in CASES.items():
        for parameter in parameter_names(type(case.model)):
            for k, value in enumerate(values_of(name, parameter)):
                marks = pytest.mark.slow if k or (name, parameter, value) in LONG else ()
                yield pytest.param(name, parameter, value, id=f"{name}-{parameter}={value!r}"[:90], marks=marks)


def with_value(name: str, parameter: str, value: Any) -> tuple[BaseEstimator, Any, dict[str, Any]]:
    """The model with the value and what it goes with, its table, further arguments of ``fit``."""
    case = CASES[name]
    known = {key: found for key, found in TOGETHER.items() if key[:2] == (name, parameter)}
    also, data = next((found for key, found in known.items() if key[2] is value or key[2] == value), ({}, case.data))
    model = clone(case.model).set_params(**{**also, parameter: value})
    if parameter == "is_tied":
        return model, SYMMETRIC, TIED
    return model, case.data if data is None else data, case.more


def answers_of(model: Any, data: Any) -> np.ndarray:
    """Some numbers that a fitted model gives."""
    if isinstance(model, SourcesModel):
        return model.predict_table(model.source_names_[0])
    if isinstance(model, hs.Imputer):
        return model.transform(data)
    if not hasattr(model, "predict_table"):
        return np.asarray(model.predict(data), dtype=float)
    if getattr(model, "keeps_rows", True) and getattr(model, "privacy", None) is None:
        return model.predict_table()
    return model.predict(data)


ignoring = pytest.mark.filterwarnings("ignore::UserWarning")


def test_every_public_estimator_has_a_case():
    lacking = estimators().keys() - CASES.keys()
    assert lacking <= ({"SparseAutoencoder", "HeterogeneousAutoencoder"} if not find_spec("torch") else set())


@pytest.mark.parametrize("name", CASES)
class TestEveryEstimator:
    def test_each_parameter_is_declared_and_has_another_value(self, name):
        kind = type(CASES[name].model)
        assert set(kind._parameters) == set(parameter_names(kind))
        for parameter in parameter_names(kind):
            assert values_of(name, parameter) or (name, parameter) in ONLY_ONE, parameter

    def test_the_default_values_are_legal(self, name):
        model = type(CASES[name].model)()
        assert vars(model._checked()) == model.get_params(deep=False)

    def test_at_most_two_parameters_are_given_by_position(self, name):
        signature = inspect.signature(type(CASES[name].model)).parameters.values()
        assert sum(part.kind is part.POSITIONAL_OR_KEYWORD for part in signature) <= 2
        assert not any(part.kind is part.VAR_KEYWORD for part in signature)

    def test_a_value_of_no_kind_is_refused_by_its_name(self, name):
        case = CASES[name]
        for parameter in parameter_names(type(case.model)):
            model = clone(case.model).set_params(**{parameter: object()})
            with pytest.raises(BadArgument) as caught:
                model.fit(case.data, **case.more)
            assert caught.value.name == parameter
            assert str(type(model)._parameters[parameter]) in str(caught.value)

    @ignoring
    def test_fit_leaves_the_parameters_as_they_were_given(self, name):
        case = CASES[name]
        model = clone(case.model)
        before = dict(model.get_params(deep=False))
        model.fit(case.data, **case.more)
        assert all(getattr(model, parameter) is value for parameter, value in before.items())

    def test_every_parameter_is_documented_in_the_order_of_its_kind(self, name):
        text = inspect.getdoc(type(CASES[name].model))
        missing = [word for word in parameter_names(type(CASES[name].model)) if word not in text]
        assert not missing


@ignoring
@pytest.mark.parametrize(("name", "parameter", "value"), list(settings()))
def test_another_legal_value_is_set_cloned_and_fitted(name, parameter, value):
    model, data, more = with_value(name, parameter, value)
    copied = getattr(clone(model), parameter)
    assert copied == value or repr(copied) == repr(value)
    assert model.fit(data, **more) is model
    assert np.isfinite(answers_of(model, data)).all()


def searched() -> Iterator[Any]:
    for name, case in CASES.items():
        marks: Any = ()
        for k, parameter in enumerate(parameter_names(type(case.model))):
            if k > 2 or (k and name in COSTLY):
                marks = pytest.mark.slow
            values = values_of(name, parameter)
            plain = [value for value in values if not any(key[:2] == (name, parameter) for key in TOGETHER)]
            if (
                plain
                and parameter != "is_tied"
                and (isinstance(case.model, CompletionEstimator) or "score" in dir(case.model))
            ):
                yield pytest.param(name, parameter, plain[0], id=f"{name}-{parameter}={plain[0]!r}"[:90], marks=marks)


@ignoring
@pytest.mark.parametrize(("name", "parameter", "value"), list(searched()))
def test_a_search_of_scikit_learn_tries_it(name, parameter, value):
    case = CASES[name]
    model, data, more = clone(case.model), case.data, case.more
    if isinstance(model, SourcesModel):  # one table is one source; its rows cannot be held out
        data, every = data[data.names[0]].to_dense(), np.arange(data.n_rows)
        folds = [(every, every)]
    else:
        folds = [(np.arange(0, N - 6), np.arange(N - 6, N))]
    scoring = hs.select.NewRowScore() if isinstance(model, CompletionEstimator) else None
    if isinstance(model, hs.InductiveCompletion):
        folds, scoring = [(np.arange(N), np.arange(N))], lambda model, X, y=None: model.score(X)
    grid = {parameter: [getattr(model, parameter), value]}
    search = GridSearchCV(model, grid, cv=folds, scoring=scoring, refit=False, error_score="raise")
    search.fit(data, **more)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@ignoring
@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [one for one in searched() if isinstance(CASES[one.values[0]].model, PlacesRows) and not CASES[one.values[0]].more],
)
def test_our_own_search_tries_it(name, parameter, value):
    model = CASES[name].model
    grid = {parameter: [getattr(model, parameter), value]}
    by = "rows" if parameter == "keeps_rows" else "entries"
    search = hs.select.choose_parameters(model, CASES[name].data, grid, folds=2, by=by, random_state=0)
    assert search.parameters in search.settings
    assert search.model.get_params()[parameter] in grid[parameter]


RANKED = [name for name, case in CASES.items() if isinstance(case.model, PlacesRows) and hasattr(case.model, "rank")]


@ignoring
@pytest.mark.parametrize("name", [name for name in RANKED if not CASES[name].more])
def test_ranks_are_chosen(name):
    choice = hs.select.choose_rank(CASES[name].model, CASES[name].data, [1, 2], n_splits=1, random_state=0)
    assert choice.rank in (1, 2)
    assert choice.model.rank == choice.rank


@ignoring
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "shared_rank" in case.model.get_params()])
def test_ranks_of_sources_are_chosen(name):
    choice = hs.select.choose_source_ranks(CASES[name].model, SOURCES, [0, 1], [0, 1], random_state=0)
    assert (choice.shared_rank, choice.unique_rank) != (0, 0)
    assert len(choice.tried) == 3


# Descent stops before the noise: its rank is that of the factors' columns, not one to be sought.
@pytest.mark.slow_cases("OneSidedCompletion")
@ignoring
@pytest.mark.parametrize("name", [name for name in RANKED if name != "OverparametrizedFactorization"])
def test_an_automatic_rank_says_how_it_was_found(name):
    case = CASES[name]
    model = clone(case.model).set_params(rank="auto").fit(case.data, **case.more)
    search = model.rank_search_
    assert search.rank in search.ranks
    assert len(search.ranks) == len(search.losses) == len(search.standard_errors)
    assert clone(case.model).fit(case.data, **case.more).rank_search_ is None
