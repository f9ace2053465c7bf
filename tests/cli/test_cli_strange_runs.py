"""Run folders that a stranger wrote, or that were edited: one line that names the file, or an answer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from small_table import write_table
from typer.testing import CliRunner

from halfseen.cli.app import app

VALUES = [None, "x", -1, [], {}, 1e308, True, [1], {"a": 1}, "\u202e[bold]", 10**400]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    words = ["fit", "als", write_table(base), "--rank", "1", "-o", base / "run", "--quiet"]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    (base / "pairs.csv").write_text("row,col\n" + "\n".join((base / "table.csv").read_text().split("\n")[1:3]) + "\n")
    return base / "run"


@pytest.fixture
def run(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "run")


def replaced(facts, path, value):
    """Facts with another value at a place, or without it."""
    part = facts
    for key in path[:-1]:
        part = part[key]
    if value is KeyError:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return facts


def rewrite(file, path, value):
    file.write_text(json.dumps(replaced(json.loads(file.read_text()), path, value)))


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("run.json", ("figures", 0, "rmse"), {}),
        ("run.json", ("figures", 1, "model"), KeyError),
        ("run.json", ("figures", 2), [1]),
        ("run.json", ("table", "value"), {}),
        ("run.json", ("table", "value"), 10**19),
        ("run.json", ("table", "sep"), 1e308),
        ("run.json", ("table", "duplicates"), "both"),
        ("run.json", ("method",), KeyError),
        ("run.json", ("data",), KeyError),
        ("run.json", ("data", "n_entries"), 10**400),
        ("run.json", ("judge", "seed"), "x"),
        ("run.json", ("seconds",), {"read": None}),
        ("details.json", ("held_out", "low", 1), {"a": 1}),
        ("details.json", ("held_out", "mean"), [1.0]),
        ("details.json", ("seen", "grid", 0), [0.5]),
    ],
)
def test_a_fact_of_another_kind_is_named(halfseen, run, file, path, value):
    rewrite(run / file, path, value)
    done = halfseen("report", run)
    assert done.exit_code == 2, done.stderr
    assert f"{file} is damaged" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 20_000, "\xff"])
def test_a_record_that_is_none_is_named(halfseen, run, text):
    (run / "run.json").write_bytes(text.encode("latin-1"))
    done = halfseen("report", run)
    assert done.exit_code == 2
    assert "run.json is damaged" in done.stderr
    assert done.stderr.count("\n") == 1


def places(facts, before=()):
    """All paths into a tree of facts, of long lists the first two."""
    parts = facts.items() if isinstance(facts, dict) else enumerate(facts[:2]) if isinstance(facts, list) else ()
    for key, part in parts:
        yield (*before, key)
        yield from places(part, (*before, key))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "predict", "place"])
@pytest.mark.parametrize("file", ["run.json", "details.json"])
def test_whatever_stands_in_a_run_is_answered_or_refused_in_one_line(halfseen, sound, tmp_path, file, command):
    rng, facts = np.random.default_rng(0), json.loads((sound / file).read_text())
    every = [(path, value) for path in places(facts) for value in [*VALUES, KeyError]]
    for number in rng.choice(len(every), 40, replace=False):
        path, value = every[number]
        run = shutil.copytree(sound, tmp_path / "run")
        rewrite(run / file, path, value)
        more = {"predict": [sound.parent / "pairs.csv"], "place": [sound.parent / "table.csv"], "report": []}
        done = halfseen(command, run, *more[command])
        assert done.exception is None or isinstance(done.exception, SystemExit), (path, value)
        assert done.exit_code in (0, 1, 2)
        assert "Traceback" not in done.stderr
        shutil.rmtree(run)
