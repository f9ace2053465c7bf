"""What people's text files have around and inside their tables: titles, units, thousands, percent signs."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from halfseen.data.words import NOTHING
from halfseen.errors import shown

# Lines whose cells decide how a table lies in its file, and lines above a header at most.
HEAD_LINES, MOST_ABOVE, MOST_BELOW = 60, 20, 2
# So much of a file is looked at for percent signs, thousands and empty lines.
LOOKED_AT = 1 << 20
EMPTY = NOTHING | {"-", "--"}
GAPS = " '\u2019\u00a0\u202f"
NUMERAL = re.compile(rf"[-+]?(\d+|\d{{1,3}}([.,{GAPS}]\d{{3}})+)?([.,]\d+)?([eE][-+]?\d+)?[ \u00a0\u202f]?%?")
# 1.234,5 or 1.234.567; 1,234.5 or 1,234,567; 1 234,5; a group of three that may be either; decimals with a comma.
POINTS = re.compile(r"[-+]?\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})")
COMMAS = re.compile(r"[-+]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})")
GAPPED = re.compile(rf"[-+]?\d{{1,3}}([{GAPS}]\d{{3}})+([.,]\d+)?")
POINT_GROUP, COMMA_GROUP = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+"), re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
COMMA, POINT = re.compile(r"[-+]?\d+,\d+"), re.compile(r"[-+]?\d+\.\d+")
# What may call for a look at every cell.
ODD = re.compile(rb"\d[ \xa0]?%|\d[.,' ]\d{3}[^\d\w]|\d\xe2\x80[\xaf\x99]\d|\d\xc2\xa0\d|\n[;,\t|]+\r?(\n|\Z)")


@dataclass(frozen=True)
class FileLayout:
    """How a table lies in a text file.

    Attributes
    ----------
    above, below : int
        Lines above the header, and below it, that are none of the table's.
    lacks_first : bool
        Whether the header has no name for the first column, as R's ``write.table`` leaves it.
    cells : tuple of int
        Columns whose cells are rewritten as plain numbers.
    thousands, decimal : str
        What stands between thousands ("" for nothing), and before decimals.
    skips_empty : bool
        Whether lines without any entry are left out.
    is_broken : bool
        Whether text in quotes goes over the ends of lines.
    notes : tuple of str
        What was noticed, for the reader of the table.
    """

    above: int = 0
    below: int = 0
    lacks_first: bool = False
    cells: tuple[int, ...] = ()
    thousands: str = ""
    decimal: str = "."
    skips_empty: bool = False
    is_broken: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the file is read as it stands."""
        return not (self.above or self.below or self.lacks_first or self.cells or self.skips_empty or self.is_broken)


def layout_of(text: str, sep: str, header: bool, is_whole: bool = True) -> FileLayout:
    r"""Look at the start of a text file, and see what is its table.

    Parameters
    ----------
    text : str
    sep : str
    header : bool
    is_whole : bool
        Whether ``text`` is all of the file; else its last line may be cut off.

    Examples
    --------
    >>> layout_of("Sales 2024\n\nshop;jan;feb\nA;1.234,5;10 %\nB;7;8\n", ";", True).above
    2
    """
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=sep)]
    except csv.Error:  # its reader will say what is wrong
        return FileLayout()
    rows = rows[:-1] if not is_whole else rows
    widths = Counter(len(row) for row in rows[:HEAD_LINES] if _n_full(row) >= 2)
    if not widths:
        return FileLayout()
    width = widths.most_common(1)[0][0]
    above = _above(rows, width, header)
    body = rows[above + header :]
    names = rows[above] if header else []
    lacks_first = header and len(names) == width - 1 and len(body) > 0 and {len(row) for row in body if row} == {width}
    below = _below(body) if header else 0
    body = body[below:]
    skips_empty = _has_empty(body)
    numbers = _number_columns(body, width)
    thousands, decimal = _marks([row[k] for row in body for k in numbers if len(row) == width], sep)
    has_percent = any(row[k].endswith("%") for row in body for k in numbers if len(row) == width)
    is_rewritten = bool(thousands) or has_percent or (decimal == "," and sep == ",")
    notes = _notes(rows, above, (names, below, lacks_first), thousands, decimal, has_percent, skips_empty)
    is_broken = any("\n" in cell or "\r" in cell for row in rows for cell in row)
    cells = tuple(numbers) if is_rewritten else ()
    return FileLayout(above, below, lacks_first, cells, thousands, decimal, skips_empty, is_broken, notes)


