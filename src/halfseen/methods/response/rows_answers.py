"""Answers as classes of items: bytes for a full table, lines of the items' tables for a very sparse one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.checks import cell
from halfseen.errors import shown
from halfseen.kernels import Responses
from halfseen.methods.response import rows_kinds

NOT_SEEN = 255
MOST_CLASSES = 254
# Rows that are looked at together while classes are counted: the positions of their answers take some megabytes.
ROWS_AT_ONCE = 16_384
# Rows with the same answers are handled once when there are at most so many items.
COLLAPSED_ITEMS = 16
# Blocks for the engine: see engines/passes.py.
ANSWERS_PER_BLOCK, MOST_BLOCKS = 250_000, 8


@dataclass(frozen=True)
class AnswerTable:
    """Answers of all rows to the items that are in the model.

    Attributes
    ----------
    responses : Responses
        As the kernels read them.
    classes : int ndarray (p,)
        Numbers of classes of the items.
    categories : tuple of ndarrays
        Values that the classes stand for, per item.
    columns : int ndarray (p,)
        Columns of the given table that the items are; columns whose answers say nothing are not among them.
    shape : (int, int)
        Of the given table.
    seen : int ndarray (p,)
        Answers per item.
    frequency : ndarray (n,) or None
        How many people each row stands for.
    row_of : int ndarray or None
        Row here of each row of the given table, where equal rows were joined.
    groups : int32 ndarray (n,) or None
    flags : dict
        Columns left out (by their number), and why: "all right", "all wrong", "one value", "no answers".
    notes : tuple of str
    """

    responses: Responses
    classes: IntArray
    categories: tuple[FloatArray, ...]
    columns: IntArray
    shape: tuple[int, int]
    seen: IntArray
    class_counts: tuple[FloatArray, ...]
    frequency: FloatArray | None = None
    row_of: IntArray | None = None
    groups: IntArray | None = None
    flags: dict[int, str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return self.responses.n_rows

    @property
    def n_items(self) -> int:
        return len(self.classes)

    @property
    def n_people(self) -> float:
        """Sum of the rows' frequencies."""
        return float(self.n_rows) if self.frequency is None else float(self.frequency.sum())

    @property
    def n_answers(self) -> float:
        """Seen answers of the people."""
        return float(sum(counts.sum() for counts in self.class_counts))

    @property
    def is_complete(self) -> bool:
        """Whether every row answered every item."""
        answers = self.responses.answers
        if answers is not None:
            return not bool((answers == NOT_SEEN).any())
        return len(self.responses.lines) == self.n_rows * self.n_items

    def rows(self, start: int, stop: int) -> Responses:
        """Some rows, without a copy."""
        r = self.responses
        if r.answers is not None:
            return r._replace(answers=r.answers[start:stop])
        first, last = (r.indptr[k] - r.indptr[0] for k in (start, stop))
        return r._replace(indptr=r.indptr[start : stop + 1], lines=r.lines[first:last])

    def blocks(self) -> list[tuple[int, int]]:
        """Consecutive ranges of rows; they depend on the data alone."""
        wanted = int(np.clip(int(self.seen.sum()) // ANSWERS_PER_BLOCK, 1, MOST_BLOCKS))
        cuts = np.unique(np.linspace(0, self.n_rows, wanted + 1).astype(int))
        return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))

    def take(self, rows: IntArray) -> AnswerTable:
        """Only some rows (a copy); numbers of classes stay."""
        r, pick = self.responses, lambda a: None if a is None else np.ascontiguousarray(a[rows])
        if r.answers is not None:
            responses = r._replace(answers=pick(r.answers))
        else:
            starts, sizes = r.indptr[rows] - r.indptr[0], np.diff(r.indptr)[rows]
            indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            at = np.repeat(starts - indptr[:-1], sizes) + np.arange(indptr[-1])
            responses = r._replace(indptr=indptr, lines=r.lines[at])
        share = len(rows) / max(self.n_rows, 1)
        return replace(
            self, responses=responses, frequency=pick(self.frequency), groups=pick(self.groups), row_of=None,
            seen=np.maximum((self.seen * share).astype(np.int64), 1),
            class_counts=tuple(share * c for c in self.class_counts),
        )  # fmt: skip

    def dense(self, start: int, stop: int) -> IntArray:
        """Classes (rows, items) of some rows as bytes, 255 where not seen."""
        part = self.rows(start, stop)
        if part.answers is not None:
            return part.answers
        starts = np.concatenate([[0], np.cumsum(self.classes)[:-1]])
        item_of = np.repeat(np.arange(self.n_items), self.classes)
        out = np.full((stop - start, self.n_items), NOT_SEEN, dtype=np.uint8)
        row = np.repeat(np.arange(stop - start), np.diff(part.indptr))
        j = item_of[part.lines]
        out[row, j] = (part.lines - starts[j]).astype(np.uint8)
        return out

    def back(self, per_row: FloatArray) -> FloatArray:
        """Numbers of the rows here, for the rows of the given table."""
        return per_row if self.row_of is None else per_row[self.row_of]


