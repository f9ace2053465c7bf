"""Help, describe, data, and how results look."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

COMMANDS = [
    ["demo"],
    ["describe"],
    ["fit", "factor"],
    ["fit", "als"],
    ["predict"],
    ["data", "list"],
    ["data", "path"],
    ["reproduce"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(halfseen, command):
    done = halfseen(*command, "--help")
    assert done.exit_code == 0
    assert "Example: halfseen " + " ".join(command) in " ".join(done.stdout.split())


def test_the_first_screen_lists_the_commands(halfseen):
    done = halfseen()
    assert done.exit_code == 0
    for command in ("demo", "describe", "fit", "predict", "data"):
        assert command in done.stdout


def test_the_version_is_printed(halfseen):
    import halfseen as hs

    assert halfseen("--version").stdout == f"halfseen {hs.__version__}\n"


def test_help_loads_neither_numpy_nor_the_models():
    code = (
        "import sys; from halfseen.cli.app import app\n"
        "try: app(['fit', 'factor', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'pyarrow', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "[]\n"


def test_describe_shows_counts_and_a_command_to_go_on_with(halfseen, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("u,f,r\n" + "".join(f"{i},{j},{1 + (i * j) % 5}\n" for i in range(6) for j in range(5)))
    done = halfseen("describe", path)
    # the sentence wraps where the path of the test is long
    assert "6 rows x 5 columns, 30 entries (100 % of the cells)" in " ".join(done.stdout.split())
    assert f"\ntry: halfseen fit factor {path} --family ordinal\n" in done.stdout


def test_an_output_without_unicode_gets_plain_bars(process, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("u,f,r\n" + "".join(f"{i},{j},{(i * j) % 2}\n" for i in range(6) for j in range(5)))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = process("describe", path)
    assert done.returncode == 0, done.stderr
    assert "####" in done.stdout


def test_describe_suggests_the_options_it_was_given(halfseen, tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("".join(f"{i};{j};{(i * j) % 2}\n" for i in range(6) for j in range(5)))
    text = " ".join(halfseen("describe", path, "--no-header", "--sep", ";").stdout.split())
    assert "--sep ';' --no-header --family bernoulli" in text


def test_describe_names_empty_columns(halfseen, tmp_path):
    import numpy as np

    table = np.array([[1.0, np.nan, 2.0], [3.0, np.nan, 5.5]])
    np.savez(tmp_path / "a.npz", table=table)
    done = halfseen("describe", tmp_path / "a.npz", "--value", "table")
    assert "1 columns have no entry at all, first: 1" in done.stdout


def test_data_sets_are_listed_with_their_families(halfseen):
    listed = json.loads(halfseen("data", "list", "--json").stdout)
    assert {"name": "digits", "family": "binomial(16)", "here": True}.items() <= listed[0].items()
    assert "digits" in halfseen("data", "list").stdout


def test_the_path_of_a_data_set_stands_alone(halfseen, tmp_path, monkeypatch):
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("1\t1\t5\t0\n")
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    assert halfseen("data", "path", "ml-100k").stdout == f"{tmp_path / 'ml-100k' / 'u.data'}\n"


def test_a_data_set_that_is_not_here_says_where_it_was_looked_for(halfseen, tmp_path, monkeypatch):
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    done = halfseen("data", "path", "ml-1m")
    assert done.exit_code == 2
    assert "HALFSEEN_DATA" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals differ")
@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_nothing_is_wider_than_the_screen(table, width):
    import pty
    import re
    import select

    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    command = [sys.executable, "-m", "halfseen", "fit", "als", str(table), "--rank", "1"]
    running = subprocess.Popen(command, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    chunks = []
    while select.select([leader], [], [], 60)[0]:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    assert running.wait() == 0
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(chunks).decode())
    lines = [line.split("\r")[-1] for line in text.replace("\r\n", "\n").split("\n")]
    assert "column mean" in text
    assert max(map(len, lines)) <= width
