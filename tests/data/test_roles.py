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


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("day,user,seconds,item,rating", "row='user', col='item', value='rating'"),
        ("rating,userId,movieId", "row='userId', col='movieId', value='rating'"),
        ("run_id,model,task,question,correct", "row='model', col='question', value='correct'"),
    ],
)
def test_a_reading_that_would_succeed_but_is_wrong_by_the_names_is_refused_with_the_one_that_is_right(
    tmp_path, header, advice
):
    names = header.split(",")
    lines = [header] + [",".join(str((i + 1) * (k + 2) % 7) for k in range(len(names))) for i in range(6)]
    file = write(tmp_path, "log.csv", lines)
    with pytest.raises(ValueError, match=f"give {advice}"):
        hs.read_table(file, duplicates="last")
    taken = dict(zip(("row", "col", "value"), names, strict=False))
    assert hs.read_table(file, **taken, duplicates="last").n_entries > 0


def test_rows_and_columns_that_are_swapped_are_only_noted(tmp_path):
    file = write(tmp_path, "swap.csv", ["item,user,rating", "1,2,3", "1,3,4", "2,2,5"])
    table = hs.read_table(file)
    assert table.n_entries == 3
    assert any("row='user', col='item', value='rating'" in note for note in table.notes)


def test_equal_words_leave_a_role_open_but_a_surer_word_decides():
    assert likely_roles(["model", "task", "question", "correct"], {}).col == "question"
    assert likely_roles(["model", "item", "question", "correct"], {}) is None


def test_decimals_as_labels_and_years_as_values_are_doubted_where_places_repeat(tmp_path):
    lines = ["yield,variety,year,site"]
    lines += [f"{20.5 + s},{v},{year},{s}{s}x" for v in "ab" for year in (1931, 1932) for s in range(3)]
    with pytest.raises(
        ValueError, match=r"look mistaken: column 'yield' holds decimals.*1931 and 1932; give value='yie"
    ):
        hs.read_table(write(tmp_path, "field.csv", lines))


def test_two_columns_of_labels_and_one_of_numbers_are_offered_where_every_line_is_its_own_row(tmp_path):
    lines = [",state,vote,year,south"]
    lines += [f"{4 * k + i},s{i},{50.5 + i + k},{1932 + 4 * k},{i < 2}" for k in range(4) for i in range(4)]
    file = write(tmp_path, "votes.csv", lines)
    with pytest.raises(ValueError, match="give row='state', col='year', value='vote'"):
        hs.read_table(file)
    assert hs.read_table(file, "state", "year", "vote").shape == (4, 4)


def test_names_in_their_places_are_no_matter_for_a_note(tmp_path):
    lines = ["userId,movieId,rating,timestamp"] + [f"{i},{j},{1 + (i * j) % 5},{i}" for i in range(4) for j in range(3)]
    assert hs.read_table(write(tmp_path, "ratings.csv", lines)).notes == ("column 'timestamp' was not read",)


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
