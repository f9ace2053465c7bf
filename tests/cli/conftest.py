"""Small tables on disk, the runner, and the command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_table import write_table
from typer.testing import CliRunner

from halfseen.cli.app import app


@pytest.fixture(scope="module", autouse=True)
def sketches(request):
    """Pictures are drawn small and without layout, a quarter of the time; ``WHOLE_PICTURES`` in a file says not so."""
    from matplotlib.figure import Figure

    savefig = Figure.savefig

    def sketch(figure, *words, **more):
        figure.set_layout_engine("none")
        return savefig(figure, *words, **{**more, "dpi": 20})

    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "WHOLE_PICTURES", False):
            patch.setattr(Figure, "savefig", sketch)
        yield


@pytest.fixture
def table(tmp_path) -> Path:
    """A complete 30 x 20 table of rank 1 with little noise, in long form with a header."""
    return write_table(tmp_path)


@pytest.fixture
def halfseen():
    """Call the command line in this process; returns typer's result."""

    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


@pytest.fixture
def process(tmp_path):
    """Call the command line as a process of its own, its output in pipes."""

    def call(*words, **more):
        command = [sys.executable, "-m", "halfseen", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ), **more)

    return call


@pytest.fixture
def quick(table):
    """The words of a fit that takes a moment, and more words."""
    return lambda *more: ["fit", "als", table, "--rank", 1, *more]


@pytest.fixture
def write_long(tmp_path):
    """Write sources as one long table with a column that names them; returns its path."""

    def write(sources):
        lines = ["site,sensor,day,reading"]
        for name, table in sources.items():
            for i, j, value in zip(table.rows, table.cols, table.values, strict=True):
                lines.append(f"{name},s{i:02},d{j:02},{value:.5f}")
        path = tmp_path / "long.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
