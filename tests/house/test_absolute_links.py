"""Links of the README as a package index shows them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ADDRESS = "https://example.org/owner/name"


def _script():
    spec = importlib.util.spec_from_file_location("absolute_links", ROOT / "scripts" / "absolute_links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_link_of_the_readme_becomes_absolute_and_names_a_file(tmp_path):
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    _script().main(ADDRESS, "v1", tmp_path)
    targets = re.findall(r"\]\(([^)]+)\)", (tmp_path / "README.md").read_text(encoding="utf-8"))
    assert len(targets) > 5
    for target in targets:
        assert target.startswith("https://"), target
        if target.startswith(ADDRESS):
            kind, _, path = target.removeprefix(f"{ADDRESS}/").partition("/v1/")
            assert (ROOT / path).exists(), path
            assert (kind == "raw") == path.endswith(".png")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["urls"]) == {"Source", "Changelog", "Issues"}
    assert project["scripts"]["halfseen"] == "halfseen.cli:main"


def test_a_second_run_changes_nothing(tmp_path):
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    script = _script()
    script.main(ADDRESS, "v1", tmp_path)
    once = [(tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "pyproject.toml")]
    script.main(ADDRESS, "v1", tmp_path)
    assert once == [(tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "pyproject.toml")]
