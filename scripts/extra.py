"""Print the requirements of one optional group of pyproject.toml, one per line: `python scripts/extra.py bench`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(group: str, pyproject: Path) -> list[str]:
    """The requirements of ``group``; an unknown group is an error that names the known ones."""
    groups = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    if group not in groups:
        raise SystemExit(f"pyproject.toml has no optional group {group!r}; it has {', '.join(sorted(groups))}")
    return list(groups[group])


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1], Path(__file__).parents[1] / "pyproject.toml")))
