"""Prepared folders that a stranger wrote, or that were damaged: one line that names the file, or finite numbers."""

from __future__ import annotations

import json
import shutil
import zlib

import numpy as np
import pytest
from prepared_tables import entries, write_raw

import halfseen as hs
from halfseen.data.prepared import COLUMNS, FACTS, block_path, label_path, open_block


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    hs.prepare(write_raw(folder / "raw", entries(), "csv"), folder / "table", blocks=4)
    return folder / "table"


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "table")


def use(folder):
    """What fits and predictions read of a folder."""
    table = hs.read_table(folder, memory="1GB")
    assert np.isfinite([table.mean, table.spread]).all()
    for number in range(table.n_blocks):
        assert np.isfinite(open_block(table.recipe(number)).rows.values).all()
    whole = table.load()
    assert len(table.col_labels) == len(table.column_weights) == whole.shape[1]
    table.find_rows(whole.row_labels[:1])


def change_facts(folder, **new):
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | new))


def change_block(folder, place, number, kind):
    """Change one number of a block, and the checksum with it, as whoever writes a block would."""
    facts, path = json.loads((folder / FACTS).read_text()), block_path(str(folder), 1)
    data, rows = bytearray(path.read_bytes()), facts["bounds"][2] - facts["bounds"][1]
    begin = {"counts": 0, "indices": 4 * rows, "values": 4 * (rows + facts["entries"][1])}[place]
    data[begin : begin + 4] = np.array(number, kind).tobytes()
    path.write_bytes(bytes(data))
    facts["checksums"][1] = zlib.crc32(bytes(data))
    (folder / FACTS).write_text(json.dumps(facts))


FACT = {
    "n_rows": [0, -1, 10**30, "60", 60.0, True, None, 61], "n_cols": [0, 2**40, 18, None], "n_entries": [0, 10**9, [1]],
    "dtype": ["float16", "object", None, 3], "has_weights": [1, "no"], "hashed_as_text": [None],
    "bounds": [[], [0], 7, [0, 9, 5, 30, 60], [0, 1, 2, 3, 10**18], [0, 10, 20, 30, "60"], [-1, 1, 2, 3, 60]],
    "entries": [[], [-1, 1, 1, 1], None], "checksums": [[1], [2**40] * 4, {"a": 1}],
    "sums": [
        {}, None, [1], {"weights": 0, "values": 0, "squares": 0, "low": 0, "high": 0},
        {"weights": 10**400, "values": 0, "squares": 0, "low": 0, "high": 0},
        {"weights": 1, "values": float("nan"), "squares": 0, "low": 0, "high": 0},
        {"weights": 1, "values": 9, "squares": 0, "low": 0, "high": 1},
    ],
    "row_kind": [None, "mixed"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FACT.items() for value in values])
def test_facts_that_cannot_be_are_refused_when_the_folder_is_opened(folder, name, value):
    change_facts(folder, **{name: value})
    with pytest.raises(ValueError, match=r"(table\.json|columns\.npz) cannot be used: .*prepare the table again") as e:
        hs.read_table(folder, memory="1GB")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 20_000, '{"version": 1}', '{"version": 2}', "\xff"])
def test_a_file_of_facts_that_is_none_is_refused(folder, text):
    (folder / FACTS).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"table\.json cannot be used: .*prepare the table again"):
        hs.read_table(folder, memory="1GB")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("indices", 17, "i4"), "outside 0..16"),
        (("indices", -1, "i4"), "outside 0..16"),
        (("indices", 2**31 - 1, "i4"), "outside 0..16"),
        (("counts", -3, "i4"), "fewer than 0 entries"),
        (("counts", 2**31 - 1, "i4"), "indptr must run from 0"),
        (("values", np.nan, "f4"), "not finite"),
        (("values", np.inf, "f4"), "not finite"),
    ],
)
def test_a_block_with_a_right_checksum_and_wrong_places_is_refused_before_a_kernel_sees_it(folder, change, text):
    change_block(folder, *change)
    with pytest.raises(ValueError, match=rf"part-00001\.bin is no block of this table: .*{text}"):
        use(folder)


@pytest.mark.parametrize("what", ["objects", "short", "text", "nothing", "no zip", "negative"])
def test_columns_of_other_kinds_are_refused(folder, what):
    path, (labels, weights) = folder / COLUMNS, (np.arange(17), np.ones(17))
    path.unlink()
    if what == "no zip":
        path.write_bytes(b"PK\x03\x04 and then no more")
    elif what != "nothing":
        labels = {"objects": labels.astype(object), "short": labels[:3]}.get(what, labels)
        weights = {"text": weights.astype(str), "negative": -weights}.get(what, weights)
        np.savez(path, labels=labels, weights=weights)
    with pytest.raises(ValueError, match=r"columns\.npz cannot be (used|read).*prepare the table again"):
        use(folder)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", np.arange(3), np.arange(4).astype(object), np.ones((5, 5))])
def test_labels_of_rows_that_are_none_are_refused(folder, content):
    path = label_path(str(folder), 1)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=r"part-00001\.npy cannot be used: .*prepare the table again"):
        use(folder)


def test_a_header_that_promises_terabytes_is_refused_before_anything_is_made(folder):
    path = label_path(str(folder), 1)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (2**45,)})
    with pytest.raises(ValueError, match="its header promises"):
        use(folder)


def test_any_changed_byte_of_any_file_is_named_or_harmless(folder):
    rng = np.random.default_rng(0)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    said = []
    for _ in range(150):
        path = files[rng.integers(len(files))]
        before = path.read_bytes()
        data = bytearray(before)
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(data))
        try:
            use(folder)
        except ValueError as error:
            said.append((path.name, str(error)))
        path.write_bytes(before)
    assert len(said) > 50
    for name, text in said:
        assert "\n" not in text, text
        # a label that changed is a label still, and may stand for no row or for two
        assert str(folder) in text or name.endswith(".npy"), text


def test_values_whose_squares_overflow_are_refused_with_a_divisor(tmp_path):
    (tmp_path / "raw.csv").write_text("row,col,value\na,x,1e200\na,y,2e200\nb,x,3e200\n")
    with pytest.raises(ValueError, match="divide them by 3e"):
        hs.prepare(tmp_path / "raw.csv", tmp_path / "table", blocks=1, dtype="float64")