def _n_full(row: list[str]) -> int:
    return sum(cell != "" for cell in row)


def _above(rows: list[list[str]], width: int, header: bool) -> int:
    """Lines above the first that is as wide as the table: titles, comments, empty ones."""
    for place, row in enumerate(rows[: MOST_ABOVE + 1]):
        is_title = _n_full(row) <= 1 and (len(row) < width or (header and width >= 3 and (not row or _n_full(row[:1]))))
        is_title = is_title or _n_full(row) == 0 or (row[0].startswith("#") and len(row) != width)
        is_title = is_title or (len(row) not in (width, width - 1) and _n_full(row) <= 2)
        if is_title and width >= 3:
            continue
        return place
    return 0


def _below(body: list[list[str]]) -> int:
    """Lines of units or questions below the header: text in columns where all other lines hold numbers."""
    for below in range(min(MOST_BELOW, len(body) - 2), 0, -1):
        rest = [row for row in body[below:HEAD_LINES] if _n_full(row)]
        width = len(rest[0]) if rest else 0
        numbers = _number_columns(rest, width)
        if len(rest) < 2 or len(numbers) < 2 or any(len(row) != width for row in (*rest, *body[:below])):
            continue
        above = [[row[k] for k in numbers if row[k] not in EMPTY] for row in body[:below]]
        if all(2 * len(cells) > len(numbers) and not any(map(_is_numeral, cells)) for cells in above):
            return below
    return 0


def _has_empty(body: list[list[str]]) -> bool:
    """Whether there are lines without any entry that are no rows: each other line begins with a name."""
    first = [row[0] for row in body if _n_full(row)]
    if len(first) == sum(1 for row in body if row):
        return False
    return "" not in first and len(set(first)) > 1 and (
        not all(map(_is_numeral, first)) or (len(set(first)) == len(first) and all(text.isdigit() for text in first))
    )  # fmt: skip


def _is_numeral(cell: str) -> bool:
    return cell not in ("", "%") and NUMERAL.fullmatch(cell) is not None and any(map(str.isdigit, cell))


def _number_columns(body: list[list[str]], width: int) -> list[int]:
    """Columns in which every entry is written as a number; no first one that only names the lines."""
    columns = []
    for place in range(width):
        cells = [row[place] for row in body if len(row) == width and row[place] not in EMPTY]
        if cells and all(map(_is_numeral, cells)) and not (place == 0 and len(set(cells)) == len(cells) > 1):
            columns.append(place)
    return columns


def _marks(cells: list[str], sep: str) -> tuple[str, str]:
    """What stands between thousands, and before decimals, by all that is written as a number."""
    texts = [cell.rstrip("% \u00a0\u202f") for cell in cells]
    points, commas = ([text for text in texts if mark in text] for mark in ".,")
    by_points = any(map(POINTS.fullmatch, points)) or any(map(POINTS.fullmatch, commas))
    by_commas = any(map(COMMAS.fullmatch, points)) or any(map(COMMAS.fullmatch, commas))
    gapped = any(map(GAPPED.fullmatch, texts))
    if gapped and not (by_points or by_commas):
        return GAPS, "," if commas and not points else "."
    if by_points != by_commas:
        return (".", ",") if by_points else (",", ".")
    if by_points or not commas:
        return "", "."
    if points and all(map(POINT_GROUP.fullmatch, points)) and any(map(COMMA.fullmatch, commas)):
        return ".", ","
    are_groups = all(map(COMMA_GROUP.fullmatch, commas))
    if are_groups and (sep == "," or points):
        return ",", "."
    return ("", ".") if points else ("", ",")


