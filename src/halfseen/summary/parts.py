"""What a page is made of: sections of facts, sentences, tables and pictures, without any markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Facts:
    """Names and values, shown as a grid of tiles."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Code:
    """Something to copy: a command."""

    text: str


@dataclass(frozen=True)
class Note:
    """A warning, or something good to know."""

    text: str
    is_warning: bool = True


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    title : str
    values : sequence
        Numbers (any nan or infinity is shown as a dash), or texts.
    help : str
        What it is, shown with the title.
    kind : {"number", "figures", "count", "share", "text"}
        Numbers of one column have the same number of decimals: three digits for the middle of them ("number") or
        for the smallest ("figures").
    """

    title: str
    values: Any
    help: str = ""
    kind: str = "number"

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Interval:
    """A column of intervals ``low .. high``; sorted by its lower end, drawn as a small bar.

    Parameters
    ----------
    title : str
    low, high : ndarray
    estimate : ndarray, optional
        Drawn as a dot on the bar.
    help : str
    is_whole : bool
        Ranks and counts.
    """

    title: str
    low: Array
    high: Array
    estimate: Array | None = None
    help: str = ""
    is_whole: bool = False

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class Table:
    """A table; the first column names the lines.

    Parameters
    ----------
    caption : str
    columns : sequence of Column or Interval
    name : str
        Of the file that holds all of it, without ending; empty for small tables that need none.
    marked : bool array, optional
        Lines to show greyed: what they say is not reliable.
    """

    caption: str
    columns: Sequence[Column | Interval]
    name: str = ""
    marked: Array | None = None

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, order: Array) -> Table:
        """The same table with these lines, in this order."""
        columns: list[Column | Interval] = []
        for column in self.columns:
            if isinstance(column, Interval):
                middle = None if column.estimate is None else np.asarray(column.estimate)[order]
                low, high = np.asarray(column.low)[order], np.asarray(column.high)[order]
                columns.append(Interval(column.title, low, high, middle, column.help, column.is_whole))
            else:
                columns.append(Column(column.title, np.asarray(column.values)[order], column.help, column.kind))
        marked = None if self.marked is None else np.asarray(self.marked)[order]
        return Table(self.caption, columns, self.name, marked)


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when the page is written.

    Parameters
    ----------
    draw : callable
        Returns a matplotlib Figure.
    alt : str
        What is to be seen, for those who do not see it.
    caption : str
    is_wide : bool
        Takes the whole width of the page.
    """

    draw: Callable[[], Any]
    alt: str
    caption: str = ""
    is_wide: bool = False


@dataclass(frozen=True)
class Bitmap:
    """A picture that was drawn before: a PNG file."""

    png: bytes
    alt: str
    caption: str = ""


Part = Facts | Text | Code | Note | Table | Picture | Bitmap


@dataclass(frozen=True)
class Section:
    """A heading and what belongs to it."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Claim:
    """What an interval or error on the page means and rests on."""

    what: str
    level: str
    text: str


@dataclass
class Chapter:
    """What a method has to tell.

    Parameters
    ----------
    title : str
        Of the page.
    lead : str
        One or two sentences under it.
    glance : list of (name, value)
    sections : list of Section
    claims : list of Claim
    """

    title: str
    lead: str = ""
    glance: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def claim(self, what: str, level: float | str, text: str) -> None:
        """Say what a number means; a level is a probability or a word."""
        self.claims.append(Claim(what, level if isinstance(level, str) else f"{100 * level:g} %", text))
