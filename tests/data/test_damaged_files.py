"""Files that are damaged, or that promise more than they hold: one clear line, whatever they are."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

from halfseen.data import read_table
from halfseen.data.limits import bytes_of
from halfseen.data.parquet_sizes import Compact


def refused(path: Path, text: str, **arguments) -> None:
    """The reading ends in a plain ValueError on one line that names the file."""
    with pytest.raises(ValueError, match=text) as told:
        read_table(path, **arguments)
    assert type(told.value) is ValueError
    assert path.name in str(told.value)
    assert "\n" not in str(told.value)


def triplets(n: int = 40) -> pa.Table:
    return pa.table(
        {"u": [f"u{k % 8}" for k in range(n)], "i": [f"i{k // 8}" for k in range(n)], "r": np.arange(n) / 2}
    )


@pytest.mark.parametrize("value", [1 << 30, -5, 2**31 - 1, 200_000])
def test_one_wrong_offset_of_a_text_column_is_found_before_it_is_followed(tmp_path, value):
    file = tmp_path / "a.feather"
    feather.write_feather(triplets(), str(file), compression="uncompressed")
    data = bytearray(file.read_bytes())
    place = data.find(struct.pack("<5i", 0, 2, 4, 6, 8))
    assert place > 0
    data[place + 12 : place + 16] = struct.pack("<i", value)
    file.write_bytes(data)
    refused(file, "cannot be read as Feather or Arrow: .*[Oo]ffset")


@pytest.mark.parametrize("code", [8, 100, -1, 2**31 - 1])
def test_codes_beyond_their_dictionary_are_refused(tmp_path, code):
    file = tmp_path / "a.arrows"
    codes = np.arange(40, dtype=np.int32) % 8
    users = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([f"u{k}" for k in range(8)]))
    table = pa.table({"u": users, "i": np.arange(40) // 8, "r": np.arange(40.0)})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = bytearray(file.read_bytes())
    place = data.find(codes.tobytes())
    data[place + 20 : place + 24] = struct.pack("<i", code)
    file.write_bytes(data)
    refused(file, "cannot be read as Feather or Arrow: .*[Dd]ictionary|ndices")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_buffer_that_promises_terabytes_is_refused_before_it_is_made(tmp_path, codec):
    file = tmp_path / "a.feather"
    table = pa.table({"u": np.zeros(4000, np.int64), "i": np.arange(4000), "r": np.zeros(4000)})
    feather.write_feather(table, str(file), compression=codec)
    data = bytearray(file.read_bytes())
    place = data.find(struct.pack("<q", 32_000))
    data[place : place + 8] = struct.pack("<q", 2**41)
    file.write_bytes(data)
    refused(file, r"one of its batches would take 2199 GB of memory, and at most 536\.9 MB are allowed.*max_bytes=")
    data[place : place + 8] = struct.pack("<q", -7)
    file.write_bytes(data)
    refused(file, "a compressed buffer says that it holds -7 bytes")


def test_messages_that_point_outside_the_file_are_refused(tmp_path):
    file = tmp_path / "a.arrows"
    table = triplets()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = bytearray(file.read_bytes())
    data[4:8] = struct.pack("<i", 2**31 - 1)
    file.write_bytes(data)
    refused(file, "a message of 2147483647 bytes begins")
    file.write_bytes(b"\xff\xff\xff\xff\x10\0\0\0" + b"\xff" * 16)
    refused(file, "points outside itself")


def member(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + body


def npz(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


EIGHT = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"hello", "'r.npy': .*magic"),
        (member(EIGHT % "(1000000000000, 2)"), r"its header promises 16000000000000 bytes, the member has"),
        (member(EIGHT % "(2, -2)", bytes(64)), r"shape \(2, -2\) is no shape"),
        (member(EIGHT % ("(1," * 3000 + ")" * 3000)), "cannot be read as .npz"),
        (member("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}", bytes(64)), "Python objects"),
        (member("{'descr': '<f8'}", bytes(64)), "cannot be read as .npz"),
        (member("(" * 4000, bytes(64)), "cannot be read as .npz"),
        (member(EIGHT % "(2, 2)", bytes(64), b"\x07\x00"), r"version \(7, 0\) of the .npy format is not known"),
        (member("{'descr': '<U3', 'fortran_order': False, 'shape': (2, 2)}", bytes(64)), "pass value="),
    ],
)  # fmt: skip
def test_arrays_whose_headers_cannot_be_are_refused(tmp_path, content, text):
    refused(npz(tmp_path / "a.npz", r=content), text)


def test_text_with_letters_beyond_unicode_is_refused(tmp_path):
    content = member("{'descr': '<U1', 'fortran_order': False, 'shape': (2,)}", b"\xff" * 8)
    refused(npz(tmp_path / "a.npz", r=content), "letter 4294967295", value="r")


def test_zip_files_that_zipfile_cannot_read_are_one_clear_line(tmp_path):
    file = npz(tmp_path / "a.npz", r=member(EIGHT % "(2, 2)", bytes(32)))
    sound = file.read_bytes()
    assert read_table(file).shape == (2, 2)
    central = sound.find(b"PK\x01\x02")
    for local, there, change, text in (
        (6, 8, b"\x01\x00", "encrypted"),
        (8, 10, b"\x63\x00", "compression method is not supported"),
        (14, 16, b"\x00\x00\x00\x00", "Bad CRC-32"),
    ):
        data = bytearray(sound)
        data[local : local + len(change)] = change
        data[central + there : central + there + len(change)] = change
        file.write_bytes(data)
        refused(file, text)
    data = bytearray(sound)
    data[60:64] = b"\xff\xff\xff\xff"
    file.write_bytes(data)
    refused(file, "cannot be read as .npz: 'r.npy': ")
    with zipfile.ZipFile(file, "w") as empty:
        empty.writestr("notes.txt", "hello")
    refused(file, "there is no array .* in it; it holds 'notes.txt'")


def test_an_npz_that_unpacks_to_more_than_the_limit_is_refused_and_the_limit_can_be_raised(tmp_path):
    file = tmp_path / "a.npz"
    np.savez_compressed(file, r=np.ones((3000, 1000)))
    refused(file, r"array 'r' of shape \(3000, 1000\) would take 24 MB of memory", max_bytes="20MB")
    assert read_table(file, max_bytes="25 MB").shape == (3000, 1000)


@pytest.mark.slow
def test_a_text_bomb_ends_at_the_limit(tmp_path):
    file = tmp_path / "a.csv.gz"
    lines = b"u,i,r\n" + b"".join(b"%d,%d,1\n" % (k % 1000, k // 1000) for k in range(120_000))
    file.write_bytes(gzip.compress(lines))
    refused(file, "would take .* of memory, and at most 2 MB are allowed", max_bytes=2_000_000)
    assert read_table(file).n_entries == 120_000
    wide = tmp_path / "w.csv.gz"
    wide.write_bytes(gzip.compress(b"a,b,c\n" + b"1,2,3\n" * 300_000))
    refused(wide, "a wide table of", max_bytes="1MB", labels=False)


def test_a_first_line_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("halfseen.data.files.LONGEST_LINE", 3 << 20)
    file = tmp_path / "a.csv"
    file.write_bytes(b"x" * (5 << 20))
    refused(file, "its first line has more than 3 MiB")
    blanks = tmp_path / "a.txt"
    blanks.write_bytes(b"1 2 3\n" + b"1 " * (3 << 20))
    refused(blanks, "a line has more than 3145728 bytes", header=False, labels=False, sep=" ")


def test_a_parquet_page_that_unpacks_to_more_than_the_limit_is_refused(tmp_path):
    file = tmp_path / "a.parquet"
    n = 600_000
    table = pa.table({"u": np.zeros(n, np.int64), "i": np.arange(n), "r": np.zeros(n)})
    parquet.write_table(table, file, compression="zstd", use_dictionary=False, data_page_size=1 << 26)
    refused(file, "a page of column '[uir]' would take .*B of memory, and at most 100 kB", max_bytes=100_000)
    assert read_table(file).n_entries == n


def test_a_footer_that_stops_the_parquet_library_is_refused_first(tmp_path):
    file = tmp_path / "a.parquet"
    parquet.write_table(triplets(), file)
    data = file.read_bytes()
    length = struct.unpack("<I", data[-8:-4])[0]
    for footer in (
        b"\x19" * 200,
        b"\x1c" * 100 + b"\0" * 200,
        b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
        b"\0",
    ):
        file.write_bytes(data[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1")
        refused(file, "cannot be read as Parquet")


def test_thrift_lists_and_numbers_are_bounded():
    for data in (b"\x19\xfc\xff\xff\xff\xff\x0f", b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0", b"\x1d\0"):
        with pytest.raises(ValueError, match="metadata"):
            Compact(data).struct()


@pytest.mark.parametrize("size", ["", "many", "-1", 0, -3, True, None, "4 XB", float("nan")])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(ValueError, match="is not a size; give a number of bytes"):
        bytes_of(size)


def test_objects_of_a_lying_zip_directory_are_read_no_further_than_promised(tmp_path):
    file = tmp_path / "a.npz"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("r.npy", member(EIGHT % "(100, 100)", bytes(80_000)))
    data = bytearray(sink.getvalue())
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.find(sign)
        data[place + offset : place + offset + 4] = struct.pack("<I", 900)
    file.write_bytes(data)
    refused(file, "cannot be read as .npz: 'r.npy': ")
