"""Before an upload: README links that work on a package index, and the project's addresses in its metadata.

    python scripts/absolute_links.py https://github.com/OWNER/NAME v1.2.3

Changes README.md and pyproject.toml in place; the release workflow runs it with the address that it runs at.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def absolute(text: str, address: str, tag: str) -> str:
    """The page with its links to files of the project made absolute: pictures to their bytes, others to their pages.

    Examples
    --------
    >>> absolute("![a](docs/a.png) and [b](docs/b.md#c)", "https://example.org/o/n", "v1")
    '![a](https://example.org/o/n/raw/v1/docs/a.png) and [b](https://example.org/o/n/blob/v1/docs/b.md#c)'
    """
    return LINK.sub(lambda m: f"{m[1]}[{m[2]}]({address}/{'raw' if m[1] else 'blob'}/{tag}/{m[3]})", text)


def with_addresses(pyproject: str, address: str, tag: str) -> str:
    """``pyproject.toml`` with a table of addresses before its scripts; one that has it already stays as it is."""
    if "[project.urls]" in pyproject:
        return pyproject
    urls = f'[project.urls]\nSource = "{address}"\nChangelog = "{address}/blob/{tag}/CHANGELOG.md"\n'
    urls += f'Issues = "{address}/issues"\n\n'
    return pyproject.replace("[project.scripts]", f"{urls}[project.scripts]", 1)


def main(address: str, tag: str, root: Path = ROOT) -> None:
    """Rewrite both files."""
    for name, change in (("README.md", absolute), ("pyproject.toml", with_addresses)):
        path = root / name
        path.write_text(change(path.read_text(encoding="utf-8"), address.rstrip("/"), tag), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