def answer_table(
    answers: Any,
    kinds: list[str],
    *,
    keeps_constant: bool = False,
    groups: Any = None,
    weights: Any = None,
    collapses: bool = True,
) -> AnswerTable:
    """Read answers, close empty categories up and set aside columns that say nothing.

    Parameters
    ----------
    answers : Observed, or array (n, p)
        Classes as numbers, not seen where nan (floats) or 255 (bytes); any values will do, in their order.
    kinds : list of str, one per column
    keeps_constant : bool
        Keep columns of yes/no answers that are all right or all wrong (an item prior holds them).
    groups : int ndarray (n,), optional
    weights : array_like (n,), optional
        How many people each row stands for.
    collapses : bool
        Join rows with equal answers when there are at most 16 items.

    Raises
    ------
    ValueError
        For a column with more than 2 values and a kind for yes/no answers, or with more than 254 values.

    Notes
    -----
    O(n p) time; a table of bytes that needs no closing up is read where it stands.
    """
    codes, indptr, cols, values = _as_codes(answers)
    shape = (len(codes), codes.shape[1]) if codes is not None else answers.shape
    occurring = _values_of(codes, cols, values, shape[1])
    columns, categories, flags, notes = _plan(occurring, kinds, keeps_constant, answers)
    classes = np.array([len(c) for c in categories], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(classes)[:-1]]).astype(np.int32)
    if codes is not None:
        responses = Responses(_recoded(codes, columns, categories), starts, None, None, len(columns))
    else:
        responses = _sparse_lines(indptr, cols, values, columns, categories, starts)
    frequency = None if weights is None else np.ascontiguousarray(weights, dtype=float)
    group = None if groups is None else np.ascontiguousarray(groups, dtype=np.int32)
    table = AnswerTable(
        responses, classes, categories, columns, shape, np.zeros(len(columns), dtype=np.int64), (), frequency, None,
        group, flags, tuple(notes),
    )  # fmt: skip
    if collapses and codes is not None and 0 < len(columns) <= COLLAPSED_ITEMS:
        table = _collapsed(table)
    return _counted(table)


def _as_codes(answers: Any) -> tuple[Any, Any, Any, Any]:
    """Bytes, when the table is full or small enough, or else row pointers, columns and values of the entries."""
    if not isinstance(answers, Observed):
        table = np.asarray(answers)
        if table.ndim != 2:
            raise ValueError(f"answers has shape {table.shape}; needed: a table, one row per person.")
        if table.dtype == np.uint8:
            return np.ascontiguousarray(table), None, None, None
        return _bytes_of(np.asarray(table, dtype=float)), None, None, None
    if answers.weights is not None:
        raise ValueError("answers has weights per entry; give weights= per row instead.")
    n, p = answers.shape
    values = np.asarray(answers.values)
    bad = (values < 0) | (values > MOST_CLASSES) | (values != np.floor(values))
    if n * p <= 5 * answers.n_entries + 8 * n + 65_536:
        if not bad.any():
            out = np.full((n, p), NOT_SEEN, dtype=np.uint8)
            out[answers.rows, answers.cols] = values.astype(np.uint8)
            return out, None, None, None
        dense = np.full((n, p), np.nan)
        dense[answers.rows, answers.cols] = values
        return _bytes_of(dense), None, None, None
    indptr = np.searchsorted(answers.rows, np.arange(n + 1)).astype(np.int64)
    return None, indptr, np.asarray(answers.cols), values


