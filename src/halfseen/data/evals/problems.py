"""What reading evaluation logs has to say: problems told, files refused, choices asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Problem:
    """One thing that a reader of the results must know about the files.

    Parameters
    ----------
    file : str
        The file, or the benchmark or model that it is about.
    what : str
        What is the matter.
    way_out : str
        What to do about it.
    level : {"unread", "warning", "note"}
        "unread": the file gave nothing; "warning": it may change an order of models; "note": good to know.

    Examples
    --------
    >>> print(Problem("beta/plus_one.json", "only a total, no answers", "run OpenCompass with --dump-eval-details"))
    beta/plus_one.json: only a total, no answers; run OpenCompass with --dump-eval-details.
    """

    file: str
    what: str
    way_out: str
    level: str = "warning"

    def __str__(self) -> str:
        return plain(f"{self.file}: {self.what}; {self.way_out}.")


class RefusedFileError(ValueError):
    """One file cannot be read: what is the matter with it, and the way out. The other files are read."""

    def __init__(self, what: str, way_out: str) -> None:
        self.what, self.way_out = plain(what), plain(way_out)
        super().__init__(f"{self.what}; {self.way_out}")


class ChoiceError(ValueError):
    """The files leave a choice that only their owner can make; nothing is read before it is made."""

    def __init__(self, text: str) -> None:
        super().__init__(plain(text))


def plain(text: str) -> str:
    """Return text on one line that any terminal can show: names in files may hold anything."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def counted(number: int, noun: str) -> str:
    """Write a number and its noun: ``one file``, ``two files``, ``12 files``."""
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{word} {noun}" if number == 1 else f"{word} {noun}s"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Write names side by side, the first few of many: ``a, b, ..``."""
    more = ", .." if len(names) > most else ""
    return ", ".join(name if len(name) <= 60 else name[:57] + "..." for name in names[:most]) + more
