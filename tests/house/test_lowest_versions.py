"""The versions that `make lowest` tests are the lowest that pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"], *EXTRAS["plots"]]
# Tools that only judge the code are taken as they come.
TESTS = [line for line in EXTRAS["test"] if not line.startswith(("mypy", "ruff", "pytest-benchmark"))]


def versions():
    lines = (ROOT / "requirements" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("line", [*ASKED, *TESTS])
def test_the_lowest_version_is_the_tested_one(line):
    name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups()
    tested = versions()[name]
    assert re.sub(r"(\.0)+$", "", tested) == re.sub(r"(\.0)+$", "", lowest)
