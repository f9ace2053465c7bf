"""Data frames with a line per entry, where a line per row was expected."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from halfseen.data.frames import opened
from halfseen.data.roles import Roles, likely_roles
from halfseen.telling import levels_up

# A frame with more columns is a wide one, whatever two of them are called.
MOST_COLUMNS = 12
# So many of the lines differ at least where names say what names them: the others are repeats.
NAMED_SHARE = 0.9
# So many lines are looked at: the look takes no longer for a frame of many millions.
LOOKED_AT = 100_000
# Fewer lines than these say nothing by their numbers alone.
LEAST_LINES = 30


def long_roles(frame: Any) -> tuple[Roles, bool] | None:
    """Return the columns that seem to be row, column and value of a long frame, and whether their names say so.

    Two columns of labels that repeat must name the lines: nearly all of them where names say which columns these are,
    every line where only their places do (the first two of three or four complete columns, then one of numbers).

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"user": [1, 1, 2, 2], "film": [1, 2, 1, 2], "rating": [5.0, 3.0, 4.0, 1.0]})
    >>> long_roles(frame)
    (Roles(row='user', col='film', value='rating', words=()), True)
    """
    table = opened(frame).head(LOOKED_AT)
    names, n = list(table.columns), len(table)
    if not 3 <= len(names) <= MOST_COLUMNS or not all(isinstance(name, str) for name in names) or not n:
        return None
    said = likely_roles(names, {})
    if said is not None:
        rows, cols, pairs = _distinct(table, said.row, said.col)
        if min(rows, cols) < n and pairs >= NAMED_SHARE * n:
            return Roles(said.row, said.col, said.value, _words(table.get_column(said.value))), True
    if len(names) > 4 or n < LEAST_LINES or not table.get_column(names[2]).dtype.is_numeric():
        return None
    if any(table.get_column(name).is_null().any() for name in names):
        return None
    rows, cols, pairs = _distinct(table, names[0], names[1])
    return (Roles(*names[:3]), False) if 2 * max(rows, cols) <= n == pairs else None


def refuse_long(frame: Any, name: str, is_refused: bool = True) -> None:
    """Refuse a frame that has a line per entry by its names or its labels of text; warn where numbers look like that.

    Parameters
    ----------
    frame : data frame
    name : str
        What the argument is called.
    is_refused : bool
        False warns in both cases.

    Raises
    ------
    ValueError
        With the call that reads it as it is meant, and the one that reads it as it was given.
    """
    seems = long_roles(frame)
    if seems is None:
        return
    roles, is_named = seems
    text = (
        f"{name}: a data frame has a line per row here, but columns {roles.row!r}, {roles.col!r} and {roles.value!r} "
        f"look like row, column and value of a long table, a line per entry: give "
        f"hs.Observed.from_frame({name}, {roles.spoken()}); if it is a wide table, give hs.Observed.from_wide({name})"
    )
    table = opened(frame)
    is_text = any(_words(table.get_column(label)) for label in (roles.row, roles.col))
    if is_refused and (is_named or is_text):
        raise ValueError(text)
    warnings.warn(text, UserWarning, stacklevel=levels_up())


def _distinct(table: Any, row: str, col: str) -> tuple[float, float, int]:
    """How many labels two columns hold, and how many pairs of them; endless labels where numbers are measured ones."""
    codes, counts = [], []
    for name in (row, col):
        series = table.get_column(name)
        values = series.to_list()
        if series.dtype.is_float() and not all(float(value).is_integer() for value in values if value is not None):
            return np.inf, np.inf, 0
        labels, code = np.unique(np.asarray(values, dtype=str), return_inverse=True)
        codes.append(code.astype(np.int64))
        counts.append(len(labels))
    return counts[0], counts[1], len(np.unique(codes[0] * counts[1] + codes[1]))


def _words(series: Any) -> tuple[str, ...]:
    """The words of a column of values, if it holds text."""
    if not isinstance(next((value for value in series.to_list() if value is not None), None), str):
        return ()
    return tuple(str(word) for word in dict.fromkeys(series.drop_nulls().to_list()))
