"""From parts to markup: everything that comes from data is escaped here, and nowhere else."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from halfseen.render.page.elements import escaped, png_image
from halfseen.render.page.svg import inline_picture
from halfseen.summary.parts import Bitmap, Code, Column, Facts, Interval, Note, Part, Picture, Section, Table, Text
from halfseen.text import count, figures, share, typical_figures

# A table up to this size travels inside the page as a download; a larger one lies beside it.
LARGEST_EMBEDDED = 1_500_000
# Tables from this length on can be searched and sorted.
LONG = 8
LONGEST_NAME = 36
SHORT, MARKED = " short", ' class="marked"'
SPACE, MINUS, DASH = "\u202f", "\u2212", "\u2013"


def printed(texts: list[str]) -> list[str]:
    """Numbers with the signs of good typesetting: thin spaces, minus, a dash for what is not known."""
    return [DASH if text == "-" else text.replace("-", MINUS).replace(" ", SPACE) for text in texts]


@dataclass
class Page:
    """Turns parts into markup and remembers what must lie beside the page.

    Parameters
    ----------
    stem : str
        Name of the page's file without its ending; files beside it begin with it.
    limit : int
        Most lines of a table that the page shows.
    has_pictures : bool
        False without matplotlib.
    """

    stem: str
    limit: int
    has_pictures: bool = True
    beside: dict[str, str] = field(default_factory=dict)
    _pictures: int = 0
    _regions: dict[str, int] = field(default_factory=dict)

    def section(self, section: Section, anchor: str) -> str:
        """A heading and its parts, neighbouring pictures in one grid."""
        title = escaped(section.title)
        lines = [f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{title}</h2>']
        grid: list[str] = []
        for part in section.parts:
            if isinstance(part, Picture):
                grid += [self.picture(part)] if self.has_pictures else []
                continue
            lines += self._grid(grid)
            lines.append(self.part(part))
        return "\n".join([*lines, *self._grid(grid), "</section>"])

    @staticmethod
    def _grid(grid: list[str]) -> list[str]:
        wrapped = [f'<div class="pictures">{"".join(grid)}</div>'] if grid else []
        grid.clear()
        return wrapped

    def part(self, part: Part) -> str:
        """One part."""
        writers: dict[type, Callable[[Any], str]] = {
            Facts: facts,
            Text: lambda piece: f"<p>{escaped(piece.text)}</p>",
            Code: lambda piece: f"<pre><code>{escaped(piece.text)}</code></pre>",
            Note: note,
            Table: self.table,
            Bitmap: bitmap,
        }
        return writers[type(part)](part)

    def picture(self, picture: Picture) -> str:
        """A figure with its caption."""
        self._pictures += 1
        drawn = inline_picture(picture.draw, picture.alt, f"p{self._pictures}")
        caption = f"<figcaption>{escaped(picture.caption)}</figcaption>" if picture.caption else ""
        wide = ' class="wide" tabindex="0"' if picture.is_wide else ""  # a narrow screen scrolls it
        return f"<figure{wide}>{drawn}{caption}</figure>"

    def table(self, table: Table) -> str:
        """A table, cut to the limit, with all of it as a download where it has a name."""
        table = without_empty(table)
        shown = table if len(table) <= self.limit else table.take(np.arange(self.limit))
        names = [row_name(str(name)) for name in shown.columns[0].values]  # type: ignore[union-attr]
        cells = [names, *(column_cells(column) for column in shown.columns[1:])]
        heads = "".join(head(column) for column in shown.columns)
        marked = np.zeros(len(shown), dtype=bool) if shown.marked is None else shown.marked
        lines = [
            f"<tr{MARKED if grey else ''}>{''.join(line)}</tr>" for grey, *line in zip(marked, *cells, strict=True)
        ]
        what = escaped(table.caption)
        is_long = bool(table.name) and len(shown) >= LONG
        said = f"{count(len(shown))} lines"
        if len(shown) < len(table):
            said = f"the first {count(len(shown))} of {count(len(table))} lines"
        bar = f'<span class="what">{what}</span>'
        if is_long or len(shown) < len(table):
            bar += f'<span class="count" role="status" data-all="{said}">{said}</span>'
        if table.name:
            bar += self._download(table)
        long = " data-long" if is_long else ""
        return (
            f'<div class="table"{long}><div class="bar">{bar}</div><div class="scroll" tabindex="0" role="region" '
            f'aria-label="{self._region(what)}"><table><thead><tr>{heads}</tr></thead><tbody>\n'
            + "\n".join(lines)
            + "\n</tbody></table></div></div>"
        )

    def _region(self, caption: str) -> str:
        """The name of a part of the page that scrolls: no other is called so."""
        self._regions[caption] = number = self._regions.get(caption, 0) + 1
        return caption if number == 1 else f"{caption} ({number})"

    def _download(self, table: Table) -> str:
        text = csv_text(table)
        name = f"{self.stem}-{table.name}.csv"
        if len(text) > LARGEST_EMBEDDED:
            self.beside[name] = text
            return f'<a href="{escaped(name)}">All {count(len(table))} lines: {escaped(name)}</a>'
        # a mark at the beginning tells spreadsheets that this is UTF-8
        code = base64.b64encode(text.encode("utf-8-sig", "replace")).decode()
        address = f"data:text/csv;charset=utf-8;base64,{code}"
        return f'<a download="{escaped(name)}" href="{address}">Download as CSV</a>'


def without_empty(table: Table) -> Table:
    """The table without columns that say nothing on any line."""
    keep = [column for column in table.columns if isinstance(column, Interval) or says_something(column)]
    return replace(table, columns=keep)


def says_something(column: Column) -> bool:
    """Whether any line has a text or a number."""
    if column.kind == "text":
        return any(str(text) for text in column.values)
    return bool(np.isfinite(np.asarray(column.values, dtype=float)).any())


def facts(part: Facts) -> str:
    """Names and values as tiles."""
    tiles = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in part.items)
    return f'<dl class="facts">{tiles}</dl>'


def bitmap(part: Bitmap) -> str:
    """A PNG picture inside the page."""
    caption = f"<figcaption>{escaped(part.caption)}</figcaption>" if part.caption else ""
    return f'<figure class="bitmap">{png_image(part.png, part.alt)}{caption}</figure>'


def note(part: Note) -> str:
    """A remark that stands out."""
    kind = "note warning" if part.is_warning else "note"
    return f'<p class="{kind}">{escaped(part.text)}</p>'


def row_name(name: str) -> str:
    """The cell that names a line; a long name may be broken."""
    kind = ' class="long"' if len(name) > LONGEST_NAME else ""
    return f'<th scope="row"{kind}>{escaped(name)}</th>'


def head(column: Column | Interval) -> str:
    """The head of a column."""
    kind = ' class="text"' if isinstance(column, Column) and column.kind == "text" else ""
    up = ' data-first="up"' if column.title.startswith("rank") else ""
    title = f' title="{escaped(column.help)}"' if column.help else ""
    return f'<th scope="col"{kind}{up}{title}>{escaped(column.title)}</th>'


def column_cells(column: Column | Interval) -> list[str]:
    """The cells of a column, with the value to sort by."""
    if isinstance(column, Interval):
        return interval_cells(column)
    if column.kind == "text":
        is_short = all(len(str(text)) < 30 for text in column.values)
        return [f'<td class="text{SHORT if is_short else ""}">{escaped(text)}</td>' for text in column.values]
    values = [float(value) for value in column.values]
    if column.kind == "count":
        texts = [count(int(value)) if math.isfinite(value) else "-" for value in values]
    elif column.kind == "share":
        texts = [share(value) if math.isfinite(value) else "-" for value in values]
    else:
        texts = (figures if column.kind == "figures" else typical_figures)(values)
    return [f'<td data-v="{sort_key(value)}">{text}</td>' for value, text in zip(values, printed(texts), strict=True)]


def interval_cells(column: Interval) -> list[str]:
    """``low .. high`` with a bar on a scale that all lines share."""
    low, high = np.asarray(column.low, dtype=float), np.asarray(column.high, dtype=float)
    if column.is_whole:
        low_texts, high_texts = ([f"{end:.0f}" if math.isfinite(end) else "-" for end in ends] for ends in (low, high))
    else:
        texts = typical_figures([*low, *high], high - low, 2)
        low_texts, high_texts = texts[: len(low)], texts[len(low) :]
    known = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    first, last = (known.min(), known.max()) if known.size else (0.0, 1.0)
    reach = max(last - first, 1e-300)
    cells = []
    for k, (low_text, high_text) in enumerate(zip(printed(low_texts), printed(high_texts), strict=True)):
        bar = ""
        if math.isfinite(low[k]) and math.isfinite(high[k]):
            left, right = (100 * (float(end[k]) - first) / reach for end in (low, high))
            bar = f'<i style="left:{left:.1f}%;width:{max(right - left, 0.5):.1f}%"></i>'
            if column.estimate is not None and np.isfinite(column.estimate[k]):
                bar += f'<b style="left:{100 * (float(column.estimate[k]) - first) / reach:.1f}%"></b>'
        text = low_text if low_text == high_text else f"{low_text}{SPACE}..{SPACE}{high_text}"
        cells.append(
            f'<td data-v="{sort_key(float(low[k]))}">{text}<span class="range" aria-hidden="true">{bar}</span></td>'
        )
    return cells


def sort_key(value: float) -> str:
    """A number in full, empty where there is none."""
    return f"{value:.10g}" if math.isfinite(value) else ""


def csv_text(table: Table) -> str:
    """The whole table as comma-separated text, numbers in full."""
    heads: list[str] = []
    columns: list[list[Any]] = []
    for column in table.columns:
        if isinstance(column, Interval):
            heads += [f"{column.title} low", f"{column.title} high"]
            columns += [[sort_key(float(value)) for value in end] for end in (column.low, column.high)]
            continue
        heads.append(column.title)
        is_text = column.kind == "text"
        columns.append([str(value) if is_text else sort_key(float(value)) for value in column.values])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()
