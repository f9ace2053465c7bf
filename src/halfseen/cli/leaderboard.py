"""``halfseen fit irt`` and ``halfseen rank``: leaderboards on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.inferring import open_run
from halfseen.cli.screen import count, figures, note, print_json, stdout, table


def run_rank(run: Path, question: tuple[float, str, int | None], seed: int, as_json: bool) -> None:
    """Print the leaderboard of a run: on a screen as a table, in a pipe as tab-separated lines, or as JSON."""
    level, about, top = question
    if not 0 < level < 1:
        raise ValueError(f"--level {level} must lie between 0 and 1, such as 0.95")
    if top is not None and top < 1:
        raise ValueError(f"--top {top} must be at least 1")
    model, record = open_run(run)
    if not isinstance(model, hs.ItemResponseModel):
        raise ValueError(
            f"{run} holds a {record.get('method', type(model).__name__)!r} fit without a leaderboard; fit one with "
            "'halfseen fit irt DATA -o RUN'"
        )
    board = model.inference(level=level, random_state=seed).leaderboard(about)
    rows = board.records()[:top]
    if as_json:
        print_json({"level": level, "about": about, "kind": model.kind_, "notes": board.notes, "rows": rows})
        return
    show(board, rows, model, top)


def show(board: Any, rows: list[dict[str, Any]], model: Any, top: int | None) -> None:
    """The table on the screen, and what to know of it on stderr of a terminal."""
    percent = f"{100 * board.level:g} %"
    grid = table("", "row", "score", percent, "rank", "group", "answers", "raw", name=1)
    grid.columns[0].justify, grid.columns[1].justify = "right", "left"
    ends = [figures([row[name] for row in rows]) for name in ("score", "low", "high", "raw")]
    for place, row in enumerate(rows):
        score, low, high, raw = (column[place] for column in ends)
        grid.add_row(
            str(row["rank"]), str(row["row"]), score, f"{low} to {high}", span(row["rank_low"], row["rank_high"]),
            str(row["group"]), count(row["answered"]), raw,
        )  # fmt: skip
    console = stdout()
    console.print(grid)
    if top is not None and top < len(board):
        console.print(f"{len(board) - top} more rows")
    if console.is_terminal:
        for text in board.notes:
            note(text)


def span(low: int, high: int) -> str:
    """A rank interval.

    >>> span(1, 3), span(4, 4)
    ('1 to 3', '4')
    """
    return str(low) if low == high else f"{low} to {high}"
