"""Modules of a package are reached as attributes, without an import of their own: ``hs.methods.factor``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def submodule(package: str, name: str) -> ModuleType:
    """The module of that name, imported now.

    Parameters
    ----------
    package : str
        Full name of the package.
    name : str

    Raises
    ------
    AttributeError
        If the package has no such module.

    Examples
    --------
    >>> submodule("halfseen.linalg", "nothing")
    Traceback (most recent call last):
    AttributeError: module 'halfseen.linalg' has no attribute 'nothing'
    >>> submodule("halfseen.data", "blocks").__name__
    'halfseen.data.blocks'
    """
    full = f"{package}.{name}"
    if name.startswith("_") or find_spec(full) is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return import_module(full)
