"""A board as a folder: tables for programs and people, and what it takes to open it again."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.board.page import page_of
from halfseen.board.scores import ABOUT
from halfseen.data import Evaluations
from halfseen.data import load as load_model
from halfseen.data import save as save_model
from halfseen.data.evals.problems import Problem
from halfseen.text import cell_text

if TYPE_CHECKING:
    from halfseen.board.board import Board

FORMAT, VERSION = "halfseen board", 1
ANSWERS, MODEL, JSON, SETTINGS = "answers.parquet", "model.halfseen", "board.json", "settings.json"
BADGE_ROWS = 10


def save(board: Board, path: str | os.PathLike[str]) -> None:
    """Write all files of a board; those of an earlier board in the folder are replaced."""
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / SETTINGS).exists())):
        raise ValueError(f"{folder} is there and holds no board; give the name of a new or empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    from pyarrow import parquet

    parquet.write_table(board._evals.table, folder / ANSWERS)
    if board._model is not None:
        save_model(board._model, folder / MODEL)
    else:
        (folder / MODEL).unlink(missing_ok=True)
    _write(folder / "board.csv", as_csv(board))
    _write(folder / JSON, as_json(summary(board)))
    _write(folder / "compare.json", as_json(comparisons(board)))
    _write(folder / "board.md", as_markdown(board))
    _write(folder / "index.html", page_of(board))
    # last: a folder with settings is a whole board
    _write(folder / SETTINGS, as_json(_settings(board)))


def _settings(board: Board) -> dict[str, Any]:
    return {
        "format": FORMAT, "version": VERSION, "level": board.level, "set_size": board.set_size, "island": board.island,
        "random_state": board.random_state,
        "problems": [[p.file, p.what, p.way_out, p.level] for p in board.problems],
    }  # fmt: skip


def load(cls: type[Board], path: str | os.PathLike[str]) -> Board:
    """Open a folder that :func:`save` wrote."""
    folder = Path(path)
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder} holds no board; write one with Board.save or 'halfseen board LOGS -o {folder}'.")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["format"] != FORMAT or settings["version"] != VERSION:
            raise ValueError(f"its version is {settings['version']!r}")
        problems = tuple(Problem(*map(str, line)) for line in settings["problems"])
        given = {name: settings[name] for name in ("level", "set_size", "island", "random_state")}
        from pyarrow import parquet

        table = parquet.read_table(folder / ANSWERS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is damaged, or not of this version: {error}; make the board anew.") from error
    board = cls(Evaluations(table, problems), **given)
    if (folder / MODEL).exists():
        model = load_model(folder / MODEL)
        if np.array_equal(model.col_labels_, board._answers.questions):
            board._model = model
    return board


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def as_csv(board: Board) -> str:
    """The board about all three questions, a line per model and question."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for place, about in enumerate(ABOUT):
        records = board.table(about).records()
        if not place:
            writer.writerow(["about", *records[0]])
        writer.writerows([about, *map(cell_text, record.values())] for record in records)
    return text.getvalue()


def summary(board: Board) -> dict[str, Any]:
    """All that the board says, as plain values."""
    return {
        "models": len(board.models), "questions": len(board.questions), "level": board.level,
        "about": {
            about: {"notes": list((table := board.table(about)).notes), "rows": table.records()} for about in ABOUT
        },
        "checks": board.checks().records(),
        "benchmarks": board.blocks().records(),
    }  # fmt: skip


def comparisons(board: Board) -> dict[str, Any]:
    """Chances that one model is ahead of another, and neighbours compared."""
    names = [str(name) for name in board.table()["model"]]
    order = [board.models.index(name) for name in names]
    return {
        "models": names,
        "ahead": {about: board.ahead(about)[np.ix_(order, order)] for about in ABOUT},
        "neighbours": [board.compare(better, worse).to_dict() for better, worse in itertools.pairwise(names)],
    }


def as_markdown(board: Board, most: int = BADGE_ROWS) -> str:
    """A small table for a README: rank interval first, then the score.

    The rank says between which places a model may stand.
    """
    table = board.table()
    lines = ["| rank | model | score |", "|---|---|---|"]
    for record in table.records()[:most]:
        model = " ".join(str(record["model"]).split()).replace("|", "\\|").replace("<", "&lt;")
        low, high = 100 * record["low"], 100 * record["high"]
        lines.append(
            f"| {_span(record['rank_low'], record['rank_high'])} | {model} | {100 * record['score']:.1f} "
            f"({low:.1f} to {high:.1f}) |"
        )
    more = len(table) - most
    rest = f" {more} more models are on the board." if more > 0 else ""
    lines += ["", f"{100 * board.level:g} % intervals over questions like these {len(board.questions)}.{rest}", ""]
    return "\n".join(lines)


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def as_json(value: Any) -> str:
    """JSON with null where a number is not finite."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
