"""Identifiers are the same through every door, exact, storable, and found again."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

import halfseen as hs
from halfseen.data import Observed, read_table
from halfseen.data.blocks import RowBlocks
from halfseen.data.labels import as_label_array, find_labels, labels_from_text
from halfseen.errors import UnknownLabelError

BERLIN = ZoneInfo("Europe/Berlin")
KINDS = {
    "leading zeros": ["007", "7", "0"],
    "text with NUL at its end": ["a", "a\0", "b"],
    "text with NUL inside": ["a\0b", "a", "b"],
    "whole numbers": [7, -3, 12],
    "beyond float": [2**53, 2**53 + 1, 2**53 + 2],
    "unsigned": [2**63, 2**63 + 1, 2**64 - 1],
    "largest signed": [2**63 - 1, 2**63 - 2, 0],
    "truth values": [True, False, True],
    "floats": [0.5, 1.0, 2.0],
    "whole floats": [3.0, 1.0, 2.0],
    "dates": [date(2024, 1, 2), date(2023, 1, 1), date(2024, 1, 1)],
    "times": [datetime(2024, 1, 2, 3, 4, 5), datetime(2023, 1, 1), datetime(2024, 1, 1)],
    "times with a zone": [datetime(2024, 7, 2, tzinfo=BERLIN), datetime(2024, 7, 1, tzinfo=BERLIN)] * 2,
    "long text": ["x" * 400, "y" * 300, "z"],
    "lone letters": ["é", "e", "ﬁ"],
}


def arrow(table: dict[str, list]) -> pa.Table:
    """A pyarrow table, whose own guess of a kind does not go beyond int64."""
    ids = table["row"]
    is_large = type(ids[0]) is int and max(ids) >= 2**63
    return pa.table(table | {"row": pa.array(ids, pa.uint64() if is_large else None)})


FRAMES = {"pandas": pd.DataFrame, "polars": lambda table: pl.from_arrow(arrow(table)), "pyarrow": arrow}


def entries(ids: list) -> dict[str, list]:
    """One entry for each label, and a second column where labels repeat."""
    return {"row": ids, "col": [f"c{k}" for k in range(len(ids))], "value": [float(k + 1) for k in range(len(ids))]}


def cells(R: Observed) -> dict:
    return {(label, col): v for label, col, v in zip(R.row_labels[R.rows].tolist(), R.col_labels[R.cols].tolist(),
                                                     R.values.tolist(), strict=True)}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_every_library_and_typed_files_give_the_same_labels(kind, tmp_path):
    ids = KINDS[kind]
    given = entries(ids)
    expected = Observed.from_triplets(ids, given["col"], given["value"], row_labels="infer")
    tables = {name: Observed.from_frame(make(given), "row", "col", "value") for name, make in FRAMES.items()}
    parquet.write_table(arrow(given), tmp_path / "t.parquet")
    feather.write_feather(arrow(given), tmp_path / "t.feather")
    for ending in ("parquet", "feather"):
        tables[ending] = read_table(tmp_path / f"t.{ending}")
        tables[f"sources of {ending}"] = hs.read_sources(
            _with_source(tmp_path, ending), "source", "row", "col", "value"
        )["s"]
    for name, table in tables.items():
        assert table.row_labels.dtype.kind == expected.row_labels.dtype.kind, name
        assert table.row_labels.tolist() == expected.row_labels.tolist(), name
        assert cells(table) == cells(expected), name


def _with_source(folder: Path, ending: str) -> Path:
    table = read_arrow(folder / f"t.{ending}")
    table = table.append_column("source", pa.array(["s"] * table.num_rows))
    path = folder / f"s.{ending}"
    (parquet.write_table if ending == "parquet" else feather.write_feather)(table, str(path))
    return path


def read_arrow(path: Path) -> pa.Table:
    return parquet.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_fit_accepts_save_stores_and_predict_finds(kind, tmp_path):
    ids = KINDS[kind]
    R = Observed.from_frame(pd.DataFrame(entries(ids)), "row", "col", "value")
    model = hs.ColumnMean().fit(R)
    hs.save(model, tmp_path / "m")
    again = hs.load(tmp_path / "m")
    assert again.row_labels_.dtype == R.row_labels.dtype
    for asked in (ids, pd.Series(ids), pl.Series(ids, strict=False), R.row_labels):
        count = len(list(asked))
        cols = ["c0"] * count
        assert again.predict(asked, cols).tolist() == [1.0] * count
        assert again.predict(list(asked)[:1], ["c0"]).tolist() == [1.0]


OBJECTS = {
    "uuid": [uuid.UUID(int=k) for k in range(3)],
    "tuple": [("a", k) for k in range(3)],
    "tuple of dates": [(date(2024, 1, k + 1), "x") for k in range(3)],
    "period": list(pd.period_range("2024-01", periods=3, freq="M")),
    "bytes": [b"k%d" % k for k in range(3)],
    "decimal": [Decimal(k) for k in range(3)],
    "timestamps with a zone": list(pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin")),
    "nanoseconds": list(pd.to_datetime([1, 2, 3])),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_that_name_things_are_stored_and_found_by_themselves(kind, tmp_path):
    ids = OBJECTS[kind]
    R = Observed.from_triplets(ids, ["x", "y", "z"], [1.0, 2.0, 3.0], row_labels="infer")
    model = hs.BiasModel().fit(R)
    hs.save(model, tmp_path / "m")
    again = hs.load(tmp_path / "m")
    assert again.predict(ids, ["x", "y", "z"]).tobytes() == model.predict(ids, ["x", "y", "z"]).tobytes()
    assert R.values[R.row_index(ids)].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([object(), object()], "cannot be a label: a object cannot be stored"),
        ([frozenset((1,)), frozenset((2,))], "a frozenset cannot be stored"),
        ([("a", [1]), ("b", [2])], "it is not hashable"),
        ([("a", object()), ("b", object())], "a object cannot be stored"),
        ([2**64, 1], r"ids\[0\] = 18446744073709551616 is beyond 64-bit integers; give the labels as text"),
        ([-(2**63) - 1, 1], "is beyond 64-bit integers"),
        ([1e17, 2.0], r"ids\[0\] = 1e\+17 is a float of 2\^53 or more"),
        ([b"\xff", b"a"], "is not UTF-8 text"),
        ([1j, 2j], "cannot be stored"),
        ([None, "a"], r"ids\[0\] is missing \(None\)"),
        ([pd.NaT, pd.Timestamp("2024-01-01")], r"ids\[0\] is missing"),
    ],
)
def test_what_could_not_be_saved_or_found_is_refused_at_the_edge(ids, text):
    with pytest.raises(ValueError, match=text):
        as_label_array(ids, "ids")


def test_identifiers_beyond_2_to_53_are_never_compared_as_floats():
    ids = np.array([2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3])
    for known in (ids, ids.astype(np.uint64), ids.astype(np.uint64) + np.uint64(2**63)):
        R = Observed.from_triplets(known, [0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], row_labels="infer")
        for asked in (known, known.tolist(), known.astype(np.uint64)):
            assert R.row_index(asked).tolist() == [0, 1, 2, 3]
    R = Observed.from_triplets(ids, [0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], row_labels="infer")
    for strange in (np.array([2.0**53]), np.array([1.5]), [2**63], [-1], np.array([2**64 - 1], np.uint64)):
        with pytest.raises(UnknownLabelError, match="unknown row label"):
            R.row_index(strange)
    with pytest.raises(ValueError, match="beyond 64-bit integers"):
        Observed.from_triplets([2**70, 2**71], [0, 1], [1.0, 2.0], row_labels="infer")


def test_one_instant_of_two_zones_are_two_labels_and_each_finds_itself():
    berlin = datetime(2024, 1, 1, 1, tzinfo=BERLIN)
    labels = as_label_array([berlin, datetime(2024, 1, 1, tzinfo=UTC)], "t")
    assert labels.tolist() == ["2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00+00:00"]
    assert find_labels(labels, [berlin]).tolist() == [0]
    assert find_labels(labels, berlin).tolist() == [0]


def test_leading_zeros_stay_through_every_door_of_a_text_file(tmp_path):
    long = tmp_path / "long.csv"
    long.write_text("genre,user,film,rating\na,007,1,5\na,7,2,3\nb,007,3,1\nb,08,1,2\n")
    kinds = {
        "long": read_table(long, "user", "film", "rating", duplicates="last").row_labels,
        "sources": hs.read_sources(long, "genre").row_labels,
        "source a": np.unique(hs.read_sources(long, "genre", rows="union", duplicates="last")["a"].row_labels),
        "blocks": np.unique(np.concatenate([block.row_labels for block in RowBlocks(long, 1, 2, 3)])),
        "frame": Observed.from_frame(pd.read_csv(long, dtype={"user": str}), "user", "film", "rating").row_labels,
    }
    for name, labels in kinds.items():
        assert labels.tolist() == ["007", "08", "7"], name
    wide = tmp_path / "wide.csv"
    wide.write_text("who,x,y\n007,1,2\n7,3,4\n")
    assert read_table(wide, wide=True).row_labels.tolist() == ["007", "7"]
    assert labels_from_text(["007", 7], np.array(["007", "7"])).tolist() == ["007", "7"]


def test_identifiers_of_twenty_digits_in_text_are_unsigned_numbers_and_beyond_that_text(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("u,i,r\n18446744073709551615,1,1\n5,1,2\n")
    assert read_table(file).row_labels.tolist() == [5, 2**64 - 1]
    file.write_text("u,i,r\n18446744073709551616,1,1\n5,1,2\n")
    assert read_table(file).row_labels.tolist() == ["18446744073709551616", "5"]
    file.write_text("u,i,r\n18446744073709551615,1,1\n-5,1,2\n")
    assert read_table(file).row_labels.tolist() == ["-5", "18446744073709551615"]


@pytest.mark.parametrize(
    ("texts", "labels", "expected"),
    [
        (["7"], np.array([7]), [7]),
        (["18446744073709551615"], np.array([2**64 - 1], np.uint64), [2**64 - 1]),
        (["True", "false"], np.array([False, True]), [True, False]),
        (["0.5"], np.array([0.5, 1.0]), [0.5]),
        (["2024-01-02"], np.array(["2024-01-02"], "M8[D]"), [date(2024, 1, 2)]),
        (["x"], np.array([7]), ["x"]),
        (["3"], None, [3]),
    ],
)
def test_words_of_a_command_line_become_labels_of_the_known_kind(texts, labels, expected):
    assert labels_from_text(texts, labels).tolist() == expected


@pytest.mark.filterwarnings("ignore:every seen cell is 1")
def test_sparse_positions_become_labels_with_a_note_and_given_lengths_keep_them():
    rng = np.random.default_rng(0)
    ids = np.r_[rng.choice(10**6 - 1, 150, replace=False), 10**6 - 1]
    cols = rng.integers(0, 9, len(ids))
    R = Observed.from_triplets(ids, cols, np.ones(len(ids)), duplicates="mean")
    assert R.shape == (len(ids), 9)
    assert R.row_labels.tolist() == np.sort(ids).tolist()
    assert len(R.notes) == 1
    assert "rows are whole numbers up to 999999" in R.notes[0]
    assert "shape=" in R.notes[0]
    assert hs.ColumnMean().fit(R).predict([10**6 - 1], [0]).tolist() == [1.0]
    kept = Observed.from_triplets(ids, cols, np.ones(len(ids)), shape=(10**6, None), duplicates="mean")
    assert (kept.shape, kept.row_labels, kept.notes) == ((10**6, 9), None, ())
    both = Observed.from_triplets([0, 5], [50_000, 3], [1.0, 2.0])
    assert (both.shape, both.col_labels.tolist(), len(both.notes)) == ((6, 2), [3, 50_000], 1)
    dense = Observed.from_triplets(np.arange(20_000), np.zeros(20_000, int), np.ones(20_000))
    assert (dense.row_labels, dense.notes) == (None, ())


def test_notes_stay_with_tables_made_from_a_table():
    R = Observed.from_triplets([0, 50_000, 7], [0, 1, 1], [1.0, 2.0, 3.0])
    assert R.notes
    train, test = R.split(0.3, random_state=0)
    for other in (train, test, R.T, R.take_rows([0, 2]), R.astype("float32"), R.with_values(R.values + 1)):
        assert other.notes == R.notes
    assert R.describe()["notes"] == list(R.notes)
    import pickle

    assert pickle.loads(pickle.dumps(R)).notes == R.notes
