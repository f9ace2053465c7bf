"""Which columns of a file with one entry per line name the row, the column and the value, if names say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from halfseen.data.files import LABEL
from halfseen.data.words import suggested
from halfseen.errors import shown

# Words of the field for the three roles, the surest first; case, blanks and a final "id" or "name" do not count.
ROWS = (
    ("row", "user", "person", "subject", "student", "participant", "respondent", "examinee", "taker", "model", "system",
     "llm", "patient", "customer", "reviewer", "sample"),
    ("",),
)  # fmt: skip
COLUMNS = (
    ("col", "column", "item", "movie", "film", "book", "product", "song", "artist", "question", "q", "problem",
     "example", "feature", "gene", "variable", "sensor"),
    ("task",),
)  # fmt: skip
VALUES = (
    ("value", "rating", "stars", "score", "right", "correct", "resp", "response", "answer", "outcome", "successes",
     "pass1", "plays"),
)  # fmt: skip
TRIALS = frozenset(("trials", "ntrials", "attempts", "count", "n", "runs", "total", "totals"))
MOST_WORDS = 6
# A file of entries rarely has more than row, column, value and a time or a weight.
WIDE_FROM = 5
LOOKED_AT = 200
# Whole numbers from here on, two at most, are years rather than values.
YEARS = 1500


@dataclass(frozen=True)
class Roles:
    """The columns that names point to.

    Attributes
    ----------
    row, col, value : str
    words : tuple of str
        What the value column holds, if a few words; else empty.
    """

    row: str
    col: str
    value: str
    words: tuple[str, ...] = ()

    def spoken(self) -> str:
        """The arguments that say so.

        >>> Roles("id", "item", "resp", ("no", "yes")).spoken()
        "row='id', col='item', value='resp', values={'no': 0, 'yes': 1}"
        """
        named = ", ".join(f"{role}={shown(getattr(self, role))}" for role in ("row", "col", "value"))
        return f"{named}, {suggested(list(self.words))}" if self.words else named


def likely_roles(names: Sequence[str], first: Mapping[str, Sequence[Any]]) -> Roles | None:
    """Return the columns whose names say row, column and value, if each of the three is said by exactly one.

    Parameters
    ----------
    names : sequence of str
        All columns of the file.
    first : mapping from name to values
        The first lines, as text; a value column must hold numbers, or at most six words.

    Examples
    --------
    >>> likely_roles(["", "age", "item", "resp", "id"], {"resp": ["no", "yes", "no"]})
    Roles(row='id', col='item', value='resp', words=('no', 'yes'))
    >>> likely_roles(["a", "b", "c", "d"], {}) is None
    True
    """
    picked = []
    for ranks in (ROWS, COLUMNS, VALUES):
        said = [[name for name in names if bare(name) in words and name not in picked] for words in ranks]
        sure = next((found for found in said if found), [])
        if len(sure) != 1:
            return None
        picked += sure
    row, col, value = picked
    held = list(dict.fromkeys(str(each) for each in first.get(value, ()) if each is not None and str(each) != ""))
    if all(map(_is_number, held)):
        return Roles(row, col, value)
    return Roles(row, col, value, tuple(held)) if len(held) <= MOST_WORDS else None


def likely_trials(names: Sequence[str], value: str, first: Mapping[str, Sequence[Any]]) -> str | None:
    """Return a column whose name and numbers say that it counts the trials of each value, if there is one.

    Every value must be a whole number of successes, or a share, out of a whole number of trials, some of them above 1.

    Examples
    --------
    >>> likely_trials(["m", "q", "hits", "trials"], "hits", {"hits": ["4", "5"], "trials": ["5", "5"]})
    'trials'
    """
    for name in names:
        if name.lower().strip("_ ") not in TRIALS or name == value:
            continue
        pairs = list(zip(first.get(value, ()), first.get(name, ()), strict=False))
        if not pairs or not all(_is_number(text) for pair in pairs for text in pair):
            continue
        numbers = [(float(hits), float(total)) for hits, total in pairs]
        whole = all(total >= 1 and total == int(total) and 0 <= hits <= total for hits, total in numbers)
        if whole and any(total > 1 for _, total in numbers):
            return name
    return None


def meant(source: Any, roles: Mapping[str, Any]) -> Roles | None:
    """Columns that their names point to, where none was asked for and they are not the first three in order."""
    if len(source.names) < 3 or any(column is not None for column in roles.values()):
        return None
    if likely_roles(source.names, {}) is None:  # the names say nothing: no line needs to be read
        return None
    likely = likely_roles(source.names, first_lines(source))
    positions = None if likely is None else [likely.row, likely.col, likely.value]
    return None if positions == list(source.names[:3]) else likely


def is_sure(likely: Roles, names: Sequence[str]) -> bool:
    """Whether a reading of the first three columns is wrong by the names of the others.

    A mere swap of rows and columns is none; a bare ``id`` may name anything.

    >>> names = ["item", "user", "rating"]
    >>> is_sure(Roles("user", "item", "rating"), names), is_sure(Roles("user", "rating", "item"), names)
    (False, True)
    """
    return [likely.col, likely.row, likely.value] != list(names[:3]) and bare(likely.row) != ""


def misread(source: Any, likely: Roles) -> str:
    """What would be done with the columns, and what their names say."""
    taken = ", ".join(map(shown, source.names[:3]))
    return (
        f"of {len(source.names)} columns the first three ({taken}) are read as row, column and value; "
        f"by their names others are meant: give {likely.spoken()}"
    )


def refuse_misread(source: Any, roles: Mapping[str, Any], path: Any) -> None:
    """Refuse the first three columns where names say surely that others are row, column and value.

    Raises
    ------
    ValueError
        With the arguments that read the file, and those that read the first three all the same.
    """
    likely = meant(source, roles)
    if likely is None or not is_sure(likely, source.names):
        return
    first = ", ".join(
        f"{role}={shown(name)}" for role, name in zip(("row", "col", "value"), source.names, strict=False)
    )
    raise ValueError(f"{path.name}: {misread(source, likely)} (or {first}, if those are right)")


def by_contents(names: Sequence[str], first: Mapping[str, Sequence[Any]]) -> Roles | None:
    """Return two columns of labels that repeat and together name every line, and a column of numbers, if there are any.

    Parameters
    ----------
    names : sequence of str
    first : mapping from name to values
        The first lines, as text.

    Examples
    --------
    >>> first = {"": "123456", "state": "abcabc", "vote": ["1.5", "2", "3", "4", "5", "6"], "year": "777888"}
    >>> by_contents(list(first), first)
    Roles(row='state', col='year', value='vote', words=())
    """
    labels, values = _labels_and_values(names, first)
    for pair in combinations(labels, 2):
        lines = list(zip(*(first[name] for name in pair), strict=True))
        if len(set(lines)) == len(lines) and not all(_are_numbers(first[name]) for name in pair) and values:
            return Roles(pair[0], pair[1], values[0])
    return None


def _labels_and_values(names: Sequence[str], first: Mapping[str, Sequence[Any]]) -> tuple[list[str], list[str]]:
    """Columns that may be labels (text first), and columns of values (decimals first)."""
    texts, whole, decimals, others = [], [], [], []
    for name in names:
        held = [str(each) for each in first.get(name, ()) if each is not None]
        distinct = set(held)
        repeats = 2 <= len(distinct) <= len(held) / 2
        if not _are_numbers(held):
            texts += [name] if repeats else []
        elif any("." in text and not float(text).is_integer() for text in distinct):
            decimals.append(name)
        elif repeats:
            whole.append(name)
        elif name != "":
            others.append(name)
    return [*texts, *whole], [*decimals, *others]


def doubts(source: Any, names: Sequence[str]) -> str:
    """What speaks against labels and values that were read, and how to name others; "" if nothing does."""
    first = first_lines(source)
    causes = []
    for name in names[:2]:
        odd = next((text for text in first.get(name, ()) if _is_number(text) and not float(text).is_integer()), None)
        if odd is not None:
            causes.append(f"column {name!r} holds decimals (first {odd}), so it names nothing")
    values = dict.fromkeys(str(text) for text in first.get(names[2], ()) if _is_number(text))
    if 1 <= len(values) <= 2 and all(float(text).is_integer() and float(text) >= YEARS for text in values):
        causes.append(f"column {names[2]!r} holds no value but {' and '.join(values)}")
    if not causes:
        return ""
    likely = by_contents(source.names, first)
    labels, numbers = _labels_and_values(source.names, first)
    way = "row=, col= and value=" if likely is None else likely.spoken()
    if likely is None and numbers and len(labels) >= 2:
        way = f"value={shown(numbers[0])}, and two of {', '.join(map(shown, labels))} as row= and col="
    return f"the columns look mistaken: {', and '.join(causes)}; give {way}"


def second_thoughts(source: Any, names: list[str], roles: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on columns that were read without being asked for, or not read, though their names say otherwise."""
    likely = meant(source, roles)
    notes = () if likely is None else (misread(source, likely),)
    if roles["trials"] is not None or roles["weight"] is not None:
        return notes
    trials = likely_trials(source.names, names[2], first_lines(source))
    if trials is None or trials in names:
        return notes
    text = f"column {trials!r} looks like the number of trials behind each value of {names[2]!r}: if so, give trials="
    return (*notes, f"{text}{shown(trials)}")


def first_lines(source: Any) -> dict[str, list[Any]]:
    """The first lines of every column as text; nothing where the file cannot be read so."""
    try:
        batch = next(iter(source.batches(list(source.names), [LABEL] * len(source.names))))
        head = batch.slice(0, LOOKED_AT)
        return {name: column.to_pylist() for name, column in zip(source.names, head.columns, strict=True)}
    except (ValueError, StopIteration):
        return {}


def bare(name: str) -> str:
    """A name without what does not matter.

    >>> bare("User_ID"), bare("example_id"), bare("id"), bare("itemName")
    ('user', 'example', '', 'item')
    """
    word = name.lower().replace("_", "").replace(" ", "").replace("-", "").replace(".", "")
    for ending in ("id", "name", "key"):
        if word.endswith(ending):
            return word[: -len(ending)]
    return word or "-"


def _are_numbers(texts: Sequence[Any]) -> bool:
    return all(_is_number(text) for text in texts if text not in (None, ""))


def _is_number(text: Any) -> bool:
    try:
        return float(text) == float(text) and abs(float(text)) != float("inf")
    except (TypeError, ValueError):
        return False
