"""Choosing the columns of a wide table, and noticing those that are no measurements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from halfseen.data.words import NOTHING, suggested
from halfseen.errors import UnknownLabelError, close_matches, shown

# Names, and the whole numbers that go with them; both must fit before a column is called one of these.
SUSPECTS = (
    ("an identifier", re.compile(r"(^|[._ ])(id|ids|idx|index|uid|nr|no|num|number|row|case|subject|serial|zip|code)$"),
     -np.inf, np.inf),
    ("an age", re.compile(r"^ages?($|[._ ]|yr|year|mo|month)|[._ ]age$"), 0, 130),
    ("a month", re.compile(r"(^|[._ ])(mon|mth|month)$|month$|^agemo"), 0, 12),
    ("a day", re.compile(r"(^|[._ ])(day|dd|weekday|hour)$"), 0, 31),
    ("a year", re.compile(r"(^|[._ ])(year|yr|yyyy)$"), 1500, 2200),
    ("a group", re.compile(r"(^|[._ ])(sex|gender|male|female|group|class|school|grade|cohort|wave|block)$"), 0, 13),
)  # fmt: skip
COUNTED = 10
# Words, one from each column, that an error message can still put in order.
MOST_WORDS = 6


def picked(wanted: Any, names: Sequence[str], argument: str) -> list[str]:
    """Return the columns that a user named, in the file's order.

    Parameters
    ----------
    wanted : str, int, list of these, or slice
        A name, a position, a range ``"first:last"`` (both included); text may hold several with commas.
    names : sequence of str
    argument : str
        "columns" or "drop", for errors.

    Raises
    ------
    ValueError
        For an unknown name (close ones are given), a range whose end comes before its start, and no column at all.

    Examples
    --------
    >>> picked("x1:x3,y", ["id", "x1", "x2", "x3", "y"], "columns")
    ['x1', 'x2', 'x3', 'y']
    """
    parts = [wanted] if isinstance(wanted, str | int | slice | np.integer) else list(wanted)
    chosen: set[int] = set()
    for part in parts:
        chosen |= _places(part, names, argument)
    if not chosen:
        raise ValueError(f"{argument}={shown(wanted)} names no column; there are {len(names)}")
    return [names[place] for place in sorted(chosen)]


def _places(part: Any, names: Sequence[str], argument: str) -> set[int]:
    if isinstance(part, slice):
        return set(range(len(names))[part])
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        if not -len(names) <= part < len(names):
            raise UnknownLabelError(f"{argument}={part}: there are columns 0..{len(names) - 1}")
        return {int(part) % len(names)}
    if part in names:
        return {names.index(part)}
    text = str(part)
    if "," in text:
        return set().union(*(_places(piece.strip(), names, argument) for piece in text.split(",") if piece.strip()))
    if ":" in text:
        first, _, last = (piece.strip() for piece in text.partition(":"))
        start = _place(first, names, argument) if first else 0
        end = _place(last, names, argument) if last else len(names) - 1
        if end < start:
            raise ValueError(f"{argument}={text!r}: {last!r} comes before {first!r}; write {last}:{first}")
        return set(range(start, end + 1))
    return {_place(text, names, argument)}


def _place(name: str, names: Sequence[str], argument: str) -> int:
    if name in names:
        return names.index(name)
    raise UnknownLabelError(f"{argument}: {name!r} is not a column; {close_matches(name, names)}")


def suspect(name: str, values: np.ndarray) -> str | None:
    """Say what a column of numbers seems to be instead of a measurement, if name and values both say so.

    Examples
    --------
    >>> suspect("ageyr", np.array([13.0, 12.0])), suspect("x1", np.array([13.0, 12.0]))
    ('an age', None)
    """
    seen = values[~np.isnan(values)]
    if not seen.size or not np.array_equal(seen, np.trunc(seen)):
        return None
    word = name.lower()
    for what, pattern, low, high in SUSPECTS:
        if pattern.search(word) and seen.min() >= low and seen.max() <= high:
            return what
    counts_up = seen.size >= COUNTED and bool((np.diff(seen) == 1).all()) and seen[0] in (0, 1)
    return "a running number" if counts_up else None


def suspects_note(suspects: dict[str, str], n_columns: int) -> tuple[str, ...]:
    """A sentence about columns that are no measurements in all likelihood, if there are any."""
    if not suspects or len(suspects) == n_columns:
        return ()
    listed = ", ".join(f"{name!r} ({what})" for name, what in list(suspects.items())[:8])
    more = f" and {len(suspects) - 8} more" if len(suspects) > 8 else ""
    verb = "looks" if len(suspects) == 1 else "look"
    drop = ", ".join(repr(name) for name in list(suspects)[:8])
    return (
        f"{listed}{more} {verb} like no measurement, and {'is' if len(suspects) == 1 else 'are'} read as columns of "
        "the table; "
        f"leave out what does not belong with drop=[{drop}], or choose with columns='FIRST:LAST'",
    )


def text_error(texts: dict[str, Any], n_columns: int, what: str) -> ValueError:
    """The refusal of columns of text: all of them are named, with the ways out."""
    listed = ", ".join(f"column {name!r} (first {shown(first)})" for name, first in list(texts.items())[:8])
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    drop = ", ".join(repr(name) for name in list(texts)[:8]) + (", ..." if len(texts) > 8 else "")
    verb = "holds" if len(texts) == 1 else "hold"
    words = list(dict.fromkeys(str(first) for first in texts.values() if str(first) not in NOTHING))
    meaning = suggested(words) if 2 <= len(words) <= MOST_WORDS else "values={'no': 0, 'yes': 1}"
    return ValueError(
        f"{what}: {len(texts)} of {n_columns} columns {verb} text, not numbers: {listed}{more}. Leave them out with "
        f"drop=[{drop}], choose the others with columns='FIRST:LAST', name the row labels with row=, or say what "
        f"numbers the words stand for with {meaning}"
    )
