"""Products of small matrices on one thread: the engine's own threads are the parallelism."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])
# The controller of the BLAS libraries, and how many modules were loaded when it looked for them: to look takes as long
# as a small fit.
_known: dict[str, Any] = {"controller": None, "modules": -1}


def blas_controller() -> Any:
    """Of the BLAS libraries that are loaded now; they are looked for again once further modules were imported."""
    from threadpoolctl import ThreadpoolController

    modules = len(sys.modules)
    if _known["controller"] is None or _known["modules"] != modules:
        _known.update(controller=ThreadpoolController(), modules=modules)
    return _known["controller"]


def on_one_blas_thread(function: Function) -> Function:
    """Decorator: BLAS uses one thread while the function runs.

    Thousands of products of small matrices spend their time waiting for BLAS threads otherwise (20 times as long on
    a busy machine), and their bits would depend on the number of cores.

    Examples
    --------
    >>> @on_one_blas_thread
    ... def double(x): return 2 * x
    >>> double(3)
    6
    """

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with blas_controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return cast(Function, wrapped)
