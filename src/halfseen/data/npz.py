"""Arrays of an .npz file as a table: three of triplets, or one two-dimensional."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.data.checks import as_numbers
from halfseen.data.compress import compress_dense
from halfseen.data.observed import Observed
from halfseen.errors import UnknownLabelError, close_matches, shown


def read_npz(
    path: Path, roles: dict[str, Any], *, missing: float | None, shift: float, duplicates: str, dtype: Any
) -> Observed:
    """Read an .npz file; see `halfseen.read_table`."""
    arrays = _load(path)
    name = _value_name(roles["value"], arrays, path)
    values = arrays[name]
    if values.ndim == 2:
        return _from_table(path, arrays, roles, name, missing, shift, dtype)
    if values.ndim != 1:
        raise ValueError(f"{path.name}: array {name!r} has {values.ndim} dimensions; one or two are needed")
    columns = {}
    for role in ("row", "col", "weight"):
        if roles[role] is None and role == "weight":
            continue
        columns[role] = _labels(path, arrays, roles[role], role)
        if columns[role].shape != values.shape:
            raise ValueError(
                f"{path.name}: {role} array {roles[role]!r} has shape {columns[role].shape}, "
                f"value array {name!r} {values.shape}; they must be equal"
            )
    seen = _seen(values, missing)
    weight = columns.get("weight")
    numbers = as_numbers(values[seen], name, dtype)
    return Observed.from_triplets(
        columns["row"][seen],
        columns["col"][seen],
        numbers + np.asarray(shift, dtype=numbers.dtype),
        None if weight is None else weight[seen],
        row_labels="infer",
        col_labels="infer",
        duplicates=duplicates,
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as source:  # NumPy leaves a file it cannot read open
            file = np.load(source, allow_pickle=False)
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read as .npz: {error} (is it cut off, damaged, or are there Python objects in it?)"
        ) from error


def _value_name(wanted: Any, arrays: dict[str, np.ndarray], path: Path) -> str:
    if wanted is None:
        tables = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiub"]
        if len(tables) == 1:
            return tables[0]
        held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{path.name}: pass value= to say which array holds the values; it has {held}")
    return _known(path, arrays, wanted, "value")


def _known(path: Path, arrays: dict[str, np.ndarray], wanted: Any, role: str) -> str:
    if wanted not in arrays:
        raise UnknownLabelError(f"{role}={wanted!r} is not an array of {path.name}; {close_matches(wanted, arrays)}")
    return str(wanted)


def _labels(path: Path, arrays: dict[str, np.ndarray], wanted: Any, role: str) -> np.ndarray:
    """Return a one-dimensional array by name, or several joined by "+" into text labels."""
    if wanted is None:
        raise ValueError(f"{path.name}: pass {role}= to name the array of {role} labels; it has {', '.join(arrays)}")
    names = [wanted] if wanted in arrays or not isinstance(wanted, str) else wanted.split("+")
    parts = [arrays[_known(path, arrays, name, role)] for name in names]
    if any(part.shape != parts[0].shape or part.ndim != 1 for part in parts):
        raise ValueError(f"{path.name}: {role}={wanted!r} needs one-dimensional arrays of equal length")
    if len(parts) == 1:
        return parts[0]
    return np.array(["/".join(str(item) for item in items) for items in zip(*parts, strict=True)])


def _seen(values: np.ndarray, missing: float | None) -> np.ndarray:
    if missing is None:
        return np.ones(values.shape, dtype=bool)
    return ~np.isnan(values) if np.isnan(missing) else values != missing


def _from_table(
    path: Path,
    arrays: dict[str, np.ndarray],
    roles: dict[str, Any],
    name: str,
    missing: float | None,
    shift: float,
    dtype: Any,
) -> Observed:
    """Build from a two-dimensional array whose labels are named by the row and col roles."""
    if roles["weight"] is not None:
        raise ValueError(f"{path.name}: weight= needs triplets; {name!r} is a two-dimensional array")
    table = as_numbers(arrays[name], name, dtype)
    hidden = ~_seen(arrays[name], missing)
    table = np.where(hidden, np.nan, table + np.asarray(shift, dtype=table.dtype)).astype(table.dtype)
    labels: list[Any] = []
    for axis, role in enumerate(("row", "col")):
        given = None if roles[role] is None else _labels(path, arrays, roles[role], role)
        if given is not None and len(given) != table.shape[axis]:
            raise ValueError(
                f"{path.name}: {role} array {roles[role]!r} has {len(given)} labels, "
                f"{name!r} has shape {table.shape}; axis {axis} needs one label each"
            )
        if given is not None and len(np.unique(given)) < len(given):
            first, times = _repeated(given)
            raise ValueError(
                f"{path.name}: {role} labels {roles[role]!r} repeat, first {shown(first)} ({times} times); "
                f"leave {role} out, or join it with another array: {role}='OTHER+{roles[role]}'"
            )
        labels.append(given)
    return Observed(compress_dense(table, name), labels[0], labels[1])


def _repeated(labels: np.ndarray) -> tuple[Any, int]:
    unique, first, counts = np.unique(labels, return_index=True, return_counts=True)
    place = min(range(len(unique)), key=lambda k: (counts[k] < 2, first[k]))
    return unique[place], int(counts[place])
