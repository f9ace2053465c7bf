"""Labels are text: brackets, control and direction characters reach no terminal as anything but what they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

MODELS = ["llama [chat]", "llama [base]", "llama", "qwen[/INST]", ":smile:", "red\x1b[31m", "left\u202eright", "=1+1"]

WHOLE_PICTURES = True


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from typer.testing import CliRunner

    from halfseen.cli.app import app

    folder = tmp_path_factory.mktemp("labels")
    rng = np.random.default_rng(0)
    lines = [
        f'"{name}",q{j},{int(rng.random() < (k + 1) / 9)}' for k, name in enumerate(MODELS) for j in range(40)
    ]  # fmt: skip
    (folder / "board.csv").write_text("model,question,right\n" + "\n".join(lines) + "\n", encoding="utf-8")
    words = ["fit", "irt", str(folder / "board.csv"), "--kind", "rasch", "--held-out", "0", "-o", str(folder / "run")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return folder / "run"


def test_a_leaderboard_prints_every_label_literally(halfseen, run):
    text = halfseen("rank", run).stdout
    for label in ("llama [chat]", "llama [base]", "qwen[/INST]", ":smile:", "red\\x1b[31m", "left\\u202eright"):
        assert label in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_json_holds_labels_as_they_are(halfseen, run):
    rows = json.loads(halfseen("rank", run, "--json").stdout)["rows"]
    assert {row["row"] for row in rows} == set(MODELS)


def test_a_predicted_label_is_literal_and_a_formula_is_quoted(halfseen, run):
    done = halfseen("predict", run, "--rows", "=1+1", "--cols", "q3")
    assert done.stdout.splitlines()[1].startswith("'=1+1,q3,")
    assert (
        halfseen("predict", run, "--rows", "=1+1", "--cols", "q3", "--raw").stdout.splitlines()[1].startswith("=1+1,")
    )
    unknown = halfseen("predict", run, "--rows", "qwen[/INST", "--cols", "q3")
    assert unknown.exit_code == 2
    assert "qwen[/INST" in unknown.stderr


def test_the_name_of_a_file_is_no_markup(halfseen, tmp_path):
    path = tmp_path / "[bold]a[nothing].csv"
    path.write_text("u,f,r\n" + "".join(f"{i},{j},{i * j}\n" for i in range(6) for j in range(5)))
    done = halfseen("describe", path)
    assert done.exit_code == 0, done.output
    assert "[bold]a[nothing].csv" in done.stdout
