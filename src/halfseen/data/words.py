"""Values that come as words: the numbers they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from halfseen.errors import close_matches, shown

# How files write that there is no value; a mapping may give any of these a meaning of its own.
NOTHING = frozenset(("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "<NA>"))

# Orders of words that need no explanation; the first that has all words of a table is taken.
SCALES = (
    ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("wrong", "right"), ("incorrect", "correct"),
    ("fail", "pass"), ("failed", "passed"), ("no", "perhaps", "yes"), ("no", "maybe", "yes"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("strongly disagree", "disagree", "neither agree nor disagree", "agree", "strongly agree"),
    ("not at all", "a little", "moderately", "quite a bit", "extremely"), ("none", "mild", "moderate", "severe"),
    ("low", "medium", "high"), ("poor", "fair", "good", "very good", "excellent"),
)  # fmt: skip


class Words:
    """What words mean as numbers.

    Parameters
    ----------
    values : mapping
        From words (or numbers, or truth values) to numbers; None or NaN: not observed. Numbers that are not in the
        mapping stay as they are.

    Raises
    ------
    ValueError
        If it is no mapping, is empty, or maps to something that is no finite number.

    Examples
    --------
    >>> words = Words({"no": 0, "perhaps": 1, "yes": 2, "refused": None})
    >>> words.number("perhaps"), words.number("refused"), words.number("3")
    (1.0, nan, 3.0)
    """

    def __init__(self, values: Mapping[Any, Any]) -> None:
        if not isinstance(values, Mapping) or not values:
            raise ValueError(f"values must map words to numbers, such as {{'no': 0, 'yes': 1}}; got {shown(values)}")
        self._table: dict[Any, float] = {}
        for word, meaning in values.items():
            number = np.nan if meaning is None else meaning
            if not isinstance(number, Real) or np.isinf(float(number)):
                raise ValueError(f"values[{word!r}] = {shown(meaning)} must be a finite number, or None (not observed)")
            self._table[word] = float(number)
            self._table.setdefault(str(word), float(number))
        self._names = list(values)

    def number(self, item: Any) -> float | None:
        """The number of one value; NaN where it was not observed, None where it has no meaning."""
        if item is None:
            return np.nan
        for key in (item, str(item)):
            try:
                if key in self._table:
                    return self._table[key]
            except TypeError:  # a list or dictionary is no word
                return None
        if str(item) in NOTHING:
            return np.nan
        try:
            return float(item)
        except (TypeError, ValueError):
            return None

    def numbers(self, items: list[Any], column: str) -> np.ndarray:
        """The numbers of distinct values.

        Raises
        ------
        ValueError
            For a word that the mapping does not have.
        """
        numbers = np.empty(len(items))
        for position, item in enumerate(items):
            number = self.number(item)
            if number is None:
                raise ValueError(
                    f"column {column!r} holds {shown(item)}, which values= does not have; "
                    f"{close_matches(item, self._names)}. Say what number it stands for, or map it to None"
                )
            numbers[position] = number
        return numbers

    def of_arrow(self, column: Any, name: str) -> Any:
        """A pyarrow column as float64, null where nothing was observed."""
        import pyarrow as pa

        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        numbers = self.numbers(coded.dictionary.to_pylist(), name)
        if not len(numbers):
            return pa.nulls(len(column), pa.float64())
        codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        taken = numbers[codes]
        if coded.indices.null_count:
            taken[coded.indices.is_null().to_numpy(zero_copy_only=False)] = np.nan
        return pa.array(taken, from_pandas=True)

    def of_list(self, items: list[Any], name: str) -> np.ndarray:
        """A column of any values as float64, NaN where nothing was observed."""
        try:
            distinct = dict.fromkeys(items)
        except TypeError:
            odd = next(item for item in items if isinstance(item, list | dict | set))
            raise ValueError(f"column {name!r} holds {shown(odd)}; values must be words or numbers") from None
        table = dict(zip(distinct, self.numbers(list(distinct), name), strict=True))
        return np.array([table[item] for item in items])


def words_of(values: Any) -> Words | None:
    """The meaning of words that a user gave, if any."""
    return values if values is None or isinstance(values, Words) else Words(values)


def in_order(words: list[Any]) -> list[Any]:
    """Words in the order that they are known to have (no before yes, wrong before right), else as they come.

    >>> in_order(["Right", "wrong"]), in_order(["blue", "amber"])
    (['wrong', 'Right'], ['blue', 'amber'])
    """
    texts = [str(word).strip().lower() for word in words]
    for scale in SCALES:
        if set(texts) <= set(scale):
            return [word for _, word in sorted(zip(map(scale.index, texts), words, strict=True), key=lambda p: p[0])]
    return list(words)


def suggested(words: list[Any], most: int = 6) -> str:
    """How a user may write the meaning of a few words, in their order where that is known.

    >>> suggested(["yes", "no"])
    "values={'no': 0, 'yes': 1}"
    """
    words = in_order(words)
    codes = ", ".join(f"{shown(word)}: {code}" for code, word in enumerate(words[:most]))
    return f"values={{{codes}{', ...' if len(words) > most else ''}}}"
