"""Before a release: every place that states the version states the same, and the changelog has a section for it.

    python scripts/release_check.py [VERSION]

Without VERSION, compares the places with each other only.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = {
    "pyproject.toml": r'^version = "([^"]+)"',
    "src/halfseen/__init__.py": r'^__version__ = "([^"]+)"',
    "CITATION.cff": r"^version: (\S+)",
    "conda.recipe/recipe.yaml": r'^  version: "([^"]+)"',
}


def findings(root: Path, wanted: str | None = None) -> list[str]:
    """What keeps ``wanted`` (the version of pyproject.toml, if None) from being released; one line each."""
    stated = {}
    for name, pattern in PLACES.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.M)
        stated[name] = match[1] if match else None
    version = wanted or stated["pyproject.toml"]
    wrong = [f"{name} states {found}, not {version}" for name, found in stated.items() if found != version]
    heading = re.search(rf"^## {re.escape(str(version))}\b(.*)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    if heading is None:
        wrong.append(f"CHANGELOG.md has no section for {version}")
    elif wanted and "unreleased" in heading[1]:
        wrong.append(f"CHANGELOG.md says that {version} is unreleased; put the date there")
    return wrong


if __name__ == "__main__":
    wrong = findings(ROOT, *sys.argv[1:2])
    print("\n".join(wrong) or "the version is the same everywhere")
    sys.exit(bool(wrong))
