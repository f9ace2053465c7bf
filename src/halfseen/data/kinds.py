"""Whether a value that came from a file is what an annotation says."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np


@cache
def hints_of(cls: type) -> dict[str, Any]:
    """The annotations of a class; none where one of them cannot be looked up."""
    try:
        return typing.get_type_hints(cls)
    except (NameError, TypeError, AttributeError):  # names that only type checkers see
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of an annotated kind; annotations that say nothing checkable fit everything.

    Numbers are taken widely (an integer is a float, NumPy's count), arrays by their class, not their dtype.

    Examples
    --------
    >>> fits(3, float), fits("3", float), fits(None, int | None), fits([1], tuple[int, ...])
    (True, False, True, False)
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, member) for member in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str)
    if hint is np.ndarray or origin is np.ndarray:
        return isinstance(value, np.ndarray | np.generic)
    if origin is tuple:
        return _tuple_fits(value, typing.get_args(hint))
    if origin in (list, dict, Mapping, Sequence):
        return isinstance(value, origin)
    if isinstance(hint, type) and is_dataclass(hint):
        return isinstance(value, hint)
    return True


def _tuple_fits(value: Any, parts: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple):
        return False
    if len(parts) == 2 and parts[1] is Ellipsis:
        return all(fits(item, parts[0]) for item in value)
    return not parts or (len(value) == len(parts) and all(map(fits, value, parts)))
