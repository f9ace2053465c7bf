"""Classes that a saved model may contain, by name; nothing else is ever rebuilt from a file."""

from __future__ import annotations

from typing import TypeVar

Class = TypeVar("Class", bound=type)

REGISTRY: dict[str, type] = {}


def storable(cls: Class) -> Class:
    """Register a frozen dataclass (or an estimator that is no public name) for `halfseen.save` and `halfseen.load`.

    Parameters
    ----------
    cls : type
        Its fields (for an estimator: its attributes) must hold numbers, text, arrays, tables, and lists, tuples,
        dictionaries and registered dataclasses of these.

    Returns
    -------
    type
        The class itself: use as a decorator.

    Raises
    ------
    ValueError
        If another class of that name is registered.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @storable
    ... @dataclass(frozen=True)
    ... class ExampleOptions:
    ...     ridge: float
    >>> REGISTRY["ExampleOptions"] is ExampleOptions
    True
    >>> _ = REGISTRY.pop("ExampleOptions")
    """
    known = REGISTRY.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(
            f"a class {cls.__name__!r} is registered already, from {known.__module__}; choose another name"
        )
    REGISTRY[cls.__name__] = cls
    return cls
