"""From checked triplets or a dense array to sorted entries: the sort, and the rules for duplicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.checks import as_numbers, value_dtype
from halfseen.data.compressed import Compressed, group, index_dtype, repeats
from halfseen.errors import shown


def compress(
    rows: IntArray,
    cols: IntArray,
    values: FloatArray,
    weights: FloatArray | None,
    shape: tuple[int, int],
    duplicates: str,
    place: Callable[[int], str],
    dtype: Any = None,
) -> Compressed:
    """Sort entries into canonical order and treat duplicates by the rule the user named.

    Values may come as narrow integers: they are made floats only after the sort, which keeps the peak low.
    """
    dtype = value_dtype(values.dtype, dtype)
    if weights is None and duplicates == "error":
        indptr, indices, payload = group(rows, cols, values, shape)
        is_repeat = repeats(indptr, indices)
        if not is_repeat.any():
            return Compressed.trusted(indptr, indices, payload.astype(dtype, copy=False), None, shape[1])
        del indptr, indices, payload
    values = values.astype(dtype, copy=False)
    positions = np.arange(len(values), dtype=index_dtype(len(values)))
    indptr, indices, order = group(rows, cols, positions, shape)
    del positions
    is_repeat = repeats(indptr, indices)
    if not is_repeat.any():
        return Compressed.trusted(indptr, indices, values[order], None if weights is None else weights[order], shape[1])
    order = _stable_groups(order, is_repeat)
    starts = np.flatnonzero(~is_repeat)
    if duplicates == "error":
        raise ValueError(_duplicates_text(order, starts, is_repeat, values, place))
    merged, kept = _merge(values[order], None if weights is None else weights[order], starts, duplicates)
    return Compressed.trusted(np.searchsorted(starts, indptr), indices[starts], merged, kept, shape[1])


def _stable_groups(order: IntArray, is_repeat: np.ndarray) -> IntArray:
    """Put the entries of each duplicate group into the order they were given in."""
    members = is_repeat.copy()
    members[:-1] |= is_repeat[1:]
    where = np.flatnonzero(members)
    groups = np.cumsum(~is_repeat[where])
    order[where] = order[where][np.lexsort((order[where], groups))]
    return order


def _duplicates_text(
    order: IntArray, starts: IntArray, is_repeat: np.ndarray, values: FloatArray, place: Callable[[int], str]
) -> str:
    sizes = np.diff(np.append(starts, len(order)))
    groups = np.flatnonzero(sizes > 1)
    first = groups[0]
    entries = order[starts[first] : starts[first] + sizes[first]]
    seen = ", ".join(shown(value) for value in values[entries[:4]]) + (", ..." if len(entries) > 4 else "")
    many, more = groups.size, int(is_repeat.sum())
    return (
        f"{many} {'place is' if many == 1 else 'places are'} given more than once "
        f"({more} {'entry' if more == 1 else 'entries'} too many), "
        f"first {place(int(entries[0]))} = {seen}; "
        "say how to merge them: duplicates='first', 'last', 'mean', 'sum', 'max' or 'min'"
    )


def _merge(
    values: FloatArray, weights: FloatArray | None, starts: IntArray, rule: str
) -> tuple[FloatArray, FloatArray | None]:
    """Merge runs of values that begin at `starts`; sums in float64."""
    ends = np.append(starts[1:], len(values)) - 1
    if rule in ("first", "last"):
        chosen = starts if rule == "first" else ends
        return values[chosen], None if weights is None else weights[chosen]
    if weights is not None and rule != "mean":
        raise ValueError(
            f"duplicates={rule!r} does not say what becomes of the weights; use duplicates='first', 'last' or 'mean'"
        )
    if rule in ("max", "min"):
        return (np.maximum if rule == "max" else np.minimum).reduceat(values, starts), None
    if rule == "sum":
        return np.add.reduceat(values, starts, dtype=np.float64).astype(values.dtype), None
    scale = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    total = np.add.reduceat(scale, starts)
    plain = np.add.reduceat(values, starts, dtype=np.float64) / (ends - starts + 1)
    weighted = np.add.reduceat(values * scale, starts)
    mean = np.divide(weighted, total, out=plain, where=total > 0).astype(values.dtype)
    return mean, None if weights is None else total.astype(values.dtype)


def compress_dense(array: Any, name: str, dtype: Any = None) -> Compressed:
    """Collect the entries of a two-dimensional array that are not NaN and not masked, block of rows by block."""
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    table = as_numbers(np.ma.getdata(array) if mask is not None else array, name, dtype)
    if table.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {table.ndim}D array instead: {name} has shape {table.shape}. Reshape your data: "
            "one line per row, one column per column"
        )
    check_not_empty(table.shape, table.size, name)
    n_rows, n_cols = table.shape
    block_rows = max(1, 1_000_000 // n_cols)
    indices: list[np.ndarray] = []
    values: list[np.ndarray] = []
    indptr = np.zeros(n_rows + 1, dtype=np.int64)
    for start in range(0, n_rows, block_rows):
        block = table[start : start + block_rows]
        seen = ~np.isnan(block)
        if mask is not None:
            seen &= ~mask[start : start + block_rows]
        indptr[start + 1 : start + 1 + len(block)] = seen.sum(axis=1)
        row, col = np.nonzero(seen)
        indices.append(col.astype(index_dtype(n_cols)))
        values.append(block[row, col])
        bad = np.isinf(values[-1])
        if bad.any():
            first = int(bad.argmax())
            raise ValueError(
                f"Input {name} contains infinity: {name}[{start + int(row[first])}, {int(col[first])}] = "
                f"{shown(values[-1][first])}; use NaN for what is missing"
            )
    np.cumsum(indptr, out=indptr)
    if indptr[-1] == 0:
        raise ValueError(f"{name} has 0 entries: all {n_rows} x {n_cols} cells are missing; nothing was observed")
    return Compressed.trusted(indptr, np.concatenate(indices), np.concatenate(values), None, n_cols)


def check_not_empty(shape: tuple[int, ...], n_entries: int, name: str) -> None:
    for axis, length in zip(("sample", "feature"), shape, strict=True):
        if length == 0:
            raise ValueError(f"{name}: 0 {axis}(s) (shape={shape}) while a minimum of 1 is required.")
    if n_entries == 0:
        raise ValueError(f"{name} has 0 entries (shape {shape}); nothing was observed")
