"""The script that runs the documentation's examples finds the ones that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_examples.py"


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "```python\n>>> 1 + 1\n2\n```\n\n```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n"),
        ("a.rst", ".. code-block:: python\n\n   >>> 1 + 1\n   2\n\nText.\n"),
        ("plot_a.py", "x = 1\n"),
    ],
)
def test_right_examples_pass(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert run(tmp_path / name).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "```python\n>>> 1 + 1\n3\n```\n"),
        ("a.md", "```python\nraise ValueError\n```\n"),
        ("a.md", "```console\n$ halfseen no-such-command\n```\n"),
        ("a.md", "```sh\npip install halfseen\nhalfseen no-such-command\n```\n"),
        ("a.rst", ".. code-block:: python\n   :caption: A caption\n\n   assert 1 == 2\n\nText.\n"),
        ("a.rst", ".. code-block:: console\n\n   $ halfseen describe no-such-file.csv\n"),
        ("plot_a.py", "import warnings\nwarnings.warn('loud')\n"),
    ],
)
def test_wrong_examples_fail(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = run(tmp_path / name)
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_an_example_that_needs_what_is_not_installed_is_left_out(tmp_path):
    (tmp_path / "a.md").write_text("<!-- needs: no_such_module -->\n\n```python\nraise ValueError\n```\n")
    (tmp_path / "b.md").write_text("<!-- needs: json -->\n\n```python\nraise ValueError\n```\n")
    left_out = run(tmp_path / "a.md")
    assert left_out.returncode == 0
    assert "left out, no_such_module is not installed" in left_out.stdout
    assert run(tmp_path / "b.md").returncode == 1
