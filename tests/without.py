"""Programs run in a Python that lacks a module."""

from __future__ import annotations

import subprocess
import sys

LACK = """
import sys
class Lacks:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacks())
"""


def run_without(module: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run a program as if ``module`` were not installed."""
    return subprocess.run([sys.executable, "-c", LACK.format(module=module) + code], capture_output=True, text=True)
