"""Names that the reference prints are reached by their printed path in a fresh session."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "api" / "index.md"


def printed_paths() -> list[str]:
    paths, module = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split(":: ")[1]
        elif re.fullmatch(r"   [A-Za-z_.0-9]+", line):
            paths.append(f"{module}.{line.strip()}")
    return paths


@pytest.mark.slow
def test_every_printed_path_is_reached_from_the_package_alone():
    paths = [path for path in printed_paths() if find_spec("torch") or ".towers." not in path]
    assert len(paths) > 100
    code = (
        "import halfseen\nfor path in {!r}:\n    try:\n        eval(path)\n"
        "    except AttributeError as error:\n        print(path, error)"
    )
    # a later path may lean on what an earlier one imported, so both orders are tried
    for order in (paths, paths[::-1]):
        command = [sys.executable, "-W", "ignore", "-c", code.format(order)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_every_public_class_and_function_is_in_the_reference():
    import halfseen as hs

    printed = {path.rsplit(".", 1)[-1] for path in printed_paths()}
    public = {name for module in (hs, hs.comparisons) for name in module.__all__ if callable(getattr(module, name))}
    # a record that second-moment baselines return
    assert public - printed - {"SecondMoment"} == set()
