"""What a prepared folder says of itself is compared with what is there: the folder may come from a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.compressed import check_parts
from halfseen.data.limits import Budget
from halfseen.data.npz import Arrays, array_in

WAY_OUT = "copy the folder again, or prepare the table again"
# Numbers of rows, columns and entries beyond this are no table's.
MOST = 2**48
LARGEST = 1e308
SUMS = ("weights", "values", "squares", "low", "high")
# The largest part of a float that may be rounding, for sums of many entries.
ROUNDING = 1e-6


def _need(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(what)


def _is_count(number: Any, most: int = MOST) -> bool:
    return type(number) is int and 0 <= number <= most


def check_facts(facts: Any, names: set[str]) -> None:
    """Refuse facts of other kinds, and such as contradict each other.

    Parameters
    ----------
    facts : object
        As read from JSON, without the version.
    names : set of str
        Facts that must be there, and no others.

    Raises
    ------
    ValueError
        Naming the first wrong one.
    """
    _need(isinstance(facts, dict), "it is no JSON object")
    lacking = sorted(names ^ facts.keys())
    _need(not lacking, f"{lacking[0] if lacking else ''!r} is missing or not known")
    for name in ("n_rows", "n_cols", "n_entries"):
        _need(_is_count(facts[name]) and facts[name] > 0, f"{name}={facts[name]!r} is no number of at least 1")
    _need(facts["dtype"] in ("float32", "float64"), f"dtype={facts['dtype']!r} is neither 'float32' nor 'float64'")
    for name in ("has_weights", "hashed_as_text"):
        _need(isinstance(facts[name], bool), f"{name}={facts[name]!r} is neither true nor false")
    _need(facts["row_kind"] in ("text", "numbers"), f"row_kind={facts['row_kind']!r} is neither 'text' nor 'numbers'")
    for name, most in (("bounds", MOST), ("entries", MOST), ("checksums", 2**32 - 1)):
        is_list = isinstance(facts[name], list) and all(_is_count(number, most) for number in facts[name])
        _need(is_list, f"{name} is no list of whole numbers of at least 0")
    bounds, entries = facts["bounds"], facts["entries"]
    _need(len(bounds) == len(entries) + 1 == len(facts["checksums"]) + 1, "its blocks are not as many everywhere")
    _need(all(a <= b for a, b in pairwise(bounds)), "bounds fall")
    _need(bounds[0] == 0 and bounds[-1] == facts["n_rows"], f"bounds do not run from 0 to {facts['n_rows']} rows")
    _need(sum(entries) == facts["n_entries"], f"entries of blocks do not add up to {facts['n_entries']}")
    _check_sums(facts["sums"])


def _check_sums(sums: Any) -> None:
    _need(isinstance(sums, dict) and sums.keys() == set(SUMS), f"sums must be {', '.join(SUMS)}")
    for name, number in sums.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < LARGEST
        _need(is_number, f"the sum {name}={number!r} is no finite number")
    weights, mean = sums["weights"], sums["values"] / (sums["weights"] or 1)
    _need(weights > 0, f"the sum weights={weights!r} is not positive")
    slack = ROUNDING * max(abs(sums["low"]), abs(sums["high"]))
    _need(sums["low"] - slack <= mean <= sums["high"] + slack, "its mean lies outside its smallest and largest value")


def check_block(counts: IntArray, arrays: tuple[IntArray, FloatArray, FloatArray | None], n_cols: int) -> None:
    """Refuse arrays of a block that kernels could not follow: places outside the table, numbers that are none.

    Parameters
    ----------
    counts : (rows,) entries of every row
    arrays : (indices, values, weights or None)
    n_cols : int

    Raises
    ------
    ValueError
    """
    indices, values, weights = arrays
    _need(not (counts < 0).any(), "a row has fewer than 0 entries")
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    check_parts(indptr, indices, values, weights, n_cols)
    _need(bool(np.isfinite(values).all()), "a value is not finite")
    if weights is not None:
        _need(bool((weights >= 0).all() and np.isfinite(weights).all()), "a weight is negative or not finite")


def read_columns(path: Path, n_cols: int, *, headers_only: bool = False) -> Mapping[str, np.ndarray]:
    """Labels and weights of the columns; headers are compared with the number of columns before anything is read.

    Raises
    ------
    ValueError
        Naming the file, for whatever is not as it should be.
    """
    try:
        arrays = Arrays(path, Budget.of(path))
        for name in ("labels", "weights"):
            _need(name in arrays, f"it has no array {name!r}")
            shape, kind = arrays.headers[name].shape, arrays.headers[name].dtype.kind
            _need(shape == (n_cols,), f"{name} have shape {shape}, the table has {n_cols} columns")
            _need(kind in ("fiu" if name == "weights" else "iuU"), f"{name} are of kind {arrays.headers[name].dtype}")
        if headers_only:
            return {}
        read = {name: arrays[name] for name in ("labels", "weights")}
        weights = read["weights"]
        _need(bool((weights >= 0).all() and np.isfinite(weights).all()), "a weight is negative or not finite")
        return read
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); {WAY_OUT}") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}; {WAY_OUT}") from error


def read_labels(path: Path, n_rows: int) -> Labels:
    """Labels of a block's rows.

    Raises
    ------
    ValueError
        Naming the file.
    """
    try:
        labels = array_in(path)
        _need(labels.shape == (n_rows,), f"it has shape {labels.shape}, the block has {n_rows} rows")
        _need(labels.dtype.kind in "iuU" or not n_rows, f"it is of kind {labels.dtype}")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); {WAY_OUT}") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}; {WAY_OUT}") from error
    return labels
