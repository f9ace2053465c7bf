"""A table of named columns that an inference hands back: a leaderboard, a list of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import Labels
from halfseen.inference.intervals import as_frame, first_lines, html_table


@dataclass(frozen=True)
class Listing:
    """Named columns of one length, and how they were made.

    Attributes
    ----------
    name : str
    data : mapping from column name to array
    level : float
        Of the intervals in it.
    notes : tuple of str
        What the numbers are, and which assumption each interval uses; one sentence each.
    claim : str
        What the level means.
    library : {"pyarrow", "pandas", "polars"}
        Of the frame that :meth:`to_frame` gives: that of the model's input.

    Examples
    --------
    >>> two = Listing("leaderboard", {"row": np.array(["a", "b"]), "score": np.array([0.5, 0.4])}, 0.95)
    >>> len(two), two["score"].tolist(), two.to_frame().column_names
    (2, [0.5, 0.4], ['row', 'score'])
    """

    name: str
    data: Mapping[str, Labels]
    level: float
    notes: tuple[str, ...] = ()
    claim: str = ""
    library: str = "pyarrow"

    def __len__(self) -> int:
        return len(next(iter(self.data.values())))

    def __getitem__(self, column: str) -> Labels:
        return np.asarray(self.data[column])

    @property
    def title(self) -> str:
        """What the table is, in one line."""
        return f"Listing({self.name}, {len(self)} lines, level {self.level:g})"

    def __repr__(self) -> str:
        return f"{self.title}\n{first_lines(self.data, len(self))}"

    def _repr_html_(self) -> str:
        return html_table(self.title, self.data, len(self))

    def columns(self) -> dict[str, Labels]:
        """The columns, in order."""
        return dict(self.data)

    def to_frame(self, backend: str | None = None) -> Any:
        """The table in pyarrow, pandas or polars; None is the input's library."""
        return as_frame(self.data, backend or self.library)

    def records(self) -> list[dict[str, Any]]:
        """One dictionary of plain Python values per line."""
        lists = {name: np.asarray(column).tolist() for name, column in self.data.items()}
        return [dict(zip(lists, line, strict=True)) for line in zip(*lists.values(), strict=True)]
