"""The record of the slow suite: what it keeps, what it runs again, and that an interrupted run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fast_cases import is_named
from slow_record import Record

TESTS = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "slow.json"


def test_a_case_is_named_by_its_id_or_by_a_part_of_it():
    assert is_named("poisson", ("poisson",))
    assert is_named("Model-rank=1-poisson", ("rank=1",))
    assert not is_named("Model-rank=10", ("rank=1", "Mod"))


def test_a_record_is_whole_when_every_test_ended_well(path):
    record = Record(path, "abc")
    record.begin(["a", "b"])
    record.note("a", "passed", 1.5)
    assert not json.loads(path.read_text())["is_whole"]
    record.note("b", "skipped", 0.0)
    whole = json.loads(path.read_text())
    assert whole["is_whole"]
    assert whole["outcomes"] == {"passed": 1, "skipped": 1}
    assert whole["tests"]["a"]["cpu_seconds"] == 1.5
    record.note("a", "failed", 1.0)
    assert not json.loads(path.read_text())["is_whole"]


def test_a_part_of_the_suite_makes_no_whole_record(path):
    record = Record(path, "abc")
    record.note("a", "passed", 1.0)
    assert not json.loads(path.read_text())["is_whole"]


def test_what_passed_at_this_commit_is_not_run_again(path):
    record = Record(path, "abc")
    record.begin(["a", "b", "c"])
    record.note("a", "passed", 1.0)
    record.note("b", "failed", 1.0)
    again = Record(path, "abc")
    assert [again.has(name) for name in "abc"] == [True, False, False]
    assert not Record(path, "def").has("a")
    assert Record(path, "def", keep=True).has("a")


def test_tests_that_are_gone_are_forgotten(path):
    record = Record(path, "abc")
    record.begin(["a", "b"])
    record.note("a", "passed", 1.0)
    record.begin(["b"])
    assert list(record.tests) == ["b"]


SUITE = """
import pathlib
import pytest

@pytest.mark.slow
def test_first():
    pass

@pytest.mark.fast_cases("one")
@pytest.mark.parametrize("case", ["one", "two"])
def test_cases(case):
    assert case == "two" and (pathlib.Path(__file__).parent / "mended").exists()

def test_quick():
    raise AssertionError("no slow test")
"""


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    """The suite's own hooks in a small project: one test fails, is mended, and only that one is run again."""
    for name in ("conftest.py", "fast_cases.py", "slow_record.py"):
        (tmp_path / name).write_text((TESTS / name).read_text())
    markers = "[pytest]\nmarkers =\n    slow: x\n    fast_cases(*names): x\n"
    (tmp_path / "pytest.ini").write_text(markers + "testpaths = .\npythonpath = .\n")
    (tmp_path / "test_small.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--record", "slow.json"]

    def run() -> dict[str, str]:
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        tests = json.loads((tmp_path / "slow.json").read_text())["tests"]
        return {name.partition("::")[2]: test["outcome"] for name, test in tests.items()}

    assert run() == {"test_first": "passed", "test_cases[two]": "failed"}
    (tmp_path / "mended").touch()
    (tmp_path / "test_small.py").write_text(SUITE.replace("    pass", "    raise AssertionError('run again')"))
    assert run() == {"test_first": "passed", "test_cases[two]": "passed"}
