"""Checks of what users hand in; each error names the argument, the first bad place and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.errors import shown

DUPLICATE_RULES = ("error", "first", "last", "mean", "sum", "max", "min")


def value_dtype(given: np.dtype, wanted: Any) -> np.dtype:
    """Return the dtype values are kept in: the wanted one, else float32 for half and single, else float64."""
    if wanted is None:
        return np.dtype(np.float32) if given in (np.float32, np.float16) else np.dtype(np.float64)
    dtype = np.dtype(wanted)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {shown(wanted)}")
    return dtype


def as_numbers(array: Any, name: str, dtype: Any = None) -> FloatArray:
    """Return an array of any shape as float32 or float64; text, complex numbers and objects are refused."""
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}; give real numbers")
    if kind == "O":
        array = _numbers_from_objects(array, name)
    elif kind not in "fiub":
        what = f", first {shown(array.flat[0])}" if array.size else ""
        raise ValueError(f"{name} must be numbers, got dtype {array.dtype}{what}; convert the values to float first")
    return array.astype(value_dtype(array.dtype, dtype), copy=False)


def _numbers_from_objects(array: np.ndarray, name: str) -> FloatArray:
    for position, item in enumerate(array.flat):
        if isinstance(item, str | bytes):
            raise ValueError(
                f"{name} mixes types: {_at(name, array.shape, position)} = {shown(item)} is text, not a number; "
                "clean or convert the values first"
            )
        if isinstance(item, complex | np.complexfloating):
            raise ValueError(f"Complex data not supported: {_at(name, array.shape, position)} = {shown(item)}")
    missing = np.fromiter((item is None for item in array.flat), bool, array.size).reshape(array.shape)
    array = np.where(missing, np.nan, array)  # None is how object tables write a missing value
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} holds something that is not a number: {error}") from error


def check_scale(values: FloatArray, name: str = "R") -> None:
    """Refuse values whose products leave the range of their dtype.

    Examples
    --------
    >>> check_scale(np.array([1e200, -3.0]))
    Traceback (most recent call last):
    ...
    ValueError: R holds values up to 1e+200, whose products float64 cannot add up; rescale them: R / 1e+200.
    """
    largest: float = float(max(abs(values.max(initial=0.0)), abs(values.min(initial=0.0))))
    limits: Any = np.finfo(values.dtype)
    # single precision has no room for fourth powers of ordinary values either
    power: float = 0.4 if values.dtype == np.float32 else 0.25
    if largest == 0.0 or float(limits.tiny) ** power <= largest <= float(limits.max) ** power:
        return
    unit = 10.0 ** max(float(np.round(np.log10(largest))), -307.0)
    wider = " or give float64 values" if values.dtype == np.float32 else ""
    raise ValueError(
        f"{name} holds values up to {largest:.3g}, whose products {values.dtype} cannot add up; rescale them: "
        f"{name} / {unit:.3g}{wider}."
    )


def _at(name: str, shape: tuple[int, ...], position: int) -> str:
    place = ", ".join(str(int(index)) for index in np.unravel_index(position, shape))
    return f"{name}[{place}]"


def cell(name: str, row: int, col: int, row_labels: Labels | None, col_labels: Labels | None) -> str:
    """Write a place of a table with its labels, such as ``R['gpt-2', 'q17']``."""
    row_text = str(row) if row_labels is None else shown(row_labels[row])
    col_text = str(col) if col_labels is None else shown(col_labels[col])
    return f"{name}[{row_text}, {col_text}]"


def check_finite(values: FloatArray, place: Callable[[int], str], allow_nan: bool = False) -> None:
    """Refuse NaN (unless allowed) and infinite values; `place` names the entry at a position."""
    good = ~np.isinf(values) if allow_nan else np.isfinite(values)
    if good.all():
        return
    bad = np.flatnonzero(~good)
    first = int(bad[0])
    what = "infinite" if allow_nan else "NaN or infinite"
    way = "remove or correct them" if allow_nan else "leave missing entries out (they are what is not listed)"
    raise ValueError(f"{bad.size} values are {what}, first {place(first)} = {shown(values[first])}; {way}")


def check_weights(weights: Any, n_entries: int, dtype: np.dtype, place: Callable[[int], str]) -> FloatArray:
    """Return weights as one non-negative finite number per entry."""
    array = as_numbers(weights, "weights")
    if array.shape != (n_entries,):
        raise ValueError(f"weights must have shape ({n_entries},), one per entry; got {array.shape}")
    good = np.isfinite(array) & (array >= 0)
    if not good.all():
        first = int((~good).argmax())
        raise ValueError(
            f"weights must be finite and not negative; {int((~good).sum())} are not, "
            f"first {shown(array[first])} at {place(first)}"
        )
    if not array.any():
        raise ValueError("weights are all zero: no entry would count; give at least one positive weight")
    return array.astype(dtype, copy=False)


def check_rule(duplicates: str) -> str:
    """Return the rule for duplicate entries if it is one."""
    if duplicates not in DUPLICATE_RULES:
        raise ValueError(f"duplicates={duplicates!r} is not a rule; choose one of {', '.join(DUPLICATE_RULES)}")
    return duplicates


def check_shape(shape: Any) -> tuple[int | None, int | None]:
    """Return (n_rows, n_cols) with None for a length to be found out."""
    if shape is None:
        return None, None
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise ValueError(f"shape must be (n_rows, n_cols), got {shown(shape)}")
    for axis, length in zip(("n_rows", "n_cols"), shape, strict=True):
        if length is not None and (not isinstance(length, int | np.integer) or length < 1):
            raise ValueError(f"shape must hold positive whole numbers, got {axis} = {shown(length)}")
    n_rows, n_cols = shape
    return None if n_rows is None else int(n_rows), None if n_cols is None else int(n_cols)


def check_codes(codes: IntArray, length: int | None, name: str, axis: str) -> int:
    """Check 0-based positions against a length (or find the length), and return the length."""
    low, high = int(codes.min()), int(codes.max())
    if low < 0:
        first = int((codes < 0).argmax())
        raise ValueError(
            f"{name}[{first}] = {int(codes[first])} is negative; positions start at 0. If these are identifiers, "
            f"pass {axis}_labels='infer'"
        )
    if length is None:
        if high >= 10_000_000 + 1000 * len(codes):
            raise ValueError(
                f"{name}[{int(codes.argmax())}] = {high} would make {high + 1} {name} for {len(codes)} entries; "
                f"if these are identifiers, pass {axis}_labels='infer', else give shape="
            )
        return high + 1
    if high >= length:
        first = int((codes >= length).argmax())
        raise ValueError(
            f"{name}[{first}] = {int(codes[first])} is outside 0..{length - 1}: the table has {length} {name}"
        )
    return length


# So many ones without another value are no accident.
FEWEST_ONES = 20
ONLY_ONES = (
    "every seen cell is 1: there is nothing to tell rows apart by but who has what. For clicks, purchases and known "
    "links use InductiveCompletion(family='one_class'), which takes unseen cells for weak zeros"
)


def holds_only_ones(observed: Any) -> bool:
    """Whether all seen cells are 1 and some are unseen: clicks, purchases or links without their opposites."""
    n, p = observed.shape
    return FEWEST_ONES <= observed.n_entries < n * p and bool(np.all(observed.values == 1))
