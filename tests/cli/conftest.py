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
def width_of_a_pipe():
    """Lines are as long as in a pipe: the workers of pytest-xdist are told a terminal's width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


SKETCHES: dict[tuple, bytes] = {}


@pytest.fixture(scope="module", autouse=True)
def sketches(request):
    """Pictures are small and without layout, and one of each kind is drawn: half of the time of these tests.

    ``WHOLE_PICTURES`` in a file says that it needs them as users get them.
    """
    from matplotlib.figure import Figure

    savefig = Figure.savefig

    def sketch(figure, target, **more):
        kind = tuple((axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes)
        if not isinstance(target, Path) or target.suffix != ".png":
            return savefig(figure, target, **more)
        if kind not in SKETCHES:
            figure.set_layout_engine("none")
            savefig(figure, target, **{**more, "dpi": 20})
            SKETCHES[kind] = target.read_bytes()
        return target.write_bytes(SKETCHES[kind])

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
