"""The factor model's options: every field is checked, and the error names it."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.factor.options import NUMBERS, checked_options


def test_none_is_the_defaults_and_good_options_are_kept():
    assert checked_options(None) == hs.FactorOptions()
    options = hs.FactorOptions(
        start="linear", solver="gd", step=np.float32(0.5), rho=2, c_orth=0, trim=3.0, rotation="varimax",
        max_iter=np.int64(7), tol=1, c_lambda=0.1, n_triplets=1, is_centred=np.False_, one_step_ridge=0.0,
    )  # fmt: skip
    assert checked_options(options) is options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": 1}, r"got dict; write options=FactorOptions\(tol=1\)"),
        ({"tolerance": 1}, r"got dict; write options=FactorOptions\(tol=1e-08\)"),
        ({}, "got dict"),
        ("gd", "got str"),
        (3, "got int"),
        (hs.FactorOptions, "got type"),
    ],
)
def test_options_of_another_kind_are_refused(options, message):
    with pytest.raises(TypeError, match="options must be a FactorOptions or None, " + message):
        checked_options(options)


@pytest.mark.parametrize("value", [True, [1.0], np.ones(2), 1j, "fast"], ids=str)
@pytest.mark.parametrize("name", list(NUMBERS))
def test_what_is_no_number_is_a_type_error(name, value):
    with pytest.raises(TypeError, match=rf"options\.{name}=.* must be a (finite|whole) number"):
        hs.FactorOptions(**{name: value}).checked()


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), -np.inf], ids=str)
@pytest.mark.parametrize("name", list(NUMBERS))
def test_numbers_outside_their_range_are_refused(name, value):
    with pytest.raises((ValueError, TypeError), match=rf"options\.{name}="):
        hs.FactorOptions(**{name: value}).checked()


@pytest.mark.parametrize("name", ["rho", "tol", "c_lambda", "n_triplets", "max_iter", "trim", "step"])
def test_zero_is_refused_where_it_has_no_meaning(name):
    with pytest.raises(ValueError, match=rf"options\.{name}=0 must be a (finite|whole) number above 0"):
        hs.FactorOptions(**{name: 0}).checked()


@pytest.mark.parametrize("name", ["rho", "tol", "c_lambda", "n_triplets", "c_orth", "step", "is_centred"])
def test_none_is_refused_where_it_has_no_meaning(name):
    with pytest.raises(TypeError, match=rf"options\.{name}=None must be"):
        hs.FactorOptions(**{name: None}).checked()


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"max_iter": 2.5}, TypeError, r"options\.max_iter=2\.5 must be a whole number above 0 or None\."),
        ({"n_triplets": 3.0}, TypeError, r"options\.n_triplets=3\.0 must be a whole number above 0\."),
        ({"one_step_ridge": -0.5}, ValueError, r"must be a finite number >= 0 or None\."),
        ({"step": "fast"}, TypeError, r"options\.step='fast' must be a finite number above 0 or 'auto'\."),
        ({"is_centred": 1}, TypeError, r"options\.is_centred=1 must be True or False\."),
        ({"rotation": "promax"}, ValueError, r"options\.rotation='promax' is not known"),
        ({"start": None}, ValueError, r"options\.start=None is not known"),
        ({"solver": ["gd"]}, ValueError, r"options\.solver=\['gd'\] is not known"),
    ],
)
def test_the_error_says_what_is_needed(kwargs, error, message):
    with pytest.raises(error, match=message):
        checked_options(hs.FactorOptions(**kwargs))
