"""Tables and records on disk: complete or not there at all, the same content always the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DIGITS = 6


def as_plain(value: Any) -> Any:
    """The same value in types that JSON knows; a tuple or array becomes a list.

    Examples
    --------
    >>> import numpy as np
    >>> as_plain({"n": np.int64(3), "pi": np.array([0.5])})
    {'n': 3, 'pi': [0.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return as_plain(value.tolist())
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def cell(value: Any) -> str:
    """One cell of a table: floats with six significant digits, None and NaN as nothing.

    Examples
    --------
    >>> cell(1 / 3), cell(400), cell(True), cell(None)
    ('0.333333', '400', 'true', '')
    """
    value = as_plain(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; columns in the order in which they first appear."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(row.get(key)) for key in header] for row in rows)
    return out.getvalue()


def json_text(record: Mapping[str, Any]) -> str:
    """A record as JSON with a line per key."""
    return json.dumps(as_plain(record), indent=1, ensure_ascii=False) + "\n"


def replace(path: Path, content: str | bytes) -> None:
    """Write a file in one stroke: a reader sees the old content or the new one."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def replace_all(folder: Path, files: Mapping[str, str | bytes], old: Iterable[str]) -> None:
    """Put a run's files in the place of an earlier run's; the last of ``files`` is the record that names the others."""
    for name in set(old) - set(files):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        replace(folder / name, content)
