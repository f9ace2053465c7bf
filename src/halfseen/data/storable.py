"""Classes that a saved model may contain, by name; nothing else is ever rebuilt from a file."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

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


def find_class(name: str) -> Any:
    """Return the registered or public class of a name, or None."""
    if not isinstance(name, str):
        return None
    if name in REGISTRY:
        return REGISTRY[name]
    halfseen = import_module("halfseen")
    if name in halfseen.__all__:
        named = getattr(halfseen, name)
    else:
        public = (getattr(halfseen, word) for word in halfseen.__all__)
        modules = (part for part in public if isinstance(part, ModuleType) and name in getattr(part, "__all__", ()))
        named = next((getattr(module, name) for module in modules), None)
    # What is public and no estimator (a table, say) is not rebuilt from its attributes.
    return named if isinstance(named, type) and named.__dictoffset__ else None
