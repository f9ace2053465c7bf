"""The seen answers as the marginal likelihood wants them: successes and weights, column block by column block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray

# Numbers in one dense block of columns: a million floats are 8 MB. Larger and smaller ones take as long.
NUMBERS_AT_ONCE = 1_000_000
# A sparse product takes .65 of a dense one's time where a tenth of the cells is seen (2000 x 500 times 500 x 765).
SPARSE_BELOW = 0.12


@dataclass(frozen=True)
class ColumnBlock:
    """Some columns: which, and the successes and weights of their cells as dense tables (b, n)."""

    cols: slice
    successes: FloatArray
    weights: FloatArray

    @cached_property
    def is_seen(self) -> FloatArray:
        """1 where a cell was seen, else 0."""
        return (self.weights > 0).astype(float)

    @cached_property
    def factors(self) -> tuple[Any, Any]:
        """Successes and weights to multiply with: sparse tables where few cells are seen, else the dense ones."""
        if np.count_nonzero(self.weights) > SPARSE_BELOW * self.weights.size:
            return self.successes, self.weights
        return sparse.csr_array(self.successes), sparse.csr_array(self.weights)


@dataclass(frozen=True)
class SeenAnswers:
    """Seen answers, by column and then by row.

    Attributes
    ----------
    rows, cols : int arrays (n_entries,)
    shares : ndarray (n_entries,)
        Answers in [0, 1].
    weights : ndarray (n_entries,)
        How many independent yes/no answers each one counts for.
    shape : (int, int)
    """

    rows: IntArray
    cols: IntArray
    shares: FloatArray
    weights: FloatArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, observed: Any, shares: FloatArray) -> SeenAnswers:
        """From the entries of an Observed (any order) and their answers as shares."""
        order = np.lexsort((observed.rows, observed.cols))
        weights = np.ones(len(order)) if observed.weights is None else np.asarray(observed.weights, dtype=float)
        # weights say how much an answer counts against the others; the dispersion sets their level
        weights = weights / weights.mean()
        return cls(
            np.asarray(observed.rows, dtype=np.int64)[order], np.asarray(observed.cols, dtype=np.int64)[order],
            shares[order], weights[order], observed.shape,
        )  # fmt: skip

    @cached_property
    def successes(self) -> FloatArray:
        return self.weights * self.shares

    @cached_property
    def starts(self) -> IntArray:
        """Where each column's entries begin, and the end."""
        return np.searchsorted(self.cols, np.arange(self.shape[1] + 1))

    def scaled(self, factor: float) -> SeenAnswers:
        """The same answers, counting ``factor`` times as much."""
        return SeenAnswers(self.rows, self.cols, self.shares, self.weights * factor, self.shape)

    def select(self, which: Any) -> SeenAnswers:
        """Only some of the entries."""
        return SeenAnswers(self.rows[which], self.cols[which], self.shares[which], self.weights[which], self.shape)

    def columns(self, which: IntArray) -> SeenAnswers:
        """Only some of the columns, in rising order."""
        place = np.full(self.shape[1], -1)
        place[which] = np.arange(len(which))
        part = self.select(place[self.cols] >= 0)
        return SeenAnswers(part.rows, place[part.cols], part.shares, part.weights, (self.shape[0], len(which)))

    @property
    def most_per_column(self) -> float:
        """Largest total weight of a column."""
        return float(np.bincount(self.cols, self.weights, self.shape[1]).max(initial=0.0))

    def blocks(self, numbers: int) -> Iterator[ColumnBlock]:
        """Blocks of columns with about ``NUMBERS_AT_ONCE`` numbers when every column has ``numbers`` of them."""
        n, p = self.shape
        size = max(1, NUMBERS_AT_ONCE // max(numbers, n, 1))
        for start in range(0, p, size):
            cols = slice(start, min(p, start + size))
            part = slice(*self.starts[[cols.start, cols.stop]])
            place = (self.cols[part] - start, self.rows[part])
            dense = np.zeros((2, cols.stop - start, n))
            dense[0][place], dense[1][place] = self.successes[part], self.weights[part]
            yield ColumnBlock(cols, dense[0], dense[1])

    def matrix(self, values: FloatArray) -> sparse.csr_array:
        """Numbers of the entries as a sparse table (p, n)."""
        indptr = np.asarray(self.starts)
        return sparse.csr_array((values, self.rows, indptr), shape=self.shape[::-1])
