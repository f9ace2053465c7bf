"""A prepared table is the table of its raw files, says what is damaged, and stays within its memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from prepared_tables import N, P, entries, write_raw
from pyarrow import csv

import halfseen as hs
from halfseen.data.labels import find_labels
from halfseen.data.prepared import block_path, open_block


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("prepared")
    hs.prepare(write_raw(base / "raw", entries(), "parquet"), base / "table", blocks=4)
    return base / "table"


def as_sorted(table):
    """The table with rows in the order of their labels."""
    return table.take_rows(np.argsort(table.row_labels))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("labels", ["text", "numbers"])
def test_blocks_hold_the_entries_of_the_raw_files(tmp_path, kind, labels):
    rows, cols, values = entries()
    if labels == "numbers":
        rows, cols = (np.array([int(name.split()[1]) * 1001 for name in names]) for names in (rows, cols))
    table = hs.prepare(write_raw(tmp_path / "raw", (rows, cols, values), kind), tmp_path / "table", blocks=4)
    whole = table.load()
    straight = hs.Observed.from_triplets(rows, cols, values)
    assert table.shape == straight.shape == (N, P)
    assert table.n_entries == straight.n_entries
    order = find_labels(whole.row_labels, straight.row_labels)
    again = whole.take_rows(order)
    np.testing.assert_array_equal(again.by_rows.indptr, straight.by_rows.indptr)
    np.testing.assert_array_equal(again.cols, straight.cols)
    np.testing.assert_array_equal(again.values, straight.values)
    np.testing.assert_array_equal(whole.col_labels, straight.col_labels)
    assert table.mean == pytest.approx(float(values.mean(dtype=float)))
    assert table.spread == pytest.approx(float(values.std(dtype=float)))
    np.testing.assert_array_equal(table.column_weights, straight.by_rows.minor_sums())
    np.testing.assert_array_equal(table.find_rows(straight.row_labels), order)


def test_a_row_is_found_in_another_process_where_it_was_put(folder):
    code = f"import halfseen as hs; print(hs.read_table({str(folder)!r}).find_rows(['user 007', 'user 059']).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(hs.read_table(folder).find_rows(["user 007", "user 059"]).tolist())


def test_an_unknown_row_is_named(folder):
    with pytest.raises(ValueError, match="user 999"):
        hs.read_table(folder).find_rows(["user 001", "user 999"])


def test_an_entry_that_comes_twice_needs_a_rule(tmp_path):
    rows, cols, values = (np.concatenate([part, part[:1]]) for part in entries())
    raw = write_raw(tmp_path / "raw", (rows, cols, values), "parquet")
    with pytest.raises(ValueError, match="duplicates"):
        hs.prepare(raw, tmp_path / "strict", blocks=2)
    assert hs.prepare(raw, tmp_path / "lenient", blocks=2, duplicates="mean").n_entries == len(rows) - 1


def test_a_folder_that_is_not_complete_is_no_table(tmp_path):
    with pytest.raises(ValueError, match="was not; write them into a folder"):
        hs.read_table(tmp_path, memory="1GB")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        hs.prepare(tmp_path / "nothing", tmp_path / "table")


WIDE = "name,a,b,c,d,e\n" + "".join(f"row {i},{i},{'' if i % 3 else i / 2},1,0,{i % 2}\n" for i in range(12))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_wide_files_are_the_same_table_in_blocks_as_in_memory(tmp_path, kind):
    (tmp_path / "wide.csv").write_text(WIDE)
    if kind == "parquet":
        pq.write_table(csv.read_csv(tmp_path / "wide.csv"), tmp_path / "wide.parquet")
    straight = as_sorted(hs.read_table(tmp_path / "wide.csv", wide=True))
    there = hs.prepare(tmp_path / f"wide.{kind}", tmp_path / "table", blocks=2, wide=True, dtype="float64").load()
    np.testing.assert_array_equal(as_sorted(there).row_labels, straight.row_labels)
    np.testing.assert_array_equal(there.col_labels, straight.col_labels)
    np.testing.assert_array_equal(as_sorted(there).to_dense(), straight.to_dense())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (WIDE, "is missing or infinite.*a wide table, a line per row, give wide=True"),
        ("name,a,b,c,d\n" + "".join(f"row {i},{i % 2},{i},1,0\n" for i in range(9)), "every row would have one entry"),
        ("time,user,film,stars\n1,a,b,3\n2,a,c,4\n", "by their names others are meant: give row='user'"),
        ("user,film,stars\na,b,3\na,b,4\n", "duplicates"),
    ],
)
def test_what_is_refused_leaves_no_folder_behind(tmp_path, text, match):
    (tmp_path / "raw.csv").write_text(text)
    with pytest.raises(ValueError, match=match):
        hs.prepare(tmp_path / "raw.csv", tmp_path / "table")
    assert not (tmp_path / "table").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=match):
        hs.prepare(tmp_path / "raw.csv", tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_block_is_named(folder, tmp_path, damage):
    import shutil

    copy = tmp_path / "table"
    shutil.copytree(folder, copy)
    path = block_path(str(copy), 2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(data) if damage == "flipped" else bytes(data[:-5]))
    with pytest.raises(ValueError, match=r"part-00002\.bin.*prepare the table again"):
        open_block(hs.read_table(copy).recipe(2))
