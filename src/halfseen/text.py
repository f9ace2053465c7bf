"""Numbers as people read them, for the terminal and for pages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable


def with_article(name: str) -> str:
    """A name with its article.

    >>> with_article("AlternatingLeastSquares"), with_article("BiasModel")
    ('an AlternatingLeastSquares', 'a BiasModel')
    """
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def figures(values: Iterable[float], digits: int = 3) -> list[str]:
    """Numbers of one column, all with the same number of decimals: ``digits`` significant ones for the smallest.

    >>> figures([1.23456, 12.3456])
    ['1.23', '12.35']
    >>> figures([0.0123, float("nan")])
    ['0.0123', '-']
    """
    values = list(values)
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    decimals = max(0, digits - 1 - math.floor(math.log10(min(sizes)))) if sizes else digits
    decimals = min(decimals, digits + 3)
    return [f"{value:,.{decimals}f}".replace(",", " ") if math.isfinite(value) else "-" for value in values]


def typical_figures(values: Iterable[float], scale: Iterable[float] | None = None, digits: int = 3) -> list[str]:
    """Numbers of one long column: ``digits`` significant ones for the middle of them (or of ``scale``).

    >>> typical_figures([0.00012, 1.2345, 23.4567])
    ['0.00', '1.23', '23.46']
    >>> typical_figures([0.51234, 0.61234], scale=[0.01], digits=2)
    ['0.512', '0.612']
    >>> typical_figures([0.5434, 0.4702], scale=[0.0, 0.0], digits=2)
    ['0.54', '0.47']
    """
    values, scale = list(values), None if scale is None else list(scale)
    sizes = sorted(abs(size) for size in scale or () if math.isfinite(size) and size)
    sizes = sizes or sorted(abs(size) for size in values if math.isfinite(size) and size)
    middle = sizes[len(sizes) // 2] if sizes else 1.0
    decimals = min(max(0, digits - 1 - math.floor(math.log10(middle))), digits + 3)
    return [f"{value:,.{decimals}f}".replace(",", " ") if math.isfinite(value) else "-" for value in values]


def count(number: int) -> str:
    """A whole number with thin groups: ``1 234 567``."""
    return f"{number:,}".replace(",", " ")


def share(part: float) -> str:
    """A share as per cent with sensible digits.

    >>> share(0.4), share(0.0634), share(0.00021)
    ('40 %', '6.3 %', '0.021 %')
    """
    percent = 100 * part
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


# What would move the cursor, turn the direction of the text, or hide.
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""The text with its control and direction characters written out; everything else as it is.

    >>> visible("qwen\x1b[1m"), visible("a\u202eb"), visible("日本 [/INST]")
    ('qwen\\x1b[1m', 'a\\u202eb', '日本 [/INST]')
    """
    return _UNSEEN.sub(lambda hit: hit[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def cell_text(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would run as a formula gets an apostrophe in front.

    >>> cell_text("=1+1"), cell_text("-7"), cell_text("@me"), cell_text(-7), cell_text("a=b")
    ("'=1+1", '-7', "'@me", -7, 'a=b')
    """
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:  # a number is no formula
        float(value)
    except ValueError:
        return f"'{value}"
    return value
