"""read_evals on files that no tool wrote: a result or one clear ValueError, whatever stands in them.

Mutations know the structure: a value of a JSON file is replaced by one of another type, a member of an archive is
changed and packed again, a column of a table changes its type. Others do not: bytes flip, files end early.
"""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import halfseen as hs
from evals_samples import SAMPLES, inspect_members, zipped

STATUSES = {"graded", "own failure", "not graded", "not run"}
STRANGE: list[Any] = [
    None, True, False, 0, 1, -1, 10**400, 2**63, 1e308, -0.0, float("nan"), float("inf"), "", " ", "C", "nan", "1e999",
    "\ud800", "\x00", "a" * 5000, "../../x", [], [[]], [None], {}, {"": {}}, {"value": {"value": []}}, [1, None, {}],
    {"id": None}, "2027", "0.5", [True, False], 3, 0.5, "@", "a/b", {"name": 3}, 10**9,
]  # fmt: skip
Random = np.random.Generator


def choose(rng: Random, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def strange(rng: Random) -> Any:
    """A value that does not belong there; a copy, for it may be changed again."""
    return copy.deepcopy(choose(rng, STRANGE))


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        found.append((value, key))
        places(value[key], found)
    return found


def changed_json(value: Any, rng: Random) -> Any:
    """Replace, delete, double, rename or move some values anywhere in it."""
    value = json.loads(json.dumps(value))
    for _ in range(int(rng.integers(1, 4))):
        spots = places(value, [])
        if not spots:
            return strange(rng)
        inside, key = choose(rng, spots)
        other, other_key = choose(rng, spots)
        kind = rng.integers(6)
        try:
            if kind <= 1:
                inside[key] = strange(rng)
            elif kind == 2:
                del inside[key]
            elif kind == 3:
                inside[key] = json.loads(json.dumps(other[other_key]))
            elif kind == 4 and isinstance(inside, dict):
                inside[choose(rng, ["", "x", "\ud800", str(other_key)])] = inside.pop(key)
            elif isinstance(inside, list):
                inside.insert(0, json.loads(json.dumps(inside[key])))
        except (KeyError, IndexError):  # an earlier change took the place away
            continue
    return value if rng.random() < 0.97 else strange(rng)


def changed_bytes(data: bytes, rng: Random) -> bytes:
    """Flip, cut, double or fill."""
    if not data:
        return b"{"
    at = int(rng.integers(len(data)))
    kind = rng.integers(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes(rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8)) + data[at + 4 :]
    if kind == 2:
        return data[:at] + data[max(at - 40, 0) :]
    if kind == 3:
        return data[:at] + struct.pack("<I", int(choose(rng, [0, 1, 2**31, 2**32 - 1, 255]))) + data[at + 4 :]
    flipped = bytearray(data)
    for place in rng.integers(0, len(data), int(rng.integers(1, 6))):
        flipped[place] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def changed_archive(data: bytes, rng: Random) -> bytes:
    """Change the JSON of some members, drop one, or lie about sizes, then pack again."""
    members: dict[str, Any] = {}
    if zipfile.is_zipfile(io.BytesIO(data)):  # zstd members cannot be read back: their content is known
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        members = {name: value for name, value in known_members().items() if name in names}
    name = choose(rng, list(members))
    claim = {name: int(choose(rng, [0, 1, 2**31, 2**32 - 1]))} if rng.random() < 0.1 else None
    if rng.random() < 0.15:
        del members[name]
    else:
        members[name] = changed_json(members[name], rng)
    return zipped(members, int(choose(rng, [0, 8, 93])), claim)


def known_members() -> dict[str, Any]:
    members = inspect_members()
    halves = {"_journal/summaries/1.json": members["summaries.json"][:1]}
    return members | halves | {"_journal/summaries/2.json": members["summaries.json"][1:2]}


def changed_table(data: bytes, rng: Random) -> bytes:
    """Give a column of a Parquet file another type, nulls or another name, or take it away."""
    table = parquet.read_table(io.BytesIO(data))
    at = int(rng.integers(table.num_columns))
    name, n = table.column_names[at], table.num_rows
    columns = [
        pa.nulls(n), pa.array([1.5] * n), pa.array([None, *["x"] * (n - 1)]), pa.array([[1]] * n),
        pa.array([b"\xff"] * n),
        pa.array([{"a": 1}] * n), pa.array([True] * n), pa.array([2**62] * n), pa.array(["C"] * n),
        pa.array([0] * n, pa.timestamp("s")), pa.array([float("nan")] * n), pa.array(["a"] * n).dictionary_encode(),
    ]  # fmt: skip
    kind = rng.integers(4)
    if kind == 0 and table.num_columns > 1:
        table = table.remove_column(at)
    elif kind == 1:
        table = table.rename_columns(
            [choose(rng, [*table.column_names, ""]) if c == name else c for c in table.column_names]
        )
    else:
        table = table.set_column(at, name, choose(rng, columns))
    sink = io.BytesIO()
    parquet.write_table(table if rng.random() < 0.9 else table.slice(0, 0), sink)
    return sink.getvalue()


def changed_text(data: bytes, rng: Random) -> bytes:
    """Change cells of a CSV file."""
    lines = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        line = choose(rng, lines)
        at = int(rng.integers(len(line)))
        kind = rng.integers(5)
        if kind == 0 and len(line) > 1:
            del line[at]
        elif kind == 1:
            line.insert(at, choose(rng, ["", "1", "x"]))
        elif kind == 2:
            lines.append(list(line))
        else:
            line[at] = choose(
                rng, ["", "nan", "inf", "1e400", '"', "\x00", "C", "50", "-1", "model", "score", "\u2028"]
            )
    return "\n".join(",".join(line) for line in lines).encode()


def changed(path: Path, data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.25:
        return changed_bytes(data, rng)
    if path.suffix == ".eval":
        return changed_archive(data, rng)
    if path.suffix == ".parquet":
        return changed_table(data, rng)
    if path.suffix == ".csv":
        return changed_text(data, rng)
    if path.suffix == ".jsonl":
        records = changed_json([json.loads(line) for line in data.splitlines()], rng)
        return b"".join(
            json.dumps(record).encode() + b"\n" for record in (records if isinstance(records, list) else [records])
        )
    return json.dumps(changed_json(json.loads(data), rng)).encode()


def check(evals: hs.data.Evaluations) -> None:
    """What holds of every table that is returned."""
    lines = evals.table.to_pylist()
    keys = [(line["model"], line["benchmark"], line["question"], line["run"]) for line in lines]
    assert len(set(keys)) == len(keys)
    for line in lines:
        assert line["status"] in STATUSES
        assert line["score"] is None or 0 <= line["score"] <= 1
        assert (line["score"] is not None) == (line["status"] in ("graded", "own failure"))
        assert all(line[name] is not None for name in ("model", "benchmark", "question", "run", "source"))
    for problem in evals.problems:
        assert problem.what
        assert problem.way_out
    repr(evals)
    if any(line["score"] is not None for line in lines):
        assert len(evals.blocks()) == evals.to_observed().shape[1]


def fuzz(folder: Path, name: str, seed: int, times: int) -> None:
    sample, rng = SAMPLES[name], np.random.default_rng([seed, len(name), *name.encode()])
    sample.write(folder)
    files = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".yaml"}
    for _ in range(times):
        path = choose(rng, list(files))
        data = changed(path, files[path], rng)
        path.write_bytes(data)
        options = sample.options if rng.random() < 0.9 else {"cluster": choose(rng, ["area", "x", "id"])}
        wrong = outcome(folder, options)
        path.write_bytes(files[path])
        assert wrong is None, f"{wrong} for {path.name} = {data[:2000]!r}"


def outcome(folder: Path, options: dict[str, Any]) -> str | None:
    """What is wrong about how a folder is read; a refusal in words is right."""
    try:
        evals = hs.read_evals(folder, **options)
    except ValueError as error:
        # UnicodeError and the like are ValueErrors too, and nobody's clear words
        known = type(error).__name__ in ("ValueError", "ChoiceError", "UnknownLabelError")
        return None if known and str(error).isprintable() else f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    check(evals)
    return None


@pytest.mark.parametrize("name", SAMPLES)
def test_changed_files_are_read_or_refused_in_clear_words(tmp_path, name):
    fuzz(tmp_path, name, 0, 30)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", SAMPLES)
def test_many_changed_files_are_read_or_refused_in_clear_words(tmp_path, name, seed):
    fuzz(tmp_path, name, seed, 300)
