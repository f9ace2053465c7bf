"""The record of the slow suite: ``pytest -m slow --record FILE`` notes every test, and goes on where it stopped.

A line of the record is a test: how it ended, the CPU seconds that it took (children counted), the commit and the day.
Tests that passed, or were skipped, at the commit that is checked out are not run again; with ``--record-keep`` those
of earlier commits stay too. The file is written after every test, so that an interrupted run loses none.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ENDED = ("passed", "skipped")


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def commit_of(folder: Path) -> str:
    """The commit that is checked out, or "unknown" where there is no history."""
    command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class Record:
    """Outcomes by test, read from a file and written back after every change."""

    def __init__(self, path: Path, commit: str, *, keep: bool = False):
        self.path, self.commit, self.keep = path, commit, keep
        old: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.tests: dict[str, dict[str, Any]] = old.get("tests", {})
        self.lists_all: bool = old.get("lists_all", False)

    def has(self, name: str) -> bool:
        """Whether a test ended well, at this commit or at any that is to be kept."""
        known = self.tests.get(name)
        return bool(known) and known["outcome"] in ENDED and (self.keep or known["commit"] == self.commit)

    def begin(self, names: list[str]) -> None:
        """Forget tests that are no more; ``names`` are all that the suite has."""
        self.lists_all, every = True, set(names)
        self.tests = {name: known for name, known in self.tests.items() if name in every}
        for name in names:
            if not self.has(name):
                self.tests[name] = {"outcome": "not run", "cpu_seconds": 0.0, "commit": self.commit, "date": ""}

    def note(self, name: str, outcome: str, seconds: float) -> None:
        """Keep how a test ended, and write the file."""
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        self.tests[name] = {"outcome": outcome, "cpu_seconds": round(seconds, 2), "commit": self.commit, "date": day}
        self.write()

    def summary(self) -> dict[str, Any]:
        """The head of the file: how many ended how, their time together, and where they ran."""
        outcomes = [test["outcome"] for test in self.tests.values()]
        counts = {word: outcomes.count(word) for word in sorted(set(outcomes))}
        seconds = sum(test["cpu_seconds"] for test in self.tests.values())
        return {
            "command": "make slow",
            "lists_all": self.lists_all,
            "is_whole": self.lists_all and all(word in ENDED for word in outcomes),
            "outcomes": counts,
            "cpu_minutes": round(seconds / 60, 1),
            "commits": sorted({test["commit"] for test in self.tests.values()}),
            "dates": sorted({test["date"] for test in self.tests.values()} - {""}),
            "python": platform.python_version(),
            "system": platform.system(),
        }

    def write(self) -> None:
        """Write whole or not at all: the old file stays until the new one is complete."""
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(test)}" for name, test in sorted(self.tests.items()))
        head = json.dumps(self.summary(), indent=2).removesuffix("\n}")
        aside = self.path.with_name(self.path.name + ".part")
        aside.write_text(f'{head},\n  "tests": {{\n{lines}\n  }}\n}}\n')
        os.replace(aside, self.path)


class Recorder:
    """The hooks of a recorded run; with several workers only the first process writes."""

    def __init__(self, record: Record, *, writes: bool):
        self.record, self.writes = record, writes
        self.began = 0.0
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.get_closest_marker("slow")]
        if config.args == config.getini("testpaths"):
            self.record.begin([item.nodeid for item in chosen])
        left = [item for item in chosen if not self.record.has(item.nodeid)]
        kept = {id(item) for item in left}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = left

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """With several workers: what they collected, without what they left out as done."""
        if node.config.args == node.config.getini("testpaths"):
            self.record.begin([*ids, *(name for name in self.record.tests if self.record.has(name))])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.began = cpu_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        report.user_properties = [*report.user_properties, ("cpu_seconds", cpu_seconds() - self.began)]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self.writes:
            return
        if report.outcome != "passed" or report.when == "call":
            worst = {self.outcomes.get(report.nodeid), report.outcome}
            self.outcomes[report.nodeid] = "failed" if "failed" in worst else report.outcome
        if report.when == "teardown":
            seconds = dict(report.user_properties).get("cpu_seconds", 0.0)
            self.record.note(report.nodeid, self.outcomes.pop(report.nodeid, report.outcome), seconds)
