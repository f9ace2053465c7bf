"""Choosing the columns of a wide table, and noticing those that are no measurements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from halfseen.data.words import in_order, suggested
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
# Names of margins: those that say it, and those that may name something else.
TOTALS = frozenset(
    ("total", "totals", "grand total", "sum", "sums", "subtotal", "summe", "gesamt", "insgesamt", "gesamtsumme")
)
AVERAGES = frozenset(("all", "overall", "mean", "average", "avg", "mittelwert", "durchschnitt", "median"))
NEAR = 0.01
MOST_WORDS = 20


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


def totals_note(dense: np.ndarray, rows: Any, columns: Any) -> tuple[str, ...]:
    """A sentence about rows and columns that add up the others by their names, if there are any.

    Examples
    --------
    >>> table = np.array([[1.0, 2, 3], [4, 5, 9], [5, 7, 12]])
    >>> totals_note(table, ["a", "b", "All"], ["x", "y", "Total"])[0][:72]
    "row 'All' and column 'Total' look like totals or means of the others; le"
    """
    sides = {"row": (dense, rows, "drop_rows"), "column": (dense.T, () if columns is None else columns, "drop")}
    told = {
        side: (argument, [str(name) for place, name in enumerate(names) if _adds_up(str(name), lines, place)])
        for side, (lines, names, argument) in sides.items()
    }
    told = {side: (argument, names) for side, (argument, names) in told.items() if names}
    if not told:
        return ()
    n = sum(len(names) for _, names in told.values())
    listed = " and ".join(f"{side} {', '.join(map(repr, names))}" for side, (_, names) in told.items())
    ways = " and ".join(f"{argument}={names!r}" for argument, names in told.values())
    verb, what = ("looks like a total or mean", "it") if n == 1 else ("look like totals or means", "them")
    return (f"{listed} {verb} of the others; leave {what} out with {ways}",)


def _adds_up(name: str, lines: np.ndarray, place: int) -> bool:
    """Whether a line is called a total, or is called an average (or all) and is that of most columns."""
    word = name.strip().lower().rstrip(":")
    if word in TOTALS:
        return True
    if word not in AVERAGES or len(lines) < 3:
        return False
    others, own = np.delete(lines, place, axis=0), lines[place]
    seen = np.isfinite(own) & np.isfinite(others).any(axis=0)
    sums = np.nansum(others[:, seen], axis=0)
    means = sums / np.isfinite(others[:, seen]).sum(axis=0)
    is_near = [np.abs(own[seen] - each) <= NEAR * np.abs(each) for each in (sums, means)]
    return bool(seen.any()) and max(float(near.mean()) for near in is_near) > 0.5


# Where a call has its arguments.
ARGUMENTS = "ARGUMENTS"


class TextColumnsError(ValueError):
    """A wide table has columns of text."""


def text_error(texts: dict[str, Sequence[str]], n_columns: int, what: str, call: str = ARGUMENTS) -> TextColumnsError:
    """The refusal of columns of text: all of them are named, with the ways out.

    Parameters
    ----------
    texts : dict of sequence
        The distinct texts of every such column, in the order of the file.
    n_columns : int
    what : str
        The table, for the message.
    call : str
        The call that takes the arguments that are advised, which stand in place of ``ARGUMENTS``.
    """
    units = {name: held[0] for name, held in texts.items() if held and _is_first_odd(held)}
    if len(units) > 1 and len(texts) <= len(units) + 1:
        listed = ", ".join(shown(unit) for unit in list(units.values())[:8])
        return TextColumnsError(
            f"{what}: the first line of data holds text ({listed}) where all other lines hold numbers; it looks like "
            "units or a second header: remove that line"
        )
    listed = ", ".join(f"column {name!r} (first {shown(held[0])})" for name, held in list(texts.items())[:8])
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    verb = "holds" if len(texts) == 1 else "hold"
    ways = []
    alike, words = _alike(texts)
    others = [name for name in texts if name not in alike]
    is_all = len(texts) == n_columns
    is_minority = 2 * len(alike) < n_columns and in_order(words) is None
    if words and not is_minority and (len(alike) > 1 or len(texts) == 1):
        meanings, brace, rest = suggested(words, MOST_WORDS).rpartition("}")
        drop = f"{' and ' if call == ARGUMENTS else ', '}drop={others!r}" if others else ""
        told = call.replace(ARGUMENTS, f"{meanings}{brace}{drop}") + rest
        ways.append(f"say what numbers the words stand for with {told}")
        if len(alike) > 1 and all(len(word.strip()) == 1 for word in words):
            ways.append("if they are choices of a test, score them by its key (halfseen.irt.answers, or --key FILE)")
    if not is_all:
        ways.append("leave them out with " + call.replace(ARGUMENTS, f"drop={list(texts)!r}"))
        if len(texts) == 1:
            ways.append("name the row labels with " + call.replace(ARGUMENTS, f"row={next(iter(texts))!r}"))
    if is_all and not ways:
        ways = ["see whether the file has a header above its columns, units below it, or numbers in another notation"]
    return TextColumnsError(
        f"{what}: {len(texts)} of {n_columns} columns {verb} text, not numbers: {listed}{more}. {_sentence(ways)}"
    )


def _sentence(ways: list[str]) -> str:
    text = "; or ".join(ways)
    return text[:1].upper() + text[1:]


def _alike(texts: dict[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """The largest set of columns that share few words, and these words."""
    few = {name: set(held) for name, held in texts.items() if len(held) <= MOST_WORDS and not _any_number(held)}
    best: list[str] = []
    for start in few.values():
        reach = set(start).union(*(held for held in few.values() if held & start))
        members = [name for name, held in few.items() if held & reach]
        best = members if len(members) > len(best) else best
    words = list(dict.fromkeys(word for name in best for word in texts[name]))
    return (best, words) if len(words) <= MOST_WORDS else ([], [])


def _is_first_odd(held: Sequence[str]) -> bool:
    """Whether the first of a column's texts is none but all others are numbers."""
    return len(held) > 1 and not _any_number(held[:1]) and all(_any_number([text]) for text in held[1:])


def _any_number(texts: Sequence[str]) -> bool:
    def is_number(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    return any(map(is_number, texts))
