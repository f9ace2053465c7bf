"""read_table: every kind of file, and what is refused."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

import halfseen.data.files as files
from halfseen.data import Observed, read_table
from halfseen.errors import UnknownLabelError

N = 400


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    keys = rng.choice(60 * 30, N, replace=False)
    return {"user": keys // 30 + 1000, "item": keys % 30, "rating": rng.integers(1, 11, N) / 2}


def write(folder: Path, ending: str, table: dict[str, np.ndarray]) -> Path:
    """Write one table in the kind of file its ending says."""
    file = folder / f"ratings{ending}"
    arrow = pa.table(table)
    if ending == ".parquet":
        parquet.write_table(arrow, file, row_group_size=150)
    elif ending == ".feather":
        feather.write_feather(arrow, file, chunksize=150)
    elif ending == ".arrows":
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, arrow.schema) as writer:
            writer.write_table(arrow, max_chunksize=150)
    elif ending == ".npz":
        np.savez(file, **table)
    else:
        sep = "\t" if ".tsv" in ending else ","
        lines = [sep.join(table)] + [sep.join(map(str, line)) for line in zip(*table.values(), strict=True)]
        data = ("\n".join(lines) + "\n").encode()
        file.write_bytes(gzip.compress(data, mtime=0) if ending.endswith(".gz") else data)
    return file


ENDINGS = (".parquet", ".feather", ".arrows", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".npz")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_kind_of_file_gives_the_same_table(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(files, "BATCH", 64)
    table = columns()
    read = read_table(write(tmp_path, ending, table), row="user", col="item", value="rating")
    expected = Observed.from_triplets(*table.values(), row_labels="infer", col_labels="infer")
    assert read.shape == expected.shape
    np.testing.assert_array_equal(read.row_labels, expected.row_labels)
    np.testing.assert_array_equal(read.col_labels, expected.col_labels)
    np.testing.assert_array_equal(read.cols, expected.cols)
    np.testing.assert_array_equal(read.values, expected.values)


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".csv.gz"])
def test_text_labels_are_numbered_in_sorted_order_over_all_batches(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(files, "BATCH", 64)
    table = columns()
    table["user"] = np.array([f"u{k}" for k in table["user"]])
    read = read_table(write(tmp_path, ending, table), "user", "item", "rating")
    np.testing.assert_array_equal(read.row_labels, np.unique(table["user"]))
    np.testing.assert_array_equal(read.values[read.by_rows.indptr[:-1]] > 0, True)
    rows, cols = read.row_index(table["user"]), read.col_index(table["item"])
    np.testing.assert_array_equal(read.to_dense()[rows, cols], table["rating"])


def test_spread_out_identifiers_are_numbered_without_a_table_of_their_range(tmp_path, monkeypatch):
    monkeypatch.setattr("halfseen.data.codes.CHUNK", 50)
    table = columns()
    table["user"] = table["user"] * 10**15 + 7
    read = read_table(write(tmp_path, ".parquet", table), "user", "item", "rating")
    np.testing.assert_array_equal(read.row_labels, np.unique(table["user"]))
    np.testing.assert_array_equal(
        read.to_dense()[read.row_index(table["user"]), read.col_index(table["item"])], table["rating"]
    )


def test_columns_are_given_by_number_and_default_to_the_first_three(tmp_path):
    file = tmp_path / "u.data"
    file.write_text("7\t3\t5\t100\n9\t3\t1\t101\n")
    for read in (read_table(file, header=False), read_table(file, 0, 1, 2, header=False, sep="\t")):
        assert (read.row_labels.tolist(), read.values.tolist()) == ([7, 9], [5.0, 1.0])
    assert read_table(file, 1, 0, 3, header=False, shift=-100).values.tolist() == [0.0, 1.0]
    assert read_table(file, 0, 1, 2, weight=3, header=False).weights.tolist() == [100.0, 101.0]


def test_a_first_line_of_data_is_not_lost_in_silence(tmp_path):
    file = tmp_path / "u.data"
    file.write_text("7\t3\t5\n9\t3\t1\n")
    with pytest.raises(ValueError, match=r"first line of u.data looks like data \(7, 3, 5\); give header=False"):
        read_table(file)


def test_leading_zeros_keep_labels_text(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("u,i,r\n007,-1,1\n7,0,2\n")
    read = read_table(file)
    assert read.row_labels.tolist() == ["007", "7"]
    assert read.col_labels.tolist() == [-1, 0]


def test_dates_may_be_labels(tmp_path):
    days = [date(2020, 1, 2), date(2020, 1, 1)]
    parquet.write_table(pa.table({"d": days, "i": [1, 1], "r": [1.0, 2.0]}), tmp_path / "d.parquet")
    read = read_table(tmp_path / "d.parquet")
    assert read.row_labels.dtype == "M8[D]"
    assert read.values[read.row_index(days)].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_a_missing_code_is_left_out_and_the_shift_is_added(tmp_path, ending):
    table = {"u": np.array([1, 1, 2]), "i": np.array([1, 2, 1]), "r": np.array([255, 3, 1], dtype=np.uint8)}
    read = read_table(write(tmp_path, ending, table), "u", "i", "r", missing=255, shift=-1)
    assert read.values.tolist() == [2.0, 0.0]
    assert read.n_entries == 2


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_empty_values_are_refused_unless_nan_is_named_as_missing(tmp_path, ending):
    table = pa.table({"u": [1, 1, 2], "i": [1, 2, 1], "r": [1.0, None, 2.0]})
    file = tmp_path / f"t{ending}"
    if ending == ".csv":
        file.write_text("u,i,r\n1,1,1\n1,2,\n2,1,2\n")
    else:
        parquet.write_table(table, file)
    with pytest.raises(ValueError, match="column 'r' has no number in entry 1"):
        read_table(file)
    assert read_table(file, missing=float("nan")).values.tolist() == [1.0, 2.0]


def test_narrow_numbers_become_double_unless_single_is_asked_for(tmp_path):
    for dtype in (np.int8, np.uint8, np.int64, np.float32, np.float16, bool):
        table = {"u": np.array([1, 2]), "i": np.array([1, 2]), "r": np.array([1, 0], dtype=dtype)}
        file = write(tmp_path, ".parquet", table)
        read = read_table(file, shift=0.5)
        assert read.values.tolist() == [1.5, 0.5]
        assert read.dtype == (np.float32 if dtype in (np.float32, np.float16) else np.float64)
        assert read_table(file, dtype="float32").dtype == np.float32


def test_duplicates_in_a_file_need_a_rule(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("u,i,r\na,x,1\na,x,2\n")
    with pytest.raises(ValueError, match=r"first R\['a', 'x'\] = 1.0, 2.0; say how"):
        read_table(file)
    assert read_table(file, duplicates="last").values.tolist() == [2.0]


def test_dictionary_columns_and_unused_categories_are_read(tmp_path):
    users = pa.DictionaryArray.from_arrays(pa.array([2, 0]), pa.array(["a", "never", "c"]))
    parquet.write_table(pa.table({"u": users, "i": [1, 2], "r": [1.0, 2.0]}), tmp_path / "d.parquet")
    assert read_table(tmp_path / "d.parquet").row_labels.tolist() == ["a", "c"]


def test_a_two_dimensional_array_takes_label_arrays_and_codes_for_missing(tmp_path):
    file = tmp_path / "t.npz"
    np.savez(file, R=np.array([[1, 255], [0, 1]], np.uint8), m=["a", "b"], q=["x", "x"], g=["one", "two"], k=["x"])
    table = read_table(file, "m", "g", "R", missing=255)
    np.testing.assert_array_equal(table.to_dense(), [[1, np.nan], [0, 1]])
    assert read_table(file, missing=255).row_labels is None
    assert read_table(file, col="g+q").col_labels.tolist() == ["one/x", "two/x"]
    with pytest.raises(ValueError, match=r"labels 'q' repeat, first 'x' \(2 times\); leave col out, or join"):
        read_table(file, col="q")
    with pytest.raises(ValueError, match="has 1 labels, 'R' has shape"):
        read_table(file, row="k")
    with pytest.raises(UnknownLabelError, match="row='mm' is not an array of"):
        read_table(file, row="mm")


CSV = "user,item,rating\n" + "".join(f"{k % 9},{k},{k % 5}\n" for k in range(500))


@pytest.mark.parametrize(
    ("name", "content", "arguments", "error", "text"),
    [
        ("none.csv", None, {}, FileNotFoundError, "no such file"),
        ("a.csv", b"", {}, ValueError, r"is empty \(0 bytes\)"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), {}, ValueError, "cannot be read as text: Empty CSV file"),
        ("a.csv", b"user,item,rating\n", {}, ValueError, "has 0 entries: there is no line of data"),
        ("a.csv", b"u,i,r\n1,1,9\n", {"missing": 9}, ValueError, "has 0 entries: all 1 values are missing"),
        (
            "a.csv",
            CSV.encode(),
            {"value": "ratng"},
            UnknownLabelError,
            "value='ratng' is not a column of a.csv; close: 'rating'",
        ),
        ("a.csv", CSV.encode(), {"value": 7}, UnknownLabelError, r"value=7: a.csv has columns 0\.\.2"),
        ("a.csv", CSV.encode(), {"value": "user"}, ValueError, "column 'user' of a.csv is asked for twice"),
        ("a.csv", CSV.encode() + b"1,2,many\n", {}, ValueError, r"line 502: .*invalid value 'many'"),
        ("a.csv", CSV.encode() + b"1,2\n", {}, ValueError, "line 502: Expected 3 columns, got 2"),
        ("a.csv", CSV.encode() + b"1,9999,inf\n", {}, ValueError, r"first R\[1, 9999\] = inf"),
        ("a.csv", CSV.encode() + b",9999,1\n", {}, ValueError, "column 'user' has the empty label '' in entry 500"),
        ("a.csv", b"u,u,r\n1,2,3\n", {"row": "u"}, ValueError, "has 2 columns of that name"),
        ("a.csv", CSV.encode(), {"header": False}, ValueError, "invalid value 'rating'"),
        ("a.csv", CSV.encode(), {"sep": "::"}, ValueError, "sep must be one character, got '::'"),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-30], {}, ValueError, "cut off, damaged"),
        ("a.csv.gz", CSV.encode(), {}, ValueError, "incorrect header check"),
        ("a.parquet", CSV.encode(), {}, ValueError, "cannot be read as Parquet"),
        ("a.feather", CSV.encode(), {}, ValueError, "cannot be read as Feather or Arrow"),
        ("a.npz", CSV.encode(), {}, ValueError, "cannot be read as .npz"),
        ("a.xlsx", CSV.encode(), {}, ValueError, "unknown kind of file '.xlsx'; known are .parquet"),
        ("a.txt", b"onlyone\n1\n", {}, ValueError, "found no separator in its first line"),
        ("a.csv", b"\xff\xfe\x00u,i,r\n\xff,2,3\n", {}, ValueError, "cannot be read|invalid|a.csv"),
        ("a.csv", CSV.encode(), {"duplicates": "avg"}, ValueError, "is not a rule"),
        ("a.csv", CSV.encode(), {"dtype": "int8"}, ValueError, "dtype must be float32 or float64"),
        ("a.csv", CSV.encode(), {"seperator": ";"}, TypeError, "read_table has no argument 'seperator'"),
    ],
)
def test_bad_files_are_refused_with_what_is_wrong(tmp_path, name, content, arguments, error, text):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(error, match=text):
        read_table(file, **arguments)


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".arrows", ".npz"])
@pytest.mark.parametrize("kept", [0.2, 0.7, 0.99])
def test_a_truncated_file_is_refused_whole(tmp_path, ending, kept):
    file = write(tmp_path, ending, columns())
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match="cannot be read as"):
        read_table(file, "user", "item", "rating")


def test_a_damaged_page_in_the_middle_of_a_parquet_file_is_refused(tmp_path):
    file = write(tmp_path, ".parquet", columns())
    data = bytearray(file.read_bytes())
    data[40:300] = bytes(260)
    file.write_bytes(data)
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read_table(file)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rating": ["5", "4"]}, "column 'rating' holds string, first '5'; values must be numbers"),
        ({"user": [[1], [2]]}, "column 'user' holds list<.*; labels must be"),
        ({"user": ["a", None]}, "column 'user' has no label in entry 1"),
        ({"rating": [1.0, float("nan")]}, r"first R\[2, 2\] = nan"),
    ],
)
def test_columns_of_the_wrong_type_are_refused(tmp_path, change, text):
    file = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]} | change), file)
    with pytest.raises(ValueError, match=text):
        read_table(file)


def test_objects_in_an_npz_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "o.npz", r=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="are there Python objects in it"):
        read_table(tmp_path / "o.npz")
    np.savez(tmp_path / "p.npz", a=np.eye(2), b=np.eye(3))
    with pytest.raises(ValueError, match=r"pass value= to say which array .* a \(2, 2\), b \(3, 3\)"):
        read_table(tmp_path / "p.npz")
    np.savez(tmp_path / "q.npz", u=[1, 2], i=[1], r=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"col array 'i' has shape \(1,\), value array 'r' \(2,\)"):
        read_table(tmp_path / "q.npz", "u", "i", "r")


def test_a_long_file_with_more_columns_is_no_wide_table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating,time,place\nann,tea,5,1,x\nann,jam,3,2,y\n")
    assert read_table(path).n_entries == 2
    path.write_text("user,item,rating,time,place\nann,tea,5,1,x\nann,jam,,2,y\n")
    with pytest.raises(ValueError, match=r"'rating' has no number in entry 1.*if the file is a wide table"):
        read_table(path)
    with pytest.raises(ValueError, match=r"leave them out$"):
        read_table(path, row="user", col="item", value="rating")
    path.write_text("user,item,rating,time,place\nann,tea,5,1,x\nbob,jam,3,2,y\n")
    assert read_table(path, row="user", col="item", value="rating").n_entries == 2
    with pytest.raises(ValueError, match="looks like a wide table"):
        read_table(path)
