"""Which implementation of the kernels runs: the compiled module, or its NumPy twin."""

from __future__ import annotations

import os
import warnings
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

ISA_NAMES = ("v4", "v3", "v2", "portable")


@cache
def backend() -> Any:
    """Return the module (or name space) whose functions the wrappers call.

    Environment: ``HALFSEEN_KERNELS`` = ``native`` or ``reference`` forces the choice; ``HALFSEEN_ISA`` = ``v4``,
    ``v3``, ``v2`` or ``portable`` forces the instruction set of the compiled kernels.
    """
    wanted = os.environ.get("HALFSEEN_KERNELS", "")
    if wanted not in ("", "native", "reference"):
        raise ValueError(f"HALFSEEN_KERNELS={wanted!r}; known: 'native', 'reference'")
    if wanted == "reference":
        return _reference()
    try:
        return native(os.environ.get("HALFSEEN_ISA", ""))
    except ImportError as error:
        if wanted == "native":
            raise
        warnings.warn(
            f"halfseen runs without its compiled kernels ({error}): same results, 10 to 50 times slower. "
            "With a C++17 compiler on the path: pip install --force-reinstall --no-cache-dir --no-deps halfseen "
            "(else pip takes the wheel it built before). HALFSEEN_KERNELS=reference accepts this in silence.",
            RuntimeWarning,
            stacklevel=4,
        )
        return _reference()


def native(isa: str = "") -> ModuleType:
    """Import the compiled module and choose its instruction set (empty: the best this processor has)."""
    from halfseen.kernels import _native  # type: ignore[attr-defined]

    _native.use_isa(isa)
    return _native


def backend_name() -> str:
    """``"reference"`` or ``"native (v4)"`` and the like.

    Examples
    --------
    >>> from halfseen.kernels import backend_name
    >>> backend_name().split()[0] in ("native", "reference")
    True
    """
    chosen = backend()
    return f"native ({chosen.current_isa()})" if hasattr(chosen, "current_isa") else "reference"


def _reference() -> SimpleNamespace:
    from halfseen.kernels import reference, reference_coupling, reference_draws, reference_newton

    names = ("loss_and_gradient", "hessian_vector", "at", "to_rows", "to_cols", "quadratic", "information")
    functions = {name: getattr(reference, name) for name in names}
    kept = ("curvatures", "coupled_columns", "coupled_rows")
    functions |= {name: getattr(reference_coupling, name) for name in kept}
    draws = {name: getattr(reference_draws, name) for name in ("row_draws", "effect_draws", "shift_draws")}
    return SimpleNamespace(**functions, **draws, row_newton=reference_newton.row_newton)
