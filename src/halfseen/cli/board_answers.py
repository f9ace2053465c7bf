"""What ``halfseen board`` does and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.board_options import BoardOptions, LogOptions
from halfseen.cli.screen import count, figures, note, print_json, say, stdout, table
from halfseen.cli.words import in_options
from halfseen.cli.written import deliver
from halfseen.data.evals.problems import counted
from halfseen.inference import Listing

# Warnings printed below a board; the rest is told by their number.
MOST_WARNINGS = 5


def run_make(
    logs: list[Path], reading: LogOptions, options: BoardOptions, asked: tuple[str, Path | None, bool, bool, bool]
) -> None:
    """Read, and say what is there; or make the board, write it and show it."""
    about, out, read_only, as_json, is_quiet = asked
    evals = read(logs, reading)
    if read_only:
        show_reading(evals, as_json)
        return
    board = hs.Board(
        evals, level=options.level, set_size=options.set_size, island=options.island, random_state=options.seed
    )
    if out is not None:
        board.save(out)
    if as_json or not is_quiet:
        show_board(board, about, as_json)
    if not as_json:
        show_warnings(board)
        if out is not None and not is_quiet:
            note(f"wrote {out}: index.html, board.csv, board.json, compare.json, board.md")


def read(logs: list[Path], reading: LogOptions) -> Any:
    """The results in the files."""
    return hs.read_evals(
        logs, format=reading.format, model=reading.model, question=reading.question, metric=reading.metric,
        filter=reading.filter, cluster=reading.cluster, percent=reading.percent, rename=reading.rename,
        not_graded=str(reading.not_graded), question_set=reading.question_set,
    )  # fmt: skip


def show_reading(evals: Any, as_json: bool) -> None:
    """What was read: a line per model and benchmark, and what is the matter."""
    counts = evals.table.group_by(["model", "benchmark", "status"]).aggregate([([], "count_all")]).to_pylist()
    lines: dict[tuple[str, str], dict[str, int]] = {}
    for record in counts:
        lines.setdefault((record["model"], record["benchmark"]), {})[record["status"]] = record["count_all"]
    statuses = ("graded", "own failure", "not graded", "not run")
    columns: dict[str, Any] = {
        "model": [model for model, _ in sorted(lines)], "benchmark": [name for _, name in sorted(lines)]
    }  # fmt: skip
    for status in statuses:
        columns[status.replace(" ", "_")] = [lines[key].get(status, 0) for key in sorted(lines)]
    if as_json:
        print_json({"read": columns, "problems": [vars(problem) for problem in evals.problems]})
        return
    deliver(columns, None, False)
    for problem in evals.problems:
        note(in_options(str(problem)))


def show_board(board: Any, about: str, as_json: bool) -> None:
    """The board: a table on a terminal, CSV in a pipe, or JSON."""
    listing = board.table(about)
    needed = [None if number != number else int(number) for number in listing["needed"]]  # questions, not 18.0 of them
    if as_json:
        checks = board.checks().records()
        rows = [{**row, "needed": number} for row, number in zip(listing.records(), needed, strict=True)]
        print_json({"about": about, "level": board.level, "notes": listing.notes, "rows": rows, "checks": checks})
        return
    console = stdout()
    if not console.is_terminal:
        deliver({**listing.columns(), "needed": np.array(needed, dtype=object)}, None, False)
        return
    has_lost = bool(listing["not_graded"].any())
    headers = ["", "model", "group", "score", f"{100 * board.level:g} %", "answers", "to tell from next"]
    grid = table(*headers, *(["not graded", "bounds"] if has_lost else []))
    grid.columns[1].justify, grid.columns[1].no_wrap = "left", False
    records = listing.records()
    ends = [figures([record[name] for record in records]) for name in ("score", "low", "high", "lowest", "highest")]
    for place, record in enumerate(records):
        score, low, high, lowest, highest = (column[place] for column in ends)
        cells = [
            span(record["rank_low"], record["rank_high"]), str(record["model"]), str(record["group"]), score,
            f"{low} to {high}", count(record["answered"]), "-" if (number := needed[place]) is None else count(number),
        ]  # fmt: skip
        mark = " *" if record["hangs"] else ""
        lost = [count(record["not_graded"]) + mark, f"{lowest} to {highest}"] if has_lost else []
        grid.add_row(*map(literal, cells + lost))
    console.print(grid)
    for text in listing.notes:
        note(text)
    if bool(listing["hangs"].any()):
        note("*: the order to the next model hangs on trials that nobody graded")


def literal(text: str) -> Any:
    """Names of models are printed as they are, whatever brackets they hold."""
    from rich.text import Text

    return Text(text)


def show_warnings(board: Any) -> None:
    """What may change the order, below the board."""
    warnings = [record for record in board.checks().records() if record["level"] != "note"]
    for record in warnings[:MOST_WARNINGS]:
        note(f"{record['about']}: {record['what']}; {in_options(record['way_out'])}.")
    if len(warnings) > MOST_WARNINGS:
        note(f"{len(warnings) - MOST_WARNINGS} more, see 'halfseen board checks'")


def run_show(folder: Path, about: str, as_json: bool) -> None:
    """The board of a folder."""
    show_board(hs.Board.load(folder), about, as_json)


def run_listing(folder: Path, name: str, as_json: bool) -> None:
    """The questions, or the checks."""
    show_listing(getattr(hs.Board.load(folder), name)(), as_json)


def show_listing(listing: Listing, as_json: bool) -> None:
    """A list: a table on a terminal, CSV in a pipe, or JSON."""
    if as_json:
        print_json({"notes": listing.notes, "rows": listing.records()})
    else:
        deliver(listing.columns(), None, False)


def run_compare(
    folder: Path, pair: tuple[str, str], asked: tuple[str, float, float | None], as_json: bool
) -> None:  # fmt: skip
    """Two models, as a sentence or as JSON."""
    about, power, gap = asked
    board = hs.Board.load(folder)
    comparison = board.compare(*pair, about=about, power=power)
    needed = None if gap is None else board.needed(*pair, gap=gap, power=power)
    if as_json:
        print_json(comparison.to_dict() | ({} if gap is None else {"wanted_gap": gap, "needed_for_it": needed}))
        return
    say(str(comparison))
    questions = counted(len(board.questions), "question")
    told = f"a gap of {comparison.detectable:.3f} can be told ({100 * power:g} % power)"
    if comparison.detectable >= 1.0:
        told = "no gap can be told"
    say(f"With {questions} {told}; both answered {count(comparison.common)}.")
    if gap is not None:
        say(f"A gap of {gap:g} takes {needed} questions.")


def run_next(folder: Path, model: str | None, asked: tuple[str | None, int], as_json: bool) -> None:
    """Questions to run next."""
    show_listing(hs.Board.load(folder).next(model, against=asked[0], n=asked[1]), as_json)


def run_place(folder: Path, logs: list[Path], reading: LogOptions, as_json: bool) -> None:
    """New models among those of a board."""
    show_listing(hs.Board.load(folder).place(read(logs, reading)), as_json)


def span(low: int, high: int) -> str:
    """A rank interval.

    >>> span(1, 3), span(4, 4)
    ('1 to 3', '4')
    """
    return str(low) if low == high else f"{low} to {high}"