def _notes(
    rows: list[list[str]], above: int, head: tuple[list[str], int, bool], thousands: str, decimal: str,
    has_percent: bool, skips_empty: bool,
) -> tuple[str, ...]:  # fmt: skip
    names, below, lacks_first = head
    notes = []
    titles = [cell for row in rows[:above] for cell in row if cell]
    if titles:
        notes.append(f"{_lines(above)} above the header {_were(above)} left out (first {shown(titles[0])})")
    if below:
        text = next(cell for cell in reversed(rows[above + 1]) if cell)
        notes.append(
            f"{_lines(below)} below the header {_were(below)} left out: text ({shown(text)}) where all others hold "
            "numbers"
        )
    if lacks_first:
        notes.append(f"the header names {len(names)} of {len(names) + 1} columns; the first is taken to have no name")
    if decimal == ",":
        notes.append("commas in numbers are taken for decimal points (44,73 is 44.73)")
    if thousands:
        example = {".": "1.234 is 1234", ",": "1,234 is 1234"}.get(thousands, "1 234 is 1234")
        notes.append(f"marks between thousands are left out ({example})")
    if has_percent:
        notes.append("percent signs are left out (12.5 % is 12.5)")
    if skips_empty:
        notes.append("lines without any entry are left out")
    return tuple(notes)


def _lines(number: int) -> str:
    return "the line" if number == 1 else f"the {number} lines"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


class Tidying:
    """Whole lines in, the table's own lines out; called with one piece of a file after the other.

    Parameters
    ----------
    layout : FileLayout
    sep : str
    header : bool
    """

    def __init__(self, layout: FileLayout, sep: str, header: bool) -> None:
        self._layout, self._sep, self._header = layout, sep, header
        self._line = 0

    def __call__(self, lines: bytes) -> bytes:
        """The lines rewritten."""
        text = lines.decode("utf-8", "surrogateescape")
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self._sep, lineterminator="\n")
        writer.writerows(self._rows(csv.reader(io.StringIO(text, newline=""), delimiter=self._sep)))
        return out.getvalue().encode("utf-8", "surrogateescape")

    def _rows(self, rows: Any) -> Iterator[list[str]]:
        layout, numbers = self._layout, set(self._layout.cells)
        first = layout.above + self._header
        for row in rows:
            line, self._line = self._line, self._line + 1
            if line < layout.above or first <= line < first + layout.below or not row:
                continue
            if line < first:
                yield ["", *row] if layout.lacks_first else [" ".join(name.split()) for name in row]
            elif not layout.skips_empty or any(cell.strip() for cell in row):
                yield [self._number(cell) if k in numbers else " ".join(cell.splitlines()) if "\n" in cell else cell
                       for k, cell in enumerate(row)]  # fmt: skip

    def _number(self, cell: str) -> str:
        text = cell.strip()
        if not _is_numeral(text):
            return cell
        text = text.rstrip("% \u00a0\u202f")
        for mark in self._layout.thousands:
            text = text.replace(mark, "")
        return text.replace(",", ".") if self._layout.decimal == "," else text


def encoding_of(start: bytes) -> str:
    """How the text of a file is written: UTF-8, UTF-16 by its mark, else Windows-1252, which Excel writes.

    Text with control characters is no text of people's: it is left to be refused as UTF-8.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
        return "utf-8"
    except UnicodeDecodeError:
        is_text = not any(byte < 32 and byte not in b"\t\n\r\f" for byte in start)
        return "cp1252" if is_text and not set(start) & set(b"\x81\x8d\x8f\x90\x9d") else "utf-8"


class Recoded:
    """A file of another encoding, read as UTF-8.

    Parameters
    ----------
    source : file
        Anything with ``read(n)`` that gives bytes.
    encoding : str
    """

    def __init__(self, source: Any, encoding: str) -> None:
        self._source, self._decoder = source, codecs.getincrementaldecoder(encoding)()

    def read(self, size: int) -> bytes:
        """At least one byte, b"" at the end."""
        while piece := self._source.read(size):  # not an iteration: a piece may end inside a character
            if text := self._decoder.decode(piece):
                return text.encode("utf-8", "surrogatepass")
        return self._decoder.decode(b"", final=True).encode("utf-8")

    def close(self) -> None:
        """Close the file."""
        self._source.close()
