"""A summary as text of a fixed width, and as plain values."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

from halfseen.summary.parts import Code, Column, Facts, Interval, Note, Part, Picture, Table, Text
from halfseen.text import count, figures, share, typical_figures, visible

WIDTH = 100
# Lines of a table, and characters of a label, that text shows.
LINES, LABEL = 12, 28


def as_text(summary: Any, width: int = WIDTH, lines: int = LINES) -> str:
    """Title, facts, notes, and the sections below each other."""
    chapter = summary.chapter
    text_lines = [visible(chapter.title)]
    if chapter.lead:
        text_lines += wrapped(chapter.lead, width)
    text_lines += facts_lines(chapter.glance, width)
    for note in summary.notes:
        text_lines += wrapped(f"{'warning' if note.is_warning else 'note'}: {note.text}", width)
    for section in chapter.sections:
        told = [line for part in section.parts for line in part_lines(part, width, lines)]
        if told:
            text_lines += ["", visible(section.title), "-" * min(len(section.title), width), *told]
    if chapter.claims:
        text_lines += ["", "What the numbers mean"]
        for claim in chapter.claims:
            level = f" ({claim.level})" if claim.level else ""
            text_lines += wrapped(f"{claim.what}{level}: {claim.text}", width)
    return "\n".join(text_lines)


def part_lines(part: Part, width: int, lines: int) -> list[str]:
    """One part as lines of text; pictures are left to the page."""
    if isinstance(part, Facts):
        return facts_lines(part.items, width)
    if isinstance(part, Text):
        return wrapped(part.text, width)
    if isinstance(part, Code):
        return [visible(part.text)]
    if isinstance(part, Note):
        return wrapped(f"{'warning' if part.is_warning else 'note'}: {part.text}", width)
    return table_lines(part, width, lines) if isinstance(part, Table) else []


def wrapped(text: str, width: int) -> list[str]:
    """A paragraph as lines."""
    return textwrap.wrap(visible(" ".join(text.split())), width) or [""]


def facts_lines(items: Any, width: int) -> list[str]:
    """Names and values, as many beside each other as fit."""
    return wrapped("; ".join(f"{name} {value}" for name, value in items), width) if items else []


def table_lines(table: Table, width: int, lines: int) -> list[str]:
    """The first lines of a table and as many of its columns as fit, and what was left out."""
    n = len(table)
    if not n:
        return []
    columns = [col for col in table.columns if isinstance(col, Interval) or says_something(col)]
    words = [[col.title, *cells(col)[:lines]] for col in columns]
    wide = [max(map(len, column)) for column in words]
    kept = 1
    while kept < len(wide) and sum(wide[: kept + 1]) + 2 * kept <= width:  # not an iteration: columns that fit
        kept += 1
    text_lines = [visible(table.caption)]
    for place in range(min(n, lines) + 1):
        cut = [
            column[place].ljust(size) if is_text(col) else column[place].rjust(size)
            for col, column, size in zip(columns[:kept], words, wide, strict=False)
        ]
        text_lines.append("  ".join(cut).rstrip())
    left = [f"{count(n - lines)} more lines"] if n > lines else []
    left += [f"further columns: {', '.join(col.title for col in columns[kept:])}"] if kept < len(columns) else []
    return text_lines + ([f"({'; '.join(left)})"] if left else [])


def is_text(column: Column | Interval) -> bool:
    """Whether a column holds words."""
    return isinstance(column, Column) and column.kind == "text"


def says_something(column: Column) -> bool:
    """Whether any cell holds more than nothing."""
    if column.kind == "text":
        return any(str(value) for value in column.values)
    return bool(np.isfinite(np.asarray(column.values, dtype=float)).any())


def cells(column: Column | Interval, longest: int = LABEL) -> list[str]:
    """The cells of a column as words, labels cut to a length."""
    if isinstance(column, Interval):
        numbers = [*np.asarray(column.low, dtype=float), *np.asarray(column.high, dtype=float)]
        texts = [f"{v:.0f}" if math.isfinite(v) else "-" for v in numbers] if column.is_whole else (
            typical_figures(numbers)
        )  # fmt: skip
        half = len(numbers) // 2
        return [
            low if low == high else f"{low} .. {high}" for low, high in zip(texts[:half], texts[half:], strict=True)
        ]
    if column.kind == "text":
        texts = [visible(str(value)) for value in column.values]
        return [text if len(text) <= longest else text[: longest - 1] + "\u2026" for text in texts]
    numbers = [float(value) for value in column.values]
    if column.kind == "count":
        return [count(int(value)) if math.isfinite(value) else "-" for value in numbers]
    if column.kind == "share":
        return [share(value) if math.isfinite(value) else "-" for value in numbers]
    return figures(numbers) if column.kind == "figures" else typical_figures(numbers)


def as_dict(summary: Any) -> dict[str, Any]:
    """The parts of a summary as plain values."""
    chapter = summary.chapter
    return {
        "title": chapter.title,
        "lead": chapter.lead,
        "level": summary.subject.level,
        "glance": dict(chapter.glance),
        "notes": [note.text for note in summary.notes],
        "sections": [
            {"title": section.title, "parts": [plain_part(part) for part in section.parts]}
            for section in chapter.sections
        ],
        "claims": [{"what": claim.what, "level": claim.level, "text": claim.text} for claim in chapter.claims],
    }


def plain_part(part: Part) -> dict[str, Any]:
    """One part as plain values, its kind by name."""
    if isinstance(part, Facts):
        return {"kind": "facts", "items": dict(part.items)}
    if isinstance(part, Table):
        return {"kind": "table", "caption": part.caption, "columns": [plain_column(column) for column in part.columns]}
    if isinstance(part, Picture):
        return {"kind": "picture", "alt": part.alt, "caption": part.caption}
    if isinstance(part, Text | Code | Note):
        return {"kind": type(part).__name__.lower(), "text": part.text}
    return {"kind": "bitmap", "alt": part.alt, "caption": part.caption}


def plain_column(column: Column | Interval) -> dict[str, Any]:
    """A column as lists; what is not a finite number is None."""
    if isinstance(column, Interval):
        ends = {"low": plain_numbers(column.low), "high": plain_numbers(column.high)}
        return {"title": column.title, "help": column.help, **ends}
    values = [str(value) for value in column.values] if column.kind == "text" else plain_numbers(column.values)
    return {"title": column.title, "help": column.help, "values": values}


def plain_numbers(values: Any) -> list[float | None]:
    """Finite numbers, None for all else."""
    return [float(value) if math.isfinite(value) else None for value in np.asarray(values, dtype=float)]
