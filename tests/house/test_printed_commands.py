"""Commands that a page or a workflow prints exist: targets of make, files, extras, jobs, variables of a matrix."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# What a new reader copies; all of it is run by the script behind `make check`.
FIRST_PAGES = ("index", "install", "faq", "choosing", "glossary", "command-line")


def unknown(command: str) -> str | None:
    """What a command names that is not there."""
    for target in re.findall(r"(?<![\w/])make((?: [a-z]+\b(?!=))+)", command):
        if missing := set(target.split()) - TARGETS:
            return f"make {missing.pop()}"
    for path in re.findall(r"python3? ((?:scripts|benchmarks|tests|examples)/[\w./]+\.py)", command):
        if not (ROOT / path).is_file():
            return path
    for extras in re.findall(r"(?:halfseen|\.)\[([\w,]+)\]", command):
        if missing := set(extras.split(",")) - set(PROJECT["optional-dependencies"]):
            return f"extra {missing.pop()}"
    return None


def printed(page: Path) -> list[str]:
    """Lines of a page's shell blocks, without comments."""
    blocks = re.findall(r"^```(?:sh|console|text)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line.split("  #")[0].strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(make|pip|python3?|halfseen) ", line)]


def test_what_pages_tell_a_reader_to_type_is_there():
    lines = {(page.name, line) for page in PAGES if "gallery" not in page.parts for line in printed(page)}
    assert ("README.md", "make demo") in lines
    assert len(lines) > 60
    assert [(name, line) for name, line in lines if unknown(line)] == []


@pytest.mark.parametrize(
    "command", ["make no-such", "make demo nosuch", "python scripts/gone.py", "pip install .[gone]"]
)
def test_a_command_that_is_not_there_is_seen(command):
    assert unknown(command)


def test_the_pages_that_a_newcomer_reads_are_among_those_that_run():
    spec = importlib.util.spec_from_file_location("run_examples", ROOT / "scripts" / "run_examples.py")
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = re.search(r"run_examples\.py (.+)", makefile)[1].split()
    found = {path.relative_to(ROOT).as_posix() for path in script.find([str(ROOT / name) for name in names])}
    tutorials = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "tutorials").glob("*.md")]
    assert len(tutorials) == 7
    assert found >= {"README.md", *tutorials, *(f"docs/{name}.md" for name in FIRST_PAGES)}


def test_no_page_for_newcomers_prints_a_halfseen_command_that_is_not_run():
    shell = re.compile(r"^```(?:sh|console|yaml)\n.*?^```", re.M | re.S)
    command = re.compile(r"^(?:\$ )?halfseen (?:fit|complete|describe|board|place|predict|report|items) .*", re.M)
    pages = [ROOT / "README.md", ROOT / "docs" / "index.md", *(ROOT / "docs" / "tutorials").glob("*.md")]
    loose = [command.findall(shell.sub("", page.read_text(encoding="utf-8"))) for page in pages]
    assert loose == [[]] * 9


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_step_of_a_workflow_names_what_is_there(file):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    flow = yaml.safe_load(file.read_text(encoding="utf-8"))
    # "on" is a yes in YAML 1.1
    assert set(flow) - {"concurrency", "env"} == {"name", True, "permissions", "jobs"}
    for name, job in flow["jobs"].items():
        assert ("uses" in job) != ("steps" in job), name
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(flow["jobs"]), name
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert "runs-on" in job
        axes = job.get("strategy", {}).get("matrix", {})
        assert set(re.findall(r"matrix\.(\w+)", yaml.safe_dump(job))) <= set(axes)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert set(step) <= {"uses", "run", "with", "if", "env", "name", "shell"}, step
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w.-]+@(v\d[\d.]*|release/v1)", step["uses"]), step
            else:
                assert unknown(step["run"]) is None, step
                assert not re.search(r"\\\n\s*\n", step["run"])


def test_what_a_workflow_fetches_from_another_was_left_there():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    left, fetched = set(), set()
    for file in WORKFLOWS:
        for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values():
            for step in job.get("steps", []):
                if "upload-artifact" in step.get("uses", ""):
                    left.add(step["with"]["name"])
                if "download-artifact" in step.get("uses", ""):
                    fetched.add(step["with"]["pattern"])
    assert fetched == {"wheels-*"}
    assert len([name for name in left if name.startswith("wheels-")]) == 2
