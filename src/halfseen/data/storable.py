"""Classes that a saved model may contain, by name; nothing else is ever rebuilt from a file."""

from __future__ import annotations

from typing import TypeVar

Class = TypeVar("Class", bound=type)

REGISTRY: dict[str, type] = {}


def storable(cls: Class) -> Class:
    """Register a frozen dataclass so that :func:`halfseen.save` and :func:`halfseen.load` know it."""
    REGISTRY[cls.__name__] = cls
    return cls
