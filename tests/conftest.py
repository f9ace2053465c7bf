"""Which tests are slow beyond those that say so themselves, and the record of the slow suite."""

from __future__ import annotations

import functools
import gc
import sys
from pathlib import Path

import pytest

from fast_cases import is_costly_check, is_named


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", metavar="FILE", help="run the slow tests that this record lacks; note how they end")
    parser.addoption("--record-keep", action="store_true", help="keep what the record has of earlier commits")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record"):
        from slow_record import Record, Recorder, commit_of

        path = Path(config.getoption("--record")).absolute()
        record = Record(path, commit_of(config.rootpath), keep=config.getoption("--record-keep"))
        config.pluginmanager.register(Recorder(record, writes=not hasattr(config, "workerinput")), "slow-record")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what ``fast_cases`` does not name or ``slow_cases`` does, and costly checks of costly estimators."""
    for item in items:
        case = item.name.partition("[")[2].removesuffix("]")
        fast, slow = item.get_closest_marker("fast_cases"), item.get_closest_marker("slow_cases")
        is_left_out = (fast and not is_named(case, fast.args)) or (slow and is_named(case, slow.args))
        if is_left_out or is_costly_check(getattr(getattr(item, "callspec", None), "params", {})):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What is dear and the same for every test: the tree of commands, and looking for garbage among the tests."""
    runner = sys.modules.get("typer.testing")
    if hasattr(runner, "_get_command"):
        runner._get_command = functools.cache(runner._get_command)  # a tenth of a second for each call of a command
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
