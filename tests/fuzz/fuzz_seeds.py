"""Sound files of every format that halfseen reads: what mutations start from."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

import halfseen as hs

ROWS = 40


def columns(rng: np.random.Generator) -> dict[str, np.ndarray | list]:
    """A long table: labels of a random kind, values of a random kind."""
    cells = rng.choice(12 * 9, ROWS, replace=False)
    rows, cols = np.divmod(cells, 9)
    labels = rng.integers(4)
    if labels == 0:
        users: np.ndarray | list = [f"u{k}" for k in rows]
    elif labels == 1:
        users = rows * 10**12
    elif labels == 2:
        users = (rows + 0.5).astype(float)
    else:
        users = rows.astype(np.uint64) + np.uint64(2**63)
    values = rng.integers(0, 5, ROWS) / (1 if rng.integers(2) else 2)
    return {"user": users, "item": [f"film {k}" for k in cols], "rating": values, "weight": rng.random(ROWS) + 0.1}


def arrow_table(rng: np.random.Generator) -> pa.Table:
    """The long table as Arrow, now and then with a dictionary, nulls or dates."""
    table = pa.table(columns(rng))
    if rng.integers(2):
        table = table.set_column(1, "item", table.column("item").dictionary_encode())
    if rng.integers(4) == 0:
        days = pa.array(np.datetime64("2024-01-01") + rng.integers(0, 9, ROWS))
        table = table.set_column(0, "user", days)
    if rng.integers(4) == 0:
        holes = pa.array(np.where(rng.random(ROWS) < 0.1, None, 1.0).tolist(), pa.float64())
        table = table.set_column(3, "weight", holes)
    return table


def comma(rng: np.random.Generator) -> bytes:
    """The long table as CSV."""
    return text(rng, ",", True)


def text(rng: np.random.Generator, sep: str = "", has_header: bool = False) -> bytes:
    """The long table as lines, with one of the separators, with or without a header."""
    table, sep = columns(rng), sep or [",", "\t", ";", " "][rng.integers(4)]
    names = {"user": [str(u).replace(" ", "_") for u in table["user"]], "item": [f"i{k % 9}" for k in range(ROWS)]}
    if rng.integers(3) == 0:
        names["user"] = [f"{int(k):03d}" for k in rng.integers(0, 12, ROWS)]
    values = table["rating"]
    lines = [sep.join(("user", "item", "rating", "weight"))] if has_header or rng.integers(4) else []
    lines += [f"{u}{sep}{i}{sep}{v}{sep}1" for u, i, v in zip(names["user"], names["item"], values, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def wide_text(rng: np.random.Generator) -> bytes:
    """A wide table as lines, with empty cells and a column of labels."""
    sep = ","
    lines = [sep.join(["id", *(f"x{k}" for k in range(6))])]
    for row in range(15):
        cells = ["" if rng.random() < 0.2 else f"{x:.3g}" for x in rng.normal(size=6)]
        lines.append(sep.join([f"r{row}", *cells]))
    return ("\n".join(lines) + "\n").encode()


def json_lines(rng: np.random.Generator) -> bytes:
    """The long table as JSON Lines, or as a list of records."""
    table = {name: np.asarray(column).tolist() for name, column in columns(rng).items()}
    records = [dict(zip(table, items, strict=True)) for items in zip(*table.values(), strict=True)]
    if rng.integers(3) == 0:
        return json.dumps(records).encode()
    return "\n".join(map(json.dumps, records)).encode()


def parquet_file(rng: np.random.Generator) -> bytes:
    """The long table as Parquet."""
    sink = io.BytesIO()
    codec = ["none", "snappy", "zstd", "gzip"][rng.integers(4)]
    parquet.write_table(
        arrow_table(rng), sink, compression=codec, row_group_size=15, use_dictionary=bool(rng.integers(2))
    )
    return sink.getvalue()


def feather_file(rng: np.random.Generator) -> bytes:
    """The long table as Feather, compressed or not."""
    sink = io.BytesIO()
    codec = ["uncompressed", "lz4", "zstd"][rng.integers(3)]
    feather.write_feather(arrow_table(rng), sink, compression=codec, chunksize=15)
    return sink.getvalue()


def arrow_stream(rng: np.random.Generator) -> bytes:
    """The long table as a stream of Arrow batches."""
    sink, table = io.BytesIO(), arrow_table(rng)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=15)
    return sink.getvalue()


def npz_file(rng: np.random.Generator) -> bytes:
    """Arrays of triplets, or a table with labels, as .npz."""
    sink = io.BytesIO()
    save = np.savez_compressed if rng.integers(2) else np.savez
    if rng.integers(2):
        table = {name: np.asarray(column) for name, column in columns(rng).items()}
        save(sink, **{"user": table["user"], "item": table["item"], "rating": table["rating"]})
    else:
        save(sink, rating=rng.integers(0, 5, (8, 6)).astype(float), user=np.array([f"u{k}" for k in range(8)]))
    return sink.getvalue()


def model_file(rng: np.random.Generator) -> bytes:
    """A fitted model of a random class."""
    from safetensors import safe_open  # noqa: F401  (the format's library must be there)

    table = np.where(rng.random((9, 7)) < 0.7, rng.normal(size=(9, 7)), np.nan)
    table[0], table[:, 0] = 1.0, 2.0
    labels = [[f"u{k}" for k in range(9)], None][rng.integers(2)]
    R = hs.Observed(hs.Observed.from_dense(table).by_rows, labels, None)
    makers: list[Callable] = [
        hs.ColumnMean, hs.BiasModel, lambda: hs.AlternatingLeastSquares(2, random_state=0),
        lambda: hs.SoftImpute(), lambda: hs.OverparametrizedFactorization(random_state=0),
    ]  # fmt: skip
    import tempfile
    import warnings
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hs.save(makers[rng.integers(len(makers))]().fit(R), Path(folder) / "m")
        return (Path(folder) / "m").read_bytes()


FORMATS: dict[str, tuple[str, Callable[[np.random.Generator], bytes]]] = {
    "csv": (".csv", comma),
    "csv.gz": (".csv.gz", comma),
    "dat": (".dat", text),
    "wide": (".csv", wide_text),
    "json": (".jsonl", json_lines),
    "parquet": (".parquet", parquet_file),
    "feather": (".feather", feather_file),
    "arrows": (".arrows", arrow_stream),
    "npz": (".npz", npz_file),
    "model": (".safetensors", model_file),
}


def zip_members(data: bytes) -> dict[str, bytes]:
    """The members of a sound zip file."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def split_safetensors(data: bytes) -> tuple[dict, bytes]:
    """Header and body of a sound safetensors file."""
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join_safetensors(header: dict, body: bytes) -> bytes:
    """A safetensors file of a header and a body."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body
