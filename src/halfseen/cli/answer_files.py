"""Files of tests: multiple-choice answers with a key, and JSON Lines with all answers of a person on one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.options import TableOptions
from halfseen.data import Observed
from halfseen.data.files import TextFormat, resolve
from halfseen.data.wide import read_frame
from halfseen.errors import shown

LINES = (".jsonl", ".jsonlines", ".ndjson")


def is_of_persons(path: Path) -> bool:
    """Whether the first line of a file of JSON Lines holds all answers of a person (``responses``)."""
    if path.suffix.lower() not in LINES:
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline(1 << 20)
    try:
        record = json.loads(first)
    except ValueError:
        return False
    return isinstance(record, dict) and isinstance(record.get("responses"), dict) and "subject_id" in record


def read_key(path: Path) -> dict[str, str]:
    """Right answers by question, from a file with a line per question.

    Raises
    ------
    ValueError
        For a file of one column, and a question that stands there twice.
    """
    frame, name = read_frame(path, None, TextFormat())
    others = [column for column in frame.column_names if column != name]
    if not others:
        raise ValueError(f"{path.name} has one column; a key has two: the question and its right answer")
    key: dict[str, str] = {}
    for question, answer in zip(frame.column(name).to_pylist(), frame.column(others[0]).to_pylist(), strict=True):
        if str(question) in key:
            raise ValueError(f"{path.name} has two answers to question {shown(question)}")
        key[str(question)] = text_of(answer)
    return key


def open_keyed(path: Path, options: TableOptions, form: TextFormat, columns: tuple[Any, Any, Any]) -> Observed:
    """Answers as letters: 1 where the answer is the right one, else 0.

    Parameters
    ----------
    path : Path
        Wide (a line per person), or long where columns are named or there are three.
    options : TableOptions
        With ``key``, the file of right answers.
    form : TextFormat
    columns : (row, col, value)
        Columns of a long file.
    """
    key = read_key(Path(str(options.key)))
    frame, first = read_frame(path, columns[0], form)
    names = frame.column_names
    if all(column is None for column in columns) and len(names) != 3:
        questions = [name for name in names if name != first]
        return hs.irt.answers(frame.select([first, *questions]), key=key, row=first)
    row, col, value = (
        resolve(column, place, names, role, path)
        for place, (role, column) in enumerate(zip(("row", "col", "value"), columns, strict=True))
    )
    rows, cols, answers = (frame.column(name).to_pylist() for name in (row, col, value))
    lacking = sorted({str(name) for name in cols} - set(key))
    if lacking:
        raise ValueError(f"key has no right answer for {len(lacking)} questions, first {shown(lacking[0])}")
    seen = [place for place, answer in enumerate(answers) if answer is not None and str(answer).strip()]
    return Observed.from_triplets(
        [str(rows[k]) for k in seen], [str(cols[k]) for k in seen],
        [float(text_of(answers[k]) == key[str(cols[k])]) for k in seen], duplicates=options.duplicates.value,
    )  # fmt: skip


def text_of(answer: Any) -> str:
    """An answer as text: 2 and 2.0 are the same."""
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    return str(answer).strip()
