"""Every estimator gives the numbers that were recorded before the public face was put in order."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from golden_cases import CASES, CHANGED
from golden_readings import numbers
from golden_table import SAME_PLACE, moved, one_thread, read, tolerance, write
from sklearn.base import BaseEstimator

import halfseen as hs

RECORDED = read()


# every third fit in the fast suite, all of them in the slow one
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if k % 3 else ()) for k, name in enumerate(CASES)]
)
def test_a_fit_gives_its_recorded_numbers(name):
    if "Autoencoder" in CASES[name]["model"]:
        pytest.importorskip("torch")
    with one_thread():
        now = numbers(CASES[name])
    allowed = tolerance(RECORDED, name)
    differences = moved(RECORDED["cases"][name]["numbers"], now, allowed)
    assert not differences, f"allowed {allowed:g}:\n" + "\n".join(differences)


def test_every_case_is_recorded_and_every_record_has_its_case():
    assert list(RECORDED["cases"]) == list(CASES), "run python tests/golden/renew.py with the cases that are new"


def test_every_public_estimator_has_a_case():
    public = {name: getattr(hs, name) for name in hs.__all__}
    estimators = {name for name, cls in public.items() if inspect.isclass(cls) and issubclass(cls, BaseEstimator)}
    # a transformer and a wrapper of any model: their numbers are those of the models inside
    assert estimators - {case["model"] for case in CASES.values()} == {"Imputer", "ScaledColumns"}


def test_numbers_are_renewed_only_for_a_reason_that_is_written_down():
    renewed = {name for name, case in RECORDED["cases"].items() if case.get("renewed")}
    assert renewed <= set(CHANGED)
    assert set(CHANGED) <= set(CASES)
    assert all(len(reason.split()) > 3 for reason in CHANGED.values())


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ({"a": [1.0, 2.0 + 1e-10], "b": [np.nan]}, "1 of 2 numbers moved"),
        ({"a": [1.0, np.nan], "b": [np.nan]}, "1 of 2 numbers moved"),
        ({"a": [1.0, 2.0], "b": [0.0]}, "b: 1 of 1"),
        ({"a": [1.0], "b": [np.nan]}, "a has 1 numbers"),
        ({"a": [1.0, 2.0]}, "b was not read"),
        ({"a": [1.0, 2.0], "b": [np.nan], "c": [1.0]}, "c was not recorded"),
    ],
)
def test_a_number_that_moved_is_told(now, word):
    recorded = {"a": [1.0, 2.0], "b": [np.nan]}
    assert moved(recorded, {"a": [1.0, 2.0 + 1e-12], "b": [np.nan]}, SAME_PLACE) == []
    assert word in " ".join(moved(recorded, now, SAME_PLACE))


def test_a_written_table_is_read_back_to_the_last_bit(tmp_path):
    row = np.array([0.1 + 0.2, -1e-300, 3.0, np.nan, np.inf, 12345678901234567.0])
    write({"places": [{}], "cases": {"case": {"place": 0, "numbers": {"row": row}}}}, tmp_path / "table.json")
    np.testing.assert_array_equal(read(tmp_path / "table.json")["cases"]["case"]["numbers"]["row"], row)
