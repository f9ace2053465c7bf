"""What a release states agrees everywhere: versions, dependencies of the recipe, files that are promised."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def release_check():
    spec = importlib.util.spec_from_file_location("release_check", ROOT / "scripts" / "release_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_place_states_the_same_version(release_check):
    assert release_check.findings(ROOT) == []


def test_a_place_with_another_version_and_an_undated_changelog_are_said(release_check, tmp_path):
    for name in [*release_check.PLACES, "CHANGELOG.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version = PROJECT["project"]["version"]
    (tmp_path / "CHANGELOG.md").write_text(f"## {version} (unreleased)\n", encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text("version: 9.9.9\n", encoding="utf-8")
    wrong = release_check.findings(tmp_path, version)
    assert wrong[0] == f"CITATION.cff states 9.9.9, not {version}"
    assert wrong[1].startswith("CHANGELOG.md says")
    assert "no section for 9.9.9" in release_check.findings(tmp_path, "9.9.9")[-1]


def test_the_recipe_asks_for_what_the_package_asks_for():
    recipe = (ROOT / "conda.recipe" / "recipe.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"^    - ([\w-]+ >=[\d.]+)$", recipe, re.M))
    needed = {line.replace(">=", " >=") for line in PROJECT["project"]["dependencies"]}
    needed |= {line.replace(">=", " >=") for line in PROJECT["build-system"]["requires"]}
    assert asked == needed | {f"python {PROJECT['project']['requires-python']}"}


def test_workflows_and_templates_are_yaml():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    files = [*ROOT.glob(".github/**/*.yml"), ROOT / "CITATION.cff", ROOT / "conda.recipe" / "recipe.yaml"]
    assert len(files) >= 9
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file
