"""A CSV file of results that a script fills line by line, so that it goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path


class Kept:
    """The results of one script: its own name with ``.csv``, below a comment with the command that makes them."""

    def __init__(self, script: str, columns: Sequence[str]) -> None:
        self.path = Path(script).with_suffix(".csv")
        self.columns = tuple(columns)

    def write(self, row: Sequence[object]) -> None:
        """Append a line, and first the head where the file is new."""
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            if is_new:
                command = f"python examples/results/{self.path.stem}.py"
                file.write(f"# {command} (one thread; HALFSEEN_DATA: the data folder)\n")
                csv.writer(file).writerow(self.columns)
            csv.writer(file).writerow(row)

    def read(self) -> list[dict[str, str]]:
        """All lines so far, cells as text."""
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(line for line in file if not line.startswith("#")))
