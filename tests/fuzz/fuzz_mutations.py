"""Changes of sound files that know the format: numbers in headers, lengths, offsets, separators, trees of JSON."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz_seeds import join_safetensors, split_safetensors, zip_members

from halfseen.data.store import CHECKED, _checksum

INTEGERS = (0, 1, -1, 2, 127, 255, 2**15, 2**16, 2**30, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1,
            -(2**63))  # fmt: skip
WORDS = (b"", b"\0", b'"', b",", b"\n", b"\r", b" ", b"nan", b"inf", b"-inf", b"1e999", b"99999999999999999999", b"007",
         b"NA", b"\xff", "é".encode(), b"true", b"[", b"}", b"-", b"0x10", b"1_0", b"\xef\xbc\x91",
         b"\xef\xbb\xbf", b"=1+1")  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.5, 1e308, "", "x", "007", "nan", "é", "\0", [], {},
    [1], [[]],
    {"kind": "array"}, {"kind": "float", "value": "nan"}, {"kind": "tuple", "items": []}, "<f8", "|O", "<U999999",
    "halfseen.cli",
)  # fmt: skip
Rng = np.random.Generator


def of_bytes(data: bytes, rng: Rng) -> bytes:
    """Flip bits, overwrite whole numbers, cut, repeat, insert: for any format."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not changed:
            return b"\0"
        kind, place = rng.integers(7), int(rng.integers(len(changed)))
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind in (1, 2):
            size = 4 if kind == 1 else 8
            place -= place % size
            if place + size <= len(changed):
                number = INTEGERS[rng.integers(len(INTEGERS))]
                changed[place : place + size] = (number % 2 ** (8 * size)).to_bytes(size, "little")
        elif kind == 3:
            del changed[place : place + int(rng.integers(1, 64))]
        elif kind == 4:
            changed[place:place] = changed[place : place + int(rng.integers(1, 200))]
        elif kind == 5:
            word = WORDS[rng.integers(len(WORDS))]
            changed[place : place + int(rng.integers(0, 4))] = word
        else:
            changed[place] = int(rng.integers(256))
    return bytes(changed[: int(rng.integers(len(changed)))] if rng.integers(20) == 0 else changed)


def of_text(data: bytes, rng: Rng) -> bytes:
    """Change cells, lines and separators of a text file."""
    lines = data.split(b"\n")
    for _ in range(rng.integers(1, 4)):
        place, kind = int(rng.integers(len(lines))), rng.integers(8)
        cells = re.split(rb"([,;\t ])", lines[place])
        if kind < 4:
            cells[rng.integers(len(cells))] = WORDS[rng.integers(len(WORDS))]
            lines[place] = b"".join(cells)
        elif kind == 4:
            lines.insert(place, lines[rng.integers(len(lines))])
        elif kind == 5:
            lines[place] = lines[place] * int(rng.integers(2, 30))
        elif kind == 6:
            del lines[place]
            lines = lines or [b""]
        else:
            return of_bytes(b"\n".join(lines), rng)
    return (b"\r\n" if rng.integers(10) == 0 else b"\n").join(lines)


