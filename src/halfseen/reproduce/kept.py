"""Repetitions that were finished once: kept line by line, so that a long run can stop and go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfseen.reproduce.writing import as_plain

Row = dict[str, Any]


@dataclass
class Kept:
    """Results of single repetitions, kept in a file or in memory only.

    Attributes
    ----------
    folder : Path or None
        Where files lie; None keeps nothing.
    deadline : float or None
        Value of ``time.monotonic()`` after which no further repetition begins.
    earlier_seconds : float
        What the repetitions that were read back had taken.
    """

    folder: Path | None = None
    deadline: float | None = None
    earlier_seconds: float = 0.0

    def rows(
        self,
        name: str,
        points: Iterable[Row],
        work: Callable[..., Row | list[Row]],
        at_least: int,
        watch: Callable[[int, int], None],
    ) -> list[Row]:
        """Rows ``{**point, **result}`` of every point that is done; each is written down as it comes."""
        todo = [as_plain(point) for point in points]
        known = self._read(name)
        rows: list[Row] = []
        self.earlier_seconds += sum(known[key].get("seconds", 0.0) for key in map(_key, todo) if key in known)
        for number, point in enumerate(todo):
            key = _key(point)
            if key not in known:
                if number >= at_least and self.deadline is not None and time.monotonic() > self.deadline:
                    continue
                watch(number, len(todo))
                begin = time.monotonic()
                result = work(**point)
                seconds = round(time.monotonic() - begin, 2)
                done = [as_plain(row) for row in (result if isinstance(result, list) else [result])]
                known[key] = {"point": point, "seconds": seconds, "rows": done}
                self._append(name, known[key])
            rows += [{**point, **row} for row in known[key]["rows"]]
        return rows

    def _file(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.jsonl"

    def _read(self, name: str) -> dict[str, Row]:
        path = self._file(name)
        if path is None or not path.exists():
            return {}
        known = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the line that an interruption cut
                continue
            known[_key(record["point"])] = record
        return known

    def _append(self, name: str, record: Row) -> None:
        path = self._file(name)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if file.seek(0, 2) and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                file.write(b"\n")
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _key(point: Row) -> str:
    return json.dumps(point, sort_keys=True)
