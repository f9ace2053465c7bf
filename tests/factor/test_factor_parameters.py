"""The factor model's parameters: each is flat, checked by the table, and named in the error."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.factor.settings import PARAMETERS
from halfseen.parameters import BadArgument, Number

NUMBERS = [name for name, kind in PARAMETERS.items() if any(isinstance(k, Number) for k in kind.members)]


def checked(**parameters):
    return hs.GeneralizedFactorModel(**parameters)._checked()


def test_only_rank_and_family_are_given_by_position():
    parameters = inspect.signature(hs.GeneralizedFactorModel).parameters.values()
    assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == ["rank", "family"]


def test_every_parameter_is_in_the_table_and_every_default_fits_it():
    defaults = hs.GeneralizedFactorModel().get_params(deep=False)
    assert defaults.keys() == PARAMETERS.keys()
    assert vars(checked()) == defaults


def test_numpy_numbers_are_numbers():
    given = {
        "start": "linear", "solver": "gd", "step": np.float32(0.5), "rho": 2, "c_orth": 0, "trim": 3.0,
        "rotation": "varimax", "max_iter": np.int64(7), "tol": 1, "c_lambda": 0.1, "n_triplets": 1,
        "is_centred": np.False_, "one_step_penalty": 0.0,
    }  # fmt: skip
    settings = checked(**given)
    assert all(getattr(settings, name) is value for name, value in given.items())


@pytest.mark.parametrize("value", [True, [1.0], np.ones(2), 1j, "fast"], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(BadArgument, match=rf"^{name}=.* is not allowed; needed: .*a (finite|whole) number"):
        checked(**{name: value})


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), -np.inf], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_outside_their_range_are_refused(name, value):
    with pytest.raises((ValueError, TypeError), match=f"^{name}="):
        checked(**{name: value})


@pytest.mark.parametrize("name", ["rho", "tol", "c_lambda", "n_triplets", "max_iter", "trim", "step"])
def test_zero_is_refused_where_it_has_no_meaning(name):
    with pytest.raises(BadArgument, match=f"^{name}=0 is not allowed"):
        checked(**{name: 0})


@pytest.mark.parametrize("name", ["rank", "rho", "tol", "c_lambda", "n_triplets", "c_orth", "step", "is_centred"])
def test_none_is_refused_where_it_has_no_meaning(name):
    with pytest.raises(BadArgument, match=f"^{name}=None is not allowed"):
        checked(**{name: None})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_iter": 2.5}, r"max_iter=2\.5 is not allowed; needed: None or a whole number of at least 1\."),
        ({"one_step_penalty": -0.5}, "needed: None or a finite number of at least 0"),
        ({"is_centred": 1}, "is_centred=1 is not allowed; needed: True or False"),
        ({"rotation": "promax"}, "needed: None or 'varimax'"),
        ({"solver": ["gd"]}, "needed: one of 'newton-cg', 'alternating', 'gd', 'nesterov'"),
    ],
)
def test_the_error_says_what_is_needed(given, message):
    with pytest.raises(BadArgument, match=message):
        checked(**given)


def test_a_search_may_set_any_parameter():
    model = hs.GeneralizedFactorModel(1).set_params(max_iter=3, tol=1e-3, solver="alternating")
    assert model.get_params()["max_iter"] == 3
    assert (model._checked().solver, model._checked().tol) == ("alternating", 1e-3)


def test_the_printed_algorithm_can_be_changed_in_any_parameter():
    paper = hs.GeneralizedFactorModel.paper(3, step=0.01, trim=None, random_state=4)
    assert (paper.rank, paper.family, paper.solver, paper.step, paper.trim) == (3, "bernoulli", "gd", 0.01, None)
    assert (paper.penalty, paper.bias, paper.is_centred, paper.random_state) == ("none", "none", False, 4)
