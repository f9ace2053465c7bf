"""Doctests of modules that train networks are left out where torch is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

TRAINED = [
    "src/halfseen/nets/*",
    "src/halfseen/methods/autoencoder/*",
    "src/halfseen/methods/inductive/towers*",
]
collect_ignore_glob = [] if find_spec("torch") else TRAINED


def pytest_collection_modifyitems(items):
    """Tests that are open after a merge may fail, and are named in the summary."""
    lines = (Path(__file__).parent / "tests" / "open_after_merge.txt").read_text(encoding="utf-8").splitlines()
    still_open = tuple(line for line in lines if line and not line.startswith("#"))
    for item in items:
        if item.nodeid.startswith(still_open):
            item.add_marker(pytest.mark.xfail(strict=False, reason="open after a merge: tests/open_after_merge.txt"))
