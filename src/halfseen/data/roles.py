"""Which columns of a file with one entry per line name the row, the column and the value, if names say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    ("col", "column", "item", "movie", "film", "book", "product", "song", "artist", "question", "q", "task", "problem",
     "example", "feature", "gene", "variable", "sensor"),
)  # fmt: skip
VALUES = (
    ("value", "rating", "stars", "score", "right", "correct", "resp", "response", "answer", "outcome", "successes",
     "pass1", "plays"),
)  # fmt: skip
TRIALS = frozenset(("trials", "ntrials", "attempts", "count", "n", "runs", "total", "totals"))
MOST_WORDS = 6
LOOKED_AT = 200


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
    if len(source.names) < 4 or any(column is not None for column in roles.values()):
        return None
    likely = likely_roles(source.names, _first_lines(source))
    positions = None if likely is None else [likely.row, likely.col, likely.value]
    return None if positions == list(source.names[:3]) else likely


def misread(source: Any, likely: Roles) -> str:
    """What was done with the columns, and what their names say."""
    taken = ", ".join(map(shown, source.names[:3]))
    return (
        f"of {len(source.names)} columns the first three ({taken}) were read as row, column and value; "
        f"by their names others are meant: give {likely.spoken()}"
    )


def second_thoughts(source: Any, names: list[str], roles: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on columns that were read without being asked for, or not read, though their names say otherwise."""
    if len(source.names) < 4:
        return ()
    likely = meant(source, roles)
    notes = () if likely is None else (misread(source, likely),)
    if roles["trials"] is not None or roles["weight"] is not None:
        return notes
    trials = likely_trials(source.names, names[2], _first_lines(source))
    if trials is None or trials in names:
        return notes
    text = f"column {trials!r} looks like the number of trials behind each value of {names[2]!r}: if so, give trials="
    return (*notes, f"{text}{shown(trials)}")


def _first_lines(source: Any) -> dict[str, list[Any]]:
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


def _is_number(text: Any) -> bool:
    try:
        return float(text) == float(text) and abs(float(text)) != float("inf")
    except (TypeError, ValueError):
        return False
