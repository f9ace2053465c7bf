"""Columns that were not asked for: names that say other roles than the first three places are heard."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.data.roles import bare, likely_roles, likely_trials


def write(folder, name, lines):
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.fixture
def answers(tmp_path):
    """Answers in words, in a file with a running number, an age and a sex in front."""
    rng = np.random.default_rng(0)
    lines = [",age,sex,question,answer,person"]
    for i in range(12):
        for j in range(6):
            said = ("no", "perhaps", "yes")[rng.integers(3)]
            lines.append(f"{6 * i + j},{20 + i},{'FM'[i % 2]},q{j},{said},p{i}")
    return write(tmp_path, "survey.csv", lines)


def test_columns_in_other_places_are_named_and_the_advice_reads_the_file(answers):
    with pytest.raises(ValueError, match=r"row='person', col='question', value='answer', values=\{'no': 0") as caught:
        hs.read_table(answers)
    assert "M=" not in str(caught.value)
    assert "'M': " not in str(caught.value)
    table = hs.read_table(answers, "person", "question", "answer", values={"no": 0, "perhaps": 1, "yes": 2})
    assert table.shape == (12, 6)
    assert table.n_entries == 72


def test_a_wrong_reading_that_succeeds_is_noted(tmp_path):
    lines = ["day,user,seconds,item,rating"]
    lines += [f"{i % 3},u{i},{100 + i * j},i{j},{1 + (i + j) % 5}" for i in range(9) for j in range(3)]
    table = hs.read_table(write(tmp_path, "log.csv", lines), duplicates="last")
    assert any("row='user', col='item', value='rating'" in note for note in table.notes)


def test_names_in_their_places_are_no_matter_for_a_note(tmp_path):
    lines = ["userId,movieId,rating,timestamp"] + [f"{i},{j},{1 + (i * j) % 5},{i}" for i in range(4) for j in range(3)]
    assert hs.read_table(write(tmp_path, "ratings.csv", lines)).notes == ()


def test_totals_beside_the_values_are_pointed_out_and_the_advice_reads_them(tmp_path):
    lines = ["model,task,solved,attempts"] + [f"m{i},t{j},{(i + j) % 5},4" for i in range(4) for j in range(6)]
    file = write(tmp_path, "runs.csv", lines)
    assert any("give trials='attempts'" in note for note in hs.read_table(file).notes)
    table = hs.read_table(file, trials="attempts")
    assert table.trials.tolist() == [4.0] * 24
    assert not any("give trials=" in note for note in table.notes)


@pytest.mark.parametrize(
    ("hits", "totals"), [(["6", "1"], ["5", "5"]), (["1", "0"], ["1", "1"]), (["1", "x"], ["5", "5"]), ([], [])]
)
def test_what_cannot_be_totals_is_not_taken_for_them(hits, totals):
    assert likely_trials(["m", "q", "hits", "n"], "hits", {"hits": hits, "n": totals}) is None


@pytest.mark.parametrize(
    "names", [["user", "person", "item", "rating"], ["user", "item", "rating", "score"], ["a", "item", "rating", "b"]]
)
def test_names_that_leave_a_choice_say_nothing(names):
    assert likely_roles(names, {}) is None


def test_what_does_not_matter_in_a_name():
    assert {bare(name) for name in ("Model", "model_id", "modelName", "MODEL ID")} == {"model"}
