"""Products of small matrices on one thread: the engine's own threads are the parallelism."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


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
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            return function(*args, **kwargs)

    return cast(Function, wrapped)
