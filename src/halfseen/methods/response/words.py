"""Answers that come as words, and multiple-choice answers with a key, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.data import Observed
from halfseen.data.frames import is_frame
from halfseen.data.long_frames import refuse_long
from halfseen.data.storable import storable
from halfseen.data.words import NOTHING, SCALES, Words
from halfseen.errors import shown


@storable
@dataclass(frozen=True)
class Coding:
    """How answers become numbers.

    Attributes
    ----------
    values : dict from a word (lower case) to its number
    key : dict from a column's name (as text) to its right answer (as text), or None
    """

    values: dict[str, float]
    key: dict[str, str] | None = None

    def number(self, column: str, words: list[Any]) -> FloatArray:
        """Numbers of distinct answers of one column; nan where nothing was answered."""
        if self.key is not None:
            right = self.key[column].strip()
            return np.array([np.nan if _is_nothing(w) else float(_text(w) == right) for w in words])
        out = np.empty(len(words))
        for k, word in enumerate(words):
            text = str(int(word)) if isinstance(word, bool | np.bool_) else _text(word).lower()
            if text in self.values:
                out[k] = self.values[text]
            elif _is_nothing(word):
                out[k] = np.nan
            else:
                try:
                    out[k] = float(text)
                except ValueError:
                    known = ", ".join(map(repr, list(self.values)[:6])) or "none"
                    raise ValueError(
                        f"column {column!r} has the answer {shown(word)}, whose place in the order is not known (words "
                        f"known: {known}); say what numbers words stand for with values={{'no': 0, 'yes': 1}}."
                    ) from None
        return out


def _text(word: Any) -> str:
    if isinstance(word, float | np.floating) and float(word).is_integer():
        return str(int(word))
    return str(word).strip()


def _is_nothing(word: Any) -> bool:
    return word is None or (isinstance(word, float) and word != word) or str(word) in NOTHING


def has_words(R: Any) -> bool:
    """Whether a table holds text: then its answers are words."""
    if isinstance(R, Observed) or not (is_frame(R) or isinstance(R, list | tuple | np.ndarray)):
        return False
    if not is_frame(R):
        kind = np.asarray(R).dtype
        return kind.kind in "US" or (kind.kind == "O" and any(isinstance(v, str) for v in np.asarray(R).ravel()))
    import narwhals as nw

    schema = nw.from_native(R, eager_only=True).schema
    return any(dtype in (nw.String, nw.Categorical, nw.Enum) or dtype == nw.Object for dtype in schema.values())


@dataclass(frozen=True)
class WordTable:
    """Columns of answers as they were given: distinct answers and where each stands."""

    names: Labels
    rows: Labels | None
    distinct: list[list[Any]]
    places: list[Any]
    has_names: bool

    @classmethod
    def of(cls, R: Any, row: str | None = None) -> WordTable:
        """From a wide frame or an array; ``row`` names the column of row labels."""
        if not is_frame(R):
            table = np.asarray(R, dtype=object)
            if table.ndim != 2:
                raise ValueError(f"R has shape {table.shape}; needed: a table, one row per person.")
            columns = {str(j): table[:, j].tolist() for j in range(table.shape[1])}
            return cls._from_columns(columns, None, False)
        import narwhals as nw

        if row is None:
            refuse_long(R, "R")
        frame = nw.from_native(R, eager_only=True)
        columns = {name: frame.get_column(name).to_list() for name in frame.columns}
        if row is not None and row not in columns:
            raise ValueError(f"row={row!r} is no column; columns: {', '.join(list(columns)[:8])}.")
        labels = None if row is None else np.array([str(v) for v in columns.pop(row)])
        index = getattr(R, "index", None)
        if labels is None and index is not None and not callable(index) and index.dtype == object:
            labels = np.array([str(v) for v in index])
        return cls._from_columns(columns, labels, True)

    @classmethod
    def _from_columns(cls, columns: dict[str, list[Any]], rows: Labels | None, has_names: bool) -> WordTable:
        distinct, places = [], []
        for values in columns.values():
            numbers: dict[Any, int] = {}
            # not answered in the same way, however it is written
            at = [numbers.setdefault(None if _is_nothing(v) else v, len(numbers)) for v in values]
            distinct.append(list(numbers))
            places.append(np.array(at, dtype=np.int64))
        return cls(np.array(list(columns)), rows, distinct, places, has_names)

    def words(self) -> set[str]:
        """All answers that are neither numbers nor nothing, in lower case."""
        every = {_text(w).lower() for part in self.distinct for w in part if isinstance(w, str) and not _is_nothing(w)}
        return {word for word in every if not _is_number(word)}

    def numbers(self, coding: Coding) -> Observed:
        """The table as numbers."""
        parts = [
            coding.number(str(name), own)[at]
            for name, own, at in zip(self.names.tolist(), self.distinct, self.places, strict=True)
        ]
        names = self.names if self.has_names else None
        return Observed.from_dense(np.column_stack(parts), row_labels=self.rows, col_labels=names)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def coding_of(table: WordTable, key: Any = None, values: Any = None) -> Coding:
    """How the answers of a table become numbers: by a key, by given values, or by an order that needs no explanation.

    Raises
    ------
    ValueError
        For a key without some columns, and for words whose order is not known.
    """
    if key is not None:
        if not isinstance(key, Mapping):
            raise ValueError(f"key={shown(key)}; needed: a dictionary from columns to right answers, {{'Q1': 'B'}}.")
        right = {str(name): _text(answer) for name, answer in key.items()}
        missing = [name for name in table.names.tolist() if str(name) not in right]
        if missing:
            raise ValueError(f"key has no right answer for {len(missing)} columns, first {shown(missing[0])}.")
        return Coding({}, right)
    if values is not None:
        Words(values)  # says what is wrong with it
        known = {_text(w).lower(): np.nan if v is None else float(v) for w, v in values.items()}
        return Coding(known)
    words = table.words()
    for scale in SCALES:
        if words <= set(scale):
            return Coding({word: float(k) for k, word in enumerate(scale)})
    first = sorted(words)
    raise ValueError(
        f"the answers {', '.join(map(repr, first[:5]))}{', ...' if len(first) > 5 else ''} have no known order; "
        "give key={'Q1': 'B', ...} (right answers) or values={'no': 0, 'yes': 1} (numbers for words) to "
        "halfseen.irt.answers(R, ...)."
    )