def _bytes_of(table: FloatArray) -> Any:
    """Whole numbers from 0 to 254 as they are; other values by their order, column by column."""
    out = np.full(table.shape, NOT_SEEN, dtype=np.uint8)
    is_seen = ~np.isnan(table)
    whole = is_seen & (table >= 0) & (table <= MOST_CLASSES) & (table == np.floor(table))
    if (whole == is_seen).all():
        out[is_seen] = table[is_seen].astype(np.uint8)
        return out
    i, j = (int(k) for k in np.argwhere(is_seen & ~whole)[0])
    raise ValueError(
        f"{cell('answers', i, j, None, None)} = {shown(table[i, j])}; needed: classes, whole numbers from 0 to "
        f"{MOST_CLASSES}. Shares of right answers go with integrate='columns'."
    )


def _values_of(codes: Any, cols: Any, values: Any, p: int) -> list[FloatArray]:
    """Values that occur in each column, in order."""
    if codes is None:
        whole = np.asarray(values, dtype=np.int64)
        if not np.array_equal(whole, values) or (len(whole) and not 0 <= whole.min() <= whole.max() <= MOST_CLASSES):
            raise ValueError(f"answers must be classes, whole numbers from 0 to {MOST_CLASSES}.")
        table = np.bincount(cols.astype(np.int64) * 256 + whole, minlength=256 * p).reshape(p, 256)
    else:
        table = np.zeros((p, 256), dtype=np.int64)
        for first in range(0, len(codes), ROWS_AT_ONCE):
            at = codes[first : first + ROWS_AT_ONCE] + 256 * np.arange(p)
            table += np.bincount(at.ravel(), minlength=256 * p).reshape(p, 256)
    return [np.flatnonzero(row[:NOT_SEEN]).astype(float) for row in table]


def _plan(occurring: list[FloatArray], kinds: list[str], keeps: bool, answers: Any) -> tuple[Any, Any, Any, Any]:
    """Columns of the model, their categories, why others are not in it, and what was closed up."""
    two = [tuple(v) for v in occurring if len(v) == 2]
    usual = np.array(max(set(two), key=two.count)) if two else np.array([0.0, 1.0])
    columns, categories, flags, notes, gaps = [], [], {}, [], []
    labels = getattr(answers, "col_labels", None)
    for j, values in enumerate(occurring):
        name = shown(labels[j]) if labels is not None else str(j)
        if kinds[j] in ("1pl", "2pl", "3pl") and len(values) > 2 and kinds[j] != "1pl":
            raise ValueError(
                f"column {name} has {len(values)} different answers ({', '.join(f'{v:g}' for v in values[:4])}"
                f"{', ...' if len(values) > 4 else ''}), and kind={kinds[j]!r} is for 2; use kind='grm' or 'gpcm'."
            )
        if len(values) == 0:
            flags[j] = "no answers"
        elif len(values) == 1:
            is_usual = values[0] in usual
            if keeps and is_usual and kinds[j] in ("1pl", "rasch", "2pl", "3pl"):
                columns.append(j)
                categories.append(usual)
            flags[j] = ("all right" if values[0] == usual[1] else "all wrong") if is_usual else "one value"
        else:
            columns.append(j)
            categories.append(values)
            if len(values) > 2 and values[-1] - values[0] + 1 > len(values):
                gaps.append(name)
    if gaps:
        notes.append(f"{len(gaps)} columns have categories that nobody chose, closed up, first {gaps[0]}.")
    return np.array(columns, dtype=np.int64), tuple(categories), flags, notes


def _recoded(codes: Any, columns: IntArray, categories: tuple[FloatArray, ...]) -> Any:
    """Classes 0, 1, ... in place of values; the same array where they are that already."""
    is_plain = len(columns) == codes.shape[1] and all(np.array_equal(c, np.arange(len(c))) for c in categories)
    if is_plain:
        return codes
    out = np.ascontiguousarray(codes[:, columns])
    for j, values in enumerate(categories):
        to = np.full(256, NOT_SEEN, dtype=np.uint8)
        to[values.astype(int)] = np.arange(len(values))
        out[:, j] = to[out[:, j]]
    return out


