"""Files in blocks of whole rows hold what the whole file holds."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.data.blocks import BlockReading, RowBlocks


def entries(seed=0, n=400, d=17, text=True):
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.choice(n * d, 2500, replace=False))
    row = [f"r{k:04}" for k in cells // d] if text else (1000 + cells // d).tolist()
    return row, (10 + cells % d).tolist(), rng.normal(size=len(cells)).tolist()


def write(path, columns, order=None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(zip(("who", "what", "much"), columns, strict=True)))
    table = table if order is None else table.take(order)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=300)
    elif path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, path)
    else:
        from pyarrow import feather

        feather.write_feather(table, path, chunksize=170)
    return path


def together(blocks):
    """Entries of all blocks by label, and the number of blocks."""
    found, rows = {}, set()
    parts = list(blocks)
    for part in parts:
        assert rows.isdisjoint(part.row_labels.tolist())
        rows.update(part.row_labels.tolist())
        assert part.shape[1] == len(blocks.col_labels)
        names = zip(part.row_labels[part.rows].tolist(), part.col_labels[part.cols].tolist(), strict=True)
        found.update(zip(names, part.values.tolist(), strict=True))
    return found, len(parts)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".feather"])
@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("shuffled", [False, True])
def test_every_entry_comes_once_and_rows_are_whole(tmp_path, ending, text, shuffled):
    columns = entries(text=text)
    order = np.random.default_rng(1).permutation(2500) if shuffled else None
    path = write(tmp_path / f"file{ending}", columns, order)
    blocks = RowBlocks(path, "who", "what", "much", entries=700)
    assert blocks.is_grouped != shuffled
    assert blocks.n_entries == 2500
    found, count = together(blocks)
    assert found == dict(zip(zip(columns[0], columns[1], strict=True), columns[2], strict=True))
    assert 2 <= count <= 5 or ending == ".csv"  # pyarrow chooses the batches of a text file
    assert together(blocks)[0] == found  # again


def test_moments_of_a_file_are_those_of_the_table(tmp_path):
    path = write(tmp_path / "file.parquet", entries(), np.random.default_rng(2).permutation(2500))
    blocks = RowBlocks(path, entries=300)
    moments = hs.PairMoments.empty(17, blocks.col_labels)
    for block in blocks:
        moments.partial_fit(block)
    whole = hs.PairMoments.from_rows(hs.read_table(path))
    np.testing.assert_array_equal(moments.col_labels, whole.col_labels)
    np.testing.assert_allclose(moments.sums, whole.sums, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(moments.counts, whole.counts)


def test_missing_shifted_and_repeated_values_are_read_as_asked(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("who,what,much\na,x,1\na,x,5\na,y,255\nb,y,2\n")
    blocks = RowBlocks(path, reading=BlockReading(missing=255, shift=-1, duplicates="last"))
    assert together(blocks)[0] == {("a", "x"): 4.0, ("b", "y"): 1.0}
    with pytest.raises(ValueError, match="more than once"):
        list(RowBlocks(path, reading=BlockReading(missing=255)))


def test_a_block_without_values_is_left_out(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("who,what,much\na,x,255\n")
    blocks = RowBlocks(path, reading=BlockReading(missing=255))
    assert list(blocks) == []
    assert blocks.col_labels.tolist() == ["x"]


def test_labels_that_are_numbers_in_some_blocks_only_stay_text(tmp_path):
    path = tmp_path / "file.csv"
    lines = [f"{k:03},{c},1" for k, c in enumerate(["7", "8", "7", "007"])]
    path.write_text("who,what,much\n" + "\n".join(lines) + "\n")
    blocks = RowBlocks(path, entries=1)
    assert blocks.col_labels.tolist() == ["007", "7", "8"]
    assert {name[1] for name in together(blocks)[0]} == {"007", "7", "8"}


def test_what_cannot_be_read_in_blocks_is_said(tmp_path):
    np.savez(tmp_path / "file.npz", value=np.ones((2, 2)))
    with pytest.raises(ValueError, match="read it whole"):
        RowBlocks(tmp_path / "file.npz")
    (tmp_path / "empty.csv").write_text("who,what,much\n")
    with pytest.raises(ValueError, match="0 entries"):
        RowBlocks(tmp_path / "empty.csv")
    path = write(tmp_path / "file.parquet", entries())
    with pytest.raises(ValueError, match="whom"):
        RowBlocks(path, "whom", "what", "much")


@pytest.mark.slow
def test_a_file_larger_than_its_blocks_never_lies_in_memory(tmp_path):
    """Twelve million entries in random order: 230 MB as arrays; the process stays far below that."""
    import json
    import subprocess
    import sys

    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(3)
    schema = pa.schema([("r", pa.int64()), ("c", pa.int32()), ("v", pa.float64())])
    with pq.ParquetWriter(tmp_path / "big.parquet", schema) as out:
        for _ in range(12):
            n = 1_000_000
            out.write_table(pa.table({
                "r": rng.integers(0, 3_000_000, n), "c": pa.array(rng.integers(0, 500, n), pa.int32()),
                "v": rng.normal(size=n),
            }))  # fmt: skip
    code = """
import json, resource, sys
import halfseen as hs
from halfseen.data.blocks import BlockReading, RowBlocks
blocks = RowBlocks(sys.argv[1], reading=BlockReading(duplicates="first"), entries=500_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
moments = hs.PairMoments.empty(500, blocks.col_labels)
for block in blocks:
    moments.partial_fit(block)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"grouped": blocks.is_grouped, "extra": (after - before) / 1024, "entries": moments.n_entries}))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.parquet")], capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert not found["grouped"]
    assert found["entries"] > 11_900_000
    assert found["extra"] < 115  # MB; half of what the entries alone take as arrays
