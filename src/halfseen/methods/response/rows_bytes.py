"""Large tables of answers as bytes: read where they stand, without a list of their entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.methods.response.rows_answers import NOT_SEEN, ROWS_AT_ONCE

# Smaller tables of bytes become entries like any other: 16 bytes an answer are no matter there.
FEWEST_CELLS = 1_000_000


class ByteTable:
    """What a fit asks of its table, for an array of bytes (n, p) with 255 where not seen.

    Attributes
    ----------
    answers : uint8 ndarray (n, p)
    shape : (int, int)
    """

    row_labels = col_labels = weights = None
    dtype = np.dtype(float)

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        self.shape: tuple[int, int] = answers.shape

    @property
    def values(self) -> Any:
        """The bytes."""
        return self.answers

    @property
    def n_entries(self) -> int:
        """Answers that were seen."""
        return int(self.column_totals()[1].sum())

    def column_totals(self) -> tuple[FloatArray, FloatArray]:
        """Sums and numbers of the columns' answers, a block of rows at a time."""
        sums, counts = np.zeros((2, self.shape[1]))
        for first in range(0, self.shape[0], ROWS_AT_ONCE):
            part = self.answers[first : first + ROWS_AT_ONCE]
            seen = part != NOT_SEEN
            counts += seen.sum(axis=0)
            sums += np.sum(part, axis=0, where=seen, dtype=float)
        return sums, counts


def is_bytes(R: Any) -> bool:
    """Whether a table is an array of bytes, 255 where not seen."""
    return isinstance(R, np.ndarray) and R.dtype == np.uint8 and R.ndim == 2 and R.size > 0


def is_large(R: Any) -> bool:
    """Whether it is large enough to be read where it stands."""
    return is_bytes(R) and R.size >= FEWEST_CELLS and R.shape[0] >= R.shape[1]


def as_numbers(R: Any) -> FloatArray:
    """The same with nan where not seen."""
    return np.where(R == NOT_SEEN, np.nan, R.astype(float))