def _sparse_lines(
    indptr: Any, cols: Any, values: Any, columns: IntArray, categories: tuple[FloatArray, ...], starts: IntArray
) -> Responses:
    p = int(max(int(cols.max(initial=0)), int(columns.max(initial=0)))) + 1
    line = np.full((p, 256), -1, dtype=np.int32)
    for k, j in enumerate(columns):
        line[j, categories[k].astype(int)] = starts[k] + np.arange(len(categories[k]))
    lines = line[cols, np.asarray(values, dtype=np.int64)]
    is_in = lines >= 0
    sizes = np.add.reduceat(np.append(is_in, False), indptr[:-1]) * (np.diff(indptr) > 0)
    pointer = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Responses(None, None, pointer, np.ascontiguousarray(lines[is_in]), int(sizes.max(initial=0)))


def _collapsed(table: AnswerTable) -> AnswerTable:
    """Equal rows of a group joined, where the patterns can be numbered."""
    answers = table.responses.answers
    key = np.zeros(table.n_rows, dtype=np.uint64)
    total = 1 if table.groups is None else int(table.groups.max(initial=0)) + 1
    for k in table.classes.tolist():
        total *= k + 1
    if total >= 2**63:
        return table
    if table.groups is not None:
        key += table.groups.astype(np.uint64)
    for j, k in enumerate(table.classes.tolist()):
        own = answers[:, j].astype(np.uint64)
        key = key * np.uint64(k + 1) + np.where(own == NOT_SEEN, np.uint64(k), own)
    _, first, row_of = np.unique(key, return_index=True, return_inverse=True)
    if 2 * len(first) > table.n_rows:
        return table
    frequency = np.bincount(row_of, table.frequency, len(first)).astype(float)
    return replace(
        table, responses=table.responses._replace(answers=np.ascontiguousarray(answers[first])),
        frequency=frequency, row_of=row_of, groups=None if table.groups is None else table.groups[first],
    )  # fmt: skip


def _counted(table: AnswerTable) -> AnswerTable:
    """With the answers per item and class."""
    starts = np.concatenate([[0], np.cumsum(table.classes)]).astype(np.int64)
    n_lines = int(starts[-1])
    counts, seen = np.zeros(n_lines), np.zeros(n_lines)
    r, f = table.responses, table.frequency
    if r.answers is None:
        rows = np.repeat(np.arange(table.n_rows), np.diff(r.indptr))
        seen += np.bincount(r.lines, minlength=n_lines)
        counts += seen if f is None else np.bincount(r.lines, f[rows], minlength=n_lines)
    else:
        for first in range(0, table.n_rows, ROWS_AT_ONCE):
            part = r.answers[first : first + ROWS_AT_ONCE]
            at = np.where(part == NOT_SEEN, n_lines, part + starts[:-1])
            own = np.bincount(at.ravel(), minlength=n_lines + 1)[:n_lines]
            seen += own
            if f is None:
                counts += own
            else:
                weight = np.repeat(f[first : first + ROWS_AT_ONCE], part.shape[1])
                counts += np.bincount(at.ravel(), weight, minlength=n_lines + 1)[:n_lines]
    split = tuple(counts[a:b] for a, b in pairwise(starts))
    per_item = np.add.reduceat(seen, starts[:-1]) if len(table.classes) else np.zeros(0)
    return replace(table, seen=per_item.astype(np.int64), class_counts=split)


def formulas_of(kinds: list[str], classes: IntArray) -> tuple[str, ...]:
    """The formula behind each item's kind: two classes make every graded or partial-credit item a 2pl."""
    unknown = next((k for k in kinds if k not in rows_kinds.KINDS), None)
    if unknown is not None:
        raise ValueError(f"kind={unknown!r} is not known; known: {', '.join(rows_kinds.KINDS)}.")
    plain = {"1pl": "gpcm", "rasch": "gpcm"}
    return tuple(("3pl" if k == "3pl" else "2pl") if c == 2 else plain.get(k, k)
                 for k, c in zip(kinds, classes.tolist(), strict=True))  # fmt: skip
