"""Files as people keep them: titles, units, thousands, percent signs, running numbers, totals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from halfseen import read_table
from halfseen.data import layout
from halfseen.data.files import TextFormat, open_source
from halfseen.data.layout import layout_of

TABLE = np.array([[1234.5, 2.25, np.nan, 7.0], [12.0, 1000.0, 3.5, 2.0], [0.5, np.nan, 12345.75, 1.0]])


def written(path, lines, encoding="utf-8"):
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def cells(mark, point, end=""):
    """The lines of the table, its numbers written as people of a country write them."""
    for row, name in zip(TABLE, "abc", strict=True):
        texts = [("" if np.isnan(v) else f"{v:,.2f}" + end) for v in row]
        yield [name, *(text.replace(",", "_").replace(".", point).replace("_", mark) for text in texts)]


@pytest.mark.parametrize(
    ("mark", "point", "end", "sep"),
    [(".", ",", "", ";"), (",", ".", "", "\t"), ("'", ".", "", ";"), (" ", ",", "", ";"), ("", ",", " %", ";"),
     ("", ".", "%", ","), ("\u202f", ",", "", ";"), (".", ",", " %", "|")],
)  # fmt: skip
def test_numbers_are_read_as_every_country_writes_them(tmp_path, mark, point, end, sep):
    lines = [sep.join(("who", "w", "x", "y", "z")), *(sep.join(line) for line in cells(mark, point, end))]
    R = read_table(written(tmp_path / "t.csv", lines))
    np.testing.assert_array_equal(R.to_dense(), TABLE)
    assert R.row_labels.tolist() == ["a", "b", "c"]
    assert ("marks between thousands" in " ".join(R.notes)) == bool(mark)
    assert ("percent signs" in " ".join(R.notes)) == bool(end)


def test_thousands_in_quotes_between_commas_are_read(tmp_path):
    lines = ["who,w,x,y,z", *(",".join([name, *(f'"{text}"' for text in row)]) for name, *row in cells(",", "."))]
    np.testing.assert_array_equal(read_table(written(tmp_path / "t.csv", lines)).to_dense(), TABLE)


def test_three_decimals_are_no_thousands_without_a_sign_of_them(tmp_path):
    lines = ["who\tw\tx\ty\tz", "a\t1.234\t2.345\t3.456\t0.125", "b\t1.000\t2.000\t3.000\t1.500"]
    assert read_table(written(tmp_path / "t.tsv", lines)).values[0] == 1.234
    lines = [line.replace(".", ",") for line in lines]
    R = read_table(written(tmp_path / "t.tsv", lines))
    assert R.values[0] == 1.234
    assert "decimal points" in " ".join(R.notes)


def test_labels_that_look_like_thousands_stay_as_they_are(tmp_path):
    lines = ["who;w;x;y;z", "1.234;1.234,5;2;3;4", "5.678;1;2;3;4"]
    R = read_table(written(tmp_path / "t.csv", lines), wide=True, row="who")
    assert R.row_labels.tolist() == ["1.234", "5.678"]
    assert R.to_dense()[0, 0] == 1234.5


@pytest.mark.parametrize("title", [["Sales 2024"], ["Sales 2024", ""], ["Sales 2024;;;;", ";;;;"], ["# made by hand"],
                                   ["Report;2024", "", "# a: b"]])  # fmt: skip
def test_lines_above_the_header_are_left_out_and_named(tmp_path, title):
    lines = [*title, "who;w;x;y;z", "a;1;2;;4", "b;5;6;7;8", "c;;1;2;3"]
    R = read_table(written(tmp_path / "t.csv", lines))
    assert R.col_labels.tolist() == ["w", "x", "y", "z"]
    assert R.shape == (3, 4)
    assert "above the header" in " ".join(R.notes)


def test_units_and_questions_below_the_header_are_left_out_and_named(tmp_path):
    first = ["who,w,x,y,z", 'Who?,"Weight,\nin kg",Length,Height,Depth']
    codes = '"{""id"":1}","{""id"":2}","{""id"":3}","{""id"":4}","{""id"":5}"'
    lines = [*first, codes, "a,1,2,,4", "b,5,6,7,8", "c,,1,2,3"]
    R = read_table(written(tmp_path / "t.csv", lines))
    np.testing.assert_array_equal(R.to_dense(), [[1, 2, np.nan, 4], [5, 6, 7, 8], [np.nan, 1, 2, 3]])
    assert "2 lines below the header were left out" in " ".join(R.notes)
    R = read_table(written(tmp_path / "u.csv", ["who,w,x,y,z", ",kg,m,m,m", *lines[3:]]))
    assert R.shape == (3, 4)


def test_lines_without_any_entry_are_left_out_where_every_other_line_has_a_name(tmp_path):
    R = read_table(written(tmp_path / "t.csv", ["who;w;x;y;z", "a;1;2;;4", ";;;;", "b;5;6;7;8", ";;;;", ";;;;", ""]))
    assert R.row_labels.tolist() == ["a", "b"]
    R = read_table(written(tmp_path / "m.csv", ["w;x;y;z", "1.5;2;;4", ";;;", "2.5;6;7;8"]), labels=False)
    assert R.shape == (3, 4)  # a row of which nothing was observed


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_texts_of_other_encodings_are_read(tmp_path, encoding):
    lines = ["wer;Äpfel;Öl;x;y", "Jürgen;1,5;2;;4", "Zoë;5;6;7;8"]
    R = read_table(written(tmp_path / "t.csv", lines, encoding))
    assert R.row_labels.tolist() == ["Jürgen", "Zoë"]
    assert "Äpfel" in R.col_labels.tolist()
    assert ("Windows-1252" in " ".join(R.notes)) == (encoding == "cp1252")


def test_a_header_without_the_first_name_is_that_of_write_table(tmp_path):
    R = read_table(written(tmp_path / "t.txt", ['"a" "b" "c" "d"', '"r1" 1 2 NA 4', '"r2" 5 6 7 8']))
    assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["r1", "r2"], list("abcd"))
    lines = ['"user" "item" "rating"', '"1" "u" 3 5', '"2" "v" 4 1', '"3" "u" 4 2']
    R = read_table(written(tmp_path / "l.txt", lines))
    assert (R.row_labels.tolist(), R.col_labels.tolist(), R.values.tolist()) == (["u", "v"], [3, 4], [5, 2, 1])


def test_a_running_number_without_a_name_is_left_out_and_named(tmp_path):
    lines = [",user,item,rating,when", "0,u,3,5,x", "1,v,4,1,x", "2,u,4,2,y"]
    R = read_table(written(tmp_path / "l.csv", lines))
    assert (R.row_labels.tolist(), R.col_labels.tolist()) == (["u", "v"], [3, 4])
    assert "only counts the lines" in " ".join(R.notes)
    assert "column 'when' was not read" in " ".join(R.notes)
    assert read_table(tmp_path / "l.csv", row="", col="item", value="rating").row_labels.tolist() == [0, 1, 2]
    lines = [",name,a,b,c", "1,u,3,5,1", "2,v,4,,2", "3,w,4,2,1"]
    assert read_table(written(tmp_path / "w.csv", lines)).row_labels.tolist() == ["u", "v", "w"]
    lines = [",a,b,c,d", "1,7,3,5,1", "2,8,4,,2", "3,9,4,2,1"]  # no better names: they are the rows'
    assert read_table(written(tmp_path / "n.csv", lines)).row_labels.tolist() == [1, 2, 3]
    records = [dict(zip(("Unnamed: 0", "user", "item", "rating"), line, strict=True)) for line in
               ((0, "u", 3, 5), (1, "v", 4, 1), (2, "u", 4, 2))]  # fmt: skip
    path = tmp_path / "r.json"
    path.write_text(json.dumps(records))
    assert read_table(path).row_labels.tolist() == ["u", "v"]


def test_totals_are_named_with_the_way_out_that_works(tmp_path):
    lines = ["shop,jan,feb,mar,All", "a,1,2,3,6", "b,4,,6,10", "c,7,8,,15", "Total,12,10,9,31"]
    path = written(tmp_path / "t.csv", lines)
    R = read_table(path)
    assert "leave them out with drop_rows=['Total'] and drop=['All']" in " ".join(R.notes)
    R = read_table(path, drop_rows=["Total"], drop=["All"])
    assert R.shape == (3, 3)
    assert "total" not in " ".join(R.notes)
    with pytest.raises(ValueError, match=r"drop_rows: 'Totl' is not a"):
        read_table(path, drop_rows="Totl")
    with pytest.raises(ValueError, match="no row is left"):
        read_table(path, drop_rows=["a", "b", "c", "Total"])
    lines = ["shop,jan,feb,mar,mean", "a,1,2,3,16", "b,4,5,6,1", "c,7,8,9,-5"]  # a name that says nothing else
    assert "leave" not in " ".join(read_table(written(tmp_path / "m.csv", lines)).notes)


def test_years_as_names_of_columns_are_no_first_line_of_data(tmp_path):
    R = read_table(written(tmp_path / "t.csv", ["Region,2010,2011,2012,2013", "a,1,2,3,4.5", "b,1,2,,4"]))
    assert R.col_labels.tolist() == ["2010", "2011", "2012", "2013"]


def test_advice_on_words_comes_in_the_order_that_helps(tmp_path):
    grades = ["who,sex,w,x,y,z", "a,m,1,2,3,4", "b,f,1,2,3,5", "c,m,2,2,2,1"]
    with pytest.raises(ValueError, match=r"Leave them out with drop=\['sex'\]"):
        read_table(written(tmp_path / "t.csv", grades))
    test = ["who,q1,q2,q3,q4", "a,A,B,C,D", "b,B,B,C,A", "c,C,A,A,A"]
    with pytest.raises(ValueError, match="score them by its key"):
        read_table(written(tmp_path / "k.csv", test))


def test_a_rewritten_file_is_the_same_in_small_pieces(tmp_path, monkeypatch):
    lines = ["Title", "who;w;x;y;z", *(f'n{k};1.23{k % 10},5;"{k} %";;"a ""b"""' for k in range(400))]
    path = written(tmp_path / "t.csv", lines)
    whole = read_table(path, drop=["z"]).to_dense()
    monkeypatch.setattr("halfseen.data.blanks.AT_ONCE", 50)
    np.testing.assert_array_equal(read_table(path, drop=["z"]).to_dense(), whole)
    assert whole[7].tolist()[:2] == [1237.5, 7.0]


def test_a_plain_file_is_read_as_it_stands(tmp_path):
    path = written(tmp_path / "t.csv", ["user,item,rating", *(f"u{k},i{k % 7},{k / 8}" for k in range(500))])
    assert open_source(path, "text", TextFormat())._layout == layout.FileLayout()


def test_odd_cells_far_down_are_seen(tmp_path):
    lines = ["who;w;x;y;z", *(f"n{k};1;2;3;4" for k in range(9000)), "end;1 %;2;3;4"]
    assert read_table(written(tmp_path / "t.csv", lines)).values[-4] == 1.0


@pytest.mark.parametrize("text", ["", "\n\n", "a", '"', "a,b\n", "a,b\n1\n", ";;;\n", "\x00,\x00\n1,2", "%,%\n%,%\n"])
def test_the_layout_of_anything_is_told(text):
    assert isinstance(layout_of(text, ",", True), layout.FileLayout)
