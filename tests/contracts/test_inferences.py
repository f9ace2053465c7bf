"""What every ``model.inference()`` has: one signature, one set of questions, an answer or a refusal that says why."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import Intervals, NotStated, TableInference
from halfseen.inference.table import QUESTIONS


def answers():
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-np.add.outer(rng.normal(size=60), rng.normal(size=30))))
    return np.where(rng.random(chance.shape) < 0.7, rng.random(chance.shape) < chance, np.nan)


def numbers(n=80, p=20, seed=1):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, 1)) @ rng.normal(size=(1, p)) + 0.3 * rng.normal(size=(n, p))
    return np.where(rng.random(table.shape) < 0.7, table, np.nan)


def thin_rows():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(2000, 1)) @ rng.normal(size=(1, 8)) + 0.3 * rng.normal(size=(2000, 8))
    return np.where(rng.random(table.shape) < 0.3, table, np.nan)


def with_features():
    rng = np.random.default_rng(3)
    F, G = rng.normal(size=(60, 3)), rng.normal(size=(40, 2))
    table = F @ rng.normal(size=(3, 2)) @ rng.normal(size=(2, 2)) @ G.T + 0.1 * rng.normal(size=(60, 40))
    return table, {"row_features": F, "col_features": G}


def inductive():
    table, features = with_features()
    model = hs.InductiveCompletion(1, "linear", penalty=0.0, has_intercept=False, random_state=0).fit(table, **features)
    return model.inference(R=table, **features)


def sources():
    data = hs.datasets.make_sources_data(
        4, 12, 40, 1, 1, observed=0.9, design=hs.datasets.SourcesDesign(noise=0.3), random_state=0
    )
    model = hs.HeterogeneousFactorization(1, 1, random_state=0, solver="als", centre=False)
    return model.fit(data.sources).inference(groups=10)


@dataclass(frozen=True)
class Case:
    """How to get an inference, and what its `band` is asked: a named set, and intervals."""

    make: Callable[[], Any]
    model: type
    name: str
    more: Callable[[Any], Intervals]
    choices: dict[str, Any] = field(default_factory=dict)


CASES = {
    "factor": Case(
        lambda: hs.GeneralizedFactorModel(1, penalty="none", random_state=0).fit(numbers()).inference(),
        hs.GeneralizedFactorModel, "row_factors", lambda i: i.entries([0, 1], [2, 3]),
    ),
    "item response": Case(
        lambda: hs.ItemResponseModel("rasch", integrate="columns").fit(answers()).inference(),
        hs.ItemResponseModel, "row_factors", lambda i: i.entries([0, 1], [2, 3]),
    ),
    "item response of many rows": Case(
        lambda: hs.ItemResponseModel("rasch").fit(answers()).inference(),
        hs.ItemResponseModel, "scores", lambda i: i.differences([0, 1], [2, 3]),
    ),
    "bayes": Case(
        lambda: hs.BayesianFactorization(1, max_iter=30, random_state=0).fit(numbers()).inference(),
        hs.BayesianFactorization, "scores", lambda i: i.entries([0, 1], [2, 3]),
    ),
    "bayes of yes and no": Case(
        lambda: hs.BayesianFactorization(1, "bernoulli", max_iter=30, random_state=0).fit(answers()).inference(),
        hs.BayesianFactorization, "scores", lambda i: i.differences([0, 1], [2, 3]),
    ),
    "moment": Case(
        lambda: hs.OneSidedCompletion(1, random_state=0).fit(thin_rows()).inference(),
        hs.OneSidedCompletion, "eigenvalues", lambda i: i.second_moment(([0, 1], [2, 3])),
    ),
    "inductive": Case(
        inductive, hs.InductiveCompletion, "entries", lambda i: i.contrast([1.0, -1.0], [0, 0], [2, 3]),
        {"rows": [0, 1], "cols": [2, 3]},
    ),
    "sources": Case(sources, hs.HeterogeneousFactorization, "rows", lambda i: i.differences([0, 1], [2, 3])),
}  # fmt: skip


def answer_of(inference, question, asked):
    """What a question gives: the words of a refusal, or intervals."""
    try:
        return "", getattr(inference, question)(*asked)
    except NotStated as refusal:
        return str(refusal), None


@pytest.fixture(scope="module")
def made():
    return {name: case.make() for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
class TestEveryInference:
    def test_it_is_asked_for_by_level_and_words(self, name):
        parameters = inspect.signature(CASES[name].model.inference).parameters
        assert list(parameters)[1] == "level"
        assert parameters["level"].default == 0.95
        assert parameters["random_state"].default == 0
        words = list(parameters.values())[2:]
        assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in words)

    def test_it_has_the_one_face(self, name, made):
        i = made[name]
        assert isinstance(i, TableInference)
        assert i.level == 0.95
        assert i.claim
        assert i.library == "pyarrow"
        assert i.warnings_ == ()
        for question in QUESTIONS:
            given, base = (inspect.signature(getattr(cls, question)).parameters for cls in (type(i), TableInference))
            if question != "contrast":
                assert list(given)[: len(base)] == list(base), question

    def test_every_question_has_an_answer_or_a_reason(self, name, made):
        i = made[name]
        asked = {"entries": ([0], [0]), "responses": ([0], [0]), "differences": ([0], [1])}
        answered = 0
        for question in (set(QUESTIONS) | {"ties"}) - {"contrast"}:
            said, intervals = answer_of(i, question, asked.get(question, ()))
            if intervals is None:
                assert len(said.split()) > 8, question
                continue
            assert isinstance(intervals, Intervals)
            shape = np.shape(intervals.estimate)
            assert np.shape(intervals.se) == np.shape(intervals.low) == np.shape(intervals.high) == shape
            assert np.all(intervals.low <= intervals.high)
            assert len(intervals.to_frame()) == len(intervals)
            answered += 1
        assert answered >= 1 or name == "moment"

    def test_any_sets_hold_together(self, name, made):
        case, i = CASES[name], made[name]
        more = case.more(i)
        alone, one = i.band(case.name, **case.choices), i.band(more)
        both = i.band(case.name, more, **case.choices)
        assert len(both) == len(alone) + len(more)
        assert max(alone.quantile, one.quantile) <= both.quantile * (1 + 1e-9) < 6
        assert both.kind == "band"
        np.testing.assert_allclose(both.estimate, np.concatenate([np.ravel(alone.estimate), more.estimate]))
        assert i.band(case.name, **case.choices).quantile == alone.quantile
