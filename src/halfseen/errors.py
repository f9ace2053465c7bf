"""How errors speak: what was given, what is needed, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class UnknownLabelError(ValueError):
    """A row, column, array or file column was asked for by a name that is not there."""


def shown(value: Any, limit: int = 60) -> str:
    """Write a value the way a user typed it: NumPy scalars as plain Python, long text cut."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        value = item()
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def close_matches(given: Any, known: Iterable[Any], count: int = 3) -> str:
    """Say which known names look like the given one, or else what names there are.

    Parameters
    ----------
    given : object
        The name that was not found.
    known : iterable
        The names that exist; only the first 100 000 are compared.

    Returns
    -------
    str
        A clause such as ``close: 'rating', 'ratings'`` or ``there are 'a', 'b', ...``.

    Examples
    --------
    >>> close_matches("ratng", ["user", "item", "rating"])
    "close: 'rating'"
    >>> close_matches("xyz", ["user", "item"])
    "there are 'user', 'item'"
    """
    names = [name for name, _ in zip(known, range(100_000), strict=False)]
    by_text = {str(name): name for name in names}
    alike = get_close_matches(str(given), list(by_text), n=count, cutoff=0.6)
    if alike:
        return "close: " + ", ".join(shown(by_text[name]) for name in alike)
    if not names:
        return "there are none"
    more = ", ..." if len(names) > 6 else ""
    return "there are " + ", ".join(shown(name) for name in names[:6]) + more
