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
    ("low", "medium", "high"), ("low", "high"), ("easy", "medium", "hard"), ("small", "medium", "large"),
    ("never", "seldom", "sometimes", "often", "always"), ("never", "rarely", "occasionally", "frequently", "always"),
    ("very low", "low", "medium", "high", "very high"), ("very low", "low", "moderate", "high", "very high"),
    ("poor", "fair", "good", "very good", "excellent"),
)  # fmt: skip

# How much a word in front strengthens what follows; alone it stands between "moderately" and "very".
STRENGTHS = {
    "slightly": 1.0, "somewhat": 1.5, "rather": 1.75, "moderately": 2.0, "mostly": 2.25, "fairly": 2.25, "": 2.5,
    "very": 3.0, "strongly": 3.0, "highly": 3.0, "extremely": 4.0, "completely": 4.0, "totally": 4.0, "fully": 4.0,
}  # fmt: skip
OPPOSITES = (
    ("disagree", "agree"), ("inaccurate", "accurate"), ("dissatisfied", "satisfied"), ("unlikely", "likely"),
    ("unimportant", "important"), ("bad", "good"), ("unhappy", "happy"), ("unfavorable", "favorable"),
    ("untrue", "true"), ("negative", "positive"), ("oppose", "support"),
)  # fmt: skip
MIDDLE = ("neutral", "undecided", "neither", "unsure", "uncertain")


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


def in_order(words: list[Any]) -> list[Any] | None:
    """Words in the order that they are known to have (no before yes, wrong before right), None if it is not known.

    >>> in_order(["Right", "wrong"]), in_order(["blue", "amber"])
    (['wrong', 'Right'], None)
    >>> in_order(["agree", "slightly agree", "strongly disagree", "neutral"])
    ['strongly disagree', 'neutral', 'slightly agree', 'agree']
    """
    texts = [str(word).strip().lower().replace("_", " ") for word in words]
    for scale in SCALES:
        if set(texts) <= set(scale):
            return [word for _, word in sorted(zip(map(scale.index, texts), words, strict=True), key=lambda p: p[0])]
    for low, high in OPPOSITES:
        places = [_between(text, low, high) for text in texts]
        known = [place for place in places if place is not None]
        if len(known) == len(set(places)) == len(texts) > 1 and any(known):
            return [word for _, word in sorted(zip(known, words, strict=True), key=lambda pair: pair[0])]
    return None


def _between(text: str, low: str, high: str) -> float | None:
    """Where a word stands between two opposites, below 0 for the first; None if it is neither's."""
    if text.split(" ")[0] in MIDDLE:
        return 0.0
    front, _, last = text.rpartition(" ")
    if last not in (low, high) or front not in STRENGTHS:
        return None
    return STRENGTHS[front] if last == high else -STRENGTHS[front]


def suggested(words: list[Any], most: int = 6) -> str:
    """How a user may write the meaning of a few words, in their order where that is known.

    >>> suggested(["yes", "no"])
    "values={'no': 0, 'yes': 1}"
    >>> suggested(["blue", "amber"])
    "values={'blue': ?, 'amber': ?} (each ? a number; their order is yours to give)"
    """
    known = in_order(words)
    codes = [f"{shown(word)}: {'?' if known is None else code}" for code, word in enumerate(known or words)]
    text = f"values={{{', '.join(codes[:most])}{', ...' if len(words) > most else ''}}}"
    return text if known is not None else f"{text} (each ? a number; their order is yours to give)"
