"""Careful hands for what stands in other people's files: any value may have any type."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from halfseen.data.evals.problems import RefusedFileError

# What Inspect writes for correct, incorrect, partially correct and no answer.
LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "pass": 1.0, "fail": 0.0}
ABSENT = {"", "-", "--", "n/a", "na", "nan", "none", "null", "?", "tbd"}
# The pieces of a log that are large and say nothing about the score; dropped while a large file is parsed.
BULKY = frozenset(("messages", "events", "store", "attachments", "output", "transcript", "model_usage"))
SLIM_FROM = 8 << 20
FIRST, SECOND = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
LONE = re.compile(rf"{FIRST}(?!{SECOND})|(?<!{FIRST}){SECOND}")


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return the value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    """Write an identifier as text, the same for 1, 1.0 and "1"; None if it is none (null, NaN, an object, blank).

    Examples
    --------
    >>> text_of(1), text_of(1.0), text_of("1"), text_of("007"), text_of(None), text_of([])
    ('1', '1', '1', '007', None, None)
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value) if -(10**300) < value < 10**300 else None
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def whole(value: Any, default: int = 1) -> int:
    """Return a small whole number (of a run, an epoch), or the default where there is none."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}(\.0*)?\s*", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 < value < 2**31:
        return default
    return int(value)


def score_of(value: Any) -> float | None:
    """Return a score as a number; None where nothing was graded.

    True, "C" and "pass" are 1, "P" is a half, "81 %" is 0.81, NaN, "" and "N/A" are None. The range is checked later,
    over all scores of a kind, for only together they show whether they are per cent.

    Raises
    ------
    RefusedFileError
        If the value is no number: a word, a list, an object.

    Examples
    --------
    >>> [score_of(value) for value in (True, "P", "0.25", "81 %", float("nan"), "N/A")]
    [1.0, 0.5, 0.25, 0.81, None, None]
    """
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        return _finite(value)
    if isinstance(value, str):
        text = value.strip()
        if text in LETTERS:
            return LETTERS[text]
        lowered = text.lower()
        if lowered in ABSENT:
            return None
        if lowered in WORDS:
            return WORDS[lowered]
        percent = text.endswith("%")
        try:
            number = _finite(float(text.rstrip("% ")))
        except ValueError:
            number = None
        if number is not None:
            return number / 100 if percent else number
    shown = repr(value)[:40]
    raise RefusedFileError(f"the score {shown} is no number", "choose a numeric metric with metric='NAME'")


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    # an infinite score is out of any range, and refused there; not a number is not a grade
    return None if math.isnan(number) else number


def looked_up(key: str, *records: Any) -> Any:
    """Return the value of a key, ``a`` or ``a.b``, in the first record that has it; else None."""
    for record in records:
        if isinstance(record, dict) and key in record:
            return record[key]
        value = record
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def decoded(data: bytes | str, what: str) -> str:
    """Return JSON as text; half of a pair of surrogates, legal in JSON and in no other place, is replaced."""
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RefusedFileError(f"{what} is not UTF-8 text", "convert it to UTF-8") from None
    return LONE.sub(r"\\ufffd", data) if "\\ud" in data or "\\uD" in data else data


def parsed(data: bytes | str, what: str = "the file", slim: bool = False) -> Any:
    """Parse JSON, whatever it holds; large parts of no use are dropped on the way if it is large.

    Raises
    ------
    RefusedFileError
        Not UTF-8, not JSON, cut off, nested too deeply, a number of thousands of digits.
    """
    data = decoded(data, what)
    try:
        return json.loads(data, object_pairs_hook=_slim if slim or len(data) > SLIM_FROM else None)
    except RecursionError:
        raise RefusedFileError(f"{what} is nested too deeply to be results", "leave the file out") from None
    except json.JSONDecodeError as error:
        raise RefusedFileError(f"{what} is not JSON, or cut off ({error})", "write or download it again") from None
    except ValueError as error:
        raise RefusedFileError(f"{what} cannot be read as JSON ({str(error)[:80]})", "write it again") from None


def _slim(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in BULKY}


def array_items(data: bytes, what: str) -> Any:
    """Yield the elements of a JSON array one by one, so that only one of them is held at a time."""
    text = decoded(data, what)
    decoder, blank = json.JSONDecoder(), re.compile(r"[ \t\n\r]*")
    place = blank.match(text, 0).end()  # type: ignore[union-attr]
    wrong = RefusedFileError(f"{what} is no JSON array, or cut off", "write or download it again")
    if text[place : place + 1] != "[":
        raise wrong
    place = blank.match(text, place + 1).end()  # type: ignore[union-attr]
    if text[place : place + 1] == "]":
        return
    while True:  # not an iteration: element after element of a text
        try:
            value, place = decoder.raw_decode(text, place)
        except RecursionError:
            raise RefusedFileError(f"{what} is nested too deeply to be results", "leave the file out") from None
        except ValueError:
            raise wrong from None
        yield value
        place = blank.match(text, place).end()  # type: ignore[union-attr]
        mark = text[place : place + 1]
        if mark == "]":
            return
        if mark != ",":
            raise wrong
        place = blank.match(text, place + 1).end()  # type: ignore[union-attr]
