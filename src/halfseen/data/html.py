"""A table of observed entries as a piece of HTML, for notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

ROWS, COLUMNS, CHARACTERS = 6, 8, 24
UNSEEN = '<td style="opacity:.4;text-align:center">&middot;</td>'


def table_html(observed: Observed) -> str:
    """Return the size, the first cells, and the notes of a table.

    Everything that comes from the data is escaped. Takes no more than the first rows, whatever the size of the table.

    Examples
    --------
    >>> import halfseen as hs
    >>> R = hs.Observed.from_triplets(["<b>", "c"], ["x", "y"], [1.5, 2.0])
    >>> "&lt;b&gt;" in R._repr_html_(), "<b>" in R._repr_html_()
    (True, False)
    """
    n, p = observed.shape
    rows, cols = min(n, ROWS), min(p, COLUMNS)
    head = "".join(f"<th>{_label(observed.col_labels, j)}</th>" for j in range(cols))
    more = "<th>&hellip;</th>" if p > cols else ""
    lines = [f"<tr><th></th>{head}{more}</tr>"]
    for i, cells in enumerate(_first_cells(observed, rows, cols)):
        shown = "".join(UNSEEN if np.isnan(cell) else f'<td style="text-align:right">{cell:.5g}</td>' for cell in cells)
        tail = "<td>&hellip;</td>" if p > cols else ""
        lines.append(f"<tr><th>{_label(observed.row_labels, i)}</th>{shown}{tail}</tr>")
    if n > rows:
        lines.append("<tr><th>&hellip;</th></tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in observed.notes)
    listed = f"<ul>{notes}</ul>" if notes else ""
    return f"<div><p>{escape(repr(observed))}</p><table>{''.join(lines)}</table>{listed}</div>"


def _first_cells(observed: Observed, rows: int, cols: int) -> np.ndarray:
    cells = np.full((rows, cols), np.nan)
    starts = observed.by_rows.indptr
    for i in range(rows):
        part = slice(int(starts[i]), int(starts[i + 1]))
        places = observed.cols[part]
        end = int(np.searchsorted(places, cols))  # columns increase inside a row
        cells[i, places[:end]] = observed.values[part][:end]
    return cells


def _label(labels: Any, position: int) -> str:
    text = str(position if labels is None else labels[position])
    text = text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
    return escape("".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text))