def of_tree(value: Any, rng: Rng) -> Any:
    """Change one place of a JSON value, wherever it sits."""
    children = (
        list(value.keys()) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    if not children or rng.random() < 0.15:
        return _other(value, rng)
    key = children[rng.integers(len(children))]
    changed = dict(value) if isinstance(value, dict) else list(value)
    kind = rng.integers(12)
    if kind == 0:
        del changed[key]  # type: ignore[arg-type]
    elif kind == 1 and isinstance(changed, dict):
        changed[str(_other(key, rng))[:40]] = changed.pop(key)
    elif kind == 2 and isinstance(changed, list):
        changed.insert(int(key), changed[key])
    else:
        changed[key] = of_tree(changed[key], rng)
    return changed


def _other(value: Any, rng: Rng) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and rng.integers(2):
        return value + int(rng.integers(-3, 4))
    if rng.integers(200) == 0:
        return f"@deep {int(rng.integers(50, 100_000))}@"
    return VALUES[rng.integers(len(VALUES))]


def as_json(value: Any) -> str:
    """JSON text; a value of ``of_tree`` that stands for deep nesting is written out."""
    return re.sub(r'"@deep (\d+)@"', lambda found: "[" * int(found[1]) + "]" * int(found[1]), json.dumps(value))


def of_json_lines(data: bytes, rng: Rng) -> bytes:
    """Change the value of a line or of the list, or its text."""
    if rng.integers(3) == 0:
        return of_text(data, rng)
    lines = data.split(b"\n")
    place = int(rng.integers(len(lines)))
    lines[place] = as_json(of_tree(json.loads(lines[place]), rng)).encode()
    return b"\n".join(lines)


def of_gzip(data: bytes, rng: Rng) -> bytes:
    """Change the text, or what it was compressed to."""
    if rng.integers(2):
        return gzip.compress(of_text(data, rng), 1)
    return of_bytes(gzip.compress(data, 1), rng)


def of_npz(data: bytes, rng: Rng) -> bytes:
    """Change headers of arrays, members, or the zip file around them."""
    if rng.integers(3) == 0:
        return of_bytes(data, rng)
    members = zip_members(data)
    name = list(members)[rng.integers(len(members))]
    members[name] = of_npy(members[name], rng) if rng.integers(3) else of_bytes(members[name], rng)
    sink, method = io.BytesIO(), [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED][rng.integers(2)]
    with zipfile.ZipFile(sink, "w", method) as file:
        for member, content in members.items():
            file.writestr(member, content)
    return sink.getvalue()


SHAPES = (
    "()",
    "(0,)",
    "(-1,)",
    "(40, 40)",
    "(999999999999,)",
    "(2**62,)",
    "(True,)",
    "(1.0,)",
    "40",
    "(40,)" * 3,
    "(1," * 50 + ")" * 50,
)
DTYPES = (
    "'<f8'",
    "'|O'",
    "'<U9999999'",
    "'|V8'",
    "'<M8[D]'",
    "'|b1'",
    "'<c16'",
    "[('a', '<f8')]",
    "'>i4'",
    "'<f2'",
    "'|S4'",
    "'m8'",
)


def of_npy(data: bytes, rng: Rng) -> bytes:
    """Change the header of an array: shape, dtype, order, length."""
    if data[:6] != b"\x93NUMPY":
        return of_bytes(data, rng)
    length = struct.unpack("<H", data[8:10])[0]
    header, body = data[10 : 10 + length].decode("latin1"), data[10 + length :]
    kind = rng.integers(4)
    if kind == 0:
        header = re.sub(r"'shape': \([^)]*\)", f"'shape': {SHAPES[rng.integers(len(SHAPES))]}", header)
    elif kind == 1:
        header = re.sub(r"'descr': [^,]*", f"'descr': {DTYPES[rng.integers(len(DTYPES))]}", header)
    elif kind == 2:
        return data[:8] + struct.pack("<H", int(rng.integers(2**16))) + data[10:]
    else:
        header = of_text(header.encode(), rng).decode("latin1")
    text = header.encode("latin1")[: 2**16 - 1]
    return data[:8] + struct.pack("<H", len(text)) + text + body


def of_model(data: bytes, rng: Rng) -> bytes:
    """Change the tree or the arrays of a model, and make its checksum right again."""
    if rng.integers(4) == 0:
        return of_bytes(data, rng)
    from safetensors.numpy import load

    header, body = split_safetensors(data)
    metadata = header["__metadata__"]
    kind = rng.integers(5)
    if kind < 3:
        metadata["state"] = as_json(of_tree(json.loads(metadata["state"]), rng))
    elif kind == 3:
        body = of_bytes(body, rng)[: len(body)].ljust(len(body), b"\0")
    else:
        arrays = {name: entry for name, entry in header.items() if name != "__metadata__"}
        name = list(arrays)[rng.integers(len(arrays))] if arrays else None
        if name is not None:
            header[name] = of_tree(header[name], rng)
    changed = join_safetensors(header, body)
    try:
        metadata["checksum"] = _checksum({key: metadata[key] for key in CHECKED}, load(changed))
    except Exception:  # the format's own library refuses it: so must ours
        return changed
    return join_safetensors(header, body)


MUTATIONS: dict[str, Callable[[bytes, Rng], bytes]] = {
    "csv": of_text,
    "csv.gz": of_gzip,
    "dat": of_text,
    "wide": of_text,
    "json": of_json_lines,
    "parquet": of_bytes,
    "feather": of_bytes,
    "arrows": of_bytes,
    "npz": of_npz,
    "model": of_model,
}
