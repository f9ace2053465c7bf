"""Files of tests on the command line: a key of right answers, wide and long; all answers of a person on one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs

rng = np.random.default_rng(0)
RIGHT = rng.random((120, 6)) < 1 / (1 + np.exp(np.linspace(-1, 1, 6) - rng.normal(size=(120, 1))))
SEEN = rng.random(RIGHT.shape) < 0.9
KEY = list("ABCDAB")


def letter(i, j):
    return KEY[j] if RIGHT[i, j] else "E"


@pytest.fixture
def files(tmp_path):
    cells = [[letter(i, j) if SEEN[i, j] else "" for j in range(6)] for i in range(120)]
    wide = [f"p{i}," + ",".join(row) for i, row in enumerate(cells)]
    (tmp_path / "wide.csv").write_text("person,Q0,Q1,Q2,Q3,Q4,Q5\n" + "\n".join(wide) + "\n")
    long = [f"p{i},Q{j},{cells[i][j]}" for i in range(120) for j in range(6) if SEEN[i, j]]
    (tmp_path / "long.csv").write_text("person,question,answer\n" + "\n".join(long) + "\n")
    (tmp_path / "key.csv").write_text("question,answer\n" + "".join(f"Q{j},{KEY[j]}\n" for j in range(6)))
    people = [
        {"subject_id": f"p{i}", "responses": {f"Q{j}": int(RIGHT[i, j]) for j in range(6) if SEEN[i, j]}}
        for i in range(120)
    ]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(person) + "\n" for person in people))
    return tmp_path


def fitted(halfseen, files, name, *words):
    done = halfseen("fit", "irt", files / name, "--kind", "rasch", *words, "-o", files / f"{name}-run")
    assert done.exit_code == 0, done.output
    return hs.load(files / f"{name}-run" / "model.safetensors")


@pytest.mark.fast_cases("wide.csv")
@pytest.mark.parametrize("name", ["wide.csv", "long.csv", "people.jsonl"])
def test_a_key_and_lines_of_persons_give_the_answers_themselves(halfseen, files, name):
    table = np.where(SEEN, RIGHT.astype(float), np.nan)
    labels = {"row_labels": [f"p{i}" for i in range(120)], "col_labels": [f"Q{j}" for j in range(6)]}
    expected = hs.ItemResponseModel(kind="rasch").fit(hs.Observed.from_dense(table, **labels)).items_
    model = fitted(halfseen, files, name, *([] if name == "people.jsonl" else ["--key", files / "key.csv"]))
    np.testing.assert_allclose(model.items_["difficulty"], expected["difficulty"], rtol=1e-6)


@pytest.mark.slow
def test_newcomers_are_read_with_the_key_of_the_fit(halfseen, files):
    fitted(halfseen, files, "wide.csv", "--key", files / "key.csv")
    (files / "new.csv").write_text("person,Q0,Q1,Q2,Q3,Q4,Q5\nbest,A,B,C,D,A,B\nworst,E,E,E,E,E,E\n")
    done = halfseen("place", files / "wide.csv-run", files / "new.csv", "-o", files / "placed.csv")
    assert done.exit_code == 0, done.output
    best, worst = (line.split(",") for line in (files / "placed.csv").read_text().splitlines()[1:])
    assert float(best[2]) > 0 > float(worst[2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question\nQ0\n", "key.csv has one column"),
        ("question,answer\nQ0,A\nQ0,B\n", "key.csv has two answers to question 'Q0'"),
        ("question,answer\nQ0,A\n", "key has no right answer for 5 columns, first 'Q1'"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(halfseen, files, text, message):
    (files / "key.csv").write_text(text)
    done = halfseen("fit", "irt", files / "wide.csv", "--key", files / "key.csv", "-o", files / "run")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (files / "run").exists()
