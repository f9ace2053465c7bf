"""Wide files and frames: which columns are the table, which name the rows, and what the reader says about it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from halfseen.data import Observed, read_table
from halfseen.data.columns import picked
from halfseen.errors import UnknownLabelError

PUPILS = """id,town,born,months,q1,q2,q3,r1,r2
11,Ulm,2009,3,1.5,2.25,3,4,5
12,Ulm,2010,12,2.5,,1,2,3.5
13,Rom,2009,7,0.5,1.25,2,5,1
"""


@pytest.fixture
def pupils(tmp_path) -> Path:
    file = tmp_path / "pupils.csv"
    file.write_text(PUPILS)
    return file


def test_a_range_of_columns_and_single_ones_make_the_table(pupils):
    R = read_table(pupils, columns="q1:q3,r2")
    assert R.col_labels.tolist() == ["q1", "q2", "q3", "r2"]
    assert R.row_labels.tolist() == [11, 12, 13]
    np.testing.assert_array_equal(R.to_dense()[1], [2.5, np.nan, 1, 3.5])
    for same in (["q1:q3", "r2"], [4, 5, 6, "r2"], ["q1", "q2", "q3", "r2"]):
        assert read_table(pupils, columns=same).col_labels.tolist() == R.col_labels.tolist()
    frame = pd.read_csv(pupils)
    np.testing.assert_array_equal(Observed.from_wide(frame, columns="q1:q3,r2", row="id").to_dense(), R.to_dense())


def test_all_columns_of_text_are_named_at_once_with_the_ways_out(pupils):
    with pytest.raises(
        ValueError, match=r"1 of 8 columns holds text, not numbers: column 'town' \(first 'Ulm'\).*drop="
    ):
        read_table(pupils, wide=True)
    frame = pd.read_csv(pupils).assign(teacher=["x", "y", "z"])
    with pytest.raises(
        ValueError, match=r"column 'town' \(first 'Ulm'\), column 'teacher' \(first 'x'\)\. Leave them out"
    ):
        Observed.from_wide(frame)
    assert read_table(pupils, drop="town").shape == (3, 7)
    assert Observed.from_wide(frame, drop=["town", "teacher"], row="id").shape == (3, 7)


def test_numbers_that_are_no_measurements_are_named_in_a_note(pupils):
    R = read_table(pupils, drop="town")
    assert R.notes == ()  # "born" and "months" may well be what was measured; the identifier is the label
    renamed = Observed.from_wide(pd.read_csv(pupils).rename(columns={"months": "month", "born": "year"}), drop=["town"])
    (note,) = renamed.notes
    for part in ("'id' (an identifier)", "'year' (a year)", "'month' (a month)", "drop=['id', 'year', 'month']"):
        assert part in note
    assert Observed.from_wide(pd.read_csv(pupils), columns="q1:r2").notes == ()  # the user chose


def test_measured_first_columns_are_data_and_whole_ones_are_labels_with_a_note(tmp_path):
    rng = np.random.default_rng(0)
    reals, wholes = tmp_path / "reals.csv", tmp_path / "wholes.csv"
    pd.DataFrame(rng.normal(size=(20, 4)), columns=list("abcd")).to_csv(reals, index=False)
    R = read_table(reals, wide=True)
    assert (R.shape, R.row_labels) == ((20, 4), None)
    assert "column 'a' holds numbers that are not whole" in R.notes[0]
    assert "row='a'" in R.notes[0]
    assert read_table(reals, row="a", wide=True).shape == (20, 3)
    assert read_table(reals, labels=False).shape == (20, 4)
    assert read_table(reals, labels=False).notes == ()
    pd.DataFrame(np.c_[rng.permutation(20), rng.integers(0, 5, (20, 3))], columns=list("abcd")).to_csv(
        wholes, index=False
    )
    R = read_table(wholes, wide=True)
    assert R.shape == (20, 3)
    assert (
        "numbers of the first column, 'a', were taken as row labels; if they were measured, pass labels=False"
        in R.notes[0]
    )
    assert read_table(wholes, labels=False).shape == (20, 4)
    assert read_table(wholes, labels=True).notes == ()


def test_row_labels_that_repeat_are_told_with_a_way_out_that_works(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("0,1,2\n3,4,5\n3,1,2\n")
    with pytest.raises(ValueError, match=r"repeat: 3 stands in lines 0 and 1.*labels=False reads '0' as a column"):
        read_table(file, wide=True)
    R = read_table(file, labels=False)
    assert (R.shape, R.row_labels, R.col_labels.tolist()) == ((2, 3), None, ["0", "1", "2"])
    file.write_text("who,a,b\nann,4,5\nann,1,2\n")
    with pytest.raises(ValueError, match=r"drop=\['who'\] with labels=False leaves it out"):
        read_table(file, wide=True)
    assert read_table(file, drop=["who"], labels=False).shape == (2, 2)


def test_an_index_without_a_name_is_a_column_of_labels_without_a_note(tmp_path):
    file = tmp_path / "a.csv"
    pd.DataFrame({"x": [1.5, 2.0], "y": [3.0, 4.5]}, index=[7, 9]).to_csv(file)
    R = read_table(file, wide=True)
    assert (R.row_labels.tolist(), R.col_labels.tolist(), R.notes) == ([7, 9], ["x", "y"], ())


def test_a_matrix_of_blanks_without_a_header_is_read_as_it_stands(tmp_path):
    matrix = np.round(np.random.default_rng(0).normal(size=(6, 5)), 3)
    plain = "\n".join("  ".join(map(str, row)) for row in matrix)
    for name, text in (
        ("a.txt", plain),
        ("b.txt", "\n".join(" " + "\t ".join(map(str, row)) + "  " for row in matrix) + "\n\n"),
        ("c.dat", plain.replace("\n", "\r\n")),
    ):
        (tmp_path / name).write_text(text, newline="")
        R = read_table(tmp_path / name, header=False, labels=False)
        np.testing.assert_array_equal(R.to_dense(), matrix)
        assert (R.row_labels, R.col_labels, R.notes) == (None, None, ())
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(plain.encode()))
    np.testing.assert_array_equal(read_table(tmp_path / "d.txt.gz", header=False, labels=False).to_dense(), matrix)
    with pytest.raises(ValueError, match=r"first line of a.txt looks like data .* give header=False"):
        read_table(tmp_path / "a.txt", wide=True)
    with pytest.raises(ValueError, match=r"looks like data .*header=False"):
        read_table(tmp_path / "a.txt")


def test_blanks_inside_quotes_stay_and_lines_cross_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("halfseen.data.blanks.AT_ONCE", 7)
    file = tmp_path / "a.txt"
    file.write_text('who   tea jam\n"ann  b"  1   2\n bob 3 \t 4\n')
    R = read_table(file, sep=" ", wide=True)
    assert R.row_labels.tolist() == ["ann  b", "bob"]
    np.testing.assert_array_equal(R.to_dense(), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("lines", "sep"),
    [("a;b;c\n1;2;3\n", ";"), ("model name,film title,score\na b,c d,1\n", ","), ("a|b|c\n1|2|3\n", "|")],
)
def test_the_separator_is_the_one_that_splits_all_lines_alike(tmp_path, lines, sep):
    file = tmp_path / "a.txt"
    file.write_text(lines)
    assert read_table(file).n_entries == 1, sep


def test_every_kind_of_file_gives_the_same_wide_table(tmp_path):
    frame = pd.DataFrame({"who": ["a", "b"], "x": [1.0, None], "y": [3, 4], "z": [True, False]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    (tmp_path / "a.jsonl").write_text(frame.to_json(orient="records", lines=True))
    (tmp_path / "a.json").write_text(frame.to_json(orient="records"))
    for name in ("a.csv", "a.tsv", "a.parquet", "a.feather", "a.jsonl", "a.json"):
        R = read_table(tmp_path / name, wide=True)
        np.testing.assert_array_equal(R.to_dense(), [[1, 3, 1], [np.nan, 4, 0]], err_msg=name)
        assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["a", "b"], ["x", "y", "z"]), name


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_words_in_wide_tables_become_their_numbers(make, tmp_path):
    table = {"who": ["a", "b", "c"], "q1": ["no", "yes", None], "q2": ["perhaps", "refused", "yes"], "q3": [0, 1, 2]}
    meaning = {"no": 0, "perhaps": 1, "yes": 2, "refused": None}
    R = Observed.from_wide(make(table), row="who", values=meaning)
    np.testing.assert_array_equal(R.to_dense(), [[0, 1, 0], [2, np.nan, 1], [np.nan, 2, 2]])
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_array_equal(read_table(tmp_path / "a.csv", wide=True, values=meaning).to_dense(), R.to_dense())
    with pytest.raises(ValueError, match="column 'q2' holds 'refused', which values= does not have"):
        Observed.from_wide(make(table), row="who", values={"no": 0, "perhaps": 1, "yes": 2})


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("q9", "columns: 'q9' is not a column; there are 'id'"),
        ("q3:q1", "'q1' comes before 'q3'; write q1:q3"),
        ([12], r"columns=12: there are columns 0\.\.8"),
        ([], "names no column"),
    ],
)
def test_columns_that_are_not_there_are_told(pupils, wanted, text):
    with pytest.raises(ValueError, match=text):
        read_table(pupils, columns=wanted)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"wide": True, "value": "q1"}, "value= is for files with one entry per line"),
        ({"wide": True, "duplicates": "last"}, "duplicates= is for files"),
        ({"wide": False, "columns": "q1"}, "columns= is for wide files"),
        ({"labels": False, "row": "id"}, "contradict each other"),
        ({"wide": True, "drop": ["id", "town", "born:r2"]}, "no column is left"),
        ({"wide": True, "row": "nobody"}, "row='nobody' is not a column"),
    ],
)
def test_arguments_that_do_not_go_together_are_told(pupils, arguments, text):
    with pytest.raises(ValueError, match=text):
        read_table(pupils, **arguments)


def test_names_with_colons_and_commas_are_found_as_they_are():
    names = ["a:b", "c,d", "e"]
    assert picked(["a:b", "c,d"], names, "columns") == ["a:b", "c,d"]
    assert picked(slice(1, 3), names, "columns") == ["c,d", "e"]
    assert picked(":", ["x", "y"], "columns") == ["x", "y"]
    with pytest.raises(UnknownLabelError):
        picked("a:f", names, "columns")


def test_missing_codes_and_shifts_work_in_wide_files(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("who,x,y\na,9,2\nb,1,9\n")
    np.testing.assert_array_equal(
        read_table(file, wide=True, missing=9, shift=-1).to_dense(), [[np.nan, 1], [0, np.nan]]
    )
    assert read_table(file, wide=True, dtype="float32").dtype == np.float32


def test_true_and_false_as_pandas_writes_them_are_one_and_zero(tmp_path):
    long = pd.DataFrame({"u": ["a", "b"], "i": [1, 1], "r": [True, False]})
    long.to_csv(tmp_path / "long.csv", index=False)
    assert read_table(tmp_path / "long.csv").values.tolist() == [1.0, 0.0]
    wide = pd.DataFrame({"u": ["a", "b"], "x": [True, False], "y": [False, True]})
    wide.to_csv(tmp_path / "wide.csv", index=False)
    np.testing.assert_array_equal(read_table(tmp_path / "wide.csv", wide=True).to_dense(), np.eye(2))


def test_cells_that_are_no_numbers_further_down_are_told_by_their_column(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("who,x,y\n" + "a,1,2\n" * 1 + "".join(f"r{k},1,2\n" for k in range(300_000)) + "z,1,good\n")
    with pytest.raises(ValueError, match=r"column #2.*'good'|column 'y'.*'good'"):
        read_table(file, wide=True)


@pytest.mark.slow
def test_a_header_of_more_than_a_megabyte_is_read(tmp_path):
    names = [f"question number {k:>260} of the long list" for k in range(8_000)]
    file = tmp_path / "a.csv"
    values = np.random.default_rng(0).integers(0, 5, (3, len(names)))
    lines = [",".join(["who", *names]), *(",".join([f"r{k}", *map(str, row)]) for k, row in enumerate(values.tolist()))]
    file.write_text("\n".join(lines))
    assert len(lines[0]) > 2 << 20
    R = read_table(file, wide=True)
    np.testing.assert_array_equal(R.to_dense(), values)
    assert R.col_labels[-1] == names[-1]


@pytest.mark.parametrize("lines", ["x,1,2,3,4 y,2,1,4,3", "x,1,,3,4 y,2,1,,3", "x,,2,3,4 y,2,1,4,"])
def test_a_file_that_can_only_be_wide_is_read_so_and_says_it(tmp_path, lines):
    path = tmp_path / "panel.csv"
    path.write_text("m,a,b,c,d\n" + lines.replace(" ", "\n") + "\n")
    R, wide = read_table(path), read_table(path, wide=True)
    np.testing.assert_array_equal(R.to_dense(), wide.to_dense())
    assert R.row_labels.tolist() == ["x", "y"]
    assert "panel.csv was read as a wide table, a line per row: 2 rows, 4 columns" in " ".join(R.notes)
    with pytest.raises(ValueError, match=r"looks like a wide table|if the file is a wide table"):
        read_table(path, wide=False)


def test_a_long_file_with_a_hole_is_not_taken_for_a_wide_one(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,time,place\n1,7,5,1,4\n1,8,,2,5\n2,7,3,9,4\n")
    with pytest.raises(ValueError, match="'rating' has no number in entry 1"):
        read_table(path)


def test_semicolons_and_decimal_commas_are_read_as_they_are_meant(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("day;a;b;c;d\nd1;44,73;1;;-2,5\nd2;3,5;-;7,25;0\nd3;1,5;2; ;1\n")
    R = read_table(path)
    np.testing.assert_array_equal(R.to_dense(), [[44.73, 1, np.nan, -2.5], [3.5, np.nan, 7.25, 0], [1.5, 2, np.nan, 1]])
    assert "commas in numbers are taken for decimal points" in " ".join(R.notes)
    path.write_text("user;item;rating\nann;tea;4,5\nbob;jam;3\n")
    assert read_table(path).values.tolist() == [4.5, 3.0]
    path.write_text("user;item;rating\nann;tea;4.5\nbob;jam;3\n")
    assert read_table(path).values.tolist() == [4.5, 3.0]


def test_words_are_suggested_in_the_order_they_are_known_to_have(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("who,what,answer\nann,q1,right\nbob,q1,wrong\n")
    with pytest.raises(ValueError, match=r"values=\{'wrong': 0, 'right': 1\}"):
        read_table(path)
